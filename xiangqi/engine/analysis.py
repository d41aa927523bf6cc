"""A search that an engine runs: its information, its result, and its timeouts."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from typing import TYPE_CHECKING, Final, Self

from xiangqi.board import Board
from xiangqi.engine.values import EngineError, EngineMoveError, EngineTimeoutError, Info, Limit, PlayResult
from xiangqi.engine.wire import parse_best_move, parse_info

if TYPE_CHECKING:
    from xiangqi.engine.client import Engine

_QUEUE: Final = 1000
"""``Info`` objects that an analysis queues for a slow reader; older ones are dropped."""


class Analysis:
    """A running search: iterate over it for information as it arrives, or ``wait`` for its end.

    Created by ``Engine.analysis``. As a context manager it stops the search on exit. ``async for`` ends with the search
    and raises its error.

    >>> from xiangqi.engine import popen_uci
    >>> from xiangqi.engine.example import COMMAND
    >>> async def main() -> None:
    ...     async with await popen_uci(COMMAND) as engine, await engine.analysis(Board(), Limit(depth=3)) as analysis:
    ...         async for info in analysis:
    ...             print(info.depth, info.score, *info.pv)
    >>> asyncio.run(main())
    3 +0.30 for red h2e2 h9g7 h0g2
    """

    multipv: list[Info]
    """The newest information about each line, best first."""
    stopped: bool
    """Whether the engine was asked to end the search."""

    def __init__(self, engine: Engine, board: Board, limit: Limit, lines: int) -> None:
        self._engine, self._board = engine, board.copy(stack=False)
        self._loop = asyncio.get_running_loop()
        self._result: asyncio.Future[PlayResult] = self._loop.create_future()
        self._result.add_done_callback(lambda future: future.exception())
        self._queue: deque[Info] = deque(maxlen=_QUEUE)
        self._news = asyncio.Event()
        self.multipv = [Info(n) for n in range(1, lines + 1)]
        self.stopped = False
        self._started = self._pinged = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self._allow(limit)

    @property
    def info(self) -> Info:
        """The newest information about the best line."""
        return self.multipv[0]

    @property
    def done(self) -> bool:
        """Whether the search has ended."""
        return self._result.done()

    async def wait(self) -> PlayResult:
        """Wait for the search to end and return its result. Raises ``EngineError``."""
        return await asyncio.shield(self._result)

    def stop(self) -> None:
        """Ask the engine to end the search; its best move so far follows."""
        if not self.done:
            self._engine._send("stop")
            self.stopped = True
            self._allow(Limit(time=self._loop.time() - self._started))

    def _begin_to_count(self, limit: Limit) -> None:
        """Give a search that was begun by ``go ponder`` its deadline: its limit counts from now."""
        self._started = self._loop.time()
        if not self.done:
            self._allow(limit)

    def _allow(self, limit: Limit) -> None:
        """Give the search the time that a limit allows, since it was started, until it has failed."""
        engine, longest = self._engine, limit.longest(self._board.turn)
        self._timed = longest is not None
        if longest is not None:
            self._longest: float | None = longest + engine.timeout
        else:
            self._longest = engine.move_timeout if limit.ends(self._board.turn) else None
        self._look_later()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.stop()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Info:
        while not self._queue:
            if self.done:
                self._result.result()
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        return self._queue.popleft()

    def _look_later(self) -> None:
        """Set the timer to when the engine will be late, or will have been silent for too long."""
        if self._timer is not None:
            self._timer.cancel()
        due = math.inf if self._longest is None else self._started + self._longest
        if not self._timed:
            due = min(due, max(self._engine._heard, self._pinged) + self._engine.timeout)
        self._timer = self._loop.call_at(due, self._watch)

    def _watch(self) -> None:
        """Fail the search if the engine is late or does not answer; ping an engine that tells nothing new."""
        engine, now = self._engine, self._loop.time()
        if self._longest is not None and now >= self._started + self._longest:
            engine._fail(EngineTimeoutError, f"the engine did not move within {self._longest:.1f} s")
            return
        if not self._timed and now >= max(engine._heard, self._pinged) + engine.timeout:
            if self._pinged > engine._heard:
                engine._fail(EngineTimeoutError, f"the engine hangs: nothing new for {now - engine._heard:.1f} s")
                return
            engine._send("isready")
            self._pinged = now
        self._look_later()

    def _end(self, result: PlayResult | EngineError) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if not self.done:
            if isinstance(result, EngineError):
                self._result.set_exception(result)
            else:
                self._result.set_result(result)
        self._news.set()

    def _on_info(self, words: list[str]) -> bool:
        """Take in a line of information; return whether it tells of progress: a new depth, line or number of nodes."""
        info = parse_info(words, self._board, self._engine.first_rank, self._engine._dialect)
        if not 1 <= info.multipv <= len(self.multipv):
            return False
        before = self.multipv[info.multipv - 1]
        known = self.multipv[info.multipv - 1] = before.updated(info)
        self._queue.append(known)
        self._news.set()
        return (known.depth, known.nodes, known.pv) != (before.depth, before.nodes, before.pv)

    def _on_best_move(self, words: list[str]) -> None:
        engine = self._engine
        try:
            result, engine.first_rank = parse_best_move(words, self._board, self.info, engine.first_rank)
        except ValueError as error:
            self._end(engine._error(EngineMoveError, str(error)))
        else:
            self._end(result)
