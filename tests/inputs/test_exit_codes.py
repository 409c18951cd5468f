"""One example of every exit code, by the installed command; 1 is in test_cli.py."""

from collections.abc import Sequence

import pytest
from support import Machine, client
from support.scripted import Answer, ScriptedServer, http, token

from inputs.kit import refused

Row = tuple[int, list[str], dict[str, str], Sequence[Answer], str]  # code, argv, variables, answers, what is said
TABLE: list[Row] = [
    (2, ["token", "--frobnicate"], {}, [], "there is no option --frobnicate"),
    (2, ["token", "--profile", "prod"], {}, [], "there is no profile prod"),
    (
        2,
        ["token"],
        {"GC_CREDHELPER_TOKEN_URL": "", "GENESYS_CLOUD_REGION": "eu-west-9"},
        [],
        "unknown region eu-west-9",
    ),
    (3, ["token", "--provider", "valt:ci"], {}, [], "did you mean vault?"),
    (4, ["token"], {"GENESYS_CLOUD_CLIENT_SECRET": ""}, [], "neither GENESYS_CLOUD_CLIENT_SECRET nor"),
    (4, ["token", "--provider", "file:/nowhere"], {}, [], "/nowhere cannot be read"),
    (5, ["token"], {}, [http(401, {"error": "invalid_client"})], "wrong secret, or wrong region"),
    (5, ["token"], {}, [http(200, "<html>")], "not a JSON object"),
    (6, ["token", "--deadline", "1s"], {}, [http(503, "busy")], "the token endpoint failed"),
    (6, ["token", "--deadline", "1s"], {"GC_CREDHELPER_TOKEN_URL": "http://127.0.0.1:9/t"}, [], ""),
    (7, ["token", "--min-ttl", "1h"], {}, [token(lifetime=300)], "less than min_ttl asks"),
]


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row[0]} {row[4]}")
def test_a_failure_has_its_code_one_error_and_one_hint(machine: Machine, scripted: ScriptedServer, row: Row) -> None:
    code, argv, env, answers, said = row
    scripted.answers = [*answers] or scripted.answers
    refused(machine.run(*argv, env=client(scripted) | env), code, said)


def test_success_is_0_and_says_nothing(machine: Machine, scripted: ScriptedServer) -> None:
    done = machine.run("token", env=client(scripted))
    assert (done.code, done.err) == (0, "")


def test_the_table_meets_every_code_that_a_user_can_cause() -> None:
    assert {row[0] for row in TABLE} == {2, 3, 4, 5, 6, 7}
