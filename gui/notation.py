"""Writes moves in the notation that the person has chosen."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from xiangqi import NULL_MOVE, Board, Move
from xiangqi.game import ChildNode, Game, GameNode

Notation = Literal["chinese", "wxf", "iccs"]
NOTATIONS: Final[tuple[Notation, ...]] = ("chinese", "wxf", "iccs")
PASS: Final = "—"
"""How a null move is written."""
_REMEMBERED: Final = 500
"""Texts of moves outside the game that are kept."""


@dataclass(frozen=True)
class Style:
    """How moves are written.

    >>> [Style(notation).move(Board(), Move.from_iccs("h2e2")) for notation in NOTATIONS]
    ['炮二平五', 'C2=5', 'h2e2']
    """

    notation: Notation = "chinese"
    traditional: bool = True

    def move(self, board: Board, move: Move) -> str:
        """Write a move of a position."""
        if move is NULL_MOVE:
            return PASS
        if self.notation == "chinese":
            return board.chinese(move, self.traditional)
        return board.wxf(move) if self.notation == "wxf" else move.iccs

    def line(self, board: Board, moves: Iterable[Move]) -> list[str]:
        """Write moves that follow one another."""
        board, texts = board.copy(stack=False), []
        for move in moves:
            texts.append(self.move(board, move))
            board.push(move)
        return texts


class Scribe:
    """The texts of the moves of a tree; each is written once."""

    def __init__(self, style: Style) -> None:
        self._style = style
        self._texts: dict[GameNode, str] = {}
        self._moves: dict[tuple[object, tuple[Move, ...]], list[str]] = {}

    @property
    def style(self) -> Style:
        """How moves are written; another one rewrites all of them."""
        return self._style

    @style.setter
    def style(self, style: Style) -> None:
        self._style = style
        self._texts.clear()
        self._moves.clear()

    def move(self, board: Board, move: Move) -> str:
        """Return the text of a move of any position; it is written once, though it may be drawn in every frame."""
        return self.moves(board, (move,))[0]

    def moves(self, position: Board | GameNode, moves: tuple[Move, ...]) -> list[str]:
        """Return the texts of moves that follow one another from any position, or from that of a node; as `move`."""
        key = position.key if isinstance(position, Board) else position, moves
        if key not in self._moves:
            if len(self._moves) > _REMEMBERED:
                self._moves.clear()
            board = position if isinstance(position, Board) else position.board()
            self._moves[key] = self._style.line(board, moves)
        return self._moves[key]

    def forget(self) -> None:
        """Forget the texts, for another game."""
        self._texts.clear()
        self._moves.clear()

    def texts(self, game: Game) -> dict[GameNode, str]:
        """Return the texts of all moves of a tree."""
        board = Board(game.fen)
        for node in game.walk():
            while board.ply > node.parent.ply:
                board.pop()
            if node not in self._texts:
                self._texts[node] = self._style.move(board, node.move)
            board.push(node.move)
        return self._texts

    def line(self, nodes: list[ChildNode]) -> list[str]:
        """Return the texts of the moves of a line that begins with the first move."""
        if any(node not in self._texts for node in nodes):
            self.texts(nodes[0].game())
        return [self._texts[node] for node in nodes]
