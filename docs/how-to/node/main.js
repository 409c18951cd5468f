import { api } from "./genesys.js";

let count = 0;
let path = "/api/v2/users?pageSize=20";
while (path) {
  const answer = await api(path);
  if (!answer.ok) throw new Error(`the API answered ${answer.status}`);
  const page = await answer.json();
  count += page.entities.length;
  path = page.nextUri;
}
console.log(`${count} users`);
