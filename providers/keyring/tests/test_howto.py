"""What the page on laptops shows for a keyring is run, in the shell of a sandbox, with a real keyring."""

import re
import subprocess

import pytest
from docs.pages import HOW_TO, Step, blocks, console
from gc_credhelper import cli
from keyringkit import Desktop, hunt
from support import GC, Machine

PAGE = HOW_TO / "keyring-laptop.md"
MARK = "@@@"
STEPS = [step for block in blocks(PAGE) if block.info == "console keyring" for step in console(block)]


def script() -> str:
    """Each command ends with a line that has its status."""
    return "exec 2>&1 < /dev/null\n" + "".join(f"{step.command}\nprintf '\\n{MARK}%d\\n' $?\n" for step in STEPS)


@pytest.mark.skipif("store" not in cli.COMMANDS, reason="the page uses the command store, which is not there yet")
def test_the_commands_of_the_page_do_what_it_says(machine: Machine, own_session: Desktop) -> None:
    file = machine.home / "session.sh"
    file.write_text(script())
    done = subprocess.run(
        [GC, "sandbox", "--", "bash", str(file)],
        env=machine.environ(own_session.env()),
        cwd=machine.home,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        timeout=100,
        check=False,
    )
    hunt(done.stdout)
    ends = re.split(rf"\n{MARK}(\d+)\n", done.stdout)
    outputs = list(zip(ends[0::2], map(int, ends[1::2]), strict=False))
    assert len(outputs) == len(STEPS), done.stdout[-2000:]
    for step, (output, status) in zip(STEPS, outputs, strict=True):
        check(step, output, status)


def check(step: Step, output: str, status: int) -> None:
    shown = f"$ {step.command}\n{output}\n(status {status})"
    assert (status != 0) == step.fails, shown
    text = "".join(line.rstrip() + "\n" for line in output.splitlines())
    assert re.fullmatch(step.pattern, text), f"{shown}\nbut the page shows\n" + "\n".join(step.expected or ())


def test_the_page_shows_a_keyring_that_works_and_one_that_is_not_there() -> None:
    assert any(step.fails for step in STEPS)
    assert sum("gc-credhelper store" in step.command for step in STEPS) == 2
