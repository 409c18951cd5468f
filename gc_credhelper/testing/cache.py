"""The promises of a cache backend, C1 and on."""

import functools
import os
import threading
import time
from collections.abc import Mapping
from typing import Any, ClassVar

import pytest

from .. import tokens as stored
from ..plugins import CACHES
from ..tokens import AccessToken
from .bench import ENOUGH, Bench, at_once, failing, modes, said_by, shows, watched, within
from .cases import CacheCase
from .contract import Contract
from .machine import Machine
from .scripted import ScriptedServer, token

KEY, OTHER = "0f" * 20, "0f" * 19 + "0e"
VALUE = "canary-Vx4-token"
LARGEST = 65_536
READS = 100


def entry(key: str = KEY, value: str = VALUE) -> str:
    """What the core puts under a key."""
    now = time.time()
    return stored.dump(AccessToken(value, now, now + 86_400), key, 0, "a-client 0 https://login.example/oauth/token")


class CacheBackendContract(Contract):
    """Subclass it, and override the fixture `case`: it gives a CacheCase."""

    group: ClassVar[str] = CACHES

    @pytest.fixture
    def cache(self, case: CacheCase, bench: Bench) -> Any:
        """The cache of the case."""
        return bench.build(case.env)

    def variables(
        self, case: CacheCase, tokens: ScriptedServer, change: Mapping[str, str] | None = None
    ) -> dict[str, str]:
        """Those of a command."""
        tokens.answers = [token(f"tok-{number}") for number in (1, 2, 3)]
        own = {
            "GC_CREDHELPER_TOKEN_URL": tokens.token_url,
            "GC_CREDHELPER_CACHE": self.written(case),
            "GENESYS_CLOUD_CLIENT_ID": tokens.client_id,
            "GENESYS_CLOUD_CLIENT_SECRET": tokens.client_secret,
        }
        return {**case.env, **(change or {}), **own}

    def test_c1_its_rows_are_named_after_a_plug_in(self, case: CacheCase) -> None:
        """Each of its settings is a row `<plug-in>.<name>` with a help text, and its locator is one of them or None."""
        self.check_rows(case)

    def test_c2_building_it_asks_no_store(self, case: CacheCase, bench: Bench) -> None:
        """It is built without a connection, a process or a look-up, whatever state the store is in."""
        for change in ({}, case.unreachable or {}, case.silent or {}):
            with watched() as seen:
                bench.build({**case.env, **change})
            assert seen == []

    def test_c3_of_nothing_it_gives_none(self, cache: Any) -> None:
        """`get` of a key that nobody put is None, and no error."""
        assert cache.get(KEY) is None

    def test_c4_it_gives_what_was_put(self, cache: Any) -> None:
        """`get` gives to the letter what `put` was given last: any ASCII text of several lines, up to 64 KiB."""
        largest = entry(value="x" * (LARGEST - len(entry(value=""))))
        for text in (entry(), "", " a\n\n b\t\n", "".join(map(chr, range(0x20, 0x7F))) * 2, largest):
            cache.put(KEY, text)
            assert cache.get(KEY) == text, f"a text of {len(text)} characters came back as another"

    def test_c5_a_reader_sees_the_old_or_the_new(self, case: CacheCase, bench: Bench) -> None:
        """`put` replaces the whole text at once: a reader meanwhile gets the old or the new, never a part."""
        writer, reader = bench.build(case.env), bench.build(case.env)
        texts = [letter * 30_000 for letter in "ab"]
        writer.put(KEY, texts[0])
        done = threading.Event()
        seen: list[str | None] = []

        def write() -> None:
            while not done.is_set():
                for text in texts:
                    writer.put(KEY, text)

        def read() -> None:
            end = time.monotonic() + ENOUGH
            try:
                while (len(seen) < READS or len({*seen}) == 1) and {*seen} <= {*texts} and time.monotonic() < end:
                    seen.append(reader.get(KEY))
            finally:
                done.set()

        assert at_once([write, read]) == [None, None]
        assert {*seen} == {*texts}

    def test_c6_remove_says_whether_there_was_one(self, cache: Any) -> None:
        """`remove` is True when there was a text, which is gone then, and False when there was none."""
        assert cache.remove(KEY) is False
        cache.put(KEY, entry())
        assert cache.remove(KEY) is True
        assert cache.get(KEY) is None
        assert cache.remove(KEY) is False

    def test_c7_keys_are_those_that_were_put(self, case: CacheCase, cache: Any) -> None:
        """`keys` lists the keys that hold a text, as they were given, and nothing else."""
        assert not {KEY, OTHER} & {*cache.keys()}
        cache.put(KEY, entry())
        cache.put(OTHER, entry(OTHER))
        ours = [key for key in cache.keys() if key in (KEY, OTHER) or not case.one_process]
        assert sorted(ours) == ([OTHER, KEY] if case.lists else [])
        cache.remove(OTHER)
        assert OTHER not in cache.keys()

    def test_c8_keys_do_not_touch_each_other(self, cache: Any) -> None:
        """What is put or removed under one key changes nothing under another, however alike they are."""
        alike = [KEY, OTHER, KEY[:-1], KEY + "0"]
        for key in alike:
            cache.put(key, entry(key, f"canary-{key}"))
        cache.remove(KEY)
        assert [cache.get(key) is None for key in alike] == [True, False, False, False]
        found = [stored.load(cache.get(key), key) for key in alike[1:]]
        assert [one and one[0].value for one in found] == [f"canary-{key}" for key in alike[1:]]

    def test_c9_another_instance_sees_it(self, case: CacheCase, bench: Bench, cache: Any) -> None:
        """What one instance put, another one of the same settings gets, lists and removes."""
        text = entry()
        cache.put(KEY, text)
        other = bench.build(case.env)
        assert other.get(KEY) == text
        assert other.remove(KEY) is True
        assert cache.get(KEY) is None

    def test_c10_it_shows_no_token(
        self,
        case: CacheCase,
        bench: Bench,
        cache: Any,
        capfd: pytest.CaptureFixture[str],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """No key, warning, log record, error, `repr` and output of it holds the token."""
        caplog.set_level(1)
        cache.put(KEY, entry())
        cache.get(KEY)
        shown = "".join([*cache.keys(), *map(repr, [cache, *getattr(cache, "__dict__", {}).values()])])
        cache.remove(KEY)
        if case.unreachable is not None:
            broken = bench.build({**case.env, **case.unreachable})
            shown += said_by(failing(Exception, broken.put, KEY, entry()))
        out, err = capfd.readouterr()
        shown += out + err + "".join(bench.report.lines)
        shown += "".join(record.getMessage() for record in caplog.records)
        assert not shows(shown, VALUE), "the token was shown"

    def test_c11_its_files_are_private(self, case: CacheCase, cache: Any) -> None:
        """The files that it keeps are readable and writable by their owner alone, whatever the umask."""
        if case.directory is None:
            pytest.skip("the case names no directory")
        before = os.umask(0)
        try:
            cache.put(KEY, entry())
        finally:
            os.umask(before)
        found = modes(case.directory)
        assert found
        assert {name: oct(mode) for name, mode in found.items() if mode & 0o077} == {}

    def test_c12_a_store_that_fails_is_an_exception(self, case: CacheCase, bench: Bench) -> None:
        """Where the store cannot be reached or never answers, `get` and `put` raise, and never hang."""
        changes = [change for change in (case.unreachable, case.silent) if change is not None]
        self.given(changes[0] if changes else None, "way to fail")
        for change in changes:
            cache = bench.build({**case.env, **change})
            within(self.patience + self.slack, failing, Exception, cache.get, KEY)
            within(self.patience + self.slack, failing, Exception, cache.put, KEY, entry())

    def test_c13_threads_may_share_it(self, cache: Any) -> None:
        """Any number of threads may use one instance at once, on one key or on several."""
        texts = {f"{number:040x}": entry(f"{number:040x}") for number in range(8)}

        def use(key: str) -> bool:
            for _ in range(5):
                cache.put(key, texts[key])
                cache.put(KEY, entry())
                if cache.get(key) != texts[key]:
                    return False
            return True

        assert at_once([functools.partial(use, key) for key in texts]) == [True] * len(texts)

    def test_c14_a_later_run_is_served_from_it(self, case: CacheCase, machine: Machine, tokens: ScriptedServer) -> None:
        """A second `gc-credhelper token`, another process, prints the token of the first, and the endpoint is not asked
        again.
        """
        if case.one_process:
            pytest.skip("it is gone with its process")
        env = self.variables(case, tokens)
        done = [machine.run("token", "-o", "raw", env=env) for _ in range(2)]
        assert [(run.code, run.out, run.err) for run in done] == [(0, "tok-1\n", "")] * 2
        assert len(tokens.requests) == 1

    def test_c15_what_is_damaged_is_replaced(self, case: CacheCase, machine: Machine, tokens: ScriptedServer) -> None:
        """When what the store holds was damaged, `token` gets a new token, which is cached again."""
        if case.damage is None:
            pytest.skip("the case names no way to damage it")
        env = self.variables(case, tokens)
        assert machine.run("token", "-o", "raw", env=env).out == "tok-1\n"
        case.damage()
        done = [machine.run("token", "-o", "raw", env=env) for _ in range(2)]
        assert [(run.code, run.out) for run in done] == [(0, "tok-2\n")] * 2
        assert done[1].err == ""

    def test_c16_a_cache_that_is_down_costs_one_warning(
        self, case: CacheCase, machine: Machine, tokens: ScriptedServer
    ) -> None:
        """Where the store cannot be reached, `token` prints a token all the same, and one warning that names the
        cache.
        """
        env = self.variables(case, tokens, self.given(case.unreachable, "way to be unreachable"))
        done = machine.run("token", "-o", "raw", env=env)
        assert (done.code, done.out) == (0, "tok-1\n")
        assert done.err.count("\n") == 1
        assert [case.name in warning for warning in done.warnings] == [True]

    def test_c17_forget_empties_it(self, case: CacheCase, machine: Machine, tokens: ScriptedServer) -> None:
        """After `gc-credhelper forget` the next run gets a new token."""
        if case.one_process:
            pytest.skip("it is gone with its process")
        env = self.variables(case, tokens)
        first = machine.run("token", "-o", "raw", env=env)
        assert machine.run("forget", env=env).code == 0
        second = machine.run("token", "-o", "raw", env=env)
        assert (first.out, second.out) == ("tok-1\n", "tok-2\n")
