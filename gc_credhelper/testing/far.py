"""The promises of a far cache, F1 and on. Those of the lease that the core runs on it are in `fleet.py`."""

import json
import subprocess
import sys
import time
from functools import partial
from typing import Any

import pytest

from ..errors import TemporaryError
from ..record import Record
from ..roles import Denied, LostRace
from .bench import Bench, at_once, failing, said_by, shows, soon, watched, within
from .cases import FarCase
from .fleet import KEY, FleetPromises
from .machine import Machine

OTHER = "0f" * 19 + "0e"
VALUE = "canary-Vx4-token"
LARGEST = 65_536
THREADS, PROCESSES, ROUNDS = 12, 3, 8
SKEW = 2.0  # seconds that the age may be off: many stores count whole ones


def record(value: str = VALUE) -> str:
    """What the core writes."""
    return Record(token=value, ttl=3600, soft=900, about='a-client 0 "https://login.example"').dump()


class FarCacheContract(FleetPromises):
    """Subclass it, and override the fixture `case`: it gives a FarCase. `fleet`: how many machines start at once."""

    def test_f1_its_rows_are_named_after_a_plug_in(self, case: FarCase, bench: Bench) -> None:
        """Each of its settings is a row `<plug-in>.<name>` with a help text, its locator is one of them or None, and
        `far` is True.
        """
        self.check_rows(case)
        assert bench.loaded.far is True

    def test_f2_building_it_asks_no_store(self, case: FarCase, bench: Bench) -> None:
        """It is built without a connection, a process or a look-up, whatever state the store is in."""
        for change in ({}, case.unreachable or {}, case.silent or {}):
            with watched() as seen:
                bench.build({**case.env, **change})
            assert seen == []

    def test_f3_of_nothing_the_version_is_0(self, store: Any) -> None:
        """Where there is no entry, `read` gives version 0 and an empty text."""
        found = self.read(store)
        assert (found.version, found.text) == (0, "")

    def test_f4_the_version_grows_with_each_write(self, store: Any) -> None:
        """Each write returns a greater version, and it is the one that the next `read` names."""
        version = 0
        for number in range(5):
            before, version = version, self.write(store, version, f"text {number}")
            assert version > before
            assert self.read(store).version == version

    def test_f5_the_version_grows_on_after_an_end(self, case: FarCase, store: Any) -> None:
        """An entry that was emptied, or that ended by the store's own clock, can be written again, and with a version
        greater than any that it had.
        """
        version = self.write(store, self.write(store, 0, record()), Record().dump())
        if case.end is not None:
            case.end(KEY)
        found = self.read(store)
        assert found.version >= version
        assert Record.load(found.text).token == ""
        assert self.write(store, found.version, "again") > version
        assert self.read(store).text == "again"

    def test_f6_a_version_that_is_not_the_newest_loses(self, store: Any) -> None:
        """A write that names any version but the newest raises LostRace and changes nothing."""
        failing(LostRace, self.write, store, 7, "of nothing")
        assert self.read(store).version == 0
        old = self.write(store, 0, "one")
        new = self.write(store, old, "two")
        for version in (old, new + 1, new + 1000):
            failing(LostRace, self.write, store, version, "wrong")
        found = self.read(store)
        assert (found.version, found.text) == (new, "two")

    def test_f7_version_0_makes_no_second_entry(self, store: Any) -> None:
        """A write that names version 0 raises LostRace where there is an entry, and changes nothing."""
        version = self.write(store, 0, "one")
        failing(LostRace, self.write, store, 0, "wrong")
        found = self.read(store)
        assert (found.version, found.text) == (version, "one")

    def test_f8_of_many_threads_exactly_one_wins(self, case: FarCase, bench: Bench, store: Any) -> None:
        """Of many threads that name one version, on one instance or several, exactly one wins, and its text stays."""
        stores = [store] * (THREADS // 2) + [bench.build(case.env) for _ in range(THREADS // 2)]
        version = self.write(store, 0, "first")
        for _ in range(2):
            got = at_once([partial(self.write, one, version, f"text {n}") for n, one in enumerate(stores)])
            winners = [number for number, one in enumerate(got) if isinstance(one, int)]
            assert len(winners) == 1
            assert {type(one).__name__ for one in got} == {"int", "LostRace"}
            found = self.read(store)
            assert (found.version, found.text) == (got[winners[0]], f"text {winners[0]}")
            version = found.version

    def test_f9_of_many_processes_exactly_one_wins(self, case: FarCase, machine: Machine, store: Any) -> None:
        """Of many processes that name one version, exactly one wins, and its text stays."""
        keys = [f"{number:040x}" for number in range(ROUNDS)]
        versions = {key: self.write(store, 0, "first", key) for key in keys}
        argv = [sys.executable, "-m", "gc_credhelper.testing.contender"]
        pipe = subprocess.PIPE
        racers = [
            subprocess.Popen(argv, env=machine.environ(case.env), stdin=pipe, stdout=pipe, text=True, cwd=machine.home)
            for _ in range(PROCESSES)
        ]
        won = {}
        try:
            for number, racer in enumerate(racers):
                assert racer.stdin
                what = {"name": case.name, "reference": case.reference, "text": f"text {number}"}
                racer.stdin.write(json.dumps(what) + "\n")
                racer.stdin.flush()
            for racer in racers:
                assert racer.stdout
                assert racer.stdout.readline() == "ready\n"
            for racer in racers:
                assert racer.stdin
                racer.stdin.write(json.dumps(versions) + "\n")
                racer.stdin.flush()
            for number, racer in enumerate(racers):
                won[f"text {number}"] = json.loads(racer.communicate(timeout=60)[0])
        finally:
            for racer in racers:
                racer.kill()
                racer.communicate()
        assert sorted(key for keys_won in won.values() for key in keys_won) == keys
        assert {key: self.read(store, key).text for key in keys} == {
            key: text for text, keys_won in won.items() for key in keys_won
        }

    def test_f10_it_gives_what_was_written(self, store: Any) -> None:
        """`read` gives to the letter what was written last: any ASCII text, up to 64 KiB."""
        version = 0
        largest = record("x" * (LARGEST - len(record(""))))
        for text in (record(), ' {"a": "\\u20ac\\n"}\n\t', "".join(map(chr, range(0x20, 0x7F))), largest):
            version = self.write(store, version, text)
            assert self.read(store).text == text, f"a text of {len(text)} characters came back as another"

    def test_f11_keys_do_not_touch_each_other(self, store: Any) -> None:
        """What is written under one key changes neither text nor version under another, however alike they are."""
        alike = [KEY, OTHER, KEY[:-1], KEY + "0"]
        version = self.write(store, 0, "one")
        self.write(store, version, f"text of {KEY}")
        for key in alike[1:]:
            assert self.read(store, key).version == 0
            self.write(store, 0, f"text of {key}", key)
        assert [self.read(store, key).text for key in alike] == [f"text of {key}" for key in alike]

    def test_f12_the_age_counts_from_the_write(self, store: Any) -> None:
        """The age of an entry is the seconds since it was written, never negative and at most 2 s off; it grows."""
        began = time.monotonic()
        self.write(store, 0, record())
        first = self.read(store).age
        assert first is not None
        assert 0 <= first <= time.monotonic() - began + SKEW
        time.sleep(1.5)
        second = self.read(store).age
        assert second is not None
        assert first < second <= time.monotonic() - began + SKEW

    def test_f13_the_age_is_by_the_stores_clock(self, store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """The age does not follow the clock of the caller: one that is an hour ahead sees the same."""
        version = self.write(store, 0, record())
        real = time.time
        monkeypatch.setattr(time, "time", lambda: real() + 3600)
        ages = [self.read(store).age]
        self.write(store, version, record())
        monkeypatch.setattr(time, "time", real)
        ages.append(self.read(store).age)
        assert all(age is not None and 0 <= age <= 600 for age in ages)

    def test_f14_a_store_that_cannot_be_reached_is_temporary(self, case: FarCase, bench: Bench) -> None:
        """Where the store cannot be reached, `read` and `compare_and_set` raise TemporaryError, within the deadline."""
        self.fails_in_time(bench.build({**case.env, **self.given(case.unreachable, "way to be unreachable")}))

    def test_f15_it_obeys_the_deadline(self, case: FarCase, bench: Bench) -> None:
        """Where the store never answers, `read` and `compare_and_set` raise TemporaryError at the deadline."""
        self.fails_in_time(bench.build({**case.env, **self.given(case.silent, "way to be silent")}))

    def fails_in_time(self, store: Any) -> None:
        """Each of the two methods."""
        most, text = self.patience + self.slack, record()
        late = within(most, failing, TemporaryError, store.read, KEY, soon(self.patience))
        assert str(late).isprintable()
        late = within(most, failing, TemporaryError, store.compare_and_set, KEY, 0, text, soon(self.patience))
        assert str(late).isprintable()

    def test_f16_a_caller_who_may_only_read_is_told(self, case: FarCase, bench: Bench, store: Any) -> None:
        """For a caller who may only read, `read` works, and `compare_and_set` raises Denied and changes nothing."""
        env = self.given(case.read_only, "login that may only read")
        version = self.write(store, 0, "one")
        reader = bench.build({**case.env, **env})
        assert self.read(reader).text == "one"
        failing(Denied, self.write, reader, version, "two")
        assert self.read(store).version == version

    def test_f17_it_shows_no_token(
        self,
        case: FarCase,
        bench: Bench,
        store: Any,
        capfd: pytest.CaptureFixture[str],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """No warning, log record, error, `repr` and output of it holds the token."""
        caplog.set_level(1)
        self.write(store, self.write(store, 0, "older"), record())
        held = [store, self.read(store), *getattr(store, "__dict__", {}).values()]
        shown = "".join(map(repr, held))
        shown += said_by(failing(LostRace, self.write, store, 1, record()))
        if case.unreachable is not None:
            broken = bench.build({**case.env, **case.unreachable})
            error = failing(Exception, broken.compare_and_set, KEY, 0, record(), soon(self.patience))
            shown += said_by(error)
        out, err = capfd.readouterr()
        shown += out + err + "".join(bench.report.lines)
        shown += "".join(one.getMessage() for one in caplog.records)
        assert not shows(shown, VALUE), "the token was shown"
