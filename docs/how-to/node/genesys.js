// The Platform API of Genesys Cloud, with a token from gc-credhelper.
import { spawn } from "node:child_process";

const API = process.env.GC_CREDHELPER_API_URL ?? "https://api.mypurecloud.com";
const TIMEOUT = 30_000;

let token; // { access_token, expires_at_epoch, … }, in memory only
let turn = Promise.resolve(); // one run of the helper at a time: whoever waits finds what the one before it got

/** What gc-credhelper prints. What it has to say to people goes to our standard error. */
function helper(words, input = "") {
  return new Promise((resolve, reject) => {
    const child = spawn("gc-credhelper", words, { stdio: ["pipe", "pipe", "inherit"] });
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (part) => (output += part));
    child.stdin.on("error", () => {}); // it may end without reading
    child.on("error", reject);
    child.on("close", (status) =>
      status === 0 ? resolve(output) : reject(new Error(`gc-credhelper ${words[0]} ended with status ${status}`)),
    );
    child.stdin.end(input);
  });
}

/** A token that is valid now. `refused`: the one that the API just answered with 401. */
function bearer(refused) {
  turn = turn.catch(() => {}).then(async () => {
    if (refused && token?.access_token === refused) {
      token = undefined;
      await helper(["reject"], `${refused}\n`); // on standard input: arguments can be seen by others
    }
    if (!token || Date.now() >= token.expires_at_epoch * 1000) {
      token = JSON.parse(await helper(["token", "-o", "json"]));
    }
    return token.access_token;
  });
  return turn;
}

function send(value, path, init) {
  const headers = { ...init.headers, Authorization: `Bearer ${value}` };
  return fetch(API + path, { redirect: "error", signal: AbortSignal.timeout(TIMEOUT), ...init, headers });
}

/** The answer to a request, as of fetch; after a 401 it is asked once more, with another token. */
export async function api(path, init = {}) {
  const value = await bearer();
  const answer = await send(value, path, init);
  if (answer.status !== 401) return answer;
  await answer.body?.cancel();
  return send(await bearer(value), path, init);
}
