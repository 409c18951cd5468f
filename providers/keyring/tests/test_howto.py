"""What the pages show for a keyring is run, in the shell of a sandbox, with a real keyring."""

import subprocess

from docs.pages import check, console, script, store_blocks
from keyringkit import Desktop
from support import GC, Machine
from support.hunting import hunt

BLOCKS = store_blocks("keyring")
STEPS = [step for block in BLOCKS for step in console(block)]


def test_the_commands_of_the_page_do_what_it_says(machine: Machine, own_session: Desktop) -> None:
    file = machine.home / "session.sh"
    file.write_text(script(STEPS))
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
    check(STEPS, done.stdout)


def test_all_blocks_are_of_one_page_and_of_the_kind_that_is_run() -> None:
    assert {(block.page.name, block.info) for block in BLOCKS} == {("keyring-laptop.md", "console keyring")}


def test_the_page_shows_a_keyring_that_works_and_one_that_is_not_there() -> None:
    assert any(step.fails for step in STEPS)
    assert sum("gc-credhelper store" in step.command for step in STEPS) == 2
