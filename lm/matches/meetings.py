"""Matches of several players, each in a file of its own: what ratings are measured from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lm import cpu_model
from lm.matches.arena import Opening, Report, match_pairings
from lm.matches.clocks import Clocks
from lm.matches.match_file import conditions_of, play_to_file
from lm.matches.results_file import Entrant, ResultsFile, Tally
from xiangqi.rulings import Rules

Progress = Callable[[str, int | None], AbstractContextManager[tuple[Report, Callable[[int, str], None]]]]
"""Shows the progress of some work; see `lm.cli.console.progress`."""

RULES: Final[Rules] = "computer"
MAX_PLIES: Final = 300
KEPT: Final = 1000
"""Games that the file of a meeting may hold, also where fewer are asked for now."""
MARGIN: Final = 0.5
"""Seconds by which a player may exceed its time for a move: what is measured is strength, not punctuality."""


@dataclass(frozen=True)
class Meeting:
    """A match to be played."""

    a: Entrant
    b: Entrant
    games: int

    @property
    def clocks(self) -> Clocks:
        """Those of a game in which ``a`` is Red."""
        return Clocks(self.a.time, self.b.time)

    @property
    def file(self) -> str:
        """Name of its file."""
        return f"{file_name(f'{self.a.spec.name} - {self.b.spec.name}')}.pgn"


def file_name(words: str) -> str:
    """Return words as the name of a file without a suffix."""
    return "".join(c if c.isalnum() or c in " -.=" else "_" for c in words)[:120]


def conditions(openings: Sequence[Opening]) -> str:
    """Return the conditions under which meetings are played, with a mark of the openings."""
    lines = "\n".join(" ".join(move.iccs for move in opening) for opening in openings)
    mark = hashlib.blake2b(lines.encode(), digest_size=4).hexdigest()
    return f"{conditions_of(RULES, MAX_PLIES, MARGIN)}, openings {mark}"


def steps(games: int) -> Iterator[int]:
    """Yield how many games of each meeting are played before any has more.

    >>> list(steps(120))
    [10, 20, 50, 100, 120]
    """
    size = 10
    while True:
        for step in (size, 2 * size, 5 * size):
            yield min(step, games)
            if step >= games:
                return
        size *= 10


def play(
    meetings: Sequence[Meeting],
    known: ResultsFile,
    folder: Path,
    openings: Sequence[Opening],
    progress: Progress,
    *,
    parallel: int | None = None,
    cores: int | None = None,
) -> None:
    """Play what is not known of the meetings, each into a PGN file in the folder, and add it to the file of results.

    Each meeting's first games are played before any goes on (`steps`), so that all players can soon be rated. The
    results are written after each match and when it is interrupted. A meeting with clocks plays one game for each of
    the ``cores``, the others ``parallel`` at a time.
    """
    stated = conditions(openings)
    for step in steps(max((meeting.games for meeting in meetings), default=0)):
        for number, meeting in enumerate(meetings, 1):
            tally, until = known.of(meeting.a, meeting.b, stated), min(step, meeting.games)
            if set(range(until)) <= tally.points.keys():
                continue
            try:
                title = f"{number}/{len(meetings)} {meeting.a.called} - {meeting.b.called}"
                with progress(title, until) as (report, advance):
                    _play(meeting, tally, until, folder, openings, report, advance, parallel, cores)
            finally:
                if tally.points:
                    known.write()


def _play(
    meeting: Meeting,
    tally: Tally,
    until: int,
    folder: Path,
    openings: Sequence[Opening],
    report: Report,
    advance: Callable[[int, str], None],
    parallel: int | None,
    cores: int | None,
) -> None:
    """Play a meeting's games up to a number and count them, and those that are in its file already."""
    a, b, machine = meeting.a.spec, meeting.b.spec, cpu_model()
    playing = play_to_file(
        match_pairings(a, b, max(meeting.games, KEPT), openings, clocks=meeting.clocks),
        folder / meeting.file,
        rules=RULES,
        max_plies=MAX_PLIES,
        parallel=None if meeting.clocks else parallel,
        cores=cores,
        margin=MARGIN,
        report=report,
        numbers=set(range(until)) - tally.points.keys(),
    )
    with closing(playing):
        for index, game in playing:
            tally.add(index, game, machine)
            done = list(tally.points.values())
            advance(len(done), f"+{done.count(1.0)} ={done.count(0.5)} -{done.count(0.0)}")
