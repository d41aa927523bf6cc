"""The analysis in the terminal: lines of a search, and what people would play."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from lm import UserError, processors
from lm.matches.pool import OpenPlayer
from lm.players.analysing import people, score_text, thinker
from lm.players.player import Analysis, Line, Player, PlayerError, Thinker
from lm.players.specs import Spec
from xiangqi import Board, Move
from xiangqi.engine import Limit
from xiangqi.lines import Notation, move_text
from xiangqi.words import counted

SIZE: Final = 30_000
"""Positions that the search may hold, of 13 kB each."""
HINT: Final = Limit(nodes=300)
SHOWN: Final = 5
"""So many moves of a line are told."""
PEOPLE: Final = 4
"""So many of the moves that people would play are told."""
SHARE: Final = 0.02
"""A move that people play less often is not told."""


class Analyst:
    """Analyses positions, with the model of a player if it has one; opens what it needs when it is first needed."""

    def __init__(self, player: Spec, open_player: OpenPlayer) -> None:
        self._player, self._open_player = player, open_player
        self._opened: dict[Spec, Player] = {}
        self._lock = threading.Lock()
        self.count = 3
        """Number of lines."""

    def _open(self, spec: Spec) -> Player:
        with self._lock:
            if spec not in self._opened:
                self._opened[spec] = self._open_player(spec)
            return self._opened[spec]

    def _thinker(self) -> Thinker:
        spec = thinker(self._player, min(4, processors()), SIZE)
        found = self._open(spec)
        if not isinstance(found, Thinker):
            raise UserError(f"{spec} cannot analyse")
        return found

    def load(self) -> None:
        """Open what an analysis needs, which takes a moment the first time. Raises ``UserError``."""
        self._open(people(self._player))
        self._thinker()

    def hint(self, board: Board) -> Line:
        """Return a good move. It takes a moment. Raises ``UserError``, and ``KeyboardInterrupt``."""
        with self._thinker().analyse(board, HINT) as analysis:
            return analysis.result().best

    def people(self, board: Board) -> tuple[tuple[Move, float], ...]:
        """Return the likeliest moves of people, with their probabilities. Raises ``UserError``."""
        (choice,) = self._open(people(self._player)).choose([board])
        return tuple((move, share) for move, share in choice.candidates[:PEOPLE] if share >= SHARE)

    @contextmanager
    def running(self, board: Board, tell: Callable[[str], None], notation: Notation) -> Iterator[threading.Event]:
        """Analyse a position in another thread until the block ends; yields an event that is set if it ends before.

        ``tell`` is called with each new report, from that thread.
        """
        done, board = threading.Event(), board.copy()
        run = _Run(self, board, tell, notation, done)
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            yield done
        finally:
            if run.stop():
                thread.join()

    def close(self) -> None:
        """Release what was opened."""
        for player in self._opened.values():
            player.close()
        self._opened.clear()


class _Run:
    """One analysis, in the thread that calls it."""

    def __init__(
        self, analyst: Analyst, board: Board, tell: Callable[[str], None], notation: Notation, done: threading.Event
    ) -> None:
        self._analyst, self._board, self._tell, self._notation, self._done = analyst, board, tell, notation, done
        self._loaded, self._stopped = threading.Event(), threading.Event()
        self._analysis: Analysis | None = None
        self._people: tuple[tuple[Move, float], ...] = ()

    def __call__(self) -> None:
        try:
            self._tell("Analysis: loading the model")
            self._analyst.load()
            self._loaded.set()
            if self._stopped.is_set():
                return
            self._people = self._analyst.people(self._board)
            for limit in (HINT, Limit()):  # a long search first looks at tactics for a while
                self._analysis = self._analyst._thinker().analyse(self._board, limit, self._analyst.count)
                if self._stopped.is_set():
                    return
                for _ in self._analysis:
                    self._report()
                self._report()
        except (PlayerError, UserError) as error:
            self._tell(f"The analysis failed: {error}")
        finally:
            self._done.set()

    def _report(self) -> None:
        if self._analysis is not None and self._analysis.lines:
            self._tell(report(self._board, self._analysis.lines, self._people, self._notation))

    def stop(self) -> bool:
        """End it; return whether that is soon, and not only when the model is loaded."""
        self._stopped.set()
        if self._analysis is not None:
            self._analysis.stop()
        return self._loaded.is_set()


def report(board: Board, lines: list[Line], popular: tuple[tuple[Move, float], ...], notation: Notation) -> str:
    """Return an analysis as text: a line about the search, one for each of its lines, and one about people."""
    info = lines[0].info
    searched = [f"depth {info.depth}"] if info.depth is not None else []
    searched += [counted(info.nodes, "position")] if info.nodes is not None else []
    found = [f"Analysis: {', '.join(searched)}"]
    if info.wdl is not None:
        win, draw, loss = info.wdl.turned() if board.turn else info.wdl
        total = (win + draw + loss) or 1
        found.append(f"Red wins {win / total:.0%}, draws {draw / total:.0%}, loses {loss / total:.0%}")
    for line in lines:
        moves = board.line_text(line.info.pv[:SHOWN], notation)
        found.append(f"{score_text(line, board.turn):>6}  {moves}")
    if popular:
        found.append(f"People: {shares(board, popular, notation)}")
    return "\n".join(found)


def shares(board: Board, popular: tuple[tuple[Move, float], ...], notation: Notation) -> str:
    """Return moves with their probabilities."""
    return ", ".join(f"{move_text(board, move, notation)} {share:.0%}" for move, share in popular)
