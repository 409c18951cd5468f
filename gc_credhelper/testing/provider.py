"""The promises of a credential provider, P1 and on."""

import base64
import pickle
from collections.abc import Mapping
from io import BytesIO
from typing import Any, ClassVar

import pytest

from ..credentials import ClientCredentials, Secret
from ..errors import CredentialsError, Error, TemporaryError
from ..plan import Inputs
from ..plugins import PROVIDERS
from ..private import PrivateDir
from ..report import Report
from ..roles import Context
from .bench import ENOUGH, Bench, at_once, failing, said_by, shows, soon, until, watched, within
from .cases import ProviderCase
from .contract import Contract
from .machine import Machine
from .scripted import ScriptedServer

ID = "3f9c1f6e-contract-client"
SECRET = "canary-Tq8wZ-contract-secret"  # noqa: S105  # made up, and hunted for
OTHER = "canary-Lm2xV-another-secret"
SYMBOLS = "canary" + "".join(map(chr, range(0x21, 0x7F)))  # every character that a secret may have (RFC 6749, VSCHAR)
MALFORMED = ("canary-Tq8wZ two words", "canary-Tq8wZ-caf\N{LATIN SMALL LETTER E WITH ACUTE}", "canary-Tq8wZ\nlines")
THREADS = 8


class _Pickler(pickle.Pickler):
    """Leaves out what the core gave to the plug-in."""

    def persistent_id(self, held: Any) -> str | None:
        return type(held).__name__ if isinstance(held, Context | Inputs | Report | PrivateDir) else None


class CredentialProviderContract(Contract):
    """Subclass it, and override the fixture `case`: it gives a ProviderCase."""

    group: ClassVar[str] = PROVIDERS

    @staticmethod
    def read(bench: Bench, env: Mapping[str, str], seconds: float = ENOUGH) -> tuple[str, str]:
        """Id and secret, as a new instance reads them."""
        found = bench.build(env).credentials(soon(seconds))
        return found.client_id, found.client_secret.reveal()

    def variables(self, case: ProviderCase, tokens: ScriptedServer, env: Mapping[str, str]) -> dict[str, str]:
        """Those of a command."""
        own = {"GC_CREDHELPER_TOKEN_URL": tokens.token_url, "GC_CREDHELPER_PROVIDER": self.written(case)}
        return {**env, **own}

    def test_p1_its_rows_are_named_after_a_plug_in(self, case: ProviderCase) -> None:
        """Each of its settings is a row `<plug-in>.<name>` with a help text, and its locator is one of them or None."""
        self.check_rows(case)

    def test_p2_building_it_asks_no_store(self, case: ProviderCase, bench: Bench) -> None:
        """It is built without a connection, a process or a look-up, whatever state the store is in."""
        reached = case.put(ID, SECRET)
        for change in ({}, case.unreachable or {}, case.silent or {}):
            with watched() as seen:
                bench.build({**reached, **change})
            assert seen == []

    def test_p3_client_id_is_the_id_or_none_and_asks_no_store(self, case: ProviderCase, bench: Bench) -> None:
        """`client_id()` is the id where that is known without asking the store, else None; it never asks."""
        plug_in = bench.build(case.put(ID, SECRET))
        with watched() as seen:
            known = plug_in.client_id()
        assert known in (None, ID)
        assert seen == []

    def test_p4_the_values_are_exact(self, case: ProviderCase, bench: Bench) -> None:
        """`credentials()` gives `ClientCredentials` with both values to the letter: long ones, and every symbol."""
        for secret in (SECRET, SYMBOLS, "canary-" + "x" * 1000):
            found = bench.build(case.put(ID, secret)).credentials(soon())
            assert type(found) is ClientCredentials
            assert found.client_id == ID
            assert found.client_secret == Secret(secret), "the secret is another one"

    def test_p5_white_space_around_a_value_is_removed(self, case: ProviderCase, bench: Bench) -> None:
        """White space around a value is no part of it, and is a warning: a line feed at the end is the commonest cause
        of a 401.
        """
        assert self.read(bench, case.put(f"{ID}\n", f" {SECRET}\n")) == (ID, SECRET)
        assert any(line.startswith("warning: ") for line in bench.report.lines)

    def test_p6_a_value_that_cannot_be_one_is_an_error(self, case: ProviderCase, bench: Bench) -> None:
        """A value with inner white space or letters beyond ASCII is a CredentialsError, and is never mended."""
        for secret in MALFORMED:
            failing(CredentialsError, self.read, bench, case.put(ID, secret))
        failing(CredentialsError, self.read, bench, case.put(f"{ID}:{ID}", SECRET))

    def test_p7_it_reads_anew(self, case: ProviderCase, bench: Bench) -> None:
        """Each `credentials()` reads anew: when the store holds another secret or client, the next call gives it."""
        env = case.put(ID, SECRET)
        plug_in = bench.build(env)
        plug_in.credentials(soon())
        for client_id, secret in ((ID, OTHER), ("another-client", SECRET)):
            changed = case.put(client_id, secret)
            plug_in = plug_in if changed == env else bench.build(changed)
            found = plug_in.credentials(soon())
            assert (found.client_id, found.client_secret) == (client_id, Secret(secret)), "it is the old one"

    def test_p8_no_secret_there_is_an_error(self, case: ProviderCase, bench: Bench) -> None:
        """Where the store holds neither id nor secret, it raises CredentialsError."""
        failing(CredentialsError, self.read, bench, case.put(None, None))

    def test_p9_half_a_pair_is_an_error(self, case: ProviderCase, bench: Bench) -> None:
        """Where one half is missing or empty, it raises CredentialsError."""
        for client_id, secret in ((ID, None), (None, SECRET), (ID, ""), (ID, " \n")):
            failing(CredentialsError, self.read, bench, case.put(client_id, secret))

    def test_p10_a_store_that_cannot_be_reached_is_temporary(self, case: ProviderCase, bench: Bench) -> None:
        """Where the store cannot be reached, it raises TemporaryError, within the deadline."""
        env = {**case.put(ID, SECRET), **self.given(case.unreachable, "way to be unreachable")}
        within(self.patience + self.slack, failing, TemporaryError, self.read, bench, env, self.patience)

    def test_p11_it_obeys_the_deadline(self, case: ProviderCase, bench: Bench) -> None:
        """Where the store never answers, it raises TemporaryError at the deadline."""
        env = {**case.put(ID, SECRET), **self.given(case.silent, "way to be silent")}
        within(self.patience + self.slack, failing, TemporaryError, self.read, bench, env, self.patience)

    def test_p12_nothing_that_it_says_holds_the_secret(
        self, case: ProviderCase, bench: Bench, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
    ) -> None:
        """No warning, note, log record, error, hint, traceback and output holds the secret, and every error is one line
        with a hint.
        """
        caplog.set_level(1)
        self.read(bench, case.put(ID, SECRET))
        failures = [(ID, MALFORMED[0]), (ID, MALFORMED[1]), (None, SECRET), (ID, ""), (None, None), (SECRET, None)]
        for client_id, secret in failures:
            error = failing(Error, self.read, bench, case.put(client_id, secret))
            assert not shows(said_by(error), SECRET, "canary-Tq8wZ"), "the error holds the secret"
            assert error.hint, str(error)
            assert str(error).isprintable()
        out, err = capfd.readouterr()
        records = "".join(record.getMessage() for record in caplog.records)
        assert not shows(out + err + records + "".join(bench.report.lines), "canary-Tq8wZ"), "the secret was shown"

    def test_p13_what_a_plan_records_holds_no_secret(self, case: ProviderCase, bench: Bench) -> None:
        """A variable that holds the secret is asked for with `secret=True`, so that no value of it is written down."""
        self.read(bench, case.put(ID, SECRET))
        assert bench.inputs
        written = b"\0".join(part for (_, name), value in bench.inputs.record.items() for part in (name, value))
        assert SECRET.encode() not in written, "a plan would hold the secret"

    def test_p14_it_keeps_the_secret_to_itself(self, case: ProviderCase, bench: Bench) -> None:
        """Neither `repr` of it and of what it holds shows the secret, nor a pickle."""
        plug_in = bench.build(case.put(ID, SECRET))
        found = plug_in.credentials(soon())
        held = [plug_in, found, *getattr(plug_in, "__dict__", {}).values()]
        assert not shows("".join(f"{one!r}{one}" for one in held), SECRET), "a repr shows the secret"
        assert SECRET.encode() not in _pickled(plug_in), "a pickle holds the secret"

    def test_p15_what_decides_the_secret_is_asked_for(self, case: ProviderCase, bench: Bench) -> None:
        """It asks its context's `inputs` for every variable and every file that decides which secret is meant, so that
        a changed one is noticed by a cached token's plan.
        """
        env = case.put(ID, SECRET)
        plug_in = bench.build(env)
        plug_in.client_id()
        plug_in.credentials(soon())
        assert {*env} - bench.asked() == set()
        assert {str(path) for path in case.files} - bench.asked() == set()

    def test_p16_threads_may_share_it(self, case: ProviderCase, bench: Bench) -> None:
        """Any number of threads may ask one instance at once, and each gets both values."""
        plug_in = bench.build(case.put(ID, SECRET))
        got = at_once([lambda: plug_in.credentials(soon())] * THREADS)
        kinds = {type(one).__name__ for one in got}
        assert kinds == {"ClientCredentials"}
        assert all(one == ClientCredentials(ID, Secret(SECRET)) for one in got), "a thread got another pair"

    def test_p17_the_command_gets_a_token_with_it(
        self, case: ProviderCase, machine: Machine, tokens: ScriptedServer
    ) -> None:
        """`gc-credhelper token` prints a token and nothing else, and the endpoint is sent exactly this pair."""
        secret = f"{SECRET}:%+/"
        done = machine.run("token", "-o", "raw", env=self.variables(case, tokens, case.put(ID, secret)))
        assert (done.code, done.out, done.err) == (0, "tok-1\n", "")
        (request,) = tokens.requests
        sent = base64.b64decode(request.headers["authorization"].removeprefix("Basic ")).decode()
        assert Secret(sent) == Secret(f"{ID}:{secret}"), "the endpoint was sent another pair"

    def test_p18_a_later_run_needs_neither_it_nor_its_store(
        self, case: ProviderCase, machine: Machine, tokens: ScriptedServer
    ) -> None:
        """While nothing changes, a later run is served from the recorded plan: no module of the plug-in is loaded, and
        nobody is asked.
        """
        env = self.variables(case, tokens, case.put(ID, SECRET))

        def hit() -> bool:
            before = machine.notes()
            done = machine.run("token", "-o", "raw", env=env)
            assert (done.code, done.out) == (0, "tok-1\n")
            return bool(before) and machine.notes() == before

        until(hit, seconds=10)  # what a file holds that changed a moment ago is not relied on yet
        assert len(tokens.requests) == 1

    def test_p19_the_command_fails_as_it_says_it_does(
        self, case: ProviderCase, machine: Machine, tokens: ScriptedServer
    ) -> None:
        """Its failures end the command with one `error:` and one `hint:` line, an empty stdout and exit code 4, or 6
        where the store cannot be reached.
        """
        states = [(4, None, {})] if case.unreachable is None else [(4, None, {}), (6, SECRET, case.unreachable)]
        for code, secret, change in states:
            env = self.variables(case, tokens, {**case.put(ID if secret else None, secret), **change})
            done = machine.run("token", "--deadline", "5s", env=env)
            assert (done.code, done.out) == (code, "")
            assert done.error
            assert done.hint
            assert not shows(done.err, SECRET), "the secret was shown"
        assert tokens.requests == []

    def test_p20_what_was_stored_is_read_back(self, case: ProviderCase, bench: Bench) -> None:
        """Where it has a method `store`, what that was given is what `credentials()` reads."""
        plug_in = self.writable(bench, case, None, None)
        where = plug_in.store(ClientCredentials(ID, Secret(SYMBOLS)), soon(), replace=False)
        assert isinstance(where, str)
        assert where
        assert plug_in.credentials(soon()) == ClientCredentials(ID, Secret(SYMBOLS)), "it is another pair"

    def test_p21_nothing_is_overwritten_unasked(self, case: ProviderCase, bench: Bench) -> None:
        """`store` refuses with CredentialsError when something lies there, which stays; `replace` puts the new one."""
        plug_in = self.writable(bench, case, ID, SECRET)
        new = ClientCredentials("another-client", Secret(OTHER))
        failing(CredentialsError, plug_in.store, new, soon(), replace=False)
        assert plug_in.credentials(soon()) == ClientCredentials(ID, Secret(SECRET)), "the old pair was lost"
        plug_in.store(new, soon(), replace=True)
        assert plug_in.credentials(soon()) == new, "it was not replaced"

    def test_p22_storing_shows_nothing(
        self, case: ProviderCase, bench: Bench, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
    ) -> None:
        """Neither what `store` returns, says and prints nor its refusal holds the secret."""
        caplog.set_level(1)
        plug_in = self.writable(bench, case, None, None)
        shown = plug_in.store(ClientCredentials(ID, Secret(SECRET)), soon(), replace=False)
        other = ClientCredentials(ID, Secret(OTHER))
        refused = failing(CredentialsError, plug_in.store, other, soon(), replace=False)
        assert refused.hint
        out, err = capfd.readouterr()
        shown += out + err + said_by(refused) + "".join(bench.report.lines)
        shown += "".join(record.getMessage() for record in caplog.records)
        assert not shows(shown, SECRET, OTHER), "the secret was shown"

    @staticmethod
    def writable(bench: Bench, case: ProviderCase, client_id: str | None, secret: str | None) -> Any:
        """The plug-in, with that in its store; a skip when nothing can be stored with it."""
        if not hasattr(bench.loaded, "store"):
            pytest.skip("it has no method store")
        return bench.build({**case.put(client_id, secret), **case.writer})


def _pickled(plug_in: object) -> bytes:
    file = BytesIO()
    try:
        _Pickler(file).dump(plug_in)
    except Exception:  # noqa: BLE001  # most cannot be pickled, and that is as well
        return b""
    return file.getvalue()
