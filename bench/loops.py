"""The loops that users write: all users of an organisation as JSON lines, a page after the other.

`python bench/loops.py sdk|requests|session SIZE FILE` of an environment that has what the loop needs. `sdk` is Genesys'
own SDK as its documentation uses it, `requests` the loop of tutorials, and `session` the same with a kept connection.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

API = os.environ["GC_CREDHELPER_API_URL"]
TOKEN_URL = os.environ["GC_CREDHELPER_TOKEN_URL"]
CLIENT = os.environ["GENESYS_CLOUD_CLIENT_ID"], os.environ["GENESYS_CLOUD_CLIENT_SECRET"]


def official(size: int) -> Iterator[str]:
    import PureCloudPlatformClientV2 as sdk  # type: ignore[import-not-found]  # noqa: N813  # lives elsewhere

    sdk.configuration.host = API
    users = sdk.UsersApi(sdk.api_client.ApiClient().get_client_credentials_token(*CLIENT))
    number = count = 1
    while number <= count:
        listing = users.get_users(page_size=size, page_number=number)
        for user in listing.entities:
            yield user.to_json()
        number, count = number + 1, listing.page_count


def requests(size: int) -> Iterator[str]:
    import requests

    return by_get(requests, size)


def session(size: int) -> Iterator[str]:
    import requests

    return by_get(requests.Session(), size)


def by_get(http: Any, size: int) -> Iterator[str]:
    answer = http.post(TOKEN_URL, data={"grant_type": "client_credentials"}, auth=CLIENT)
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    number = count = 1
    while number <= count:
        answer = http.get(f"{API}/api/v2/users", headers=headers, params={"pageSize": size, "pageNumber": number})
        answer.raise_for_status()
        listing = answer.json()
        for user in listing["entities"]:
            yield json.dumps(user)
        number, count = number + 1, listing["pageCount"]


LOOPS: dict[str, Callable[[int], Iterator[str]]] = {"sdk": official, "requests": requests, "session": session}

if __name__ == "__main__":
    loop, size, path = sys.argv[1:]
    with open(path, "w", encoding="utf-8") as out:  # noqa: PTH123  # what they import is timed
        out.writelines(line + "\n" for line in LOOPS[loop](int(size)))
