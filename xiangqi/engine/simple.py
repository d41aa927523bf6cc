"""The blocking client for engines. Every call may come from any thread."""

from __future__ import annotations

import asyncio
import functools
import os
import threading
import weakref
from collections.abc import Coroutine, Iterable, Iterator, Mapping, Sequence
from typing import Any, Self, TypeVar, overload

from xiangqi.board import Board
from xiangqi.engine.analysis import Analysis
from xiangqi.engine.client import TIMEOUT, Engine, open_engine
from xiangqi.engine.values import Info, Limit, Option, OptionValue, PlayResult
from xiangqi.engine.wire import UCCI, UCI
from xiangqi.move import Move

T = TypeVar("T")


@functools.cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="xiangqi-engines", daemon=True).start()
    return loop


_starting = threading.Lock()


def _background() -> asyncio.AbstractEventLoop:
    """Return the event loop of all ``SimpleEngine``s, which runs in its own thread."""
    with _starting:
        return _loop()


def _forget() -> None:
    """Reset loop and lock in a forked process: threads do not survive a fork, and one of them may hold the lock."""
    global _starting
    _starting = threading.Lock()
    _loop.cache_clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def _wait_for(coroutine: Coroutine[Any, Any, T]) -> T:
    future = asyncio.run_coroutine_threadsafe(coroutine, _background())
    try:
        return future.result()
    except BaseException:  # such as Ctrl-C: stop the search
        future.cancel()
        raise


class SimpleAnalysis:
    """A running search, blocking; see ``Analysis``. Iteration waits for the next information.

    >>> from xiangqi.engine.example import COMMAND
    >>> with SimpleEngine.popen_uci(COMMAND) as engine, engine.analysis(Board(), Limit(depth=3)) as analysis:
    ...     for info in analysis:
    ...         print(info.depth, info.score, *info.pv)
    3 +0.30 for red h2e2 h9g7 h0g2
    """

    def __init__(self, analysis: Analysis) -> None:
        self._analysis = analysis

    @property
    def info(self) -> Info:
        """The newest information about the best line."""
        return self._analysis.info

    @property
    def multipv(self) -> list[Info]:
        """The newest information about each line, best first."""
        return list(self._analysis.multipv)

    @property
    def done(self) -> bool:
        """Whether the search has ended."""
        return self._analysis.done

    def wait(self) -> PlayResult:
        """Wait for the search to end and return its result. Raises ``EngineError``."""
        return _wait_for(self._analysis.wait())

    def stop(self) -> None:
        """Ask the engine to end the search; its best move so far follows."""
        _background().call_soon_threadsafe(self._analysis.stop)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def __iter__(self) -> Iterator[Info]:
        while (info := _wait_for(self._next())) is not None:
            yield info

    async def _next(self) -> Info | None:
        async for info in self._analysis:
            return info
        return None


class SimpleEngine:
    """A running engine, blocking. The methods are those of ``Engine``.

    Close it or use it as a context manager. Otherwise it is killed when it is garbage-collected or Python exits.

    >>> from xiangqi.engine.example import COMMAND
    >>> board = Board()
    >>> with SimpleEngine.popen_uci(COMMAND) as engine:
    ...     for _ in range(4):
    ...         board.push(engine.play(board, Limit(time=0.1)).move)
    >>> [move.iccs for move in board.move_stack]
    ['h2e2', 'h9g7', 'h0g2', 'i9h9']
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._finalizer = weakref.finalize(self, engine._process.kill)

    @classmethod
    def popen_uci(
        cls,
        command: str | Sequence[str],
        *,
        options: Mapping[str, OptionValue] | None = None,
        first_rank: int | None = None,
        timeout: float = TIMEOUT,
        move_timeout: float | None = None,
        cwd: str | None = None,
    ) -> Self:
        """Start a UCI engine; see the function ``popen_uci``."""
        return cls(_wait_for(open_engine(command, UCI, options, first_rank, timeout, move_timeout, cwd)))

    @classmethod
    def popen_ucci(
        cls,
        command: str | Sequence[str],
        *,
        options: Mapping[str, OptionValue] | None = None,
        timeout: float = TIMEOUT,
        move_timeout: float | None = None,
        cwd: str | None = None,
    ) -> Self:
        """Start a UCCI engine; see the function ``popen_ucci``."""
        return cls(_wait_for(open_engine(command, UCCI, options, None, timeout, move_timeout, cwd)))

    @property
    def id(self) -> dict[str, str]:
        """The engine's ``id`` lines, such as its ``name``."""
        return self._engine.id

    @property
    def options(self) -> dict[str, Option]:
        """The options that the engine declares, by name."""
        return self._engine.options

    @property
    def pid(self) -> int:
        """Process number of the engine."""
        return self._engine.pid

    @property
    def returncode(self) -> int | None:
        """Exit status of the process, or ``None`` while it runs."""
        return self._engine.returncode

    def configure(self, options: Mapping[str, OptionValue]) -> None:
        """Set options; see ``Engine.configure``."""
        _wait_for(self._engine.configure(options))

    def ping(self) -> None:
        """Wait until the engine has processed all commands."""
        _wait_for(self._engine.ping())

    def new_game(self) -> None:
        """Tell the engine that a new game begins."""
        _wait_for(self._engine.new_game())

    def play(
        self,
        board: Board,
        limit: Limit,
        *,
        root_moves: Iterable[Move] | None = None,
        draw_offered: bool = False,
        options: Mapping[str, OptionValue] | None = None,
        ponder: bool = False,
    ) -> PlayResult:
        """Search and return the engine's move; see ``Engine.play``."""
        return _wait_for(
            self._engine.play(
                board, limit, root_moves=root_moves, draw_offered=draw_offered, options=options, ponder=ponder
            )
        )

    @overload
    def analyse(
        self,
        board: Board,
        limit: Limit,
        *,
        multipv: None = None,
        root_moves: Iterable[Move] | None = None,
        options: Mapping[str, OptionValue] | None = None,
    ) -> Info: ...
    @overload
    def analyse(
        self,
        board: Board,
        limit: Limit,
        *,
        multipv: int,
        root_moves: Iterable[Move] | None = None,
        options: Mapping[str, OptionValue] | None = None,
    ) -> list[Info]: ...
    def analyse(
        self,
        board: Board,
        limit: Limit,
        *,
        multipv: int | None = None,
        root_moves: Iterable[Move] | None = None,
        options: Mapping[str, OptionValue] | None = None,
    ) -> Info | list[Info]:
        """Search and return the final information; see ``Engine.analyse``."""
        if multipv is None:
            return _wait_for(self._engine.analyse(board, limit, root_moves=root_moves, options=options))
        return _wait_for(self._engine.analyse(board, limit, multipv=multipv, root_moves=root_moves, options=options))

    def analysis(
        self,
        board: Board,
        limit: Limit | None = None,
        *,
        multipv: int | None = None,
        root_moves: Iterable[Move] | None = None,
        options: Mapping[str, OptionValue] | None = None,
    ) -> SimpleAnalysis:
        """Start a search and return it while it runs; see ``Engine.analysis``."""
        return SimpleAnalysis(
            _wait_for(self._engine.analysis(board, limit, multipv=multipv, root_moves=root_moves, options=options))
        )

    def quit(self) -> None:
        """Send ``quit`` and kill the engine if it does not exit; see ``Engine.quit``."""
        _wait_for(self._engine.quit())
        self._finalizer.detach()

    close = quit

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.quit()
