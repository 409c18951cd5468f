"""Writers and readers in a loop: a reader sees the old entry or the new one, never a part of one, never none."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

WORKER = """
import json, sys, time
from gc_credhelper import filestore, tokens
from gc_credhelper.entry import Entry, Whose
from gc_credhelper.filecache import FileCache
from gc_credhelper.private import PrivateDir
from gc_credhelper.report import Report
from gc_credhelper.roles import Context
from gc_credhelper.tokens import AccessToken

role, path, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
directory = PrivateDir("+" + path)
report = Report()
cache = FileCache(Context({"file.directory": None}, None, report, directory))
entry = Entry(Whose("http://127.0.0.1/oauth/token", "basic", "torn"), [("file", cache)], directory, report)

def write(number):
    # The first part says how the rest must look.
    size = 1 + number * 7919 % 60_000
    value = f"{size}." + "abcdefghij"[number % 10] * size
    now = time.time()
    entry.write(AccessToken(value, now, now + 86_400))

def whole(token):
    size, _, rest = token.value.partition(".")
    return len(rest) == int(size) and rest == rest[0] * int(size)

def hot():
    fd = filestore.open_dir(path, ours=True)
    try:
        found = tokens.load(filestore.read(fd, entry.key + ".token").decode("latin-1"), entry.key)
    finally:
        filestore.posix.close(fd)
    return found and found[0]

if role == "write":
    number = 0
    print("ready", flush=True)
    while True:
        number += 1
        write(number)
read = hot if role == "hot" else entry.read
torn = 0
seen = set()
for _ in range(count):
    token = read()
    torn += token is None or not whole(token)
    seen.add(token and len(token.value))
print(json.dumps({"torn": torn, "seen": len(seen)}))
"""


def torn(directory: Path, reads: int) -> tuple[int, int]:
    """Torn reads, and how many different entries were seen, of two writers and four readers, two of each kind."""

    def start(role: str) -> "subprocess.Popen[str]":
        argv = [sys.executable, "-c", WORKER, role, str(directory), str(reads // 4)]
        return subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)

    writers = [start("write") for _ in range(2)]
    try:
        for writer in writers:
            assert writer.stdout
            assert writer.stdout.readline() == "ready\n"
        while not [*directory.glob("*.token")]:
            assert all(writer.poll() is None for writer in writers)
        readers = [start(role) for role in ("hot", "hot", "entry", "entry")]
        found = [json.loads(reader.communicate(timeout=600)[0]) for reader in readers]
    finally:
        for writer in writers:
            writer.kill()
            writer.communicate()
    return sum(one["torn"] for one in found), min(one["seen"] for one in found)


def test_no_read_is_torn(tmp_path: Path) -> None:
    found, seen = torn(tmp_path / "cache", 2000)
    assert found == 0
    assert seen > 1, "the writers were too slow to disturb a reader"


@pytest.mark.soak
def test_no_read_of_24000_is_torn(tmp_path: Path) -> None:
    found, seen = torn(tmp_path / "cache", 24_000)
    sys.stdout.write(
        f"\ntorn reads: {found} of 24000 with 2 writers and 4 readers; a reader saw at least {seen} different entries\n"
    )
    assert found == 0
