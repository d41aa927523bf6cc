"""The asyncio client for engines. See ``xiangqi.engine``, which exports it."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import shutil
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Self, overload

from xiangqi.board import Board
from xiangqi.engine.analysis import Analysis
from xiangqi.engine.process import EngineProcess
from xiangqi.engine.values import (
    EngineError,
    EngineMoveError,
    EngineOptionError,
    EngineStartError,
    EngineTerminatedError,
    EngineTimeoutError,
    Info,
    Limit,
    Option,
    OptionValue,
    PlayResult,
)
from xiangqi.engine.wire import UCCI, UCI, Dialect, parse_option, position
from xiangqi.move import COLOR_NAMES, Move

TIMEOUT: Final = 10.0
"""Seconds in which an engine must answer commands that need no search."""
QUIT_GRACE: Final = 2.0
"""Seconds between ``quit`` and the killing of an engine that has not exited."""
FIRST_MOVE: Final = 1.0
"""Seconds allowed for the move that shows how an engine numbers ranks."""


class Engine:
    """A running engine, for asyncio. Created by ``popen_uci`` and ``popen_ucci``.

    One search runs at a time: every other call stops a running ``analysis``. After an error that ended the process,
    every call raises ``EngineTerminatedError``.

    >>> from xiangqi.engine.example import COMMAND
    >>> async def main() -> None:
    ...     async with await popen_uci(COMMAND) as engine:
    ...         print(engine.id["name"], engine.first_rank, list(engine.options))
    ...         await engine.play(Board(), Limit(depth=1))
    ...         print(engine.first_rank)
    >>> asyncio.run(main())
    Example None ['MultiPV']
    0
    """

    command: tuple[str, ...]
    id: dict[str, str]
    """The engine's ``id`` lines: ``name``, ``author``, and in UCCI also ``copyright`` and ``user``."""
    options: dict[str, Option]
    """The options that the engine declares, by name."""
    first_rank: int | None
    """Number of Red's back rank in the engine's moves, or ``None`` if it is not known yet."""
    timeout: float
    """Seconds in which the engine must answer commands without a search; also how late a timed move may be."""
    move_timeout: float | None
    """Seconds that a search by depth, nodes or mate may take, if there is a limit."""

    _process: EngineProcess

    def __init__(
        self,
        command: Sequence[str],
        dialect: Dialect,
        first_rank: int | None,
        timeout: float,
        move_timeout: float | None = None,
    ) -> None:
        self.command, self.timeout, self.move_timeout = tuple(command), timeout, move_timeout
        self.id, self.options = {}, {}
        self.first_rank = first_rank if dialect.first_rank is None else dialect.first_rank
        self._dialect = dialect
        self._loop = asyncio.get_running_loop()
        self._lock = asyncio.Lock()
        self._search: Analysis | None = None
        self._awaited: tuple[str, asyncio.Future[None]] | None = None
        self._failed: EngineError | None = None
        self._said, self._heard = "", self._loop.time()
        self._configured: dict[str, str] = {}  # by name: what `configure` has set
        self._set: dict[str, str] = {}  # what the engine was told last
        self._pondered: tuple[str, Limit] | None = None  # the ``position`` command and the limit of a running search

    # --- The process --------------------------------------------------------------------------------------------------

    async def _open(self, cwd: str | None, options: Mapping[str, OptionValue]) -> None:
        try:
            if not self.command:
                raise self._error(EngineStartError, "cannot start the engine: the command is empty")
            self._process = await EngineProcess.start(self.command, cwd, self._on_line, self._on_end)
        except (OSError, ValueError) as error:
            reason = str(getattr(error, "strerror", None) or error)
            raise self._error(EngineStartError, f"cannot start the engine: {reason[:1].lower()}{reason[1:]}") from None
        try:
            async with self._lock:
                await self._ask(self._dialect.name, f"{self._dialect.name}ok")
            await self.configure(self._own_options(options) | dict(options))
        except BaseException as error:
            await self._end_process()
            if isinstance(error, EngineTerminatedError | EngineTimeoutError):
                raise self._error(EngineStartError, f"cannot start the engine: {error.reason}") from None
            raise

    def _own_options(self, options: Mapping[str, OptionValue]) -> dict[str, OptionValue]:
        """Return the options that set the variant to xiangqi and the time unit to milliseconds."""
        given = {name.lower() for name in options}
        own: dict[str, OptionValue] = {}
        variant = self.options.get("UCI_Variant")
        if variant and "uci_variant" not in given:
            if "xiangqi" not in variant.choices:
                variants = ", ".join(variant.choices)
                raise self._error(EngineStartError, f"the engine does not play xiangqi: its variants are {variants}")
            own["UCI_Variant"] = "xiangqi"
        if "usemillisec" in self.options and "usemillisec" not in given:
            own["usemillisec"] = True
        return own

    @property
    def pid(self) -> int:
        """Process number of the engine."""
        return self._process.transport.get_pid()

    @property
    def returncode(self) -> int | None:
        """Exit status of the process, or ``None`` while it runs."""
        return self._process.transport.get_returncode()

    async def quit(self) -> None:
        """Send ``quit`` and kill the engine if it does not exit in two seconds. Never raises; may be called twice."""
        if self._failed is None:
            self._fail(EngineTerminatedError, "the engine was closed", kill=False)
            self._send("stop\nquit" if self._search and not self._search.done else "quit")
            await asyncio.wait((self._process.ended,), timeout=QUIT_GRACE)
        await self._end_process()

    async def _end_process(self) -> None:
        self._process.kill()
        await self._process.ended

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.quit()

    def _on_end(self) -> None:
        if not hasattr(self, "_process"):  # the start was cancelled
            return
        code = self.returncode
        how = f"was killed by signal {-code}" if code is not None and code < 0 else f"ended with exit code {code}"
        searching = self._search is not None and not self._search.done
        self._fail(EngineTerminatedError, f"the engine {how}{' during a search' if searching else ''}")

    def _error(self, kind: type[EngineError], reason: str) -> EngineError:
        process = getattr(self, "_process", None)
        return kind(reason, shlex.join(self.command), self._said, process.tail() if process else "")

    def _fail(self, kind: type[EngineError], reason: str, kill: bool = True) -> None:
        """End pending calls with an error. Later calls raise with the reason of the first error."""
        if self._failed is None:
            self._failed = self._error(kind, reason)
            if self._search:
                self._search._end(self._failed)
            if self._awaited and not self._awaited[1].done():
                self._awaited[1].set_exception(self._failed)
        if kill:
            self._process.kill()

    # --- Lines sent and received --------------------------------------------------------------------------------------

    def _send(self, text: str) -> None:
        self._process.write(text)

    def _on_line(self, line: str) -> None:
        self._said = line
        word, *words = line.split()
        if word == "info":
            if self._search and not self._search.done and not self._search._on_info(words):
                return  # an engine that repeats itself may hang all the same
        elif word in ("bestmove", "nobestmove"):
            if self._search and not self._search.done:
                self._search._on_best_move([word, *words])
        elif self._awaited and word == self._awaited[0]:
            if not self._awaited[1].done():
                self._awaited[1].set_result(None)
        elif word == "id" and words:
            self.id[words[0]] = " ".join(words[1:])
        elif word == "option":
            with contextlib.suppress(ValueError):
                option = parse_option(" ".join(words), self._dialect)
                self.options[option.name] = option
        elif word != "readyok":
            return  # unknown output does not count as activity
        self._heard = self._loop.time()

    async def _ask(self, text: str, answer: str) -> None:
        """Send a line and wait for the answer. The caller holds the lock."""
        self._check()
        future = self._loop.create_future()
        self._awaited = answer, future
        self._send(text)
        try:
            done, _ = await asyncio.wait((future,), timeout=self.timeout)
            if not done:
                last = text.splitlines()[-1]
                self._fail(
                    EngineTimeoutError, f"the engine did not answer {last!r} with {answer!r} within {self.timeout:g} s"
                )
            future.result()
        finally:
            self._awaited = None

    def _check(self) -> None:
        if self._failed is not None:
            raise self._error(EngineTerminatedError, self._failed.reason)

    async def _settle(self) -> None:
        """Stop a running search, so that its move is not mistaken for the result of the next one."""
        self._check()
        self._pondered = None
        if self._search and not self._search.done:
            self._search.stop()
            await asyncio.wait((self._search._result,))
            self._check()

    # --- Commands -----------------------------------------------------------------------------------------------------

    async def configure(self, options: Mapping[str, OptionValue]) -> None:
        """Set options. If one of them is unknown or invalid, raises ``EngineOptionError`` and sets none."""
        texts = dict(self._text_of(name, value) for name, value in options.items())
        async with self._lock:
            await self._settle()
            self._configured |= {name: text for name, text in texts.items() if self.options[name].type != "button"}
            await self._ask("\n".join([*self._tell(texts), "isready"]), "readyok")

    def _text_of(self, name: str, value: OptionValue) -> tuple[str, str]:
        """Return an option's name as the engine spells it, and the value as it expects it."""
        for option in self.options.values():
            if option.name.lower() == name.lower():
                try:
                    return option.name, option.text(value)
                except ValueError as error:
                    raise self._error(EngineOptionError, str(error)) from None
        known = ", ".join(self.options) or "none"
        raise self._error(EngineOptionError, f"the engine has no option {name!r}; it has {known}")

    def _tell(self, texts: Mapping[str, str]) -> list[str]:
        """Return the commands that set options, and remember the values."""
        self._set |= texts
        return [self._dialect.set_option(self.options[name], text) for name, text in texts.items()]

    def _for_one_search(self, options: Mapping[str, OptionValue], lines: int) -> dict[str, str]:
        """Return the values to set before a search: its own, and for what an earlier search had set, the usual ones."""
        own: dict[str, str] = {}
        for name, text in (self._text_of(name, value) for name, value in options.items()):
            if name.lower() == "multipv":
                raise self._error(EngineOptionError, f"{name} is set by multipv=, not by options=")
            if self.options[name].type != "button" and self._usual(name) is None:
                reason = f"option {name} has no default to return to after the search: set it by configure()"
                raise self._error(EngineOptionError, reason)
            own[name] = text
        if lines > 1 or any(name.lower() == "multipv" for name in self.options):
            name, text = self._text_of("MultiPV", lines)
            own[name] = text
        for name in self._set:
            if name not in own and (usual := self._usual(name)) is not None:
                own[name] = usual
        return {
            name: text
            for name, text in own.items()
            if self.options[name].type == "button" or self._set.get(name, self.options[name].default) != text
        }

    def _usual(self, name: str) -> str | None:
        """Return the value of an option between searches, or ``None`` if it is a button or has no default."""
        return None if self.options[name].type == "button" else self._configured.get(name, self.options[name].default)

    async def ping(self) -> None:
        """Wait until the engine has processed all commands. Stops a running analysis."""
        await self.configure({})

    async def new_game(self) -> None:
        """Tell the engine that a new game begins, so that it forgets the last one.

        A UCCI engine without the option ``newgame`` is told to clear its hash table, if it has a button for that.
        """
        async with self._lock:
            await self._settle()
            if self.first_rank is None:  # the move that tells it must not remain in the engine's memory of the new game
                await self._find_first_rank(None)
            lines = ["isready"]
            if self._dialect is UCI:
                lines.insert(0, "ucinewgame")
            else:
                buttons = {o.name.lower().replace("_", ""): o for o in self.options.values() if o.type == "button"}
                if (button := buttons.get("newgame") or buttons.get("clearhash")) is not None:
                    lines.insert(0, self._dialect.set_option(button, ""))
            await self._ask("\n".join(lines), "readyok")

    async def play(
        self,
        board: Board,
        limit: Limit,
        *,
        root_moves: Iterable[Move] | None = None,
        draw_offered: bool = False,
        options: Mapping[str, OptionValue] | None = None,
        ponder: bool = False,
    ) -> PlayResult:
        """Search and return the engine's move. The board is not changed.

        ``root_moves``, or those of the limit, restrict the choice. ``draw_offered`` offers a draw, to UCCI engines
        only. ``options`` are set for this search alone.

        With ``ponder``, the engine goes on thinking about the reply that it expects. If that is the opponent's, and the
        next call is to ``play`` with a limit of the same kind, it continues there; the limit counts from that call, but
        of clocks it knows what this call and its own move left. Any other call ends it.

        Raises ``EngineError``, also if the engine names no move although there is one, and ``ValueError`` for a
        limit that does not end the search or for illegal ``root_moves``. If the caller is cancelled, the search is
        stopped.

        >>> from xiangqi.engine.example import COMMAND
        >>> async def main() -> None:
        ...     async with await popen_uci(COMMAND) as engine:
        ...         result = await engine.play(Board(), Limit(red_clock=60, black_clock=60))
        ...         print(result.move, result.ponder)
        >>> asyncio.run(main())
        h2e2 h9g7
        """
        self._check_limit(board, limit)
        options = dict(options or {})
        if ponder and "Ponder" in self.options:
            options.setdefault("Ponder", True)
        async with self._lock:
            search = await self._begin(board, limit, 1, root_moves, draw_offered, options, go_on=True)
            result = await self._finish(search)
            if ponder:
                self._ponder(board, limit, result, self._loop.time() - search._started)
        if result.move is None and not result.resigned and board.has_legal_moves():
            raise self._error(EngineMoveError, f"the engine named no move in {board.fen()}")
        return result

    @overload
    async def analyse(
        self,
        board: Board,
        limit: Limit,
        *,
        multipv: None = None,
        root_moves: Iterable[Move] | None = None,
        options: Mapping[str, OptionValue] | None = None,
    ) -> Info: ...
    @overload
    async def analyse(
        self,
        board: Board,
        limit: Limit,
        *,
        multipv: int,
        root_moves: Iterable[Move] | None = None,
        options: Mapping[str, OptionValue] | None = None,
    ) -> list[Info]: ...
    async def analyse(
        self,
        board: Board,
        limit: Limit,
        *,
        multipv: int | None = None,
        root_moves: Iterable[Move] | None = None,
        options: Mapping[str, OptionValue] | None = None,
    ) -> Info | list[Info]:
        """Search and return the final information about the best line, or a list for the ``multipv`` best lines.

        The list is shorter if there are fewer moves than ``multipv``. Raises like ``play``.

        >>> from xiangqi.engine.example import COMMAND
        >>> async def main() -> None:
        ...     async with await popen_uci(COMMAND) as engine:
        ...         for info in await engine.analyse(Board(), Limit(depth=3), multipv=2):
        ...             print(info.score, *info.pv)
        >>> asyncio.run(main())
        +0.30 for red h2e2 h9g7 h0g2
        +0.20 for red c3c4 g6g5 b0c2
        """
        self._check_limit(board, limit)
        async with self._lock:
            search = await self._begin(board, limit, 1 if multipv is None else multipv, root_moves, options=options)
            await self._finish(search)
        return search.info if multipv is None else [info for info in search.multipv if info.pv]

    async def analysis(
        self,
        board: Board,
        limit: Limit | None = None,
        *,
        multipv: int | None = None,
        root_moves: Iterable[Move] | None = None,
        options: Mapping[str, OptionValue] | None = None,
    ) -> Analysis:
        """Start a search and return it while it runs; without a limit it is infinite. Raises like ``play``.

        Read it by ``async for info in await engine.analysis(board): ...``. The next call of the engine stops it.

        >>> from xiangqi.engine.example import COMMAND
        >>> async def main() -> None:
        ...     async with await popen_uci(COMMAND) as engine, await engine.analysis(Board()) as analysis:
        ...         async for info in analysis:
        ...             if info.depth >= 5:  # the search is infinite
        ...                 break
        ...         print(info.score)
        >>> asyncio.run(main())
        +0.30 for red
        """
        async with self._lock:
            lines = 1 if multipv is None else multipv
            return await self._begin(board, limit or Limit(), lines, root_moves, options=options)

    def _check_limit(self, board: Board, limit: Limit) -> None:
        if not limit.ends(board.turn):
            raise ValueError(f"{limit!r} does not limit a search for {COLOR_NAMES[board.turn]}")

    async def _begin(
        self,
        board: Board,
        limit: Limit,
        lines: int,
        moves: Iterable[Move] | None,
        draw: bool = False,
        options: Mapping[str, OptionValue] | None = None,
        go_on: bool = False,
    ) -> Analysis:
        """Start a search, or with ``go_on`` continue one that was begun in the opponent's time.

        The caller holds the lock.
        """
        if lines < 1:
            raise ValueError(f"an analysis has at least 1 line, not {lines}")
        self._check()
        settings = self._for_one_search(options or {}, lines)
        if go_on and moves is None and not settings and self._foresaw(board, limit) and self._search is not None:
            self._pondered = None
            if not self._search.done:
                self._send("ponderhit draw" if draw and self._dialect is UCCI else "ponderhit")
            self._search._begin_to_count(limit)
            return self._search
        await self._settle()
        if self._search and self._search.stopped:
            # The engine may have moved before it read "stop" and answer that too; all before "readyok" is outdated.
            await self._ask("isready", "readyok")
        if self.first_rank is None:
            await self._find_first_rank(limit.longest(board.turn))
        assert self.first_rank is not None
        moves = limit.root_moves if moves is None else list(moves)
        if moves is not None and not (moves and all(map(board.is_legal, moves))):
            raise ValueError(f"root_moves must be legal moves, at least one: {moves!r}")
        go = self._dialect.go(limit, board, moves, self.first_rank, draw)
        orders = [*self._tell(settings), position(board, self.first_rank), go]
        self._search = Analysis(self, board, limit, lines)
        self._send("\n".join(orders))
        return self._search

    def _ponder(self, board: Board, limit: Limit, result: PlayResult, spent: float) -> None:
        """Let the engine think about the position after its move and the reply that it expects."""
        if result.move is None or result.ponder is None or self.first_rank is None:
            return
        after = board.copy()
        after.push(result.move)
        after.push(result.ponder)
        if not after.has_legal_moves():
            return
        left = limit.after_a_move(board.turn, spent)
        self._pondered = position(after, self.first_rank), limit
        self._search = Analysis(self, after, Limit(), 1)
        self._send(f"{self._pondered[0]}\n{self._dialect.go(left, after, None, self.first_rank, False, ponder=True)}")

    def _foresaw(self, board: Board, limit: Limit) -> bool:
        """Whether the engine is thinking about this position already, within a limit of this kind."""
        if self._pondered is None or self.first_rank is None or limit.root_moves is not None:
            return False
        line, before = self._pondered
        return line == position(board, self.first_rank) and limit.without_clocks() == before.without_clocks()

    async def _find_first_rank(self, longest: float | None) -> None:
        """Ask for a move from the starting position, for at most the time of the search that follows."""
        board, limit = Board(), Limit(depth=1, time=min(FIRST_MOVE, longest or FIRST_MOVE))
        self._search = Analysis(self, board, limit, 1)
        self._send(f"{position(board, 0)}\n{self._dialect.go(limit, board, None, 0, False)}")
        try:
            await self._finish(self._search)
        except EngineMoveError as error:
            raise self._error(EngineStartError, f"the engine does not play xiangqi: {error.reason}") from None
        if self.first_rank is None:
            raise self._error(EngineStartError, "the engine does not play xiangqi: it has no first move")

    async def _finish(self, search: Analysis) -> PlayResult:
        try:
            return await search.wait()
        except asyncio.CancelledError:
            search.stop()
            raise


async def popen_uci(
    command: str | Sequence[str],
    *,
    options: Mapping[str, OptionValue] | None = None,
    first_rank: int | None = None,
    timeout: float = TIMEOUT,
    move_timeout: float | None = None,
    cwd: str | None = None,
) -> Engine:
    """Start a UCI engine and return it when it is ready.

    ``command`` is a list of arguments, or a string that is split like a shell command. ``timeout`` is in seconds, and
    so is ``move_timeout``, which a search by depth, nodes or mate may take; by default any time. ``first_rank``, 0 or
    1, is the number of Red's back rank; by default the client finds out. Raises ``EngineStartError`` or
    ``EngineOptionError``.

    >>> from xiangqi.engine.example import COMMAND
    >>> async def main() -> None:
    ...     async with await popen_uci(COMMAND) as engine:
    ...         print((await engine.play(Board(), Limit(time=0.1))).move)
    >>> asyncio.run(main())
    h2e2
    """
    return await open_engine(command, UCI, options, first_rank, timeout, move_timeout, cwd)


async def popen_ucci(
    command: str | Sequence[str],
    *,
    options: Mapping[str, OptionValue] | None = None,
    timeout: float = TIMEOUT,
    move_timeout: float | None = None,
    cwd: str | None = None,
) -> Engine:
    """Start a UCCI engine and return it when it is ready. See ``popen_uci``."""
    return await open_engine(command, UCCI, options, None, timeout, move_timeout, cwd)


async def open_engine(
    command: str | Sequence[str],
    dialect: Dialect,
    options: Mapping[str, OptionValue] | None,
    first_rank: int | None,
    timeout: float,
    move_timeout: float | None,
    cwd: str | None,
) -> Engine:
    """Start an engine that speaks ``dialect`` and return it when it is ready. See ``popen_uci``."""
    if first_rank not in (None, 0, 1):
        raise ValueError(f"first_rank must be 0 or 1, not {first_rank!r}")
    words = shlex.split(command) if isinstance(command, str) else list(command)
    if words:  # Debian installs engines in /usr/games, which is not in root's PATH
        words[0] = shutil.which(words[0]) or shutil.which(words[0], path="/usr/games") or words[0]
    engine = Engine(words, dialect, first_rank, timeout, move_timeout)
    await engine._open(cwd, options or {})
    return engine
