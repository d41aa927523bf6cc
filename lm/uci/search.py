"""One search for a board: a thread that tells what a player thinks, and answers once."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from lm.players.player import Analysis, Choice, Player, Thinker, choices, expected_score
from lm.players.search.clock import budget
from xiangqi import Board, Move
from xiangqi.engine import Info, Limit, Score
from xiangqi.engine.serving import Go
from xiangqi.evaluation import centipawns

MARGIN: Final = 0.01
"""Seconds kept for the way of the answer to the board."""
REPEAT: Final = 0.02
"""Seconds between calls of a player's ``stop``: the first may come before it has begun to think."""


class Search(threading.Thread):
    """A player's thinking about one position, from ``go`` to the answer.

    ``load`` returns the player once it is loaded, or ``None``; it is given an event that is set when the search is to
    end, and then does not wait for long. The time for the move counts from then on. A player that ``holds`` its
    strength is not given the limits of the board: it thinks for as long as its own spec says, and is only stopped when
    its time is up. Another one thinks within the limits. Lines of play are given to ``tell`` as they come, text to
    ``say``, and the choice, with its move among ``allowed`` (the legal moves less those that were banned), to
    ``answer``. A player that fails answers ``None``, one that is stopped before it is loaded any move.
    """

    def __init__(
        self,
        load: Callable[[threading.Event], Player | None],
        board: Board,
        go: Go,
        allowed: Sequence[Move],
        multipv: int,
        holds: bool,
        tell: Callable[[Info], None],
        say: Callable[[str], None],
        answer: Callable[[Choice | None], None],
    ) -> None:
        super().__init__(name="search", daemon=True)
        self._load, self._board, self._go, self._allowed = load, board, go, allowed
        self._player: Player | None = None
        self._multipv, self._holds = min(multipv, len(allowed)), holds
        self._tell, self._say, self._answer = tell, say, answer
        self._began = time.monotonic()
        self._chosen = False
        self._analysis: Analysis | None = None
        self._done, self._stopped, self._released = threading.Event(), threading.Event(), threading.Event()
        self._ending = threading.Lock()
        if not (go.infinite or go.ponder):
            self._released.set()

    @property
    def done(self) -> bool:
        """Whether the player has ended its thinking; the answer follows at once."""
        return self._done.is_set()

    def run(self) -> None:
        """Think and answer. Called by ``start``."""
        self._player = self._load(self._stopped)
        self._began = time.monotonic()
        if self._released.is_set():
            self._count_down()
        choice: Choice | None = None
        try:
            if self._player is not None:
                choice = self._think(self._player)
            elif self._stopped.is_set():
                choice = Choice(self._allowed[0])
        except Exception as error:  # whatever happens to a player, the board gets an answer
            if not isinstance(error, ValueError | RuntimeError | OSError):
                traceback.print_exc()
            self._say(f"{type(error).__name__}: {error}")
        self._released.wait()
        with self._ending:  # a player that thinks about the next position must not be stopped
            self._done.set()
        self._answer(choice)

    def stop(self) -> None:
        """Answer soon, with the best move so far. Returns at once."""
        self._released.set()
        self._halt()

    def ponderhit(self) -> None:
        """The move that was pondered on was played: from now on the limit counts."""
        if not self._released.is_set():
            self._began = time.monotonic()
            self._released.set()
            if self._chosen or self._go.limit == Limit(root_moves=self._go.limit.root_moves):
                self._halt()
            else:
                self._count_down()

    # --- Time ---------------------------------------------------------------------------------------------------------

    def _count_down(self) -> None:
        """Halt the player when the time for this move is up."""
        allowed = budget(self._go.limit, self._board)
        seconds = allowed.most if self._holds else allowed.target
        if seconds is not None and (self._holds or self._go.ponder):
            timer = threading.Timer(max(seconds - MARGIN, 0.0), self._halt)
            timer.daemon = True
            timer.start()

    def _halt(self) -> None:
        """Let the player stop thinking, from another thread and again until it does."""
        if not self._stopped.is_set():
            self._stopped.set()
            threading.Thread(target=self._keep_halting, name="halt", daemon=True).start()

    def _keep_halting(self) -> None:
        while True:
            with self._ending:
                if self.done:
                    return
                if self._analysis is not None:
                    self._analysis.stop()
                if self._player is not None:
                    self._player.stop()
            self._done.wait(REPEAT)

    # --- Thinking -----------------------------------------------------------------------------------------------------

    def _think(self, player: Player) -> Choice:
        limit, waits = self._go.limit, self._go.infinite or self._go.ponder
        moves = tuple(self._allowed) if len(self._allowed) < len(self._board.legal_moves) else None
        endless = Limit(root_moves=moves)
        within = endless if waits else replace(limit, root_moves=moves)
        if within.time is not None:
            within = replace(within, time=max(within.time - MARGIN, 0.0))
        thinker = player if isinstance(player, Thinker) and (waits or within != endless) else None
        if thinker is not None and not self._holds:
            return self._stream(thinker, within)
        own = self._holds or within == endless
        (choice,) = choices(player, [self._board], (endless if moves else None) if own else within)
        choice = self._permitted(choice)
        self._chosen = True
        over = self._stopped.is_set() or (self._go.ponder and self._released.is_set())
        if thinker is not None and (self._multipv > 1 or waits) and not over:
            self._stream(thinker, within)
        else:
            self._report(choice.info)
        return choice

    def _stream(self, player: Thinker, limit: Limit) -> Choice:
        """Tell the lines of an analysis; return the best as a choice."""
        with player.analyse(self._board, limit, self._multipv) as analysis:
            self._analysis = analysis
            if self._stopped.is_set():
                analysis.stop()
            for line in analysis:
                self._report(line.info)
                if self._released.is_set() and line.info.multipv == 1 and reached(self._go.limit, line.info):
                    analysis.stop()
        if not analysis.lines:  # it was stopped at once
            (choice,) = choices(player, [self._board], Limit(nodes=1, root_moves=limit.root_moves))
            return self._permitted(choice)
        best = analysis.lines[0].info
        return self._permitted(Choice(best.pv[0], best))

    def _permitted(self, choice: Choice) -> Choice:
        """Return the choice with a move that is allowed. A resignation keeps ``move=None``."""
        if choice.move is None or choice.move in self._allowed:
            return choice
        return replace(choice, move=best_of(choice, self._allowed))

    def _report(self, info: Info) -> None:
        elapsed = time.monotonic() - self._began
        self._tell(completed(info, self._board, elapsed))


def best_of(choice: Choice, allowed: Sequence[Move]) -> Move:
    """Return the first move of the choice's line if it is allowed, else the likeliest of its candidates that are."""
    named = (*choice.info.pv[:1], *(move for move, _ in choice.candidates))
    return next((move for move in named if move in allowed), allowed[0])


def reached(limit: Limit, info: Info) -> bool:
    """Return whether a search is as deep or as large as a limit asks for.

    >>> reached(Limit(depth=3), Info(depth=3)), reached(Limit(nodes=100), Info(depth=3, nodes=99))
    (True, False)
    """
    deep = limit.depth is not None and (info.depth or 0) >= limit.depth
    return deep or (limit.nodes is not None and (info.nodes or 0) >= limit.nodes)


def completed(info: Info, board: Board, elapsed: float) -> Info:
    """Return the information with what boards expect in every line: depth, nodes, time and a score.

    A score in centipawns follows from WDL by the inverse of `expected_score`. A mate is claimed for a line whose first
    move mates; the other mates are those that the player claims.

    >>> from xiangqi.engine import Wdl
    >>> print(completed(Info(wdl=Wdl(500, 300, 200)), Board(), 0.1).score)
    +1.08 for red
    """
    depth, nodes = info.depth or 1, info.nodes or 1
    score = info.score
    if info.pv:
        board.push(info.pv[0])
        try:
            if not board.has_legal_moves():
                score = Score(1 - board.turn, mate=1)
        finally:
            board.pop()
    if score is None:
        expected = expected_score(info)
        score = Score(board.turn, cp=centipawns(0.5 if expected is None else expected))
    nps = info.nps if info.nps is not None else round(nodes / max(elapsed, 0.001))
    return replace(info, depth=depth, nodes=nodes, nps=nps, time=elapsed, score=score.pov(board.turn))
