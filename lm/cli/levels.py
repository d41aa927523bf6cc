"""``xqlm levels`` and ``strength``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lm import UserError
from lm.cli.console import at_most, interruptible, progress, say, write
from lm.cli.options import CoresOption, FolderOption, GamesOption, HoursOption, PageOption, ParallelOption
from lm.players.levels import ENGINE

if TYPE_CHECKING:
    from lm.matches.results_file import ResultsFile
    from lm.matches.strength import Place

EngineOption = Annotated[
    str, typer.Option(metavar="COMMAND[,OPTION=VALUE]", help="The engine to meet, as in a spec of kind uci.")
]


def levels(
    games: GamesOption = 100,
    out: FolderOption = Path("runs/levels"),
    table: PageOption = Path("docs/levels.md"),
    engine: EngineOption = ENGINE,
    hours: HoursOption = None,
    parallel: ParallelOption = None,
    cores: CoresOption = None,
) -> None:
    """Play the levels against each other and an engine, and write their Elo; resumed by the same command."""
    from lm.matches import level_ratings, meetings
    from lm.matches.arena import load_openings
    from lm.matches.rating_page import Rated

    with results_beside(table, out) as known:
        openings, players = load_openings(), level_ratings.entrants(version(engine), engine)
        planned = level_ratings.meetings(players, games)
        anchor = players[-len(level_ratings.DEPTHS)]

        def finish() -> None:
            publish(level_ratings.page(Rated(players, planned, known, openings, anchor)), table)

        def play() -> None:
            meetings.play(planned, known, out, openings, progress, parallel=parallel, cores=cores)

        carry_out(play, finish, hours)


def strength(
    games: GamesOption = 100,
    out: FolderOption = Path("runs/strength"),
    table: PageOption = Path("docs/strength.md"),
    engine: EngineOption = ENGINE,
    only: Annotated[
        str | None,
        typer.Option(metavar="NAME;NAME", show_default=False, help="These players alone, by name."),
    ] = None,
    hours: HoursOption = None,
    parallel: ParallelOption = None,
    cores: CoresOption = None,
) -> None:
    """Play policy, levels, searches, controls and an engine at ten depths, and write their Elo; resumed like levels."""
    from lm.matches import meetings
    from lm.matches import strength as matches
    from lm.matches.arena import load_openings
    from lm.matches.rating_page import Rated

    with results_beside(table, out) as known:
        openings, players = load_openings(), chosen(matches.places(version(engine), engine), only)
        planned = matches.meetings(players, games)
        anchor = next((player for player in players if player.name == "engine depth 1"), players[0]).entrant
        entrants = [player.entrant for player in players]

        def finish() -> None:
            publish(matches.page(Rated(entrants, planned, known, openings, anchor)), table)

        def play() -> None:
            meetings.play(planned, known, out, openings, progress, parallel=parallel, cores=cores)

        carry_out(play, finish, hours)


def chosen(players: list[Place], only: str | None) -> list[Place]:
    """Return those players whose names are given. Raises ``UserError``."""
    if only is not None:
        wanted = dict.fromkeys(name.strip() for name in only.split(";"))
        by_name = {player.name: player for player in players}
        if unknown := [name for name in wanted if name not in by_name]:
            raise UserError(f"no player {unknown[0]!r} (players: {'; '.join(by_name)})")
        players = [by_name[name] for name in wanted]
    if len(players) < 2:
        raise UserError("a list takes two players at least")
    return players


def version(engine: str) -> str:
    """Return the name that an engine gives itself."""
    from lm.matches.marks import version_of
    from lm.players.specs import Spec

    return version_of(Spec.parse(f"uci:{engine},depth=1"))


@contextmanager
def results_beside(table: Path, out: Path) -> Iterator[ResultsFile]:
    """Open the figures beside a page for this process alone. Raises ``UserError``, before anything is played."""
    from filelock import FileLock, Timeout

    from lm.matches.results_file import ResultsFile

    if table.suffix == ".json":
        raise UserError(f"--table {table}: the page is Markdown, with the figures in JSON beside it")
    out.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        try:
            stack.enter_context(FileLock(out / ".lock", timeout=0))
        except Timeout:
            raise UserError(f"{out}: another process plays these matches") from None
        yield ResultsFile(table.with_suffix(".json"))


def carry_out(work: Callable[[], None], finish: Callable[[], None], hours: float | None) -> None:
    """Do some work, and then ``finish`` with what has been done, also if it was interrupted or its time was over."""
    with interruptible():
        try:
            if hours != 0:
                with at_most(hours):
                    work()
        except KeyboardInterrupt:
            finish()
            raise
    finish()


def publish(page: str, table: Path) -> None:
    """Write a page and print it."""
    table.parent.mkdir(parents=True, exist_ok=True)
    write(table, page)
    print(page)
    say(f"written to {table}")
