"""The provider `env`: families, _FILE twins, half pairs, and what CI systems do to values."""

import base64
from pathlib import Path

import pytest
from support import Machine, client
from support.scripted import ScriptedServer

from gc_credhelper.app import App, environment
from gc_credhelper.credentials import ClientCredentials, Secret
from gc_credhelper.deadline import Deadline
from gc_credhelper.plan import Inputs
from gc_credhelper.report import Report
from inputs.kit import CANARY, Shell, refused

FAMILIES = (
    ("GENESYS_CLOUD_CLIENT_ID", "GENESYS_CLOUD_CLIENT_SECRET"),
    ("GENESYSCLOUD_OAUTHCLIENT_ID", "GENESYSCLOUD_OAUTHCLIENT_SECRET"),
    ("PURECLOUD_CLIENT_ID", "PURECLOUD_CLIENT_SECRET"),
)


def at(server: ScriptedServer, **more: str) -> dict[str, str]:
    """The variables that name the server and no client."""
    return {"GC_CREDHELPER_TOKEN_URL": server.token_url, **more}


def sent(server: ScriptedServer) -> str:
    """The client id and secret of the last request."""
    return base64.b64decode(server.requests[-1].headers["authorization"].removeprefix("Basic ")).decode()


@pytest.mark.parametrize("family", FAMILIES, ids=lambda names: names[0])
def test_every_family_is_read(shell: Shell, scripted: ScriptedServer, family: tuple[str, str]) -> None:
    done = shell("token", env=at(scripted, **dict(zip(family, ("an-id", CANARY), strict=True))))
    assert (done.code, done.err) == (0, "")
    assert sent(scripted) == f"an-id:{CANARY}"


@pytest.mark.parametrize("family", FAMILIES, ids=lambda names: names[0])
def test_every_name_has_a_twin_that_names_a_file(
    shell: Shell, scripted: ScriptedServer, tmp_path: Path, family: tuple[str, str]
) -> None:
    env = at(scripted)
    for name, value in zip(family, ("an-id", CANARY), strict=True):
        (tmp_path / name).write_text(value)
        env[f"{name}_FILE"] = str(tmp_path / name)
    done = shell("token", env=env)
    assert (done.code, done.err) == (0, "")
    assert sent(scripted) == f"an-id:{CANARY}"


def test_an_id_in_a_variable_goes_with_a_secret_in_a_file(
    shell: Shell, scripted: ScriptedServer, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text(CANARY)
    link = tmp_path / "link"
    link.symlink_to("secret")
    env = at(scripted, GENESYS_CLOUD_CLIENT_ID="an-id", GENESYS_CLOUD_CLIENT_SECRET_FILE=str(link))
    assert shell("token", env=env).code == 0
    assert sent(scripted) == f"an-id:{CANARY}"


@pytest.mark.parametrize("name", [name for family in FAMILIES for name in family])
def test_a_variable_and_its_twin_exclude_each_other(shell: Shell, name: str) -> None:
    env = {name: CANARY, f"{name}_FILE": f"/nowhere/{CANARY}"}
    refused(shell("token", env=env), 2, f"{name} and {name}_FILE are both set", "unset one of them")


def test_a_complete_family_beats_half_a_one_before_it(shell: Shell, scripted: ScriptedServer) -> None:
    half, complete = FAMILIES[0], FAMILIES[2]
    env = at(scripted, **{half[0]: "half-id", complete[0]: "an-id", complete[1]: CANARY})
    assert shell("token", env=env).code == 0
    assert sent(scripted) == f"an-id:{CANARY}"


def test_two_complete_families_with_different_ids_are_refused(shell: Shell, scripted: ScriptedServer) -> None:
    one, two = FAMILIES[0], FAMILIES[1]
    env = at(scripted, **{one[0]: "one", one[1]: CANARY, two[0]: "two", two[1]: CANARY})
    refused(shell("token", env=env), 2, f"{one[0]} and {two[0]} name different clients", "unset one of the two")
    assert not scripted.requests
    env[two[0]] = "one"
    assert shell("token", env=env).code == 0


@pytest.mark.parametrize("family", FAMILIES, ids=lambda names: names[0])
@pytest.mark.parametrize("missing", [0, 1])
def test_half_a_family_names_the_missing_half(
    shell: Shell, scripted: ScriptedServer, family: tuple[str, str], missing: int
) -> None:
    there, gone = family[1 - missing], family[missing]
    done = refused(shell("token", env=at(scripted, **{there: CANARY, gone: ""})), 4, f"{there} is set")
    assert f"neither {gone} nor {gone}_FILE is" in done.error
    assert f"set {gone}" in done.hint
    assert not scripted.requests


def test_no_family_at_all_says_what_to_set(shell: Shell, scripted: ScriptedServer) -> None:
    done = refused(shell("token", env=at(scripted)), 4, "no client id and secret in the environment")
    assert "GENESYS_CLOUD_CLIENT_ID and GENESYS_CLOUD_CLIENT_SECRET" in done.hint
    assert "--provider" in done.hint


def test_the_id_alone_finds_a_cached_token(machine: Machine, scripted: ScriptedServer) -> None:
    assert machine.run("token", env=client(scripted)).code == 0
    alone = at(scripted, PURECLOUD_CLIENT_ID=scripted.client_id)  # of another family, even
    for _ in range(2):
        assert machine.run("token", env=alone).code == 0
    assert len(scripted.requests) == 1


@pytest.mark.parametrize("written", ["MY_ORG", "MY_ORG_"])
def test_a_reference_is_a_prefix(shell: Shell, scripted: ScriptedServer, written: str) -> None:
    env = at(
        scripted,
        GC_CREDHELPER_PROVIDER=f"env:{written}",
        MY_ORG_CLIENT_ID="an-id",
        MY_ORG_CLIENT_SECRET=CANARY,
        GENESYS_CLOUD_CLIENT_ID="other",
        GENESYS_CLOUD_CLIENT_SECRET="other",
    )
    assert shell("token", env=env).code == 0
    assert sent(scripted) == f"an-id:{CANARY}"
    del env["MY_ORG_CLIENT_SECRET"]
    refused(shell("token", "--refresh", env=env), 4, "neither MY_ORG_CLIENT_SECRET nor MY_ORG_CLIENT_SECRET_FILE is")


@pytest.mark.parametrize("prefix", [f"{CANARY}=", f"a {CANARY}", "9lives", f"x-{CANARY}", "Ä"])
def test_a_prefix_is_the_beginning_of_a_name(shell: Shell, prefix: str) -> None:
    refused(shell("token", f"--provider=env:{prefix}"), 2, "env.prefix (flag --provider) must be")


@pytest.mark.parametrize("around", ["{}\n", "{}\r\n", " {}", "\t{} \n", "\ufeff{}", "{}\u200b\n", "\u00a0{}"])
@pytest.mark.parametrize("index", [0, 1])
def test_white_space_around_a_value_is_mended_with_a_warning(
    shell: Shell, scripted: ScriptedServer, around: str, index: int
) -> None:
    values = ["an-id", CANARY]
    values[index] = around.format(values[index])
    done = shell("token", env=at(scripted, **dict(zip(FAMILIES[0], values, strict=True))))
    assert done.code == 0
    assert done.warnings == [f"white space around the value of {FAMILIES[0][index]} was removed"]
    assert sent(scripted) == f"an-id:{CANARY}"
    assert CANARY not in done.out + done.err


def test_a_file_that_ends_in_a_line_feed_is_mended_with_a_warning(
    shell: Shell, scripted: ScriptedServer, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"\xef\xbb\xbf" + CANARY.encode() + b"\r\n")
    name = "GENESYS_CLOUD_CLIENT_SECRET_FILE"
    done = shell("token", env=at(scripted, GENESYS_CLOUD_CLIENT_ID="an-id", **{name: str(secret)}))
    assert done.warnings == [f"white space around the value of the file that {name} names was removed"]
    assert sent(scripted) == f"an-id:{CANARY}"


@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize("value", [" ", "\n", " \t\r\n", "\ufeff", "\u200b \n"])
def test_a_value_of_white_space_alone_is_an_empty_one(
    shell: Shell, scripted: ScriptedServer, index: int, value: str
) -> None:
    values = ["an-id", CANARY]
    values[index] = value
    env = at(scripted, **dict(zip(FAMILIES[0], values, strict=True)))
    refused(shell("token", env=env), 4, f"{FAMILIES[0][index]} is empty", "not passed to this job")
    assert not scripted.requests


@pytest.mark.parametrize(
    ("inside", "said"),
    [(" ", "white space"), ("\n", "white space"), ("\x00", ""), ("\x1b", "not printable"), ("é", "not printable")],
)
def test_an_odd_character_inside_a_secret_is_named_by_its_place(
    shell: Shell, scripted: ScriptedServer, tmp_path: Path, inside: str, said: str
) -> None:
    secret = tmp_path / "secret"
    secret.write_text(CANARY + inside + CANARY)
    env = at(scripted, GENESYS_CLOUD_CLIENT_ID="an-id", GENESYS_CLOUD_CLIENT_SECRET_FILE=str(secret))
    place = f"character {len(CANARY) + 1} of {2 * len(CANARY) + 1}"
    refused(shell("token", env=env), 4, "the client secret is malformed", place, said)
    assert not scripted.requests


def test_a_client_id_with_a_colon_is_refused(shell: Shell, scripted: ScriptedServer) -> None:
    env = at(scripted, GENESYS_CLOUD_CLIENT_ID=f"id:{CANARY}", GENESYS_CLOUD_CLIENT_SECRET=CANARY)
    refused(shell("token", env=env), 4, "the client id holds a colon")


FILE = "GENESYS_CLOUD_CLIENT_SECRET_FILE"


def by_file(server: ScriptedServer, path: object) -> dict[str, str]:
    return at(server, GENESYS_CLOUD_CLIENT_ID="an-id", **{FILE: str(path)})


def test_a_file_that_is_missing_is_refused(shell: Shell, scripted: ScriptedServer, tmp_path: Path) -> None:
    done = shell("token", env=by_file(scripted, tmp_path / "gone"))
    refused(done, 4, f"the file that {FILE} names cannot be read: No such file or directory", "is the secret mounted")


@pytest.mark.parametrize("value", [CANARY, f"/nowhere/{CANARY}", CANARY * 500, f"{CANARY}\n"])
def test_a_secret_in_place_of_a_path_is_not_shown(shell: Shell, scripted: ScriptedServer, value: str) -> None:
    refused(shell("token", env=by_file(scripted, value)), 4, FILE, "cannot be read")


def test_a_secret_in_place_of_a_path_is_not_kept_in_a_note(machine: Machine, scripted: ScriptedServer) -> None:
    assert machine.run("token", env=client(scripted)).code == 0
    env = client(scripted, **{FILE: CANARY})
    del env["GENESYS_CLOUD_CLIENT_SECRET"]
    assert machine.run("token", env=env).code == 0
    notes = [*machine.cache.glob("*.note")]
    assert notes
    assert not [note for note in notes if CANARY.encode() in note.read_bytes()]


def test_a_directory_in_place_of_a_file_is_refused(shell: Shell, scripted: ScriptedServer, tmp_path: Path) -> None:
    refused(shell("token", env=by_file(scripted, tmp_path)), 4, FILE, "Is a directory")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"x" * 65_537, "is larger than 64 KiB"),
        (b"\x7fELF\x00\xff\xfe", "is not UTF-8 text"),
        (CANARY.encode("utf-16"), "is not UTF-8 text"),
        (b"", "is empty"),
        (b"\n\n", "is empty"),
    ],
)
def test_a_file_of_something_else_is_refused(
    shell: Shell, scripted: ScriptedServer, tmp_path: Path, content: bytes, said: str
) -> None:
    (tmp_path / "odd").write_bytes(content)
    refused(shell("token", env=by_file(scripted, tmp_path / "odd")), 4, f"the file that {FILE} names {said}")


def test_bytes_that_are_no_text_in_a_variable_are_refused(machine: Machine, scripted: ScriptedServer) -> None:
    env = client(scripted, GENESYS_CLOUD_CLIENT_SECRET="abc\udcff")
    refused(machine.run("token", env=env), 4, "the client secret is malformed: character 4 of 4")


def test_both_halves_are_read_anew_for_each_exchange(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for half in ("ID", "SECRET"):
        (tmp_path / half).write_text(f"first-{half}")
        monkeypatch.setenv(f"GENESYS_CLOUD_CLIENT_{half}_FILE", str(tmp_path / half))
    provider = App(Inputs([], environment()), {}, Report()).provider
    assert provider.credentials(Deadline(60)) == ClientCredentials("first-ID", Secret("first-SECRET"))
    for half in ("ID", "SECRET"):
        (tmp_path / half).write_text(f"second-{half}")
    assert provider.credentials(Deadline(60)) == ClientCredentials("second-ID", Secret("second-SECRET"))
    assert provider.client_id() == "second-ID"
