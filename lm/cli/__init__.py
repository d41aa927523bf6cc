"""``xqlm``, the command line.

`main` runs `lm.cli.app`. If only the rules are installed, typer is missing; then ``python -m xiangqi`` runs the
commands that need the rules alone.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence

from lm import install_command, release
from lm.cli.commands import EXTRAS, our_packages, package_of, plugins
from lm.cli.console import fail


def main() -> None:
    """Run the command line. A user's mistake gets one line and exit code 2; a bug of ours gets its traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal without Chinese shows question marks
            stream.reconfigure(errors="replace")
    words = sys.argv[1:]
    try:
        run(words)
    except BrokenPipeError:  # the reader of our output has closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except ModuleNotFoundError as error:
        if package_of(error.name) in our_packages():
            raise
        fail(f"this needs {package_of(error.name)}: {install_command(EXTRAS.get(command_of(words), 'play'))}")
    except Exception as error:
        if not is_users_fault(error):
            raise
        if isinstance(error, OSError) and error.filename is not None:
            fail(f"{error.filename}: {error.strerror}")
        fail(str(error))


def run(words: Sequence[str]) -> None:
    """Run a command, with typer if it is installed."""
    try:
        from lm.cli.app import app
    except ModuleNotFoundError as error:
        if package_of(error.name) in our_packages():
            raise
    else:
        app(list(words))  # raises SystemExit
    if list(words) == ["--version"]:
        print(release())
        return
    from xiangqi.__main__ import run as run_rules

    others = [*(entry.name for entry in plugins()), *EXTRAS]
    if command_of(words) in others:
        extra = EXTRAS.get(command_of(words), "play")
        fail(f"{command_of(words)} needs more than the rules: {install_command(extra)}")
    run_rules(words, "xqlm", f"{', '.join(others)} need more than the rules: {install_command('all')}")


def command_of(words: Sequence[str]) -> str:
    """Return the name of the command in a command line."""
    return next((word for word in words if not word.startswith("-")), "")


def is_users_fault(error: Exception) -> bool:
    """Whether an error is about the user's input: one of our own classes, or an error of the operating system."""
    return isinstance(error, OSError) or package_of(type(error).__module__) in our_packages()
