"""External engines as players."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Mapping, Sequence

from lm import UserError
from lm.players.player import Choice, PlayerError
from xiangqi import Board
from xiangqi.engine import EngineError, Limit, PlayResult, SimpleEngine


class EnginePlayer:
    """An engine in a process of its own. One that crashes or hangs costs a ``PlayerError`` and is started again.

    ``options`` are set on the engine; ``timeout`` is the silence in seconds after which it has failed.
    Raises ``PlayerError`` if the engine cannot be started or does not take its options, ``UserError`` for a command
    that cannot be split into words.
    """

    def __init__(
        self,
        protocol: str,
        command: str,
        limit: Limit,
        options: Mapping[str, str] | None = None,
        timeout: float = 10.0,
        name: str | None = None,
    ) -> None:
        self.name = name or command
        self._protocol, self._limit, self._options, self._timeout = protocol, limit, dict(options or {}), timeout
        try:
            self._command = shlex.split(command)
        except ValueError as error:
            raise UserError(f"the command {command!r} has {str(error).lower()}") from None
        if self._command and not shutil.which(self._command[0]):
            # Debian keeps its engines in a directory that root's PATH leaves out.
            self._command[0] = shutil.which(self._command[0], path="/usr/games") or self._command[0]
        self._engine: SimpleEngine | None = None
        self._closed = False
        self._start()

    def _start(self) -> SimpleEngine:
        if self._closed:
            raise PlayerError(f"{self.name} is closed")
        if self._engine is None:
            popen = SimpleEngine.popen_uci if self._protocol == "uci" else SimpleEngine.popen_ucci
            try:
                self._engine = popen(self._command, options=self._options, timeout=self._timeout)
            except EngineError as error:
                raise PlayerError(str(error)) from None
        return self._engine

    @property
    def engine_name(self) -> str:
        """What the engine calls itself, version included."""
        return self._start().id.get("name", self.name)

    def choose(self, boards: Sequence[Board]) -> list[Choice]:
        """Return the engine's move a board, one after another."""
        return [self._choose(board) for board in boards]

    def _choose(self, board: Board) -> Choice:
        engine = self._start()
        try:
            result = engine.play(board, self._limit)
        except EngineError as error:
            self._end()
            raise PlayerError(str(error)) from None
        if result.move is None and not result.resigned:
            raise PlayerError(f"{self.name} names no move, nor does it resign, in {board.fen()}")
        return Choice(result.move, _expected_score(result), draw=result.draw_offered)

    def close(self) -> None:
        """End the engine's process, also while another thread waits for its move, which then gets ``PlayerError``."""
        self._closed = True
        self._end()

    def _end(self) -> None:
        if self._engine is not None:
            self._engine.quit()
            self._engine = None


def _expected_score(result: PlayResult) -> float | None:
    """Return the mover's expected score from an engine's opinion: its own odds, or from pawns ``1 / (1 + 10^(-p/4))``.

    The curve is the one fitted to computer games in chessprogramming.org, "Pawn Advantage, Win Percentage, and Elo".
    """
    if result.info.wdl:
        win, draw, loss = result.info.wdl
        return (win + draw / 2) / max(win + draw + loss, 1)
    if result.info.score is None:
        return None
    return 1 / (1 + 10 ** (-result.info.score.centipawns() / 400))
