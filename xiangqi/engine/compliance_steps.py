"""The steps of a check of compliance: what a sound engine of UCI or UCCI does, and how to see whether it does."""

from __future__ import annotations

import asyncio
import itertools
import random
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from xiangqi.board import Board
from xiangqi.engine.raw import LOADING, Answer, Fault, Talk
from xiangqi.engine.wire import UCCI, UCI, Dialect, parse_option, read_move
from xiangqi.notation import uci

WATCH: Final = 0.3
"""Seconds in which something that must not happen is watched for."""


class Skip(Exception):  # noqa: N818
    """Says why a step does not apply."""


Check = Callable[[Talk], Awaitable[None]]


@dataclass(frozen=True)
class Step:
    """A step: what a sound engine does, and the check of it."""

    title: str
    dialects: tuple[Dialect, ...]
    must: bool
    """Whether the protocol demands it."""
    check: Check
    last: bool
    """Whether the process has ended after it."""


_steps: list[Step] = []


def _step(title: str, *dialects: Dialect, must: bool = True, last: bool = False) -> Callable[[Check], Check]:
    def add(check: Check) -> Check:
        _steps.append(Step(title, dialects or (UCI, UCCI), must, check, last))
        return check

    return add


# --- Positions --------------------------------------------------------------------------------------------------------

_QUIET: Final = "2bakab2/9/4c4/4p3p/9/2P6/4P3P/4C4/9/2BAKAB2 w - - 0 27"
_MATED: Final = "R3k4/R8/9/9/9/9/9/9/9/3K5 b - - 0 1"
_STALEMATED: Final = "3k5/4P4/9/9/9/9/9/9/9/4K4 b - - 0 1"
_FEW_MOVES: Final = "3k5/9/9/9/9/9/9/9/9/4K4 b - - 0 1"
_SHUFFLE: Final = ("h0g2", "h9g7", "g2h0", "g7h9")


def _long_game() -> Board:
    """Return a game of some 200 plies."""
    chance, board = random.Random(1), Board()
    while board.ply < 200 and (moves := board.legal_moves):
        board.push(chance.choice(moves))
        if not board.has_legal_moves():
            board.pop()
            break
    return board


def _need(condition: object, note: str) -> None:
    if not condition:
        raise Fault(note)


async def _moves(talk: Talk, board: Board, words: str, seconds: float | None = None) -> Answer:
    """Return the answer to ``go``, which has to be a move."""
    answer = await talk.go(board, words, seconds)
    _need(answer.move, f"{' '.join(answer.words)} after go {words}, in {board.fen()}")
    return answer


# --- Start ------------------------------------------------------------------------------------------------------------


@_step("shakes hands within a second", must=False)
async def _(talk: Talk) -> None:
    _need(talk.handshake <= 1, f"after {talk.handshake:.1f} s")


@_step("names itself")
async def _(talk: Talk) -> None:
    _need(talk.id.get("name"), "no id name")


@_step("names its author", UCI)
async def _(talk: Talk) -> None:
    _need(talk.id.get("author"), "no id author")


@_step("declares options with a name and a type")
async def _(talk: Talk) -> None:
    for text in talk.declared:
        try:
            option = parse_option(text, talk.dialect)
        except ValueError:
            raise Fault(f"option {text}: no name or no type") from None
        types = ("check", "spin", "combo", "button", "string", *(("label",) if talk.dialect is UCCI else ()))
        _need(option.type in types, f"option {option.name}: no type {option.type!r}")
        _need(talk.dialect is not UCCI or " " not in option.name, f"option {option.name}: a space in the name")


@_step("declares defaults that lie within bounds")
async def _(talk: Talk) -> None:
    for option in talk.options.values():
        default = option.default
        if option.type == "check":
            _need(default in ("true", "false"), f"option {option.name}: default {default!r}")
        elif option.type == "combo":
            _need(default in option.choices, f"option {option.name}: default {default!r} is none of its values")
        elif option.type == "spin":
            _need(re.fullmatch(r"-?\d+", default or ""), f"option {option.name}: default {default!r} is no number")
            low, high = option.min, option.max
            _need(low is not None and high is not None, f"option {option.name}: no min or max")
            _need(low is None or high is None or low <= int(default or 0) <= high, f"option {option.name}: {default}")


@_step("plays xiangqi, if it declares UCI_Variant", UCI)
async def _(talk: Talk) -> None:
    option = talk.options.get("uci_variant")
    if option is None:
        raise Skip("no UCI_Variant")
    _need("xiangqi" in option.choices, f"its variants: {', '.join(option.choices)}")


@_step("counts ranks from 0", UCCI)
async def _(talk: Talk) -> None:
    _need(talk.first_rank == 0, "it counts them from 1 to 10; the other steps are given such moves")


@_step("takes its own defaults")
async def _(talk: Talk) -> None:
    _need(not (unknown := talk.unknown), f"it has no option {', '.join(unknown)}, which you gave it")
    for option in talk.options.values():
        if option.type in ("check", "spin", "combo") and option.name.lower() not in ("uci_variant", "usemillisec"):
            talk.set_option(option.name, option.default or "")
    for name, value in talk.given.items():
        talk.set_option(name, value)
    await talk.ready(LOADING)


@_step("goes on after an option that it has not declared")
async def _(talk: Talk) -> None:
    await talk.ready()
    talk.set_option("NoSuchOption", "1")
    for line in await talk.ready():
        _need(talk.dialect is UCI or line.split()[0] == "info", f"it says {line!r}")


@_step("is ready after ucinewgame", UCI)
async def _(talk: Talk) -> None:
    talk.tell("ucinewgame")
    await talk.ready(LOADING)


@_step("is ready after setoption newgame", UCCI)
async def _(talk: Talk) -> None:
    talk.set_option("newgame", "")
    await talk.ready(LOADING)


@_step("is ready after the starting position")
async def _(talk: Talk) -> None:
    talk.position(Board())
    await talk.ready()


@_step("is ready after a FEN")
async def _(talk: Talk) -> None:
    talk.position(Board(_QUIET))
    await talk.ready()


# --- Searches ---------------------------------------------------------------------------------------------------------

_AFTER_ONE: Final = Board.from_moves("h2e2")
_AFTER_TWO: Final = Board.from_moves("h2e2 h9g7")

for _title, _fen, _go, _dialect in (
    ("goes by Red's clock alone", None, "wtime 100", UCI),
    ("goes by Black's clock alone", _AFTER_ONE.fen(), "btime 100", UCI),
    ("goes by both clocks with increments", None, "wtime 100 winc 100 btime 100 binc 100", UCI),
    ("goes by clocks in the other order", None, "btime 100 binc 100 wtime 100 winc 100", UCI),
    ("goes by clocks from a FEN", _QUIET, "wtime 100 btime 100", UCI),
    ("goes by clocks with movestogo", None, "wtime 1000 btime 1000 movestogo 10", UCI),
    ("goes by movetime", None, "movetime 100", UCI),
    ("goes by clock and increment", None, "time 200 increment 10", UCCI),
    ("goes by clock and movestogo", None, "time 1000 movestogo 10", UCCI),
    ("goes by milliseconds after usemillisec", None, "time 1000 movestogo 1", UCCI),
    ("goes by clocks of both sides", None, "time 200 increment 0 opptime 200 oppincrement 0", UCCI),
    ("goes by Black's clock", _AFTER_ONE.fen(), "time 200 increment 0 opptime 200 oppincrement 0", UCCI),
    ("goes on when a draw is offered", None, "draw time 200 increment 0", UCCI),
    ("goes by depth", None, "depth 2", None),
    ("goes by nodes", None, "nodes 1000", None),
):

    async def _search(talk: Talk, fen: str | None = _fen, go: str = _go) -> None:
        await _moves(talk, Board(fen) if fen else Board(), go)

    _step(_title, *([_dialect] if _dialect else []))(_search)


@_step("goes by clocks after ucinewgame", UCI)
async def _(talk: Talk) -> None:
    talk.tell("ucinewgame")
    await talk.ready(LOADING)
    await _moves(talk, Board(), "wtime 100 btime 100")


@_step("goes by seconds without usemillisec", UCCI)
async def _(talk: Talk) -> None:
    if "usemillisec" not in talk.options:
        raise Skip("no usemillisec")
    talk.set_option("usemillisec", "false")
    try:
        await _moves(talk, Board(), "time 1 movestogo 1")
    finally:
        talk.set_option("usemillisec", "true")


@_step("reads moves after the starting position")
async def _(talk: Talk) -> None:
    await _moves(talk, _AFTER_TWO, "depth 1")


@_step("reads moves after a FEN")
async def _(talk: Talk) -> None:
    board = Board(_QUIET)
    board.push(board.legal_moves[0])
    await _moves(talk, board, "depth 1")


@_step("reads a game of 200 plies")
async def _(talk: Talk) -> None:
    await _moves(talk, _long_game(), "depth 1")


@_step("moves where a position has come back three times")
async def _(talk: Talk) -> None:
    await _moves(talk, Board.from_moves(_SHUFFLE * 3), "depth 2")


@_step("plays some moves of a game")
async def _(talk: Talk) -> None:
    board = Board()
    for _ in range(6):
        answer = await _moves(talk, board, "depth 1")
        assert answer.move is not None
        board.push(answer.move)


@_step("answers a go once")
async def _(talk: Talk) -> None:
    await _moves(talk, Board(), "depth 1")
    second = await talk.hears("bestmove", WATCH)
    _need(second is None, f"then it says {second!r}")


@_step("thinks on in go infinite until stop")
async def _(talk: Talk) -> None:
    board = Board(_FEW_MOVES)  # whose only line of play is soon searched
    talk.position(board)
    talk.tell("go infinite")
    early = await talk.hears("bestmove", 2 * WATCH)
    _need(early is None, f"it says {early!r} before stop")
    talk.tell("stop")
    await talk.answer(board)


@_step("answers isready while it thinks")
async def _(talk: Talk) -> None:
    talk.position(Board())
    talk.tell("go infinite")
    for line in await talk.ready():
        _need(line.split()[0] != "bestmove", f"it says {line!r} before readyok")
    talk.tell("stop")
    await talk.answer(Board())


@_step("answers stop within 200 ms, as the UCCI league demands", must=False)
async def _(talk: Talk) -> None:
    talk.position(Board())
    talk.tell("go infinite")
    await asyncio.sleep(WATCH)
    talk.tell("stop")
    began = asyncio.get_running_loop().time()
    await talk.answer(Board())
    seconds = asyncio.get_running_loop().time() - began
    _need(seconds <= 0.2, f"after {1000 * seconds:.0f} ms")


def _clock(talk: Talk) -> str:
    return "time 1000 increment 0" if talk.dialect is UCCI else "wtime 1000 btime 1000"


@_step("thinks on in go ponder until ponderhit")
async def _(talk: Talk) -> None:
    talk.position(_AFTER_TWO)
    talk.tell(f"go ponder {_clock(talk)}")
    early = await talk.hears("bestmove", 2 * WATCH)
    _need(early is None, f"it says {early!r} before ponderhit")
    talk.tell("ponderhit")
    await talk.answer(_AFTER_TWO)


@_step("answers stop after go ponder")
async def _(talk: Talk) -> None:
    talk.position(_AFTER_TWO)
    talk.tell(f"go ponder {_clock(talk)}")
    await asyncio.sleep(WATCH)
    talk.tell("stop")
    await talk.answer(_AFTER_TWO)


@_step("takes ponderhit draw", UCCI)
async def _(talk: Talk) -> None:
    talk.position(_AFTER_TWO)
    talk.tell(f"go ponder {_clock(talk)}")
    await asyncio.sleep(WATCH)
    talk.tell("ponderhit draw")
    await talk.answer(_AFTER_TWO)


@_step("keeps to searchmoves", UCI)
async def _(talk: Talk) -> None:
    board = Board()
    moves = board.legal_moves[:2]
    answer = await _moves(talk, board, f"depth 2 searchmoves {' '.join(uci(move, talk.first_rank) for move in moves)}")
    _need(answer.move in moves, f"{' '.join(answer.words)} is none of them")


@_step("shows several lines by MultiPV", UCI)
async def _(talk: Talk) -> None:
    option = talk.options.get("multipv")
    if option is None:
        raise Skip("no MultiPV")
    talk.set_option(option.name, "3")
    try:
        answer = await _moves(talk, Board(), "depth 2")
        firsts = {}
        for line in answer.lines("multipv", "pv"):
            firsts[line[line.index("multipv") + 1]] = (line[line.index("pv") + 1 :] or [""])[0]
        _need(firsts.keys() >= {"1", "2", "3"}, f"lines {', '.join(firsts) or 'without a number'}")
        _need(len({firsts[rank] for rank in "123"}) == 3, f"two lines begin with the same move: {firsts}")
    finally:
        talk.set_option(option.name, "1")


@_step("takes a MultiPV above the number of moves", UCI)
async def _(talk: Talk) -> None:
    option = talk.options.get("multipv")
    if option is None:
        raise Skip("no MultiPV")
    talk.set_option(option.name, str(min(option.max or 100, 100)))
    try:
        await _moves(talk, Board(_FEW_MOVES), "depth 2")
    finally:
        talk.set_option(option.name, "1")


@_step("answers go mate", UCI, must=False)
async def _(talk: Talk) -> None:
    await _moves(talk, Board("4k4/R8/9/9/9/9/9/9/1R7/3K5 w - - 0 1"), "mate 1")


@_step("does not play a banned move", UCCI)
async def _(talk: Talk) -> None:
    board = Board()
    first = (await _moves(talk, board, "depth 1")).move
    assert first is not None
    talk.position(board)
    talk.tell(f"banmoves {uci(first, talk.first_rank)}", "go depth 1")
    answer = await talk.answer(board)
    _need(answer.move not in (first, None), f"{' '.join(answer.words)} after banmoves {uci(first, talk.first_rank)}")


@_step("plays the only move that is not banned", UCCI)
async def _(talk: Talk) -> None:
    board = Board()
    *banned, free = board.legal_moves
    talk.position(board)
    talk.tell(f"banmoves {' '.join(uci(move, talk.first_rank) for move in banned)}", "go depth 1")
    answer = await talk.answer(board)
    _need(answer.move == free, f"{' '.join(answer.words)}, and only {uci(free, talk.first_rank)} is not banned")


@_step("forgets bans at the next position", UCCI)
async def _(talk: Talk) -> None:
    board = Board()
    talk.position(board)
    talk.tell(f"banmoves {' '.join(uci(move, talk.first_rank) for move in board.legal_moves)}")
    await _moves(talk, board, "depth 1")


@_step("gives a score and no move for go depth 0", UCCI)
async def _(talk: Talk) -> None:
    answer = await talk.go(Board(), "depth 0")
    _need(answer.move is None, f"it says {' '.join(answer.words)}")
    _need(answer.lines("score"), "no score")


@_step("says nobestmove to a stray stop", UCCI)
async def _(talk: Talk) -> None:
    talk.tell("stop")
    await talk.until("nobestmove")


@_step("says nothing to a stray stop", UCI)
async def _(talk: Talk) -> None:
    talk.tell("stop", "stop")
    for line in await talk.ready():
        _need(line.split()[0] != "bestmove", f"it says {line!r}")


for _title, _fen in (("mated", _MATED), ("stalemated", _STALEMATED)):

    async def _over(talk: Talk, fen: str = _fen) -> None:
        answer = await talk.go(Board(fen), "depth 2")
        _need(answer.move is None, f"it says {' '.join(answer.words)}")
        await _moves(talk, Board(), "depth 1")

    _step(f"says bestmove (none) where it is {_title}, and plays on", UCI)(_over)
    _step(f"says nobestmove where it is {_title}, and plays on", UCCI)(_over)


@_step("makes lines after go wait in batch", UCCI)
async def _(talk: Talk) -> None:
    if "batch" not in talk.options:
        raise Skip("no batch")
    talk.set_option("batch", "true")
    try:
        talk.position(Board())
        talk.tell("go depth 2")
        talk.position(_AFTER_ONE)
        talk.tell("go depth 2")
        for board in (Board(), _AFTER_ONE):
            _need((await talk.answer(board)).move, f"no move in {board.fen()}")
    finally:
        talk.set_option("batch", "false")


# --- Information ------------------------------------------------------------------------------------------------------

_INTEGERS: Final = ("depth", "seldepth", "multipv", "nodes", "nps", "time", "hashfull", "tbhits", "currmovenumber")
_BY_DEPTH: Final = "depth 3"


@_step("tells of its search")
async def _(talk: Talk) -> None:
    answer = await _moves(talk, Board(), _BY_DEPTH)
    _need(answer.lines(), "no info line")


@_step("writes whole numbers")
async def _(talk: Talk) -> None:
    for line in (await _moves(talk, Board(), _BY_DEPTH)).lines():
        for word, value in itertools.pairwise(line):
            if word in ("pv", "refutation", "currline"):
                break
            _need(word not in _INTEGERS or re.fullmatch(r"-?\d+", value), f"{word} {value} in {' '.join(line)[:80]!r}")


@_step("tells depth, score, nodes, time and nps", UCI)
async def _(talk: Talk) -> None:
    said = {word for line in (await _moves(talk, Board(), _BY_DEPTH)).lines() for word in line}
    missing = [word for word in ("depth", "score", "nodes", "time", "nps") if word not in said]
    _need(not missing, f"no {', '.join(missing)}")


@_step("tells depth and score", UCCI)
async def _(talk: Talk) -> None:
    said = {word for line in (await _moves(talk, Board(), _BY_DEPTH)).lines() for word in line}
    missing = [word for word in ("depth", "score") if word not in said]
    _need(not missing, f"no {', '.join(missing)}")


@_step("writes scores as the protocol does")
async def _(talk: Talk) -> None:
    form = r"score -?\d+" if talk.dialect is UCCI else r"score (cp|mate) -?\d+"
    for board in (Board(), _AFTER_ONE):
        for line in (await _moves(talk, board, _BY_DEPTH)).lines("score"):
            score = " ".join(line[line.index("score") :][:3])
            _need(re.match(form, score), f"{score!r} in {' '.join(line)[:80]!r}")


@_step("shows lines of legal moves")
async def _(talk: Talk) -> None:
    for start in (Board(), _AFTER_ONE, Board(_QUIET)):
        for line in (await _moves(talk, start, _BY_DEPTH)).lines("pv"):
            board = start.copy()
            for word in line[line.index("pv") + 1 :]:
                move = read_move(word, board, talk.first_rank)
                if move is None:
                    raise Fault(f"{word} is not legal in {' '.join(line)[:120]!r}")
                board.push(move)


@_step("expects a legal reply, if any")
async def _(talk: Talk) -> None:
    for start in (Board(), _AFTER_ONE):
        answer = await _moves(talk, start, _BY_DEPTH)
        if "ponder" in answer.words:
            board = start.copy()
            assert answer.move is not None
            board.push(answer.move)
            reply = (answer.words[answer.words.index("ponder") + 1 :] or [""])[0]
            _need(read_move(reply, board, talk.first_rank), f"{' '.join(answer.words)}: the reply is not legal")


# --- Oddities of boards -----------------------------------------------------------------------------------------------


@_step("reads lines that end as on Windows")
async def _(talk: Talk) -> None:
    talk.tell("position startpos\r", "go depth 1\r")
    await talk.answer(Board())


@_step("reads tabs and several spaces")
async def _(talk: Talk) -> None:
    talk.tell("position   startpos\t moves  h2e2" if not talk.first_rank else "position   startpos\t moves  h3e3")
    talk.tell("  go \t depth  1 ")
    await talk.answer(_AFTER_ONE)


@_step("goes on after empty lines and unknown words")
async def _(talk: Talk) -> None:
    talk.tell("", "   ", "nonsense and more", "debug on", "debug off")
    await talk.ready()
    await _moves(talk, Board(), "depth 1")


@_step("goes on after a FEN that is none", must=False)
async def _(talk: Talk) -> None:
    talk.tell("position fen 9/9/nonsense w - - 0 1")
    await talk.ready()
    await _moves(talk, Board(), "depth 1")


@_step("goes on after an illegal move", must=False)
async def _(talk: Talk) -> None:
    talk.tell("position startpos moves a0a9 zzzz")
    await talk.ready()
    await _moves(talk, Board(), "depth 1")


@_step("reads a FEN without counters", must=False)
async def _(talk: Talk) -> None:
    board = Board(_QUIET)
    talk.tell(f"position fen {_QUIET.split()[0]} w")
    talk.tell("go depth 1")
    _need((await talk.answer(board)).move, "no move")


# --- End --------------------------------------------------------------------------------------------------------------


async def _quit(talk: Talk) -> None:
    talk.tell("quit")
    said = await talk.ended()
    if talk.dialect is UCCI:
        _need(said and said[-1].split()[0] == "bye", "no bye")


@_step("ends at quit", UCI, last=True)
@_step("says bye at quit and ends", UCCI, last=True)
async def _(talk: Talk) -> None:
    await _quit(talk)


@_step("ends with status 0", must=False, last=True)
async def _(talk: Talk) -> None:
    talk.tell("quit")
    await talk.ended()
    _need(talk.status == 0, f"status {talk.status}")


@_step("ends at quit while it thinks", UCI, last=True)
@_step("says bye at quit while it thinks and ends", UCCI, last=True)
async def _(talk: Talk) -> None:
    talk.position(Board())
    talk.tell("go infinite")
    await asyncio.sleep(WATCH)
    await _quit(talk)


@_step("ends when its input is closed", must=False, last=True)
async def _(talk: Talk) -> None:
    talk.close_input()
    await talk.ended()


STEPS: Final = tuple(_steps)
