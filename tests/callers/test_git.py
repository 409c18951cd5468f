"""git, with the configuration of our page, against a server on loopback that wants our token as the password."""

import base64
from collections.abc import Iterator

import clients
import pytest
from support import Machine, Run, client
from support.entries import get
from support.scripted import ScriptedServer, http, token

from callers.gateway import Gateway, run
from callers.shown import block

CANARIES = ("tok-canary-one-Zr6", "tok-canary-two-Hw3")
HEAD = "8d2f1c0000000000000000000000000000000001"
OTHERS = '[credential]\n\thelper = "!f() { echo username=other; echo password=pw; }; f"\n'
PAGE = "git-credential-helper.md"


def basic(value: str) -> str:
    return "Basic " + base64.b64encode(f"oauth2:{value}".encode()).decode()


class Account:
    """An account whose git is configured as the page says, for the host of the gateway."""

    def __init__(self, machine: Machine, server: ScriptedServer, gateway: Gateway) -> None:
        self.machine, self.server, self.gateway = machine, server, gateway
        self.git = clients.need("git")
        self.write(block(PAGE, "ini").replace("https://git.example.com", gateway.url))
        profile = block(PAGE, "toml").replace('"git.example.com"', f'"{gateway.host}"')
        assert gateway.host in profile
        machine.write_config(profile)

    def write(self, text: str) -> None:
        (self.machine.home / ".gitconfig").write_text(text)

    def __call__(self, *argv: str, stdin: str | None = None) -> Run:
        env = self.machine.environ(client(self.server))
        return run(self.git, *argv, env=env, cwd=self.machine.home, stdin=stdin)

    def ls_remote(self) -> Run:
        return self("ls-remote", f"{self.gateway.url}/repository.git")

    def credential(self, operation: str, **more: str) -> Run:
        words = {"protocol": "http", "host": self.gateway.host, **more}
        return self("credential", operation, stdin="".join(f"{k}={v}\n" for k, v in words.items()) + "\n")


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    refs = {"/repository.git/info/refs": f"{HEAD}\trefs/heads/main\n"}
    with Gateway(refs.get, {basic(one) for one in CANARIES}, challenge='Basic realm="here"') as server:
        yield server


@pytest.fixture
def git(machine: Machine, scripted: ScriptedServer, gateway: Gateway) -> Account:
    scripted.answers = [token(one) for one in CANARIES]
    return Account(machine, scripted, gateway)


def silent(done: Run) -> None:
    assert (done.code, done.err) == (0, "")


def test_git_takes_the_token_as_a_password(git: Account) -> None:
    done = git.ls_remote()
    silent(done)
    assert done.out == f"{HEAD}\trefs/heads/main\n"
    silent(git.ls_remote())
    assert git.gateway.headers == {basic(CANARIES[0])}
    assert len(git.server.requests) == 1


def test_a_token_that_the_server_refuses_is_rejected(git: Account) -> None:
    silent(git.ls_remote())
    git.gateway.good.discard(basic(CANARIES[0]))
    failed = git.ls_remote()
    assert (failed.code, "Authentication failed" in failed.err) == (128, True)
    assert "gc-credhelper" not in failed.err
    assert not any(one in failed.out + failed.err for one in CANARIES)
    silent(git.ls_remote())
    assert git.gateway.seen[-1][1] == basic(CANARIES[1])
    assert len(git.server.requests) == 2


def test_a_password_of_someone_else_forgets_nothing(git: Account) -> None:
    silent(git.credential("fill"))
    silent(git.credential("reject", username="oauth2", password="another-password"))
    assert get(git.machine.cache, git.server).value == CANARIES[0]
    assert not [*git.machine.cache.glob("*.rejected")]  # not even the digest of what may be a person's password
    silent(git.credential("reject", username="oauth2", password=CANARIES[0]))
    assert not [*git.machine.cache.glob("*.token")]


def test_what_git_would_store_is_not_stored_anew(git: Account) -> None:
    silent(git.credential("fill"))
    silent(git.credential("approve", username="oauth2", password="another-password"))
    assert get(git.machine.cache, git.server).value == CANARIES[0]


def test_git_never_asks_a_person_when_no_token_can_be_had(git: Account) -> None:
    git.server.answers = [http(401, {"error": "invalid_client"})]
    for _ in range(2):
        done = git.ls_remote()
        assert done.code == 128
        assert done.error
        assert done.hint
        assert "told us to quit" in done.err
        assert "could not read" not in done.err
        assert git.server.client_secret not in done.err
    assert len(git.server.requests) == 1


def test_hosts_of_others_are_left_to_the_next_helper(git: Account) -> None:
    git.write("[credential]\n\thelper = gc --profile ci\n" + OTHERS)
    done = git.credential("fill", protocol="https", host="github.com")
    silent(done)
    assert "password=pw\n" in done.out
    assert git.server.requests == []


@pytest.mark.parametrize("options", ["--profile nowhere", "--no-such-option"])
def test_hosts_of_others_do_not_suffer_from_a_mistake_in_our_configuration(git: Account, options: str) -> None:
    git.write(f"[credential]\n\thelper = gc {options}\n" + OTHERS)
    done = git.credential("fill", protocol="https", host="github.com")
    assert (done.code, "password=pw\n" in done.out) == (0, True)
    assert done.error
    ours = git.credential("fill", protocol="https", host="api.mypurecloud.ie")
    assert (ours.code, ours.out) == (128, "")
    assert "told us to quit" in ours.err
