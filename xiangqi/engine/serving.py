"""The engine's side of UCI and UCCI: reading what a board asks, and writing what an engine answers.

It is the other direction of ``xiangqi.engine.wire`` and has the same sources. Words may be separated by any white space
and written in upper case; unknown words are skipped.

>>> from xiangqi.engine.wire import UCI
>>> board, _ = read_position("startpos moves h2e2".split())
>>> read_go("go depth 9".split(), board, UCI).limit
Limit(depth=9)
>>> write_best_move(UCI, Move.from_iccs("h9g7"))
'bestmove h9g7'
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from xiangqi.board import STARTING_FEN, Board
from xiangqi.engine.values import Info, Limit, Score, Wdl
from xiangqi.engine.wire import UCCI, Dialect, milliseconds, number
from xiangqi.move import IllegalMoveError, InvalidMoveError, Move
from xiangqi.notation import parse_uci, uci

# --- Reading ----------------------------------------------------------------------------------------------------------


def read_position(words: Sequence[str], first_ranks: Sequence[int] = (0,)) -> tuple[Board, int]:
    """Return the board of a ``position`` command, and the number of Red's back rank.

    ``words`` follow ``position``: ``startpos`` or ``fen`` and a FEN, then perhaps ``moves``. UCI-Cyclone sends the same
    words without ``position``. Moves are read with each of ``first_ranks`` in turn, until all are legal. Raises
    ``InvalidFenError``, ``InvalidMoveError`` or ``IllegalMoveError`` (each a ``ValueError``).

    >>> board, first_rank = read_position("startpos moves H3E3 H10G8".split(), (0, 1))
    >>> board.move_stack, first_rank
    ([Move.from_iccs('h2e2'), Move.from_iccs('h9g7')], 1)
    """
    kind, *rest = words or [""]
    lower = [word.lower() for word in rest]
    end = lower.index("moves") if "moves" in lower else len(rest)
    if kind.lower() == "startpos":
        fen = STARTING_FEN
    elif kind.lower() == "fen":
        fen = " ".join([*rest[:1], *lower[1:end]])
    else:
        raise InvalidMoveError(f"a position is startpos or fen, not {kind[:40]!r}")
    wrong: ValueError | None = None
    for first_rank in first_ranks:
        try:
            return _played(fen, lower[end + 1 :], first_rank), first_rank
        except (InvalidMoveError, IllegalMoveError) as error:
            wrong = wrong or error
    assert wrong is not None
    raise wrong


def _played(fen: str, moves: Sequence[str], first_rank: int) -> Board:
    board = Board(fen)
    for text in moves:
        move = parse_uci(text, first_rank)
        if not board.is_legal(move):
            raise IllegalMoveError(f"illegal move {text!r} in {board.fen()}")
        board.push(move)
    return board


ANOTHER_MOVE: Final = 4
"""Positions at the end of a game, and before it, that are tried for another move."""


def with_past(board: Board, game: Board) -> Board:
    """Return the board of a ``position`` command with the moves before it, if they are known from ``game``.

    Many boards tell the position after the last capture and the moves since, as UCCI demands. A player that reads the
    whole game wants the others, too. ``game`` is the one told before with the engine's answer. The first position of
    the board is one of it, or comes after one more move from one of its last positions: a reply, or another than was
    pondered on. Otherwise ``board`` is returned.

    >>> game = Board.from_moves("h2e2 h9g7 e2e6")
    >>> after = with_past(Board(Board.from_moves("h2e2 h9g7 e2e6 g7e6").fen()), game)
    >>> after.ply, after.peek().iccs
    (4, 'g7e6')
    """
    key, past = board.root().key, game.copy()
    while past.key != key:
        if game.ply - past.ply < ANOTHER_MOVE and (move := _move_to(key, past)) is not None:
            past.push(move)
        elif past.ply:
            past.pop()
        else:
            return board
    for move in board.move_stack:
        past.push(move)
    return past


def _move_to(key: int, board: Board) -> Move | None:
    """Return the move to the position with a key, or ``None``."""
    for move in board.legal_moves:
        board.push(move)
        found = board.key == key
        board.pop()
        if found:
            return move
    return None


@dataclass(frozen=True)
class Go:
    """A ``go`` command: what to search, and when to answer."""

    limit: Limit
    """Without an end if none was given. ``go mate 3`` is a depth of 5 plies."""
    infinite: bool = False
    """Whether the answer has to wait for ``stop``."""
    ponder: bool = False
    """Whether the answer has to wait for ``stop`` or ``ponderhit``; the limit counts from the latter."""
    draw: bool = False
    """Whether the opponent offers a draw (UCCI)."""


_TIMES: Final = {"movetime": "time", "wtime": "red_clock", "btime": "black_clock"} | {
    "winc": "red_increment",
    "binc": "black_increment",
}
_SIDES: Final = ("red", "black")


def read_go(words: Sequence[str], board: Board, dialect: Dialect, first_rank: int = 0, unit: float = 0.001) -> Go:
    """Return a ``go`` command; ``words`` begin with ``go``. ``unit`` is the unit of UCCI's times in seconds.

    Negative numbers are read as 0, and words that are no legal moves after ``searchmoves`` are skipped.

    >>> from xiangqi.engine.wire import UCI
    >>> read_go("go draw time 60 increment 2 opptime 50".split(), Board(), UCCI, unit=1)
    Go(limit=Limit(red_clock=60, black_clock=50, red_increment=2), infinite=False, ponder=False, draw=True)
    >>> read_go("go searchmoves h2e2 a0a9 movetime 500".split(), Board(), UCI).limit
    Limit(time=0.5, root_moves=(Move.from_iccs('h2e2'),))
    """
    us, them = _SIDES[board.turn], _SIDES[1 - board.turn]
    times = {word: (field, 0.001) for word, field in _TIMES.items()} | {
        "time": (f"{us}_clock", unit),
        "increment": (f"{us}_increment", unit),
        "opptime": (f"{them}_clock", unit),
        "oppincrement": (f"{them}_increment", unit),
    }
    found: dict[str, Any] = {}
    flags = dict.fromkeys(("infinite", "ponder", "draw"), False)
    rest = [word.lower() for word in reversed(words[1:])]
    while rest:
        word = rest.pop()
        if word in flags:
            flags[word] = True
        elif word == "searchmoves":
            named = []
            while rest and (move := _move(rest[-1], first_rank)) is not None:
                named.append(move)
                rest.pop()
            if legal := tuple(move for move in named if board.is_legal(move)):
                found["root_moves"] = legal
        elif rest and (value := number(rest[-1])) is not None:
            rest.pop()
            value = max(value, 0)
            if word in times:
                field, seconds = times[word]
                found[field] = value * seconds
            elif word in ("depth", "nodes"):
                found[word] = round(value)
            elif word == "movestogo":
                found["moves_to_go"] = round(value)
            elif word == "mate":
                found.setdefault("depth", max(2 * round(value) - 1, 1))
    return Go(Limit(**found), **flags)


def _move(text: str, first_rank: int) -> Move | None:
    try:
        return parse_uci(text, first_rank)
    except InvalidMoveError:
        return None


def read_moves(words: Sequence[str], board: Board, first_rank: int = 0) -> list[Move]:
    """Return the legal moves among some words, such as those of ``banmoves``.

    >>> read_moves("h2e2 h2h2 b2e2".split(), Board())
    [Move.from_iccs('h2e2'), Move.from_iccs('b2e2')]
    """
    moves = (_move(word.lower(), first_rank) for word in words)
    return [move for move in moves if move is not None and board.is_legal(move)]


_SETTING: Final = re.compile(r"name\s+(?P<name>.+?)(?:\s+value(?:\s+(?P<value>.*))?)?", re.IGNORECASE | re.DOTALL)


def read_setting(text: str) -> tuple[str, str]:
    """Return name and value of an option, from the text after ``setoption``, in either dialect.

    >>> read_setting("name Clear Hash"), read_setting("name Model value My Models/a"), read_setting("hashsize 16")
    (('Clear Hash', ''), ('Model', 'My Models/a'), ('hashsize', '16'))
    """
    text = text.strip()
    if match := _SETTING.fullmatch(text):
        return match["name"], match["value"] or ""
    name, _, value = text.partition(" ")
    return name, value.strip()


# --- Writing ----------------------------------------------------------------------------------------------------------


def write_text(text: str, dialect: Dialect) -> str:
    """Return free text as a line of information.

    >>> write_text("no such file", UCCI)
    'info message no such file'
    """
    return f"info {'message' if dialect is UCCI else 'string'} {' '.join(text.split())}"


def write_info(info: Info, dialect: Dialect, first_rank: int = 0) -> Iterator[str]:
    """Yield the lines that tell of a search: one in UCI, and in UCCI two.

    >>> from xiangqi import RED
    >>> from xiangqi.engine.wire import UCI
    >>> info = Info(depth=3, score=Score(RED, cp=40), nodes=50, time=0.02, pv=(Move.from_iccs("h2e2"),))
    >>> list(write_info(info, UCI, 1))
    ['info depth 3 multipv 1 score cp 40 nodes 50 time 20 pv h3e3']
    >>> list(write_info(info, UCCI))
    ['info nodes 50 time 20', 'info depth 3 score 10 pv h2e2']
    """
    line = {
        "depth": info.depth,
        "seldepth": info.seldepth,
        "multipv": info.multipv if info.multipv > 1 or dialect is not UCCI else None,
        "score": None if info.score is None else _score(info.score, dialect),
    }
    if info.bound is not None and dialect is not UCCI:
        line["score"] = f"{line['score']} {info.bound}bound"
    if info.wdl is not None and dialect is not UCCI:
        line["wdl"] = " ".join(map(str, whole_wdl(info.wdl)))
    work = {
        "nodes": info.nodes,
        "nps": info.nps,
        "hashfull": info.hashfull,
        "time": None if info.time is None else milliseconds(info.time),
    }
    moves = {"pv": " ".join(uci(move, first_rank) for move in info.pv) or None}
    if dialect is UCCI:
        del work["nps"], work["hashfull"], line["seldepth"]
        yield from _fields(work)
        work = {}
    yield from _fields(line | work | moves)


def _fields(fields: dict[str, Any]) -> Iterator[str]:
    if words := [f"{word} {value}" for word, value in fields.items() if value is not None]:
        yield f"info {' '.join(words)}"


def _score(score: Score, dialect: Dialect) -> str:
    if dialect is UCCI:  # it has no word for mates
        cp = score.cp if score.mate is None else score.centipawns()
        return str(round((cp or 0) * (100 / dialect.centipawns if score.mate is None else 1)))
    return f"cp {score.cp or 0}" if score.mate is None else f"mate {score.mate}"


def whole_wdl(wdl: Wdl) -> tuple[int, int, int]:
    """Return win, draw and loss in whole thousandths with the sum 1000.

    >>> whole_wdl(Wdl(333.4, 333.3, 333.3))
    (333, 334, 333)
    """
    total = sum(wdl) or 1.0
    win, loss = round(1000 * wdl.win / total), round(1000 * wdl.loss / total)
    return win, max(1000 - win - loss, 0), loss


def write_best_move(
    dialect: Dialect,
    move: Move | None,
    ponder: Move | None = None,
    *,
    first_rank: int = 0,
    draw: bool = False,
    resign: bool = False,
) -> str:
    """Return the line that answers ``go``: a move, the reply that is expected, and in UCCI draw or resignation.

    >>> from xiangqi.engine.wire import UCI
    >>> write_best_move(UCI, None), write_best_move(UCCI, None)
    ('bestmove (none)', 'nobestmove')
    >>> write_best_move(UCCI, Move.from_iccs("h2e2"), Move.from_iccs("h9g7"), draw=True)
    'bestmove h2e2 ponder h9g7 draw'
    """
    if move is None:
        return "nobestmove" if dialect is UCCI else "bestmove (none)"
    words = ["bestmove", uci(move, first_rank)]
    if ponder is not None:
        words += ["ponder", uci(ponder, first_rank)]
    if dialect is UCCI and (draw or resign):
        words.append("resign" if resign else "draw")
    return " ".join(words)
