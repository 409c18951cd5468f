"""GenesysAuth, the same for requests and for httpx: the token in each request, and one more try after a 401."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from support import Machine, entries
from support.scripted import Request, ScriptedServer, http

from gc_credhelper import GenesysAuth, InvalidClient, UsageError, httpx_auth
from gc_credhelper.sandbox.options import Options
from gc_credhelper.sandbox.server import SandboxThread
from gc_credhelper.source import TokenSource

from .conftest import Source
from .kit import CONVERSATIONS, QUERY, Answer, Send, parts

Sender = Callable[[TokenSource], Send]
USERS, ME = "/api/v2/users", "/api/v2/tokens/me"


def counts(sandbox: SandboxThread) -> tuple[int, int]:
    """Token requests and requests of the API."""
    stats = sandbox.stats()
    return stats["token_requests"], stats["api_requests"]


def test_every_request_has_the_cached_token(sandbox: SandboxThread, source_of: Source, sender: Sender) -> None:
    send = sender(source_of(sandbox))
    assert [send(USERS), send(ME)] == [Answer(200)] * 2
    assert counts(sandbox) == (1, 2)


def test_the_token_is_the_one_that_the_command_left(
    machine: Machine, scripted: ScriptedServer, sandbox: SandboxThread, source_of: Source, sender: Sender
) -> None:
    entries.put(machine.cache, sandbox, "left-by-the-command")
    scripted.answers = [http(200, "")]
    send = sender(source_of(sandbox, api_url=f"http://127.0.0.1:{scripted.port}"))
    assert send(USERS) == Answer(200)
    assert [one.headers["authorization"] for one in scripted.requests] == ["Bearer left-by-the-command"]
    assert counts(sandbox) == (0, 0)


def test_a_refused_token_is_rejected_and_the_request_sent_once_more(
    machine: Machine, refused: SandboxThread, source_of: Source, sender: Sender
) -> None:
    source = source_of(refused)
    dead = source.token().value
    send = sender(source)
    assert send(CONVERSATIONS, method="POST", json=QUERY) == Answer(200, (401,))
    assert counts(refused) == (2, 2)
    assert entries.get(machine.cache, refused).value != dead
    assert send(USERS) == Answer(200)
    assert counts(refused) == (2, 3)


def test_the_second_request_is_the_first_but_for_its_token(
    scripted: ScriptedServer, sandbox: SandboxThread, source_of: Source, sender: Sender
) -> None:
    scripted.answers = [http(401, "dead"), http(200, "")]
    send = sender(source_of(sandbox, api_url=f"http://127.0.0.1:{scripted.port}"))
    assert send("/api/v2/queues?pageSize=1", method="POST", json={"name": "Überall"}) == Answer(200, (401,))
    one, two = scripted.requests

    def without_token(request: Request) -> tuple[str, bytes, dict[str, str]]:
        return request.line, request.body, {n: v for n, v in request.headers.items() if n != "authorization"}

    assert without_token(one) == without_token(two)
    assert one.headers["authorization"] != two.headers["authorization"]


def test_a_second_401_is_the_answer_and_nothing_is_repeated_within_a_minute(
    source_of: Source, sender: Sender, caplog: pytest.LogCaptureFixture
) -> None:
    with SandboxThread(Options(fail=["idle-death"])) as sandbox:
        send = sender(source_of(sandbox))
        assert send(USERS) == Answer(401, (401,))
        assert counts(sandbox) == (2, 2)
        assert [send(USERS), send(USERS)] == [Answer(401)] * 2
        assert counts(sandbox) == (2, 4)
    assert "rejected less than a minute ago" in caplog.text


@pytest.mark.parametrize("kind", ["generator", "file"])
def test_a_stream_is_not_sent_twice_but_the_token_is_replaced(
    refused: SandboxThread, source_of: Source, sender: Sender, tmp_path: Path, kind: str
) -> None:
    send = sender(source_of(refused))
    path = tmp_path / "query.json"
    path.write_bytes(b"".join(parts()))
    with path.open("rb") as file:
        assert send(CONVERSATIONS, method="POST", stream=file if kind == "file" else parts()) == Answer(401)
    assert counts(refused) == (2, 1)
    assert send(CONVERSATIONS, method="POST", stream=parts()).status != 401


def test_a_host_that_is_not_of_the_region_gets_no_request(
    scripted: ScriptedServer, sandbox: SandboxThread, source_of: Source, sender: Sender
) -> None:
    elsewhere = f"127.0.0.1:{scripted.port}"
    send = sender(source_of(sandbox))
    for url in (f"http://{elsewhere}/", "https://api.mypurecloud.ie/api/v2/users", "http://api.mypurecloud.com/"):
        with pytest.raises(UsageError, match="not one of this region's") as caught:
            send(url)
        assert "helper_hosts" in caught.value.hint
    assert (scripted.requests, counts(sandbox)) == ([], (0, 0))
    scripted.answers = [http(200, "")]
    assert sender(source_of(sandbox, helper_hosts=elsewhere))(f"http://{elsewhere}/") == Answer(200)
    assert scripted.requests[0].headers["authorization"].startswith("Bearer ")


def test_a_redirect_to_another_host_neither_carries_the_token_nor_rejects_it(
    machine: Machine, scripted: ScriptedServer, sandbox: SandboxThread, source_of: Source, sender: Sender
) -> None:
    scripted.answers = [http(401, "who are you")]
    with ScriptedServer(http(302, "", Location=f"http://localhost:{scripted.port}/")) as first:
        source = source_of(sandbox, api_url=f"http://127.0.0.1:{first.port}")
        assert sender(source)("/api/v2/downloads/1") == Answer(401, (302,))
        assert "authorization" in first.requests[0].headers
    assert ["authorization" in one.headers for one in scripted.requests] == [False]
    assert counts(sandbox) == (1, 0)
    assert entries.get(machine.cache, sandbox).value == source.token().value


def test_behind_a_redirect_within_the_host_only_the_last_request_is_sent_again(
    scripted: ScriptedServer, sandbox: SandboxThread, source_of: Source, sender: Sender
) -> None:
    scripted.answers = [http(303, "", Location="/there"), http(401, ""), http(200, "")]
    send = sender(source_of(sandbox, api_url=f"http://127.0.0.1:{scripted.port}"))
    assert send("/here", method="POST", json={}).status == 200
    assert [one.line.split(" ")[:2] for one in scripted.requests] == [
        ["POST", "/here"],
        ["GET", "/there"],
        ["GET", "/there"],
    ]


def test_a_token_that_cannot_be_replaced_is_an_error(
    scripted: ScriptedServer, refused: SandboxThread, source_of: Source, sender: Sender
) -> None:
    source = source_of(refused, token_url=scripted.token_url)
    scripted.answers = [scripted.answers[0], http(401, {"error": "invalid_client"})]
    send = sender(source_of(refused, token_url=scripted.token_url, api_url=refused.api_url))
    assert source.token().value == "tok-1"
    with pytest.raises(InvalidClient, match="wrong secret, or wrong region"):
        send(USERS)
    assert counts(refused) == (0, 1)


def test_without_a_cache_the_token_is_kept_where_it_is_used(
    refused: SandboxThread, source_of: Source, sender: Sender
) -> None:
    send = sender(source_of(refused, cache="none"))
    assert [send(USERS) for _ in range(4)] == [Answer(200, (401,)), *[Answer(200)] * 3]
    assert counts(refused) == (2, 5)


def test_where_no_cache_can_be_written_the_token_is_kept_in_the_process(
    refused: SandboxThread, source_of: Source, sender: Sender, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    send = sender(source_of(refused, cache_dir=str(tmp_path / "file")))
    assert [send(USERS) for _ in range(4)] == [Answer(200, (401,)), *[Answer(200)] * 3]
    assert counts(refused) == (2, 5)


def test_there_a_second_401_is_the_answer_for_a_minute_too(source_of: Source, sender: Sender, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with SandboxThread(Options(fail=["idle-death"])) as sandbox:
        send = sender(source_of(sandbox, cache_dir=str(tmp_path / "file")))
        assert [send(USERS) for _ in range(3)] == [Answer(401, (401,)), Answer(401), Answer(401)]
        assert counts(sandbox) == (2, 4)


def test_without_an_api_url_nothing_is_guessed(sandbox: SandboxThread, source_of: Source) -> None:
    source = source_of(sandbox, token_url="https://login.example.com/oauth/token")
    with pytest.raises(UsageError, match="not known") as caught:
        _ = source.api_url
    assert caught.value.hint == "set api_url"
    assert not source.is_for("https://api.example.com/")
    assert source.is_for("https://login.example.com/")


def test_neither_the_token_nor_the_secret_is_shown(
    refused: SandboxThread, source_of: Source, sender: Sender, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    source = source_of(refused)
    dead = source.token().value
    sender(source)(USERS)
    shown = caplog.text + repr((source, GenesysAuth(source), httpx_auth.GenesysAuth(source)))
    assert "gc_credhelper" in shown
    for secret in (dead, source.token().value, refused.client_secret):
        assert secret not in shown
