"""Matches of several players, each in a file of its own: what ratings are measured from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from pathlib import Path

from lm.matches.arena import Opening, Report, match_pairings
from lm.matches.clocks import MARGIN, NO_CLOCKS, Clocks
from lm.matches.elo import Score
from lm.matches.match_file import play_to_file
from lm.matches.ratings import Result
from lm.players.specs import Spec
from xiangqi.game import Game

Progress = Callable[[str, int | None], AbstractContextManager[tuple[Report, Callable[[int, str], None]]]]


@dataclass(frozen=True)
class Meeting:
    """A match to be played."""

    a: Spec
    b: Spec
    games: int
    clocks: Clocks = NO_CLOCKS
    """Those of a game in which ``a`` is Red."""

    @property
    def file(self) -> str:
        """Name of its file."""
        words = f"{self.a.name} - {self.b.name}"
        return "".join(c if c.isalnum() or c in " -.=" else "_" for c in words)[:120] + ".pgn"


def play(
    meetings: Sequence[Meeting],
    folder: Path,
    openings: Sequence[Opening],
    progress: Progress,
    *,
    max_plies: int,
    parallel: int | None = None,
    cores: int | None = None,
    margin: float = MARGIN,
) -> list[Result]:
    """Play matches, each into a PGN file in the folder, and return their results. What was played before is kept.

    A match with clocks plays one game for each of the ``cores``, the others ``parallel`` at a time.
    """
    results = []
    for number, meeting in enumerate(meetings, 1):
        a, b = meeting.a, meeting.b
        pairings = match_pairings(a, b, meeting.games, openings, clocks=meeting.clocks)
        games: dict[int, Game] = {}
        with progress(f"{number}/{len(meetings)} {a.name} - {b.name}", meeting.games) as (report, advance):
            playing = play_to_file(
                pairings,
                folder / meeting.file,
                max_plies=max_plies,
                parallel=None if meeting.clocks else parallel,
                cores=cores,
                margin=margin,
                report=report,
            )
            with closing(playing):
                for index, game in playing:
                    games[index] = game
                    score = Score.of(games)
                    advance(len(games), f"+{score.wins} ={score.draws} -{score.losses}")
        results.append(Result.of(a.name, b.name, games))
    return results
