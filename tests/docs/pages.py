"""The pages for readers, taken apart: fenced blocks, tables, sections, and the shell session that a page shows."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference"
HOW_TO = ROOT / "docs" / "how-to"
FRONT = [ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "providers/README.md")]
FRONT += sorted((ROOT / "providers").glob("*/README.md"))
PAGES = [*FRONT, *sorted((ROOT / "docs").rglob("*.md"))]
CONTINUED = "> "
STORES = sorted(path.parent.name for path in (ROOT / "providers").glob("*/pyproject.toml"))
MARK = "@@@"
_FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block. `above`: all of the page that stands above it."""

    page: Path
    info: str
    text: str
    above: str = field(repr=False)

    @property
    def heading(self) -> str:
        """The nearest heading above, of any level."""
        found: list[str] = re.findall(r"^#+ (.+)$", _FENCE.sub("", self.above), re.MULTILINE)
        return found[-1]


@dataclass
class Step:
    """A command of a page, and the output that the page shows for it; None when it shows none on purpose."""

    command: str
    expected: list[str] | None = field(default_factory=list)

    @property
    def fails(self) -> bool:
        """Does the page show an error?"""
        return any(": error: " in line for line in self.expected or ())

    @property
    def pattern(self) -> str:
        """The expected output as an expression: `…` is anything in a line, and any lines when it stands alone.

        Columns may be of any width.
        """
        lines = [
            "(?:.*\n)*?" if line == "…" and len(self.expected or ()) > 1 else _line(line)
            for line in self.expected or ()
        ]
        return "".join(lines)


def _line(shown: str) -> str:
    parts = [re.sub(r"(\\ )+", " +", re.escape(part)) for part in re.split(" … |…", shown)]
    return "".join(part + gap for part, gap in zip(parts, [*_gaps(shown), "\n"], strict=True))


def _gaps(shown: str) -> list[str]:
    return [" +(?:.* +)?" if gap == " … " else ".*" for gap in re.findall(" … |…", shown)]


def name(page: Path) -> str:
    """A page as people call it."""
    return str(page.relative_to(ROOT))


def blocks(page: Path) -> Iterator[Block]:
    """Every fenced block, in order."""
    text = page.read_text(encoding="utf-8")
    for found in _FENCE.finditer(text):
        yield Block(page, found[1].strip(), found[2], text[: found.start()])


def store_blocks(store: str) -> list[Block]:
    """The blocks that need a store, whose name stands behind the language, as in `console vault`: those of an operator,
    of CI files, of jobs. The store's own suite runs them, in test_howto.py.
    """
    return [block for page in PAGES for block in blocks(page) if block.info.endswith(f" {store}")]


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def tables(page: Path) -> list[list[list[str]]]:
    """Each table as rows of cells, without the line below its head."""
    found: list[list[list[str]]] = []
    inside = False
    for line in prose(page).splitlines():
        if not line.startswith("|"):
            inside = False
            continue
        if not inside:
            found.append([])
            inside = True
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not all(re.fullmatch(r"-+", cell) for cell in cells):
            found[-1].append(cells)
    return found


def column(table: list[list[str]], index: int = 0) -> list[str]:
    """A column below its head, without the marks of code."""
    return [row[index].strip("`") for row in table[1:]]


def sections(page: Path) -> dict[str, str]:
    """The text below each heading of the second level, blocks included."""
    parts = re.split(r"^## (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def steps(page: Path) -> list[Step]:
    """What a reader who follows the page does, in order."""
    found: list[Step] = []
    for number, block in enumerate(blocks(page)):
        if block.info == "console":
            found += console(block)
        elif block.info == "sh":
            found.append(Step(f"( set -e\n{block.text})" if "export" not in block.text else block.text, None))
        elif block.info == "python":
            found.append(Step(f"cat > block{number}.py <<'END_OF_BLOCK'\n{block.text}END_OF_BLOCK", None))
            found.append(Step(f"python block{number}.py", None))
        elif block.info == "toml" and block.text.startswith("[profiles."):
            found.append(Step(f"cat > \"$GC_CREDHELPER_CONFIG\" <<'END_OF_BLOCK'\n{block.text}END_OF_BLOCK", None))
    return found


def console(block: Block) -> list[Step]:
    """The commands of a block: `$ ` begins one, `> ` goes on with it, and all else is output."""
    found: list[Step] = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            found.append(Step(line.removeprefix("$ ")))
        elif line.startswith(CONTINUED):
            found[-1].command += "\n" + line.removeprefix(CONTINUED)
        else:
            assert found, f"{name(block.page)}: output without a command"
            assert found[-1].expected is not None
            found[-1].expected.append(line)
    return found


def script(commands: list[Step]) -> str:
    """One shell for all, so that a page can export variables; each command ends with a line that has its status."""
    parts = [f"{step.command}\nstatus=$?; printf '\\n{MARK}%d\\n' $status\n" for step in commands]
    return "exec 2>&1 < /dev/null\nstatus=0\n" + "".join(parts)


def check(commands: list[Step], output: str) -> list[int]:
    """Compare what the shell printed with what the page shows; the status of each command."""
    ends = re.split(rf"\n{MARK}(\d+)\n", output)
    outputs = list(zip(ends[0::2], map(int, ends[1::2]), strict=False))
    assert len(outputs) == len(commands), f"the session stopped early: {output[-2000:]}"
    for step, (printed, status) in zip(commands, outputs, strict=True):
        shown = f"$ {step.command}\n{printed}\n(status {status})"
        assert (status != 0) == step.fails, shown
        if step.expected is None:
            continue
        text = "".join(line.rstrip() + "\n" for line in printed.splitlines())
        assert re.fullmatch(step.pattern, text), f"{shown}\nbut the page shows\n" + "\n".join(step.expected)
    return [status for _, status in outputs]
