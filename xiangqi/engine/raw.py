"""A raw conversation with an engine, line by line, that takes nothing for granted; ``compliance`` is built on it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from xiangqi.board import Board
from xiangqi.engine.process import EngineProcess
from xiangqi.engine.values import Option
from xiangqi.engine.wire import UCCI, UCI, Dialect, parse_option, read_move
from xiangqi.move import Move
from xiangqi.notation import uci

LOADING: Final = 300.0
"""Seconds that an engine has for its first ``readyok``: it may load a network or compile."""
GREETING: Final = 30.0
"""Seconds that it has for ``uciok`` or ``ucciok``, unless another number is given: only its program has to start."""
TIMEOUT: Final = 10.0
"""Seconds that it has for any other answer, unless another number is given."""
_ANSWERS: Final = {
    UCI: ("id", "option", "uciok", "readyok", "info", "bestmove", "copyprotection", "registration"),
    UCCI: ("id", "option", "ucciok", "readyok", "info", "bestmove", "nobestmove", "pophash", "bye"),
}
_NO_MOVE: Final = ("(none)", "0000")


class Fault(Exception):  # noqa: N818  (of the engine, not of this program)
    """What an engine did wrong, in words."""


@dataclass(frozen=True)
class Answer:
    """The answer to ``go``."""

    move: Move | None
    words: list[str]
    """Those of the last line, as ``bestmove h2e2``."""
    info: list[list[str]]
    """The words of the ``info`` lines before it."""

    def lines(self, *words: str) -> list[list[str]]:
        """Return the ``info`` lines that have all of these words, without free text."""
        return [line for line in self.info if set(words) <= set(line) and not {"string", "message"} & set(line)]


class Talk:
    """An engine's process and what it said.

    ``timeout`` is in seconds, for every answer that needs no long search; by default `TIMEOUT`, and `GREETING` for the
    first.

    Every method that waits raises `Fault` if the engine does not do what it has to.
    """

    def __init__(
        self,
        command: Sequence[str],
        dialect: Dialect,
        options: Mapping[str, str],
        timeout: float | None,
        cwd: str | None,
    ) -> None:
        self.command, self.dialect, self.timeout = command, dialect, timeout or TIMEOUT
        self.greeting = timeout or GREETING
        self.given, self.cwd = options, cwd
        self.id: dict[str, str] = {}
        self.options: dict[str, Option] = {}
        self.declared: list[str] = []
        """The ``option`` lines of the handshake, without that word."""
        self.handshake = 0.0
        """Seconds until ``uciok`` or ``ucciok``."""
        self.strange: list[str] = []
        """Lines after the handshake's first that the protocol does not have."""
        self.first_rank = 0
        """Number of Red's back rank in the engine's first move."""
        self._process: EngineProcess | None = None
        self._lines: asyncio.Queue[str | None] = asyncio.Queue()
        self._told = ""
        self._greeted = False

    # --- The process --------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start the process and shake hands, set options, and find out how it counts ranks. Raises ``OSError`` too."""
        await self.kill()
        self._greeted = False
        lines = self._lines = asyncio.Queue()
        self._process = await EngineProcess.start(
            self.command, self.cwd, lines.put_nowait, lambda: lines.put_nowait(None)
        )
        loop = asyncio.get_running_loop()
        began = loop.time()
        self.tell(self.dialect.name)
        said = await self.until(f"{self.dialect.name}ok", self.greeting)
        self.handshake, self._greeted = loop.time() - began, True
        self.id, self.options, self.declared = {}, {}, []
        for line in said:
            word, _, rest = line.partition(" ")
            if word == "id":
                name, _, value = rest.partition(" ")
                self.id[name] = value.strip()
            elif word == "option":
                self.declared.append(rest)
                try:
                    option = parse_option(rest, self.dialect)
                except ValueError:
                    continue
                self.options[option.name.lower()] = option
        self._configure()
        await self.ready(LOADING)
        await self._find_first_rank()

    def _configure(self) -> None:
        own = {}
        if "uci_variant" in self.options:
            own["UCI_Variant"] = "xiangqi"
        if self.dialect is UCCI:  # boards say so whether it was declared or not
            own["usemillisec"] = "true"
        for name, value in (own | dict(self.given)).items():
            self.set_option(name, value)

    async def _find_first_rank(self) -> None:
        """No square that Red can leave at first is one in both countings, so that a move shows which one it is."""
        self.tell("position startpos", "go depth 1")
        words = (await self.until("bestmove", LOADING))[-1].split()
        self.first_rank = int(len(words) > 1 and read_move(words[1], Board(), 1) is not None)

    async def kill(self) -> None:
        """End the process, if there is one."""
        if self._process is not None:
            self._process.kill()
            await self._process.ended
            self._process = None

    @property
    def unknown(self) -> list[str]:
        """Options that are given and that it has not declared."""
        return [name for name in self.given if name.lower() not in self.options]

    @property
    def running(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and not self._process.ended.done()

    @property
    def status(self) -> int | None:
        """Exit status of the process, ``None`` while it runs."""
        return None if self._process is None else self._process.transport.get_returncode()

    def close_input(self) -> None:
        """Close the engine's standard input, as a board does that is killed."""
        assert self._process is not None
        stdin = self._process.transport.get_pipe_transport(0)
        if stdin is not None:
            stdin.close()

    async def ended(self) -> list[str]:
        """Wait for the end of the process and return the lines said until then."""
        said: list[str] = []
        deadline = asyncio.get_running_loop().time() + self.timeout
        while True:
            line = await self._next(deadline, lambda: f"the process runs {self.timeout:g} s after {self._told!r}")
            if line is None:
                return said
            said.append(line)

    # --- Lines --------------------------------------------------------------------------------------------------------

    def tell(self, *lines: str) -> None:
        """Write lines."""
        assert self._process is not None
        for line in lines:
            self._told = line
            self._process.write(line)

    def set_option(self, name: str, value: str) -> None:
        """Set an option, whether it was declared or not; a button has no value."""
        option = self.options.get(name.lower(), Option(name, "string"))
        self.tell(self.dialect.set_option(option, value).rstrip())

    async def until(self, word: str, seconds: float | None = None) -> list[str]:
        """Return the lines up to the first that begins with ``word``."""
        seconds = self.timeout if seconds is None else seconds
        deadline = asyncio.get_running_loop().time() + seconds
        told, said = self._told, list[str]()
        while True:
            line = await self._next(deadline, lambda: f"no {word} in {seconds:g} s after {told!r}")
            if line is None:
                raise Fault(f"the engine ended with status {self.status} after {told!r}{self._tail()}")
            said.append(line)
            if line.split()[0] == word:
                return said

    async def hears(self, word: str, seconds: float) -> str | None:
        """Return the first line that begins with ``word`` in the next seconds, or ``None``."""
        try:
            return (await self.until(word, seconds))[-1]
        except Fault:
            if not self.running:
                raise
            return None

    async def ready(self, seconds: float | None = None) -> list[str]:
        """Say ``isready`` and return what comes before ``readyok``."""
        self.tell("isready")
        return (await self.until("readyok", seconds))[:-1]

    async def _next(self, deadline: float, late: Callable[[], str]) -> str | None:
        try:
            async with asyncio.timeout_at(deadline):
                line = await self._lines.get()
        except TimeoutError:
            raise Fault(late()) from None
        if line is not None and self._greeted and line.split()[0] not in _ANSWERS[self.dialect]:
            self.strange.append(line)
        return line

    def _tail(self) -> str:
        text = "" if self._process is None else self._process.tail()
        return f" ({text})" if text else ""

    # --- Positions and searches ---------------------------------------------------------------------------------------

    def position(self, board: Board) -> None:
        """Tell a position with all its moves."""
        root = board.root()
        moves = " ".join(uci(move, self.first_rank) for move in board.move_stack)
        where = "startpos" if root == Board() else f"fen {root.fen()}"
        self.tell(f"position {where}{f' moves {moves}' if moves else ''}")

    async def go(self, board: Board, words: str, seconds: float | None = None) -> Answer:
        """Tell a position, then ``go`` with these words, and return the answer."""
        self.position(board)
        self.tell(f"go {words}".rstrip())
        return await self.answer(board, seconds)

    async def answer(self, board: Board, seconds: float | None = None) -> Answer:
        """Wait for the answer to ``go``, which has to be a legal move if there is one."""
        words = "bestmove", "nobestmove"
        seconds = self.timeout if seconds is None else seconds
        deadline = asyncio.get_running_loop().time() + seconds
        told, info = self._told, list[list[str]]()
        while True:
            line = await self._next(deadline, lambda: f"no bestmove in {seconds:g} s after {told!r}")
            if line is None:
                raise Fault(f"the engine ended with status {self.status} after {told!r}{self._tail()}")
            said = line.split()
            if said[0] == "info":
                info.append(said)
            elif said[0] in words:
                return Answer(self._move(said, board), said, info)

    def _move(self, words: list[str], board: Board) -> Move | None:
        if words[0] == "nobestmove" or (self.dialect is UCI and words[1:2] in ([text] for text in _NO_MOVE)):
            return None
        if len(words) < 2:
            raise Fault("bestmove without a move")
        move = read_move(words[1], board, self.first_rank)
        if move is None:
            raise Fault(f"{' '.join(words[:2])} is not legal in {board.fen()}")
        return move
