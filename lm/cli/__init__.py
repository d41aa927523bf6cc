"""``xqlm``, the one command line. A subcommand imports what it needs when it runs, so that ``xqlm --help`` is quick."""

from __future__ import annotations

import io
import os
import sys

import typer

from lm.cli import games, measuring, play, tools, training
from lm.cli.console import fail

app = typer.Typer(
    name="xqlm",
    help="Xiangqi (Chinese chess): play it, study it, and train a language model on it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (
    play.play,
    play.terminal,
    games.match,
    games.selfplay,
    training.train,
    training.ladder,
    training.data,
    measuring.evaluate,
    measuring.report,
    measuring.explain,
    tools.perft,
    tools.convert,
):
    app.command()(command)


def is_users_fault(error: Exception) -> bool:
    """Whether an error says what is wrong with the input: one of our own classes, or the operating system's no."""
    return isinstance(error, OSError) or type(error).__module__.partition(".")[0] in ("xiangqi", "lm", "gui")


def main() -> None:
    """Run the command line. A user's mistake is one line and exit code 2; a bug of ours still shows where it is."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal without Chinese shows question marks
            stream.reconfigure(errors="replace")
    try:
        app()
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        if not is_users_fault(error):
            raise
        if isinstance(error, OSError) and error.filename is not None:
            fail(f"{error.filename}: {error.strerror}")
        fail(str(error))
