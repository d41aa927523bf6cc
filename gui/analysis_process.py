"""Analyses in the player's process: a thread that follows the position shown, beside the player.

It first tells what people would play, by the language model's policy, which takes an instant, and then the lines of the
search as they become better. The search works outside Python's lock, so it holds up neither the player nor the pipe.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gui.errors import describe

if TYPE_CHECKING:
    from lm.players.player import Analysis, Line, Player
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


class Analyst:
    """Analyses the position asked for last. ``load`` opens a player by its spec, ``report`` sends a report.

    A new request, or one to stop, is heeded at once: what the old one still finds is not reported.
    """

    def __init__(self, load: Callable[[str], Player], report: Callable[[Report], None]) -> None:
        self._load, self._report = load, report
        self._changed = threading.Condition()
        """Guards the next three attributes."""
        self._wanted = Analyse(0)
        self._done = 0
        """Number of the request that is or was served."""
        self._running: Analysis | None = None
        self._players: dict[str, Player] = {}
        self._thread: threading.Thread | None = None

    def ask(self, request: Analyse) -> None:
        """Analyse a position, or stop; never waits."""
        with self._changed:
            self._wanted = request
            if self._running is not None:
                self._running.stop()
            if self._thread is None and request.board is not None:
                self._thread = threading.Thread(target=self._work, name="analyst", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._wanted.number != self._done)
                request = self._wanted
                self._done = request.number
            if request.board is not None:
                try:
                    self._analyse(request, request.board)
                except Exception as error:  # any failure of a thinker is told in the window
                    self._tell(request, NoAnalysis(request.number, describe(error)))

    def _analyse(self, request: Analyse, board: Board) -> None:
        from lm.players.player import Thinker
        from xiangqi.engine import Limit

        if request.policy:
            (choice,) = self._player(request.policy).choose([board])
            self._tell(request, People(request.number, choice.candidates[:PEOPLE]))
        thinker = self._player(request.thinker)
        if not isinstance(thinker, Thinker):
            raise ValueError(f"{request.thinker} cannot analyse")
        for limit in (Limit(nodes=FIRST), None):
            with self._changed:
                if self._wanted is not request:
                    return
                self._running = analysis = thinker.analyse(board, limit, request.lines)
            told = 0.0
            try:
                for _ in analysis:
                    if time.monotonic() - told >= TOLD_EVERY:
                        told = time.monotonic()
                        self._tell(request, Lines(request.number, tuple(analysis.lines)))
            finally:
                with self._changed:
                    self._running = None
            self._tell(request, Lines(request.number, tuple(analysis.lines), finished=limit is None))

    def _player(self, spec: str) -> Player:
        if spec not in self._players:
            self._players[spec] = self._load(spec)
        return self._players[spec]

    def _tell(self, request: Analyse, report: Report) -> None:
        """Report unless something else is wanted by now."""
        with self._changed:
            if self._wanted is not request:
                return
        self._report(report)
