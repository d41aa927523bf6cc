"""``xqlm levels`` and ``strength``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lm import UserError
from lm.cli.console import interruptible, progress, say, write
from lm.cli.options import CoresOption, GamesOption, ParallelOption

EngineOption = Annotated[
    str, typer.Option(metavar="COMMAND[,OPTION=VALUE]", help="The engine to meet, as in a spec of kind uci.")
]
FolderOption = Annotated[Path, typer.Option("--out", "-o", help="Folder of the matches; gone on with.")]
TableOption = Annotated[Path, typer.Option(help="Markdown file for the table.")]


def levels(
    games: GamesOption = 100,
    out: FolderOption = Path("runs/levels"),
    table: TableOption = Path("docs/levels.md"),
    engine: EngineOption = "fairy-stockfish,UCI_Variant=xiangqi",
    parallel: ParallelOption = None,
    cores: CoresOption = None,
) -> None:
    """Play the levels against each other and an engine, and write their Elo; resumed by the same command."""
    from lm.matches import level_ratings, meetings
    from lm.matches.arena import load_openings

    name = name_of(engine)
    with interruptible():
        results = meetings.play(
            level_ratings.meetings(games, engine),
            out,
            load_openings(),
            progress,
            max_plies=level_ratings.MAX_PLIES,
            parallel=parallel,
            cores=cores,
        )
    publish(level_ratings.page(results, name), table)


def strength(
    games: GamesOption = 100,
    out: FolderOption = Path("runs/strength"),
    table: TableOption = Path("docs/strength.md"),
    engine: EngineOption = "fairy-stockfish,UCI_Variant=xiangqi",
    only: Annotated[
        str | None,
        typer.Option(metavar="NAME;NAME", show_default=False, help="These players alone, by name."),
    ] = None,
    parallel: ParallelOption = None,
    cores: CoresOption = None,
) -> None:
    """Play policy, levels, searches, controls and an engine at ten depths, and write their Elo; resumed like levels."""
    from lm import cpu_model
    from lm.matches import meetings
    from lm.matches import strength as matches
    from lm.matches.arena import load_openings

    players = matches.entries(engine)
    if only is not None:
        wanted = [name.strip() for name in only.split(";")]
        known = {player.name: player for player in players}
        if unknown := [name for name in wanted if name not in known]:
            raise UserError(f"no player {unknown[0]!r} (players: {'; '.join(known)})")
        players = [known[name] for name in wanted]
    if len(players) < 2:
        raise UserError("a list takes two players at least")
    name = name_of(engine)
    with interruptible():
        results = meetings.play(
            matches.meetings(players, games),
            out,
            load_openings(),
            progress,
            max_plies=matches.MAX_PLIES,
            parallel=parallel,
            cores=cores,
            margin=matches.MARGIN,
        )
    publish(matches.page(results, players, name, cpu_model()), table)


def name_of(engine: str) -> str:
    """Return the name that an engine gives itself."""
    from lm.matches.level_ratings import reference
    from lm.players.engine import EnginePlayer

    player = reference(engine, 1).open()
    assert isinstance(player, EnginePlayer)
    name = player.engine_name
    player.close()
    return name


def publish(page: str, table: Path) -> None:
    """Write a page and print it."""
    table.parent.mkdir(parents=True, exist_ok=True)
    write(table, page)
    print(page)
    say(f"written to {table}")
