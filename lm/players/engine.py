"""External engines as players."""

from __future__ import annotations

import shlex
import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from lm import UserError
from lm.players.player import Analysis, Choice, Failure, Limits, Line, PlayerError, Thinker, limit_of_each
from xiangqi import Board
from xiangqi.engine import EngineError, EngineMoveError, EngineTimeoutError, Limit, SimpleAnalysis, SimpleEngine

MOVE_TIMEOUT: Final = 600.0
"""Default number of seconds after which a move by depth or nodes has failed."""


class EnginePlayer(Thinker):
    """An engine in a process of its own. If it crashes or hangs, ``PlayerError`` is raised, and it is restarted later.

    ``limit`` is the default limit of a search. Its depth or nodes hold beside a clock too, and instead of it for a UCCI
    engine, which takes one kind of limit. ``options`` are set on the engine, ``timeout`` is the number of seconds
    without news after which it has failed, ``move_timeout`` that for a move by depth or nodes. ``folder`` is the one
    that it runs in. With ``ponder`` it goes on thinking in its opponent's time, which takes a core of its own, and
    `stop` does not stop it. Raises ``PlayerError`` if the engine cannot be started or does not accept its options,
    ``UserError`` for a command that cannot be split into words.
    """

    one_game = True

    def __init__(
        self,
        protocol: str,
        command: str,
        limit: Limit,
        options: Mapping[str, str] | None = None,
        timeout: float = 10.0,
        name: str | None = None,
        folder: str | None = None,
        ponder: bool = False,
        move_timeout: float = MOVE_TIMEOUT,
    ) -> None:
        self.name, self._folder, self._ponder = name or command, folder, ponder
        self._protocol, self.limit, self._options, self._timeout = protocol, limit, dict(options or {}), timeout
        self._move_timeout = move_timeout
        self._command = _words(command)
        self._engine: SimpleEngine | None = None
        self._search: SimpleAnalysis | None = None
        self._stopped = threading.Event()
        self._closed = False
        self._start()

    def _start(self) -> SimpleEngine:
        if self._closed:
            raise PlayerError(f"{self.name} is closed")
        if self._engine is None:
            popen = SimpleEngine.popen_uci if self._protocol == "uci" else SimpleEngine.popen_ucci
            try:
                self._engine = popen(
                    self._command,
                    options=self._options,
                    timeout=self._timeout,
                    move_timeout=self._move_timeout,
                    cwd=self._folder,
                )
            except EngineError as error:
                raise PlayerError(str(error)) from None
        return self._engine

    @property
    def engine_name(self) -> str:
        """The engine's own name, usually with its version; the player's name if it gives none."""
        return self._start().id.get("name", self.name)

    def choose(self, boards: Sequence[Board], limits: Limits = None) -> list[Choice]:
        """Return the engine's choice for each board, searched one after another."""
        self._stopped.clear()
        each = limit_of_each(limits, boards)
        return [self._choose(board, self._within(limit)) for board, limit in zip(boards, each, strict=True)]

    def _within(self, limit: Limit | None) -> Limit:
        """Return the limit of a search that is given this one."""
        own = self.limit
        limit = (limit or own).or_else(own)
        timed = limit.time is not None or limit.red_clock is not None or limit.black_clock is not None
        if not timed or limit.depth is not None or limit.nodes is not None or (own.depth, own.nodes) == (None, None):
            return limit
        if self._protocol == "ucci":
            return replace(own, root_moves=limit.root_moves)
        return replace(limit, depth=own.depth, nodes=own.nodes)

    def _choose(self, board: Board, limit: Limit) -> Choice:
        try:
            if self._ponder:
                result = self._start().play(board, limit, ponder=True)
            else:
                with self._start().analysis(board, limit) as search:
                    self._search = search
                    if self._stopped.is_set():
                        search.stop()
                    result = search.wait()
        except EngineError as error:
            raise self._failed(error) from None
        finally:
            self._search = None
        if result.move is None and not result.resigned:
            raise PlayerError(f"{self.name} neither gave a move nor resigned in {board.fen()}", "no move")
        return Choice(result.move, result.info, draw=result.draw_offered)

    def analyse(self, board: Board, limit: Limit | None = None, multipv: int = 1) -> Analysis:
        """Start an analysis of a position. The next ``choose`` or ``analyse`` ends it."""
        try:
            return _EngineAnalysis(self, board.copy(), self._start().analysis(board, limit, multipv=multipv))
        except EngineError as error:
            raise self._failed(error) from None

    def new_game(self) -> None:
        """Tell the engine that a new game begins, so that it clears what it kept from the last one."""
        try:
            self._start().new_game()
        except EngineError as error:
            raise self._failed(error) from None

    def stop(self) -> None:
        """Stop the engine's search, so that it moves at once."""
        self._stopped.set()
        search = self._search
        if search is not None:
            search.stop()

    def close(self) -> None:
        """End the engine's process. Another thread that waits for its move gets ``PlayerError``."""
        self._closed = True
        self._end()

    def _failed(self, error: EngineError) -> PlayerError:
        """End an engine that has failed, and return the error to raise. The engine is restarted when next needed."""
        self._end()
        kinds: dict[type[EngineError], Failure] = {EngineTimeoutError: "stall", EngineMoveError: "illegal move"}
        return PlayerError(str(error), kinds.get(type(error), "crash"))

    def _end(self) -> None:
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.quit()


class _EngineAnalysis(Analysis):
    """An engine's search as a stream of lines."""

    def __init__(self, player: EnginePlayer, board: Board, search: SimpleAnalysis) -> None:
        self._player, self.board, self._search = player, board, search

    @property
    def lines(self) -> list[Line]:
        return [Line(info) for info in self._search.multipv if info.pv]

    def stop(self) -> None:
        self._search.stop()

    def __iter__(self) -> Iterator[Line]:
        try:
            for info in self._search:
                if info.pv:
                    yield Line(info)
        except EngineError as error:
            raise self._player._failed(error) from None


def _words(command: str) -> list[str]:
    """Split a command into words. A command that as a whole is the path of a program is one word."""
    if shutil.which(command):
        return [command]
    try:
        return shlex.split(command)
    except ValueError as error:
        raise UserError(f"the command {command!r} has {str(error).lower()}") from None
