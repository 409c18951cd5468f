"""A cache that keeps its promises, and for each promise one that breaks it."""

import os
import socket
import time
import uuid
from contextlib import suppress
from pathlib import Path

from gc_credhelper.roles import Context
from gc_credhelper.settings import Setting, text


class GoodCache:
    """A file for each key, in a folder that somebody else made."""

    settings = (Setting("good.folder", text, "a folder", platform=("GOOD_FOLDER",)),)
    locator = "good.folder"

    def __init__(self, context: Context) -> None:
        self.context = context
        self.folder = Path(context.settings["good.folder"])

    def place(self, key: str) -> Path:
        return self.folder / f"{key}.txt"

    def get(self, key: str) -> str | None:
        try:
            return self.place(key).read_text("ascii")
        except FileNotFoundError:
            return None

    def put(self, key: str, text: str) -> None:
        part = self.folder / f".{uuid.uuid4().hex}"
        part.touch(0o600)
        part.write_text(text)
        part.rename(self.place(key))

    def remove(self, key: str) -> bool:
        there = self.place(key).exists()
        self.place(key).unlink(missing_ok=True)
        return there

    def keys(self) -> list[str]:
        return [path.stem for path in self.folder.glob("*.txt")]


class C1(GoodCache):
    settings = (Setting("good.folder", text, "", platform=("GOOD_FOLDER",)),)


class C2(GoodCache):
    def __init__(self, context: Context) -> None:
        super().__init__(context)
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", 1), timeout=1).close()


class C3(GoodCache):
    def get(self, key: str) -> str | None:
        return super().get(key) if any(self.folder.iterdir()) else ""

    def put(self, key: str, text: str) -> None:
        (self.folder / ".used").touch(0o600)
        super().put(key, text)


class C4(GoodCache):
    def put(self, key: str, text: str) -> None:
        super().put(key, text[:40_000])


class C5(GoodCache):
    def put(self, key: str, text: str) -> None:
        with os.fdopen(os.open(self.place(key), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text[:100])
            file.flush()
            time.sleep(0.01)
            file.write(text[100:])


class C6(GoodCache):
    def remove(self, key: str) -> bool:
        super().remove(key)
        return True


class C7(GoodCache):
    def keys(self) -> list[str]:
        return [path.name for path in self.folder.glob("*.txt")]


class C8(GoodCache):
    def place(self, key: str) -> Path:
        return super().place(key[:40])


class C9(GoodCache):
    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.me = uuid.uuid4().hex

    def place(self, key: str) -> Path:
        return self.folder / f"{key}.txt" / self.me

    def put(self, key: str, text: str) -> None:
        self.place(key).parent.mkdir(exist_ok=True)
        super().put(key, text)

    def remove(self, key: str) -> bool:
        there = super().remove(key)
        with suppress(OSError):
            self.place(key).parent.rmdir()
        return there


class C10(GoodCache):
    def put(self, key: str, text: str) -> None:
        self.context.report.note(f"keeps {text}")
        super().put(key, text)


class C11(GoodCache):
    def put(self, key: str, text: str) -> None:
        super().put(key, text)
        self.place(key).chmod(0o644)


class C12(GoodCache):
    def get(self, key: str) -> str | None:
        try:
            return super().get(key)
        except NotADirectoryError:
            return None


class C13(GoodCache):
    def put(self, key: str, text: str) -> None:
        part = self.folder / ".part"
        part.touch(0o600)
        part.write_text(text)
        time.sleep(0.002)
        part.rename(self.place(key))


class C14(GoodCache):
    def place(self, key: str) -> Path:
        return self.folder / f"{key}.{os.getpid()}.txt"

    def keys(self) -> list[str]:
        return [path.name.partition(".")[0] for path in self.folder.glob("*.txt")]


class C15(GoodCache):
    def put(self, key: str, text: str) -> None:
        try:
            self.get(key)
        except UnicodeDecodeError:  # something is wrong there, so better leave it alone
            return
        super().put(key, text)


class C16(GoodCache):
    def get(self, key: str) -> str | None:
        if not self.folder.is_dir():
            self.context.report.warn("the folder is gone")
        return super().get(key)


class C17(GoodCache):
    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.known: set[str] = set()

    def get(self, key: str) -> str | None:
        kept = self.place(key).with_suffix(".undo")
        if not self.place(key).exists() and key not in self.known and kept.exists():
            return kept.read_text()
        return super().get(key)

    def put(self, key: str, text: str) -> None:
        self.known.add(key)
        super().put(key, text)

    def remove(self, key: str) -> bool:
        if self.place(key).exists():
            self.place(key).rename(self.place(key).with_suffix(".undo"))
            return True
        return False
