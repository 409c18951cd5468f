"""main(): serve a recorded plan from the cache, or hand over to the full program."""

import sys
import time

try:
    import posix
except ImportError:  # pragma: no cover  # Windows
    posix = None  # type: ignore[assignment]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .plan import Plan
    from .tokens import AccessToken


def hit(argv: "list[str]", environ: "dict[bytes, bytes]") -> "int | None":
    """Serve from the cache and return the exit code; None when the full program must run. Nothing is locked."""
    from . import filestore, output, plan, tokens

    inputs = plan.Inputs(argv, environ)
    home = plan.cache_home(inputs)[0]
    try:
        fd = filestore.open_dir(home[1:], ours=home[0] == "+")
        known = plan.recall(inputs, filestore.read(fd, plan.note_name(inputs)))
        if known is None or not known.store:
            return None
        state = fd if known.state == home else filestore.open_dir(known.state[1:], ours=known.state[0] == "+")
        store = fd if known.store == home else filestore.open_dir(known.store[1:], ours=known.store[0] == "+")
        mark = filestore.changed_at(state, known.key + ".rejected")
        entry = tokens.load(filestore.read(store, known.key + ".token").decode("latin-1"), known.key)
    except (OSError, filestore.Unsafe):
        return None
    render = output.RENDERERS.get(known.format)
    if entry is None or entry[1] != mark or render is None:
        return None
    token = entry[0]
    now = time.time()
    if now >= token.refresh_at or not token.usable(now, known.min_ttl):
        return None
    if known.verify and now - known_alive(state, known, token, now) >= known.verify:
        return None
    return output.emit(render(token, known.api_version))


def known_alive(state: int, known: "Plan", token: "AccessToken", now: float) -> float:
    """When the token was last known to be alive; no file is read for one that was issued lately."""
    from . import filestore, tokens

    if now - token.issued_at < known.verify:
        return token.issued_at
    try:
        proof = filestore.read(state, known.key + ".alive").decode("latin-1")
    except (OSError, filestore.Unsafe):
        return token.issued_at
    return tokens.load_proof(proof, token, now)[0]


def full_start() -> None:
    """Do the rest of an ordinary start: the launcher skipped `site`. User and PYTHON* variables stay ignored.

    In layouts that site does not know under -I (`pip install --user`, `--target`) the directory that holds this package
    comes where a user site would: after the standard library, before site-packages.
    """
    import os
    import site

    known = len(sys.path)
    site.main()
    home = os.path.realpath(os.path.dirname(os.path.dirname(__file__)))
    if home not in map(os.path.realpath, sys.path):
        found, sys.path[known:] = sys.path[known:], []
        site.addsitedir(home)
        sys.path += found


def occupy_streams() -> None:
    """Let no file or socket of ours become 0, 1 or 2 where the caller closed them: the answer would go into it."""
    while (fd := posix.open("/dev/null", posix.O_RDONLY)) <= 2:  # noqa: PLR2004  # stderr
        continue
    posix.close(fd)


def main() -> int:
    """Entry point of the launcher, of the console script and of `python -m gc_credhelper`."""
    try:
        return start()
    except KeyboardInterrupt:
        return 130  # as a shell says it; most of a run's time goes into imports, outside of cli.main
    except RuntimeError as e:
        if isinstance(e.__cause__, KeyboardInterrupt):  # Python 3.11 wraps it while a class is made
            return 130
        raise


def git() -> int:
    """Entry point of `git-credential-gc`, which git runs for `credential.helper = gc`."""
    sys.argv[1:1] = ["helper", "git"]
    return main()


def start() -> int:
    """Serve a hit, which ends the process, or run the full program."""
    if posix:
        code = hit(sys.argv[1:], posix.environ)
        if code is not None:
            # Nothing is open that needs an ordinary end, which would cost as much as the hit.
            posix._exit(code)  # noqa: SLF001  # its public name
        occupy_streams()
    if sys.flags.no_site:
        full_start()
    from . import cli

    return cli.main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
