"""Reading and writing the text of UCI and UCCI.

Sources: "Description of the universal chess interface" (Huber and Meyer-Kahlen, 2006); 中国象棋通用引擎协议 (UCCI) 3.0,
www.xqbase.com/protocol/cchess_ucci.htm. This module has what a client writes and reads; ``xiangqi.engine.serving`` has
what an engine reads and writes.

Words may be separated by any white space. Malformed numbers and unknown words are skipped; the rest is kept.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from xiangqi.board import Board
from xiangqi.engine.values import Info, Limit, Option, PlayResult, Score, Wdl
from xiangqi.move import NULL_MOVE, Color, Move
from xiangqi.notation import parse_uci, uci

UCCI_LIGHT_PIECE: Final = 400
"""Centipawns of a UCCI score of 100, the value of a knight or cannon: in exchange such a piece is worth four pawns."""


class Dialect(Protocol):
    """The differences between UCI and UCCI.

    >>> [dialect.go(Limit(time=2), Board(), None, 0, False) for dialect in (UCI, UCCI)]
    ['go movetime 2000', 'go time 2000 movestogo 1']
    """

    @property
    def name(self) -> str:
        """Name of the protocol, which is also the first command to an engine."""
        ...

    @property
    def first_rank(self) -> int | None:
        """Number of Red's back rank if the protocol fixes it, else ``None``."""
        ...

    @property
    def centipawns(self) -> int:
        """Centipawns of a score of 100 without a unit."""
        ...

    def set_option(self, option: Option, text: str) -> str:
        """Return the command that sets an option.

        >>> option = Option("Hash", "spin")
        >>> UCI.set_option(option, "64"), UCCI.set_option(option, "64")
        ('setoption name Hash value 64', 'setoption Hash 64')
        """
        ...

    def go(
        self,
        limit: Limit,
        board: Board,
        moves: Sequence[Move] | None,
        first_rank: int,
        draw: bool,
        ponder: bool = False,
    ) -> str:
        """Return the command that starts a search: restricted to ``moves`` if given, infinite without a limit.

        With ``ponder``, the limit counts from ``ponderhit``.

        >>> UCI.go(Limit(depth=9), Board(), [Move.from_iccs("h2e2")], 1, False)
        'go depth 9 searchmoves h3e3'
        """
        ...


@dataclass(frozen=True)
class _Uci:
    name: str = "uci"
    first_rank: int | None = None
    centipawns: int = 100

    def set_option(self, option: Option, text: str) -> str:
        return (
            f"setoption name {option.name}" if option.type == "button" else f"setoption name {option.name} value {text}"
        )

    def go(
        self,
        limit: Limit,
        board: Board,
        moves: Sequence[Move] | None,
        first_rank: int,
        draw: bool,
        ponder: bool = False,
    ) -> str:
        words = []
        for word, seconds in (("movetime", limit.time), ("wtime", limit.red_clock), ("btime", limit.black_clock)):
            if seconds is not None:
                words += [word, milliseconds(seconds)]
        for word, seconds in (("winc", limit.red_increment), ("binc", limit.black_increment)):
            if seconds:
                words += [word, milliseconds(seconds)]
        counts = {"movestogo": limit.moves_to_go, "depth": limit.depth, "nodes": limit.nodes, "mate": limit.mate}
        for word, count in counts.items():
            if count is not None:
                words += [word, str(count)]
        words = ["go", *(["ponder"] if ponder else []), *(words or ["infinite"])]
        if moves is not None:
            words += ["searchmoves", *(uci(move, first_rank) for move in moves)]
        return " ".join(words)


@dataclass(frozen=True)
class _Ucci:
    name: str = "ucci"
    first_rank: int | None = 0
    centipawns: int = UCCI_LIGHT_PIECE

    def set_option(self, option: Option, text: str) -> str:
        return f"setoption {option.name} {text}".rstrip()

    def go(
        self,
        limit: Limit,
        board: Board,
        moves: Sequence[Move] | None,
        first_rank: int,
        draw: bool,
        ponder: bool = False,
    ) -> str:
        if limit.mate is not None:
            raise ValueError("UCCI has no search for a mate: give another limit than mate")
        us, them = board.turn, 1 - board.turn
        modes = []
        if limit.depth is not None:
            modes.append(f"depth {limit.depth}")
        if limit.nodes is not None:
            modes.append(f"nodes {limit.nodes}")
        if limit.time is not None:  # the time for one move is all the time until a time control after that move
            modes.append(f"time {milliseconds(limit.time)} movestogo 1")
        elif (clock := limit.clock(us)) is not None:
            modes.append(f"time {milliseconds(clock)} {self._rate(limit, us, '')}")
            if (theirs := limit.clock(them)) is not None:
                modes[-1] += f" opptime {milliseconds(theirs)} {self._rate(limit, them, 'opp')}"
        if len(modes) > 1:
            raise ValueError(f"UCCI takes one kind of limit only, not {' and '.join(modes)}")
        go = f"go {'ponder ' if ponder else 'draw ' if draw else ''}{modes[0] if modes else 'infinite'}"
        if moves is None:
            return go
        banned = [move.iccs for move in board.legal_moves if move not in moves]
        return f"banmoves {' '.join(banned)}\n{go}" if banned else go

    def _rate(self, limit: Limit, color: Color, prefix: str) -> str:
        if limit.moves_to_go is not None:
            return f"{prefix}movestogo {limit.moves_to_go}"
        return f"{prefix}increment {round(limit.increment(color) * 1000)}"


UCI: Final[Dialect] = _Uci()
UCCI: Final[Dialect] = _Ucci()


def milliseconds(seconds: float) -> str:
    """Return a time as the wire has it: whole milliseconds, at least one."""
    return str(max(1, round(seconds * 1000)))


# --- Moves and positions ----------------------------------------------------------------------------------------------


def read_move(text: str, board: Board, first_rank: int) -> Move | None:
    """Return the legal move of an engine's text, or ``None``.

    >>> read_move("H10G8", Board.from_moves("h2e2"), 1)
    Move.from_iccs('h9g7')
    """
    try:
        move = parse_uci(text.lower(), first_rank)
    except ValueError:
        return None
    return move if board.is_legal(move) else None


def _read_line(words: Sequence[str], board: Board, first_rank: int | None) -> tuple[Move, ...]:
    """Return the moves at the beginning of ``words``, up to the first that is not legal."""
    moves: list[Move] = []
    if first_rank is not None:
        board = board.copy(stack=False)
        for word in words:
            move = read_move(word, board, first_rank)
            if move is None:
                break
            moves.append(move)
            board.push(move)
    return tuple(moves)


def position(board: Board, first_rank: int) -> str:
    """Return the ``position`` command for a board: the position after its last capture, and the moves since.

    Positions before a capture cannot recur, so this is enough for engines to detect repetitions. UCCI requires it.

    >>> position(Board.from_moves("h2e2 h9g7"), 1)
    'position fen rnbakabnr/9/1c5c1/p1p1p1p1p/9/9/P1P1P1P1P/1C5C1/9/RNBAKABNR w - - 0 1 moves h3e3 h10g8'
    """
    root, moves = board.copy(), []
    while root.ply and root.halfmove_clock and root.peek() is not NULL_MOVE:
        moves.append(root.pop())
    line = f"position fen {root.fen()}"
    return f"{line} moves {' '.join(uci(move, first_rank) for move in reversed(moves))}" if moves else line


# --- Options ----------------------------------------------------------------------------------------------------------


_OPTION_WORDS: Final = ("name", "type", "default", "min", "max", "var")


def parse_option(text: str, dialect: Dialect) -> Option:
    """Parse the declaration of an option, the text after ``option``. Raises ``ValueError`` without a name or type.

    A bound that is not a number is ignored.

    >>> parse_option("style type combo default normal var solid var normal", UCCI).choices
    ('solid', 'normal')
    """
    fields: list[tuple[str, list[str]]] = [("name", [])] if dialect is UCCI else []
    for word in text.split():
        # A name may hold any word but "type".
        if word in _OPTION_WORDS[:2] or (word in _OPTION_WORDS and len(fields) > 1):
            fields.append((word, []))
        elif fields:
            fields[-1][1].append(word)
    found = {field: " ".join(words) for field, words in fields}
    if not found.get("name") or not found.get("type"):
        raise ValueError(f"not an option: {text!r}")
    low, high = (None if (bound := number(found.get(word, ""))) is None else round(bound) for word in ("min", "max"))
    choices = tuple(" ".join(words) for field, words in fields if field == "var")
    return Option(found["name"], found["type"], found.get("default"), low, high, choices)


def number(text: str) -> float | None:
    """Return the number in a word, or ``None`` if there is none or it does not fit into 64 bits.

    >>> number("12"), number("1e3"), number("inf"), number("-")
    (12, 1000.0, None, None)
    """
    value: float
    try:
        value = int(text)
    except ValueError:
        try:
            value = float(text)
        except ValueError:
            return None
    return value if abs(value) < 2**63 else None


# --- Information ------------------------------------------------------------------------------------------------------


_MOVE: Final = re.compile(r"(?:[a-i](?:10|[0-9])){2}", re.IGNORECASE)
_COUNTS: Final = frozenset(("multipv", "depth", "seldepth", "nodes", "nps", "hashfull"))


def parse_info(words: Sequence[str], board: Board, first_rank: int | None, dialect: Dialect) -> Info:
    """Return the information of an ``info`` line about a search on ``board``; ``words`` are those after ``info``.

    UCI has ``score cp 20`` or ``score mate 3``. UCCI has ``score 5``, in hundredths of a knight or cannon, which is
    converted to centipawns (``UCCI_LIGHT_PIECE``).

    >>> info = parse_info("depth 3 score cp 20 nodes - pv h2e2 h9g7".split(), Board(), 0, UCI)
    >>> info.depth, info.score, info.nodes, info.pv
    (3, Score(color=0, cp=20, mate=None), None, (Move.from_iccs('h2e2'), Move.from_iccs('h9g7')))
    >>> print(parse_info("depth 6 score 25".split(), Board(), 0, UCCI).score)
    +1.00 for red
    """
    found: dict[str, Any] = {}
    i = 0
    while i < len(words):
        word = words[i]
        i += 1
        if word in ("string", "message"):
            found["string"] = " ".join(words[i:])
            break
        if word in ("lowerbound", "upperbound"):
            found["bound"] = word[:5]
        elif word == "pv":
            found["pv"] = _read_line(words[i:], board, first_rank)
            i += len(found["pv"])
            if first_rank is not None and i < len(words) and _MOVE.fullmatch(words[i]):
                found["illegal"] = words[i]
        elif word == "wdl":
            odds = [number(text) for text in words[i : i + 3]]
            if len(known := [share for share in odds if share is not None]) == 3:
                found["wdl"] = Wdl(*known)
                i += 3
        elif i < len(words) and (value := number(words[i])) is not None:
            i += 1
            if word in _COUNTS:
                found[word] = round(value)
            elif word == "time":
                found["time"] = value / 1000
            elif word == "mate":
                found["score"] = Score(board.turn, mate=round(value))
            elif word == "cp":
                found["score"] = Score(board.turn, cp=round(value))
            elif word == "score":
                found["score"] = Score(board.turn, cp=round(value * dialect.centipawns / 100))
    return Info(**found)


# --- Best moves -------------------------------------------------------------------------------------------------------

_NO_MOVE: Final = ("(none)", "none", "null", "0000", "resign")


def parse_best_move(
    words: Sequence[str], board: Board, info: Info, first_rank: int | None
) -> tuple[PlayResult, int | None]:
    """Parse the line that ends a search on ``board``; return the result and the number of Red's back rank.

    ``words`` are a ``bestmove`` or ``nobestmove`` line; ``info`` is the information about the move. If ``first_rank``
    is ``None``, the move decides it. An engine resigns only by the word, as in ``bestmove h2e2 resign`` or ``bestmove
    resign``; ``nobestmove`` means that no move was computed (UCCI 3.0, section 15). Raises ``ValueError`` for a move
    that is not legal.

    >>> result, first_rank = parse_best_move("bestmove h3e3 ponder h10g8".split(), Board(), Info(), None)
    >>> result.move, result.ponder, first_rank
    (Move.from_iccs('h2e2'), Move.from_iccs('h9g7'), 1)
    """
    text, *rest = [word.lower() for word in words[1:]] if words[0] == "bestmove" and len(words) > 1 else ["(none)"]
    draw_offered = "draw" in rest
    resigned = (text == "resign" or "resign" in rest) and board.has_legal_moves()
    if resigned or text in _NO_MOVE:
        return PlayResult(None, None, info, draw_offered, resigned), first_rank
    for rank in (0, 1) if first_rank is None else (first_rank,):
        move = read_move(text, board, rank)
        if move is not None:
            break
    else:
        raise ValueError(f"the engine played {words[1][:40]!r}, which is not legal in {board.fen()}")
    ponder = None
    if "ponder" in rest[:-1]:
        after = board.copy(stack=False)
        after.push(move)
        ponder = read_move(rest[rest.index("ponder") + 1], after, rank)
    return PlayResult(move, ponder, info, draw_offered), rank
