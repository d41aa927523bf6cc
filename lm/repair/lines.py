"""The legal ways to read a record with an unsound ply: what was written wrong, left out or written in excess.

A `Line` is a legal game that reads the record's words in order but for its edits: a word that stands for another move,
a move that the record lacks, a word too many. Each costs the log-probability `FAULT`, besides that of the text
(`lm.repair.typos`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

from lm.repair.typos import log_chance, spellings
from xiangqi import (
    MOVES,
    NULL_MOVE,
    AmbiguousMoveError,
    Board,
    Game,
    IllegalMoveError,
    InvalidMoveError,
    Move,
)
from xiangqi.formats.movetext import parse_move
from xiangqi.notation import algebraic_ranks, parse_uci, uci

FAULT: Final = math.log(1 / 1000)
"""One ply in a thousand is wrong; as many are left out, and as many too many."""

WINDOW: Final = 120
"""Plies before an unsound word in which its cause is sought: a bound on time."""
AGAIN: Final = 0.95
"""Of the plies that are too many, so many are a neighbour written twice."""

_SQUARES: Final = re.compile(r"[a-i?](10|[\d?])-?[a-i?](10|[\d?])[!?+#]*", re.IGNORECASE)
_UNREADABLE: Final = (InvalidMoveError, IllegalMoveError, AmbiguousMoveError)


class Kind(StrEnum):
    """What is the matter with a ply of a record."""

    WRONG = "wrong"
    """Its text is illegible or that of another move."""
    MISSING = "missing"
    """It was left out."""
    EXTRA = "extra"
    """It is written too often, or does not belong here."""


class Edit(NamedTuple):
    """One difference between a line and the record."""

    kind: Kind
    word: int
    """Number of the record's word, from 0; a missing move stands before it."""
    ply: int
    """Number of the move in the line, from 0: the right one, or for an extra word the one that follows."""
    move: Move | None
    """The right move; ``None`` for an extra word."""


class Word(NamedTuple):
    """What a record has for a ply."""

    text: str
    move: Move | None
    """The move if the text is two squares and so the same in every position."""


@dataclass(frozen=True)
class Line:
    """A legal reading of a record up to a word that is not legal, or of all of it."""

    moves: tuple[Move, ...]
    words: int
    """Number of the record's words that are read."""
    edits: tuple[Edit, ...] = ()
    text: float = 0.0
    """Log-probability of the record's text, if these are the moves."""
    before: Line | None = field(default=None, repr=False, compare=False)
    """The line without the last edit."""

    def edited(self, edit: Edit, rest: Sequence[Move], text: float) -> Line:
        """Return the line with one edit more, after which the words read are ``rest``; ``text`` is their chance."""
        moves = (*self.moves[: edit.ply], *rest) if edit.move is None else (*self.moves[: edit.ply], edit.move, *rest)
        words = edit.word + len(rest) + (edit.kind != Kind.MISSING)
        return Line(moves, words, (*self.edits, edit), self.text + FAULT + text, self)


@dataclass(frozen=True)
class Candidate:
    """A line that reads a whole record."""

    line: Line
    probability: float
    """Its share of the probability of all lines found."""
    likelihood: float
    """The model's log-probability of its moves, from the first on that candidates do not have in common."""


class Words:
    """The main line of a record as text. Of the part that was read, it is the text that the moves would have."""

    def __init__(self, game: Game) -> None:
        """Raises ``ValueError`` if the game was read to its end."""
        if not game.unread:
            raise ValueError("there is nothing to repair: the main line was read to its end")
        self.board = game.board()
        self.first_rank = game.unread[0].first_rank
        self.style = _style([move.text for move in game.unread])
        read = game.moves()[: game.unread[0].ply - 1]
        self.words: list[Word] = []
        for move in read:
            self.words.append(Word(self.write(self.board, move), move if self.style == "squares" else None))
            self.board.push(move)
        for _ in read:
            self.board.pop()
        self.words += [Word(move.text, self._fixed(move.text)) for move in game.unread]
        self.start = Line(tuple(read), len(read))

    def __len__(self) -> int:
        return len(self.words)

    def write(self, board: Board, move: Move) -> str:
        """Return a move in the record's notation; a null move as ``--``."""
        if move is NULL_MOVE:
            return "--"
        if self.style == "squares":
            return uci(move, self.first_rank)
        if self.style == "chinese":
            return board.chinese(move)
        return board.wxf(move) if self.style == "wxf" else board.algebraic(move, self.first_rank)

    def after(self, moves: Sequence[Move]) -> Board:
        """Return the position after moves from the record's start."""
        board = self.board.copy()
        for move in moves:
            board.push(move)
        return board

    def edited(self, line: Line) -> Iterator[Line]:
        """Yield the lines with one edit more, at the unsound word or before it, but not before the last edit.

        Each reads on as far as it is legal: beyond the unsound word, but for lines with a missing move.
        """
        board = self.after(line.moves)
        behind = len(line.moves) - line.words  # moves without a word, less words without a move
        last = line.edits[-1] if line.edits else None
        first = max(0, line.words - WINDOW)
        if last is not None:
            first = max(first, last.word + (last.kind != Kind.MISSING))
        for word in range(line.words, first - 1, -1):
            ply = behind + word
            read = line.moves[ply] if word < line.words else None
            legal = board.legal_moves
            least = line.words - word  # so many words are known to be legal without the edit
            rest = self._read(board, word + 1)
            if len(rest) >= least:
                text = self._chance_of_extra(word, len(legal) if read else 0)
                yield line.edited(Edit(Kind.EXTRA, word, ply, None), rest, text)
            for move in legal:
                board.push(move)
                inserted = self._read(board, word)
                replaced = [] if move is read else self._read(board, word + 1)
                board.pop()
                yield line.edited(Edit(Kind.MISSING, word, ply, move), inserted, 0.0)
                if move is not read and len(replaced) >= least:
                    text = log_chance(
                        self.words[word].text, spellings(board, move, self.first_rank), len(legal) if read else 0
                    )
                    yield line.edited(Edit(Kind.WRONG, word, ply, move), replaced, text)
            if word > first:
                board.pop()

    def _read(self, board: Board, word: int) -> list[Move]:
        """Return the moves of the words from ``word`` on, as far as they are legal. The board is not changed."""
        moves = []
        for text, fixed in self.words[word:]:
            move = fixed
            if move is None:
                try:
                    move = parse_move(board, text, self.first_rank)
                except _UNREADABLE:
                    break
            elif not board.is_legal(move):
                break
            board.push(move)
            moves.append(move)
        for _ in moves:
            board.pop()
        return moves

    def _chance_of_extra(self, word: int, legal: int) -> float:
        """Return the log-probability of a word too many: mostly that of a neighbour, else that of any move.

        ``legal`` is the number of legal moves if it is one of them, else 0."""
        text = self.words[word].text
        neighbours = self.words[max(0, word - 1) : word] + self.words[word + 1 : word + 2]
        again = any(text == other.text for other in neighbours)
        return math.log(again * AGAIN + (1 - AGAIN) / (legal or len(MOVES)))

    def _fixed(self, text: str) -> Move | None:
        if self.style != "squares":
            return None
        try:
            return parse_uci(text.rstrip("!?+#").replace("-", "").lower(), self.first_rank)
        except InvalidMoveError:
            return None


def _style(texts: Sequence[str]) -> str:
    """Return the notation of most of a record's texts: squares, chinese, algebraic or wxf.

    >>> _style(["h2e?", "h9g7", "h0g2"]), _style(["炮二平五"]), _style(["Che2"]), _style(["C2=?", "H8+7"])
    ('squares', 'chinese', 'algebraic', 'wxf')
    """
    styles = [
        "squares"
        if _SQUARES.fullmatch(text)
        else "chinese"
        if not text.isascii()
        else "algebraic"
        if algebraic_ranks(text.rstrip("!?+#"))
        else "wxf"
        for text in texts
    ]
    return max(dict.fromkeys(styles), key=styles.count)
