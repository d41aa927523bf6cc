"""The analysis at the board: follows the position shown, and keeps what the thinker says of it.

The thinking is done in the player's process (`gui.processes.analysis`).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gui.processes.analysis import Analyse, Lines, NoAnalysis, People, Report
from gui.session import Session
from lm.players.analysing import people, thinker
from lm.players.specs import Spec
from xiangqi import NULL_MOVE, RED, Board, Move

if TYPE_CHECKING:
    from gui.processes.worker import Worker
    from lm.players.player import Line

MOST_LINES: Final = 6
SIZE: Final = 30_000
"""Positions that the analysis may hold, of 13 kB each; when they are full, it ends."""
HINT_NODES: Final = 300
"""Nodes of the search for a hint."""
ARROWS: Final = 3
"""So many arrows are drawn for the best moves, and for what people would play."""
UNLIKELY: Final = 0.08
"""A move that people play less often gets no arrow."""


@dataclass(frozen=True)
class ArrowMark:
    """An arrow on the board."""

    move: Move
    people: bool
    """Whether it shows what people would play, not what is best."""
    weight: float
    """How strong it is drawn, 0 to 1."""


@dataclass(frozen=True)
class Chances:
    """Red's chances, which sum to 1."""

    win: float
    draw: float
    loss: float


class LiveAnalysis:
    """Starts, stops and follows. Call `follow` after every change of what is shown."""

    def __init__(self, session: Session, worker: Worker) -> None:
        self.session, self._worker = session, worker
        self.on = False
        self.threats = False
        """Whether the position is analysed as if the side to move passed."""
        self.count = 3
        """Number of lines."""
        self.seconds = 0
        """After so many seconds the analysis of a position pauses; 0 for never."""
        self.best_arrows, self.people_arrows = True, True
        self.board: Board | None = None
        """The position analysed; ``None`` if that shown cannot be."""
        self.lines: tuple[Line, ...] = ()
        self.people: tuple[tuple[Move, float], ...] = ()
        self.loaded = False
        """Whether a line has come since the board was opened: until then the model is loaded, or even compiled."""
        self.finished = False
        """Whether it has ended by itself."""
        self.error: str | None = None
        self.hovered: tuple[tuple[Move, ...], int] | None = None
        """The line under the pointer, and how many of its moves are shown on the board."""
        self.hinting = False
        """Whether an analysis has been started for a hint alone."""
        self.hint: Move | None = None
        """The move of the last hint."""
        self.hint_told = False
        self._hint_for: object = None
        self._endless: object = None
        """Where it goes on after its pause."""
        self._number = 0
        self._asked: tuple[object, ...] | None = None

    # --- Starting and stopping ----------------------------------------------------------------------------------------

    def toggle(self) -> None:
        """Start, stop, or go on after a pause."""
        if self.paused:
            self._endless = self.session.number, self.session.node
            return
        if self.on and not self.hinting:
            self._end()
        else:
            self.on, self.hinting = True, False

    def more_lines(self, step: int) -> None:
        """Show more lines, or fewer."""
        self.count = max(1, min(self.count + step, MOST_LINES))

    def ask_hint(self, player: Spec) -> None:
        """Find a good move of the position shown; it gets an arrow until another position is shown."""
        self.hint, self.hint_told, self._hint_for = None, False, (self.session.number, self.session.node)
        if not self.on:
            self.on = self.hinting = True
            self.follow(player)
        self._take_hint()

    def _take_hint(self) -> None:
        if self.hint is None and self._hint_for is not None and self.lines and not self.threats:
            nodes = self.lines[0].info.nodes or 0
            if nodes >= HINT_NODES or self.finished:
                self.hint = self.lines[0].move
                if self.hinting:
                    self._end()

    def _end(self) -> None:
        self.on = self.hinting = False
        self._stop()
        self._clear()

    def follow(self, player: Spec) -> None:
        """Analyse the position shown if that is not done already, with the model of a player if it has one."""
        if self._hint_for not in (None, (self.session.number, self.session.node)):
            self.hint = self._hint_for = None
            if self.hinting:
                self._end()
        if not self.on:
            return
        session = self.session
        place = session.number, session.node
        seconds = float(self.seconds) if self.seconds and place != self._endless and not self.hinting else None
        key = *place, self.threats, self.count, player, seconds
        if key == self._asked:
            return
        self._clear()
        self._asked = key
        self.board = self._position()
        if self.board is None:
            self._stop()
            return
        self._number += 1
        # The window and the player have a processor each.
        spec = thinker(player, max(1, min(4, (os.cpu_count() or 1) - 2)), SIZE)
        request = Analyse(self._number, self.board.copy(), str(spec), str(people(player)), self.count, seconds)
        self._worker.analyse(request)

    def _stop(self) -> None:
        self._number += 1
        self._worker.analyse(Analyse(self._number))

    def _clear(self) -> None:
        self.board, self.lines, self.people = None, (), ()
        self.finished, self.error, self.hovered, self._asked = False, None, None, None

    def _position(self) -> Board | None:
        board = self.session.shown.copy()
        if self.threats:
            if board.is_check():
                return None
            board.push(NULL_MOVE)
        return board if board.legal_moves else None

    def take(self, report: Report) -> None:
        """Take in a report; those about another position are ignored."""
        if report.number != self._number or not self.on:
            return
        if isinstance(report, People):
            self.people = report.candidates
        elif isinstance(report, Lines):
            self.lines, self.finished, self.loaded = report.lines, report.finished, True
            self._take_hint()
        elif isinstance(report, NoAnalysis):
            self.error = report.message
            if self.hinting:
                self._end()

    # --- What it says -------------------------------------------------------------------------------------------------

    @property
    def waiting(self) -> bool:
        """Whether the first line is still awaited."""
        return self.on and self.board is not None and not self.lines and self.error is None

    @property
    def paused(self) -> bool:
        """Whether the time for this position is over."""
        return self.on and self.finished and self._asked is not None and self._asked[-1] is not None

    @property
    def chances(self) -> Chances | None:
        """Red's chances by the best line, or ``None``."""
        if not self.lines or self.board is None or self.hinting:
            return None
        info = self.lines[0].info
        wdl = info.wdl or (info.score.wdl() if info.score is not None else None)
        if wdl is None:
            return None
        win, draw, loss = wdl if self.board.turn == RED else wdl.turned()
        total = win + draw + loss or 1
        return Chances(win / total, draw / total, loss / total)

    def arrows(self) -> list[ArrowMark]:
        """Return the arrows, the strongest last."""
        if self.hinting or (self.hint is not None and not self.on):
            return [] if self.hint is None else [ArrowMark(self.hint, False, 1.0)]
        found = []
        if self.people_arrows:
            for move, share in self.people[:ARROWS]:
                if share >= UNLIKELY:
                    found.append(ArrowMark(move, True, 0.3 + 0.7 * share))
        if self.best_arrows and self.lines:
            top = self.lines[0].value
            for line in self.lines[:ARROWS]:
                behind = (top or 0) - (line.value or 0)
                found.append(ArrowMark(line.move, False, min(1.0, max(0.3, 1 - 5 * behind)) * (0.8 if found else 1)))
        return found[::-1]

    def preview(self) -> tuple[Board, Move] | None:
        """Return the position that the line under the pointer leads to, and its last move."""
        if self.hovered is None or self.board is None:
            return None
        moves, count = self.hovered
        board = self.board.copy(stack=False)
        for move in moves[:count]:
            board.push(move)
        return board, moves[count - 1]

    def step(self, moves: int) -> None:
        """Show more moves of the line under the pointer, or fewer, but the first one always."""
        if self.hovered is not None:
            line, count = self.hovered
            self.hovered = line, max(1, min(count + moves, len(line)))

    def add_hovered(self) -> bool:
        """Add the line under the pointer, as far as it is shown, to the game's tree; return whether there is one."""
        shown = self.session.number, self.session.node
        if self.hovered is None or self.threats or self._asked is None or self._asked[:2] != shown:
            return False  # the position may have changed since the line was drawn
        moves, count = self.hovered
        self.session.explore(moves[:count])
        self.hovered = None
        return True
