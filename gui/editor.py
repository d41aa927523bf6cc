"""The position that a person sets up: pieces are put, moved and taken away, and its faults are named.

>>> editor = Editor(Board())
>>> editor.clear()
>>> editor.board.fen()
'4k4/9/9/9/9/9/9/9/9/4K4 w - - 0 1'
>>> [flag.name for flag in editor.faults]
['KINGS_FACING', 'OPPOSITE_CHECK']
"""

from __future__ import annotations

from typing import Final

from xiangqi import KING, RED, STARTING_FEN, Board, Piece, Square, Status, parse_square

HANDICAPS: Final = {
    "one_horse": "b0",
    "two_horses": "b0 h0",
    "one_cannon": "b2",
    "one_chariot": "a0",
    "two_chariots": "a0 i0",
    "nine_pieces": "a3 c3 e3 g3 i3 c0 d0 f0 g0",
}
"""The squares of the pieces that Red gives, by the name of the handicap. With nine pieces these are all its pawns,
advisors and elephants. Red moves first."""
_KINGS_ONLY: Final = "4k4/9/9/9/9/9/9/9/9/4K4 w - - 0 1"


class Editor:
    """A position that may be faulty, and those before it. A king stays on the board once it is there."""

    def __init__(self, board: Board) -> None:
        self.board = Board(board.fen())
        self.board.halfmove_clock, self.board.fullmove_number = 0, 1
        self._before: list[str] = []

    @property
    def faults(self) -> list[Status]:
        """Why the position cannot be played; empty if it can."""
        return [flag for flag in Status if flag in self.board.status()]

    @property
    def over(self) -> bool:
        """Whether the position is sound, but the side to move has no legal move: the game is over here."""
        return not self.faults and not self.board.has_legal_moves()

    @property
    def can_undo(self) -> bool:
        """Whether there is a change to take back."""
        return bool(self._before)

    def put(self, square: Square, piece: Piece) -> bool:
        """Put a piece on a square, in place of what stands there; return whether it was put.

        A king comes from where it stands, and none is put on another piece's king.
        """
        board = self.board
        there = board.piece_at(square)
        if there == piece or (there is not None and there.type == KING):
            return False
        self._keep()
        if piece.type == KING and (old := board.king(piece.color)) is not None:
            board.set_piece_at(old, None)
        board.set_piece_at(square, piece)
        return True

    def move(self, start: Square, end: Square) -> bool:
        """Move a piece to another square, in place of what stands there; return whether it was moved."""
        piece, there = self.board.piece_at(start), self.board.piece_at(end)
        if piece is None or start == end or (there is not None and there.type == KING):
            return False
        self._keep()
        self.board.set_piece_at(start, None)
        self.board.set_piece_at(end, piece)
        return True

    def remove(self, square: Square) -> bool:
        """Take a piece away; return whether there was one that is not a king."""
        piece = self.board.piece_at(square)
        if piece is None or piece.type == KING:
            return False
        self._keep()
        self.board.set_piece_at(square, None)
        return True

    def set_turn(self, color: int) -> None:
        """Let a side move."""
        if self.board.turn != color:
            self._keep()
            fen = self.board.fen().split()
            fen[1] = "w" if color == RED else "b"
            self.board.set_fen(" ".join(fen))

    def clear(self) -> None:
        """Leave only the kings, in their places."""
        self.set_fen(_KINGS_ONLY)

    def start(self) -> None:
        """Set up the starting position."""
        self.set_fen(STARTING_FEN)

    def give(self, handicap: str) -> None:
        """Set up the starting position without the pieces that Red gives. Raises ``KeyError``."""
        board = Board()
        for name in HANDICAPS[handicap].split():
            board.set_piece_at(parse_square(name), None)
        self.set_fen(board.fen())

    def mirror(self) -> None:
        """Exchange left and right."""
        self.set_fen(self.board.mirror().fen())

    def swap_colors(self) -> None:
        """Exchange the colours, and turn the position so that both sides keep their halves of the board."""
        self.set_fen(self.board.rotate().fen())

    def set_fen(self, fen: str) -> None:
        """Set up another position. Raises ``InvalidFenError`` for a text that is none."""
        board = Board(fen)
        board.halfmove_clock, board.fullmove_number = 0, 1
        if board.fen() != self.board.fen():
            self._keep()
            self.board = board

    def undo(self) -> None:
        """Take back the last change."""
        if self._before:
            self.board = Board(self._before.pop())

    def _keep(self) -> None:
        self._before.append(self.board.fen())
