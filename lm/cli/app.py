"""The commands of ``xqlm``. Each imports its modules when it runs, so that ``xqlm --help`` is fast."""

from __future__ import annotations

from typing import Annotated

import typer

from lm import release
from lm.cli import (
    games,
    labelling,
    leaderboard,
    levels,
    library,
    measuring,
    play,
    repairing,
    studying,
    tools,
    tournaments,
    training,
)
from lm.cli.commands import plugins
from lm.cli.console import say

app = typer.Typer(
    name="xqlm",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def show_version(wanted: bool) -> None:
    """Print the version and exit."""
    if wanted:
        print(release())
        raise typer.Exit


@app.callback()
def xqlm(
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Show the version and leave.")
    ] = False,
) -> None:
    """Xiangqi (Chinese chess): play it, study it, and train a language model on it."""


for entry in plugins():
    try:
        app.command(entry.name)(entry.load())
    except Exception as error:  # a faulty plugin must not disable our own commands
        say(f"xqlm: the command {entry.name} of {entry.module} cannot be loaded: {error}")
for command in (
    play.terminal,
    play.engine,
    games.match,
    games.selfplay,
    tournaments.tournament,
    tournaments.ratings,
    tournaments.rulings,
    levels.levels,
    levels.strength,
    leaderboard.leaderboard,
    labelling.annotate,
    training.train,
    training.ladder,
    training.data,
    training.distil,
    measuring.evaluate,
    measuring.report,
    measuring.explain,
    library.explore,
    library.similar,
    studying.review,
    repairing.repair,
    tools.perft,
    tools.convert,
    tools.compliance,
):
    app.command()(command)
app.command("import")(library.import_games)
