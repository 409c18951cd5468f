"""CSV: what goes in comes out again, whatever it is, and columns lead where they say."""

import csv
import io
import re
from pathlib import Path

import pytest

from gc_credhelper import journal
from gc_credhelper.resources import RESOURCES
from gc_credhelper.tabular import cell, lines

HOSTILE = [
    *("", " ", '"', '""', ",", ";", "\t", "\n", "\r", "\r\n", "a\nb", 'a"b', "a,b", "'", "\\", "\\n", "#", "null"),
    *("=1+1", "+49 30 1234", "-1", "@SUM(A1)", '=HYPERLINK("http://x.example")', "\N{ZERO WIDTH NO-BREAK SPACE}x"),
    *("Björn", "\N{GRINNING FACE}", "\N{LINE SEPARATOR}", "\x85", "\x00", "\x1a", "x" * 100_000),
]


def test_texts_come_out_as_they_went_in() -> None:
    rows = [{"id": str(number), "name": text} for number, text in enumerate(HOSTILE)]
    content = lines(rows, ("id", "name"), head=True)
    read = list(csv.DictReader(io.StringIO(content.decode(), newline="")))
    assert [row["name"] for row in read] == HOSTILE
    assert [row["id"] for row in read] == [row["id"] for row in rows]


def test_lines_end_as_rfc_4180_says_and_no_mark_is_in_front() -> None:
    assert lines([{"a": "1", "b": "x,y"}], ("a", "b"), head=True) == b'a,b\r\n1,"x,y"\r\n'
    assert lines([{"a": "1"}], ("a",), head=False) == b"1\r\n"
    assert lines([], ("a",), head=False) == b""


def test_half_a_surrogate_pair_is_a_question_mark() -> None:
    assert lines([{"a": "x\ud800y"}], ("a",), head=False) == b"x?y\r\n"


ROW = {
    "text": "Ada",
    "true": True,
    "zero": 0,
    "half": 0.5,
    "none": None,
    "empty": [],
    "object": {"b": [1], "a": "ü"},
    "list": ["x", "y", "x"],
    "participants": [
        {"id": "1", "sessions": [{"m": "voice"}, {"m": "chat"}]},
        {"id": "2", "sessions": [{"m": "voice"}]},
    ],
    "division": {"id": "d", "name": "Home"},
}


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("text", "Ada"),
        ("true", "true"),
        ("zero", "0"),
        ("half", "0.5"),
        ("none", ""),
        ("empty", ""),
        ("missing", ""),
        ("object", '{"b":[1],"a":"ü"}'),
        ("object.a", "ü"),
        ("object.b", "[1]"),
        ("list", '["x","y"]'),
        ("division.name", "Home"),
        ("division.name.deeper", ""),
        ("text.deeper", ""),
        ("missing.deeper", ""),
        ("participants.id", '["1","2"]'),
        ("participants.sessions.m", '["voice","chat"]'),
        ("participants.missing", ""),
    ],
)
def test_a_path_leads_to_a_value(path: str, wanted: str) -> None:
    assert cell(ROW, path) == wanted


def test_the_columns_that_the_reference_lists_are_those_of_the_code() -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "reference" / "export-files.md"
    listed = re.findall(r"^\| `(\w+)` \| (`.*`) \|$", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert {name: tuple(re.findall(r"`([\w.]+)`", cells)) for name, cells in listed} == {
        name: resource.columns for name, resource in RESOURCES.items()
    }


def test_the_journal_that_the_reference_shows_has_the_parts_of_the_code() -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "reference" / "export-files.md"
    text = page.read_text(encoding="utf-8")
    assert journal.VERSION.decode() in text
    (shown,) = re.findall(r"^<CRC-32> \[(.*)\]$", text, re.MULTILINE)
    assert len(shown.split(",")) == len(journal.Position.__slots__)
