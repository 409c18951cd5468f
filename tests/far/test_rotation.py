"""A secret that another machine heard is refused: the store is read once more before that is believed."""

import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.rotation import NEW, OLD, RotatingLogin
from support.versioned import Store

from gc_credhelper.credentials import ClientCredentials, Secret
from gc_credhelper.deadline import Deadline
from gc_credhelper.entry import Entry, Whose
from gc_credhelper.errors import InvalidClient, TemporaryError
from gc_credhelper.exchange import TokenExchanger
from gc_credhelper.fetch import Fetch
from gc_credhelper.gate import secret_bits
from gc_credhelper.private import PrivateDir
from gc_credhelper.record import Record, Refusal
from gc_credhelper.report import Report
from gc_credhelper.shared import Shared
from gc_credhelper.transport import Transport
from gc_credhelper.wish import Wish

ID = "a-client"


class Changing:
    """A provider that gives one secret after another, and stays at the last; one that is empty is a failure."""

    def __init__(self, *given: str) -> None:
        self.given = [*given]
        self.reads = 0

    def client_id(self) -> str | None:
        return ID

    def credentials(self, deadline: Deadline) -> ClientCredentials:  # noqa: ARG002  # nothing here takes time
        self.reads += 1
        secret = self.given.pop(0) if len(self.given) > 1 else self.given[0]
        if not secret:
            raise TemporaryError("the store is down")
        return ClientCredentials(ID, Secret(secret))


@pytest.fixture
def login() -> Iterator[RotatingLogin]:
    with RotatingLogin() as one:
        one.rotate(lambda: None)
        yield one


def refusal(secret: str) -> Record:
    salt = secrets.token_hex(16)
    return Record(refusal=Refusal("refused", 60, salt, secret_bits(Secret(secret), salt), 401))


class Fleet:
    """One machine of a fleet in whose far cache lies what another one was told."""

    def __init__(self, directory: Path, login: RotatingLogin, provider: Any) -> None:
        self.whose = Whose(login.token_url, "basic", ID)
        self.store = Store(key=self.whose.key)
        self.store.put(refusal(OLD))
        report = Report()
        far = Shared("far", self.store, report, strict=False)
        self.entry = Entry(self.whose, [], PrivateDir(f"+{directory / 'state'}"), report, far)
        exchanger = TokenExchanger(login.token_url, "basic", "a test", Transport(), report)
        self.fetch = Fetch(lambda: provider, lambda: exchanger, None, report)

    def token(self) -> str:
        return self.fetch(self.entry, Wish(), Deadline(60)).value


def test_a_secret_that_was_changed_meanwhile_is_tried_at_once(tmp_path: Path, login: RotatingLogin) -> None:
    provider = Changing(OLD, NEW)
    fleet = Fleet(tmp_path, login, provider)
    assert fleet.token() == "tok-0"
    assert (provider.reads, login.refused, login.issued) == (2, [], ["tok-0"])
    assert (fleet.store.record().token, fleet.store.record().refusal) == ("tok-0", Refusal())


def test_one_that_is_still_the_refused_one_is_believed_to_be_refused(tmp_path: Path, login: RotatingLogin) -> None:
    provider = Changing(OLD)
    fleet = Fleet(tmp_path, login, provider)
    with pytest.raises(InvalidClient, match="said to another machine"):
        fleet.token()
    assert (provider.reads, len(login.server.requests)) == (2, 0)


def test_when_the_changed_one_is_refused_as_well_the_store_is_not_read_a_third_time(
    tmp_path: Path, login: RotatingLogin
) -> None:
    provider = Changing(OLD, "neither", NEW)
    fleet = Fleet(tmp_path, login, provider)
    with pytest.raises(InvalidClient, match="authentication failed"):
        fleet.token()
    assert (provider.reads, login.refused) == (2, ["neither"])
    told = fleet.store.record().refusal
    assert told.bits == secret_bits(Secret("neither"), told.salt)


def test_when_the_store_fails_the_second_time_the_refusal_is_what_is_said(tmp_path: Path, login: RotatingLogin) -> None:
    provider = Changing(OLD, "")
    began = time.monotonic()
    with pytest.raises(InvalidClient, match="said to another machine"):
        Fleet(tmp_path, login, provider).token()
    assert (provider.reads, len(login.server.requests)) == (2, 0)
    assert time.monotonic() - began < 60


def test_a_leader_publishes_the_token_of_the_changed_secret_and_no_refusal(
    tmp_path: Path, login: RotatingLogin
) -> None:
    provider = Changing(OLD, NEW)
    fleet = Fleet(tmp_path, login, provider)
    fleet.store.put(Record())
    assert fleet.token() == "tok-0"
    assert (provider.reads, login.refused, login.issued) == (2, [OLD], ["tok-0"])
    assert (fleet.store.record().token, fleet.store.record().refusal) == ("tok-0", Refusal())
