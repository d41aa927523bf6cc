"""``xqlm levels``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lm.cli.console import interruptible, progress, say, write
from lm.cli.options import CoresOption, GamesOption, ParallelOption


def levels(
    games: GamesOption = 100,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the matches; gone on with.")] = Path(
        "runs/levels"
    ),
    table: Annotated[Path, typer.Option(help="Markdown file for the table.")] = Path("docs/levels.md"),
    engine: Annotated[
        str, typer.Option(metavar="COMMAND[,OPTION=VALUE]", help="The engine to meet, as in a spec of kind uci.")
    ] = "fairy-stockfish,UCI_Variant=xiangqi",
    parallel: ParallelOption = None,
    cores: CoresOption = None,
) -> None:
    """Play the levels against each other and an engine, and write their Elo; resumed by the same command."""
    from lm.matches import level_ratings as matches
    from lm.matches import meetings
    from lm.matches.arena import load_openings
    from lm.players.engine import EnginePlayer

    player = matches.reference(engine, 1).open()
    assert isinstance(player, EnginePlayer)
    name = player.engine_name
    player.close()
    with interruptible():
        results = meetings.play(
            matches.meetings(games, engine),
            out,
            load_openings(),
            progress,
            max_plies=matches.MAX_PLIES,
            parallel=parallel,
            cores=cores,
        )
    page = matches.page(results, name)
    table.parent.mkdir(parents=True, exist_ok=True)
    write(table, page)
    print(page)
    say(f"written to {table}")
