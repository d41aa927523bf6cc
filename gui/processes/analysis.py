"""Analyses in the player's process: a thread that follows the position shown, beside the player.

It first tells what people would play, by the language model's policy, which takes an instant, and then the lines of the
search as they become better. The search works outside Python's lock, so it holds up neither the player nor the pipe.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from gui.processes.follower import Follower

if TYPE_CHECKING:
    from lm.players.player import Analysis, Line
    from xiangqi import Board, Move

TOLD_EVERY: Final = 0.09
"""Seconds between reports."""
FIRST: Final = 100
"""Nodes of a first, short search. A long one first looks at tactics for a while, before it has lines to report."""
PEOPLE: Final = 8
"""So many of the moves that people would play are reported, the likeliest first."""


@dataclass(frozen=True)
class Analyse:
    """Analyse a position, in place of the last one; without a board, stop."""

    number: int
    """Reports carry it, so that late ones can be told."""
    board: Board | None = None
    thinker: str = ""
    """The spec of the thinker whose lines are wanted."""
    policy: str = ""
    """The spec of the player whose candidates are what people would play; empty if they are not wanted."""
    lines: int = 3
    seconds: float | None = None
    """When the search ends; ``None`` for no end."""

    @property
    def idle(self) -> bool:
        """Whether it only stops."""
        return self.board is None

    def failed(self, message: str) -> NoAnalysis:
        """Return the report that it failed."""
        return NoAnalysis(self.number, message)


@dataclass(frozen=True)
class Lines:
    """The lines found so far, best first."""

    number: int
    lines: tuple[Line, ...]
    finished: bool = False
    """Whether the analysis has ended by itself."""


@dataclass(frozen=True)
class People:
    """The likeliest moves of people with their probabilities."""

    number: int
    candidates: tuple[tuple[Move, float], ...]


@dataclass(frozen=True)
class NoAnalysis:
    """The analysis failed; ``message`` is one line."""

    number: int
    message: str


Report = Lines | People | NoAnalysis


class Analyst(Follower[Analyse]):
    """Analyses the position asked for last."""

    def serve(self, request: Analyse) -> None:
        from lm.players.player import Thinker
        from xiangqi.engine import Limit

        board = request.board
        assert board is not None
        if request.policy:
            (choice,) = self.players(request.policy).choose([board])
            self.tell(request, People(request.number, choice.candidates[:PEOPLE]))
        thinker = self.players(request.thinker)
        if not isinstance(thinker, Thinker):
            raise ValueError(f"{request.thinker} cannot analyse")
        end = None if request.seconds is None else Limit(time=request.seconds)
        for last, limit in ((False, Limit(nodes=FIRST)), (True, end)):
            analysis = self.run(request, partial(thinker.analyse, board, limit, request.lines))
            if analysis is None:
                return
            ended = threading.Event()
            telling = threading.Thread(target=self._tell_now_and_then, args=(request, analysis, ended), daemon=True)
            telling.start()
            try:
                for _ in analysis:
                    pass
            finally:
                ended.set()
                telling.join()
                self.ran()
            self.tell(request, Lines(request.number, tuple(analysis.lines), finished=last))

    def _tell_now_and_then(self, request: Analyse, analysis: Analysis, ended: threading.Event) -> None:
        """Report the lines while they change. A thread does so, since the next ones may take long after quick ones."""
        told: list[Line] = []
        while not ended.wait(TOLD_EVERY):
            if (lines := analysis.lines) != told:
                self.tell(request, Lines(request.number, tuple(lines)))
                told = lines
