"""The board: a position, the moves that led to it, and the legal next ones.

>>> from xiangqi import Board
>>> board = Board()
>>> board.push_iccs("h2e2")
Move.from_iccs('h2e2')
>>> len(board.legal_moves)
45
>>> board.fen()
'rnbakabnr/9/1c5c1/p1p1p1p1p/9/9/P1P1P1P1P/1C2C4/9/RNBAKABNR b - - 1 1'
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from xiangqi import kernels, lines, notation, rulings
from xiangqi.base_board import SCRATCH, BaseBoard
from xiangqi.fen import parse_fen
from xiangqi.move import (
    KING,
    MOVES,
    NULL_MOVE,
    RED,
    SQUARES,
    Color,
    IllegalMoveError,
    Move,
    Square,
    mirror_square,
)
from xiangqi.rulings import Outcome
from xiangqi.status import Status, find_faults

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xiangqi.tactics import Tactics
    from xiangqi.text import Coordinates, Pieces

STARTING_FEN: Final = "rnbakabnr/9/1c5c1/p1p1p1p1p/9/9/P1P1P1P1P/1C5C1/9/RNBAKABNR w - - 0 1"
"""The position in which games start."""

_ZOBRIST: Final[tuple[tuple[int, ...], ...]] = tuple(map(tuple, kernels.ZOBRIST.tolist()))
_ZOBRIST_TURN: Final = int(kernels.ZOBRIST_TURN)
_MOVES: Final[NDArray[np.object_]] = kernels.constant(np.array(MOVES, dtype=object))


@lru_cache(maxsize=256)  # nearly always the starting position
def _set_up(fen: str) -> tuple[bytes, Color, int, int, int]:
    """Return what `parse_fen` does, and the Zobrist key of the placement."""
    cells, turn, halfmove_clock, fullmove_number = parse_fen(fen)
    key = int(kernels.zobrist(np.frombuffer(bytearray(cells), np.uint8), RED))
    return cells, turn, halfmove_clock, fullmove_number, key


_NOTHING: Final = (bytes(90), RED, 0, 1, 0)


class Board(BaseBoard):
    """A position with its history. ``Board()`` is the start, ``Board(fen)`` any other, ``Board(None)`` empty.

    ``fen`` has placement, side to move (``w`` or ``r``, ``b``), two placeholders and two counters. Everything after the
    placement may be left out. ``E`` and ``H`` are read as ``B`` and ``N``. Raises ``InvalidFenError``. Positions that
    cannot arise in a game are accepted; ``status()`` lists what is wrong with them.

    >>> board = Board("rnbakabnr/9/1c5c1/p1p1p1p1p/9/9/P1P1P1P1P/1C5C1/9/RNBAKABNR r")
    >>> board == Board(), board.turn == RED, len(board.legal_moves)
    (True, True, 44)
    """

    __slots__ = ("_key", "_stack", "fullmove_number", "halfmove_clock", "turn")

    turn: Color
    """Side to move, ``RED`` (0) or ``BLACK`` (1): compare it, as ``if board.turn:`` means Black."""
    halfmove_clock: int
    """Plies since the last capture."""
    fullmove_number: int
    """Move number, from 1; it increases after Black's move."""

    def __init__(self, fen: str | None = STARTING_FEN) -> None:
        if fen is None:
            cells, self.turn, self.halfmove_clock, self.fullmove_number, self._key = _NOTHING
        else:
            cells, self.turn, self.halfmove_clock, self.fullmove_number, self._key = _set_up(fen)
        self._cells = bytearray(cells)
        self._view = np.frombuffer(self._cells, np.uint8)
        self._stack: list[tuple[Move, int, int, int]] = []

    @classmethod
    def from_moves(cls, moves: str | Iterable[Move | str], fen: str = STARTING_FEN) -> Board:
        """Return the board after ``moves`` (``Move`` objects or ICCS), which must be legal.

        Raises ``InvalidMoveError`` or ``IllegalMoveError``; the message names the ply.

        >>> Board.from_moves("h2e2 h9g7").ply
        2
        """
        board = cls(fen)
        for ply, move in enumerate(moves.split() if isinstance(moves, str) else moves, 1):
            try:
                board.push(board.parse_iccs(move if isinstance(move, str) else move.iccs))
            except ValueError as error:
                raise type(error)(f"ply {ply}: {error}") from None
        return board

    # --- FEN ----------------------------------------------------------------------------------------------------------

    def set_fen(self, fen: str) -> None:
        """Set up a position and clear the history. Raises ``InvalidFenError``; the board is then unchanged."""
        self._cells[:], self.turn, self.halfmove_clock, self.fullmove_number, self._key = _set_up(fen)
        self._stack.clear()

    def fen(self) -> str:
        """Return the position in FEN, with ``w``/``b`` for the side to move and both counters."""
        return f"{self.placement()} {'wb'[self.turn]} - - {self.halfmove_clock} {self.fullmove_number}"

    def _reset_history(self) -> None:
        self._stack.clear()
        self._key = int(kernels.zobrist(self._view, RED))  # ``key`` adds the side to move

    @property
    def key(self) -> int:
        """64-bit Zobrist key of placement and side to move, updated incrementally by ``push`` and ``pop``.

        >>> board = Board.from_moves("h2e2 h9g7 e2h2 g7h9")
        >>> board.key == Board().key
        True
        """
        return self._key ^ _ZOBRIST_TURN if self.turn else self._key

    # --- Moves --------------------------------------------------------------------------------------------------------

    @property
    def legal_moves(self) -> list[Move]:
        """All legal moves, in order of their origin squares."""
        indices = SCRATCH.moves
        moves: list[Move] = _MOVES.take(indices[: kernels.legal_moves(self._view, self.turn, indices)]).tolist()
        return moves

    @property
    def legal_captures(self) -> list[Move]:
        """The legal moves that capture, in order of their origin squares.

        >>> Board().legal_captures
        [Move.from_iccs('b2b9'), Move.from_iccs('h2h9')]
        """
        found = SCRATCH.moves
        found = found[: kernels.legal_moves(self._view, self.turn, found)]
        moves: list[Move] = _MOVES.take(found[self._view.take(kernels.MOVE_TO.take(found)) != 0]).tolist()
        return moves

    def legal_move_indices(self) -> NDArray[np.int16]:
        """Return the indices of the legal moves in ``MOVES``, ``(n,)``."""
        indices = SCRATCH.moves
        return indices[: kernels.legal_moves(self._view, self.turn, indices)].copy()

    def has_legal_moves(self) -> bool:
        """Whether there is any legal move; if not, the side to move has lost."""
        return kernels.legal_moves(self._view, self.turn, SCRATCH.moves) > 0

    def is_legal(self, move: Move) -> bool:
        """Whether a move is legal. The null move never is."""
        return bool(kernels.is_legal(self._view, self.turn, move.from_square, move.to_square))

    def is_capture(self, move: Move) -> bool:
        """Whether a move captures a piece."""
        return move is not NULL_MOVE and self._cells[move.to_square] != 0

    def push(self, move: Move) -> None:
        """Play a move, or pass with ``NULL_MOVE``. Legality is not checked, unlike in ``push_iccs``.

        >>> board = Board()
        >>> board.push(Move.from_iccs("h2e2"))
        >>> board.turn, board.halfmove_clock
        (1, 1)
        """
        if move is NULL_MOVE:
            self._stack.append((move, 0, self.halfmove_clock, self._key))
            self.halfmove_clock += 1
        else:
            cells = self._cells
            a, b = move.from_square, move.to_square
            piece, captured = cells[a], cells[b]
            self._stack.append((move, captured, self.halfmove_clock, self._key))
            cells[b] = piece
            cells[a] = 0
            keys = _ZOBRIST[piece]
            self._key ^= keys[a] ^ keys[b] ^ _ZOBRIST[captured][b]
            self.halfmove_clock = 0 if captured else self.halfmove_clock + 1
        self.fullmove_number += self.turn
        self.turn ^= 1

    def pop(self) -> Move:
        """Take back the last move and return it. Raises ``IndexError`` if there is none."""
        move, captured, self.halfmove_clock, self._key = self._stack.pop()
        if move is not NULL_MOVE:
            cells = self._cells
            b = move.to_square
            cells[move.from_square] = cells[b]
            cells[b] = captured
        self.turn ^= 1
        self.fullmove_number -= self.turn
        return move

    def peek(self) -> Move:
        """Return the last move. Raises ``IndexError`` if there is none."""
        return self._stack[-1][0]

    @property
    def move_stack(self) -> list[Move]:
        """The moves played since the board was set up."""
        return [entry[0] for entry in self._stack]

    @property
    def ply(self) -> int:
        """Number of moves played since the board was set up."""
        return len(self._stack)

    def root(self) -> Board:
        """Return a copy of the position before the first move of the history."""
        board = self.copy()
        while board._stack:
            board.pop()
        return board

    def perft(self, depth: int) -> int:
        """Count the leaves of the tree of legal moves to ``depth`` plies.

        >>> Board().perft(3)
        79666
        """
        if depth < 0:
            raise ValueError(f"perft depth must not be negative: {depth}")
        buffers = np.empty((max(depth, 1), kernels.MAX_MOVES), np.int16)
        return int(kernels.perft(self._view.copy(), self.turn, depth, buffers))

    # --- Attacks and check --------------------------------------------------------------------------------------------

    def is_check(self) -> bool:
        """Whether the side to move is in check."""
        return bool(kernels.in_check(self._view, self.turn))

    def checkers(self) -> list[Square]:
        """Return the squares of the pieces that give check, including the enemy king on an open file.

        >>> from xiangqi import square_name
        >>> [square_name(sq) for sq in Board("4k4/9/3N5/9/9/9/9/9/9/3KR4 b").checkers()]
        ['e0', 'd7']
        """
        if not self.is_check():
            return []
        king = kernels.find_king(self._view, self.turn)
        facing = [self._cells.find((1 - self.turn) * 8 + KING)] if self._kings_face() else []
        return sorted([*self.attackers(1 - self.turn, king), *facing])

    def gives_check(self, move: Move) -> bool:
        """Whether a legal move puts the other side in check."""
        if move is NULL_MOVE:
            return bool(kernels.in_check(self._view, 1 - self.turn))
        king = kernels.find_king(self._view, 1 - self.turn)
        if king < 0 or king == move.to_square:  # no king, or the move captures it
            return False
        return bool(kernels.is_exposed(self._view, move.from_square, move.to_square, king, self.turn))

    # --- The end of the game ------------------------------------------------------------------------------------------

    def is_checkmate(self) -> bool:
        """Whether the side to move is in check and has no legal move."""
        return self.is_check() and not self.has_legal_moves()

    def is_stalemate(self) -> bool:
        """Whether the side to move is not in check and has no legal move, which loses in xiangqi.

        >>> Board("4k4/R8/9/9/9/9/9/9/9/3K1R3 b").is_stalemate()
        True
        """
        return not self.is_check() and not self.has_legal_moves()

    def repetitions(self) -> int:
        """Return how often the position has occurred since the last capture or null move, including now."""
        return rulings.repetitions(self)

    def is_repetition(self, count: int = 3) -> bool:
        """Whether the position has occurred at least ``count`` times since the last capture or null move."""
        return rulings.repetitions(self) >= count

    def is_insufficient_material(self) -> bool:
        """Whether neither side has a rook, knight, cannon or pawn."""
        return rulings.is_insufficient_material(self)

    def outcome(self, rules: rulings.Rules = "computer", *, insufficient_material: bool = False) -> Outcome | None:
        """Return how the game has ended, or ``None`` if it goes on. See ``xiangqi.rulings`` for the rule sets.

        With ``insufficient_material``, a position in which neither side could ever attack is drawn too.

        >>> print(Board("4k4/R8/9/9/9/9/9/9/9/3K1R3 b").outcome())
        1-0 (stalemate)
        """
        return rulings.outcome(self, rules, insufficient_material=insufficient_material)

    def is_game_over(self, rules: rulings.Rules = "computer", *, insufficient_material: bool = False) -> bool:
        """Whether ``outcome`` is not ``None``."""
        return self.outcome(rules, insufficient_material=insufficient_material) is not None

    # --- Looking ahead ------------------------------------------------------------------------------------------------

    def tactics(self, depth: int) -> Tactics:
        """Return the score of every legal move by a search of ``depth`` plies; see ``xiangqi.tactics`` for more.

        >>> Board("4k4/9/4b4/9/4n4/9/9/4R4/4A4/4K4 w").tactics(4).prices[0].move
        Move.from_iccs('e2e5')
        """
        from xiangqi import tactics

        return tactics.Searcher().tactics(self, depth)

    def find_mate(self, moves: int = 8) -> tuple[Move, ...]:
        """Return the line of a mate by checks in at most so many own moves, or an empty one; see ``xiangqi.tactics``.

        >>> [str(move) for move in Board("3k5/9/9/9/9/9/9/R8/1R7/5K3 w").find_mate()]
        ['b1d1', 'd9e9', 'a2e2']
        """
        from xiangqi import tactics

        return tactics.Searcher().find_mate(self, moves)

    # --- Notation -----------------------------------------------------------------------------------------------------

    def iccs(self, move: Move) -> str:
        """Return a move in ICCS."""
        return move.iccs

    def uci(self, move: Move, first_rank: int = 0) -> str:
        """Return a move in UCI. ``first_rank`` is the number of Red's back rank: 0 for Pikafish, 1 for Fairy-Stockfish.

        >>> Board().uci(Move.from_iccs("b9c7"), first_rank=1)
        'b10c8'
        """
        return notation.uci(move, first_rank)

    def algebraic(self, move: Move, first_rank: int = 0) -> str:
        """Return a legal move in the algebraic notation of chess, with ``+`` for check and ``#`` for checkmate.

        >>> Board().algebraic(Move.from_iccs("h2e2")), Board().algebraic(Move.from_iccs("h2h9"), first_rank=1)
        ('Che2', 'Cxh10')
        """
        return notation.algebraic(self, move, first_rank)

    def wxf(self, move: Move) -> str:
        """Return a legal move in WXF.

        >>> Board().wxf(Move.from_iccs("h2e2"))
        'C2=5'
        """
        return notation.wxf(self, move)

    def chinese(self, move: Move, traditional: bool = False) -> str:
        """Return a legal move in Chinese notation.

        >>> Board().chinese(Move.from_iccs("h2e2"))
        '炮二平五'
        """
        return notation.chinese(self, move, traditional)

    def line_text(self, moves: Iterable[Move], notation: lines.Notation = "wxf") -> str:
        """Return moves that are played from here as numbered text, such as an engine's line. The board is not changed.

        ``notation`` is ``iccs``, ``wxf``, ``chinese``, ``traditional`` or ``algebraic``. A null move is ``--``. Raises
        ``IllegalMoveError``; the message names the ply.

        >>> board = Board.from_moves("h2e2")
        >>> board.line_text([Move.from_iccs(iccs) for iccs in ("h9g7", "h0g2", "i9h9")])
        '1... H8+7 2. H2+3 R9=8'
        """
        return lines.line_text(self, moves, notation)

    def parse_iccs(self, text: str) -> Move:
        """Return the legal move that an ICCS text describes. Raises ``InvalidMoveError`` or ``IllegalMoveError``.

        >>> Board().parse_iccs("H2-E2")
        Move.from_iccs('h2e2')
        >>> Board("4k4/9/9/9/9/9/9/9/9/3K5 w").parse_iccs("e9e8")
        Traceback (most recent call last):
            ...
        xiangqi.move.IllegalMoveError: illegal move 'e9e8': it is red's turn in 4k4/9/9/9/9/9/9/9/9/3K5 w - - 0 1
        """
        move = Move.from_iccs(text)
        if not self.is_legal(move):
            raise IllegalMoveError(f"illegal move {text!r}: {notation.why_illegal(self, move)} in {self.fen()}")
        return move

    def parse_uci(self, text: str, first_rank: int | None = None) -> Move:
        """Return the legal move that a UCI text describes, with ranks from 1 to 10 or from 0 to 9.

        ``first_rank`` is the number of Red's back rank. Without it, the numbering is the one by which the move is
        legal. If the text is a legal move by either, raises ``AmbiguousMoveError``. Raises ``InvalidMoveError`` or
        ``IllegalMoveError`` otherwise.

        >>> Board().parse_uci("h3e3"), Board().parse_uci("h2e2")
        (Move.from_iccs('h2e2'), Move.from_iccs('h2e2'))
        """
        return notation.parse_legal_uci(self, text, first_rank)

    def parse_algebraic(self, text: str, first_rank: int = 0) -> Move:
        """Return the legal move that a text in the algebraic notation of chess describes.

        Raises ``InvalidMoveError``, ``IllegalMoveError`` or ``AmbiguousMoveError``.

        >>> Board().parse_algebraic("Che2")
        Move.from_iccs('h2e2')
        """
        return notation.parse_algebraic(self, text, first_rank)

    def parse_wxf(self, text: str) -> Move:
        """Return the legal move that a WXF text describes.

        Raises ``InvalidMoveError``, ``IllegalMoveError`` or ``AmbiguousMoveError``.

        >>> Board().parse_wxf("C2=5")
        Move.from_iccs('h2e2')
        """
        return notation.parse_wxf(self, text)

    def parse_chinese(self, text: str) -> Move:
        """Return the legal move that a text in Chinese notation describes, simplified or traditional.

        Raises ``InvalidMoveError``, ``IllegalMoveError`` or ``AmbiguousMoveError``.

        >>> Board().parse_chinese("炮二平五"), Board().parse_chinese("傌八進七")
        (Move.from_iccs('h2e2'), Move.from_iccs('b0c2'))
        """
        return notation.parse_chinese(self, text)

    def push_iccs(self, text: str) -> Move:
        """Parse, play and return a move. Raises like ``parse_iccs``; the board is then unchanged."""
        move = self.parse_iccs(text)
        self.push(move)
        return move

    def push_uci(self, text: str, first_rank: int | None = None) -> Move:
        """Parse, play and return a move. Raises like ``parse_uci``; the board is then unchanged."""
        move = self.parse_uci(text, first_rank)
        self.push(move)
        return move

    def push_algebraic(self, text: str, first_rank: int = 0) -> Move:
        """Parse, play and return a move. Raises like ``parse_algebraic``; the board is then unchanged."""
        move = self.parse_algebraic(text, first_rank)
        self.push(move)
        return move

    def push_wxf(self, text: str) -> Move:
        """Parse, play and return a move. Raises like ``parse_wxf``; the board is then unchanged."""
        move = self.parse_wxf(text)
        self.push(move)
        return move

    def push_chinese(self, text: str) -> Move:
        """Parse, play and return a move. Raises like ``parse_chinese``; the board is then unchanged."""
        move = self.parse_chinese(text)
        self.push(move)
        return move

    # --- Whole boards -------------------------------------------------------------------------------------------------

    def status(self) -> Status:
        """Return the faults of the position.

        >>> Board().status()
        <Status.VALID: 0>
        >>> Board("4k4/9/9/9/9/9/9/9/9/4K4 w").status() == Status.KINGS_FACING | Status.OPPOSITE_CHECK
        True
        """
        return find_faults(self)

    def is_valid(self) -> bool:
        """Whether ``status()`` finds no fault."""
        return self.status() == Status.VALID

    def copy(self, stack: bool = True) -> Board:
        """Return an independent copy, with or without its history."""
        board = Board(None)
        board._cells[:] = self._cells
        board.turn, board._key = self.turn, self._key
        board.halfmove_clock, board.fullmove_number = self.halfmove_clock, self.fullmove_number
        if stack:
            board._stack = self._stack.copy()
        return board

    __copy__ = copy

    def __deepcopy__(self, memo: object) -> Board:
        return self.copy()

    def __reduce__(self) -> tuple[object, ...]:
        return _replay, (self.root().fen(), self.move_stack)

    def mirror(self) -> Board:
        """Return the position with left and right exchanged, without its history."""
        board = self.copy(stack=False)
        for sq in SQUARES:
            board._cells[mirror_square(sq)] = self._cells[sq]
        board._reset_history()
        return board

    def rotate(self) -> Board:
        """Return the position turned by 180 degrees with the colours exchanged, without its history.

        A position with Black to move becomes the equivalent one with Red to move.

        >>> Board.from_moves("h2e2").rotate().fen()
        'rnbakabnr/9/4c2c1/p1p1p1p1p/9/9/P1P1P1P1P/1C5C1/9/RNBAKABNR w - - 1 1'
        """
        board = self.copy(stack=False)
        for sq in SQUARES:
            code = self._cells[sq]
            board._cells[89 - sq] = code ^ 8 if code else 0
        board.turn = 1 - self.turn
        board._reset_history()
        return board

    def __eq__(self, other: object) -> bool:
        """Whether placement, side to move and counters are the same; the history is not compared."""
        if not isinstance(other, Board):
            return NotImplemented
        return (
            self._cells == other._cells
            and self.turn == other.turn
            and self.halfmove_clock == other.halfmove_clock
            and self.fullmove_number == other.fullmove_number
        )

    __hash__ = None  # type: ignore[assignment]  # a board changes

    def __repr__(self) -> str:
        return f"Board({self.fen()!r})"

    def unicode(
        self,
        *,
        orientation: Color = RED,
        last_move: Move | None = None,
        coordinates: Coordinates | None = "iccs",
        pieces: Pieces = "traditional",
        color: bool = False,
    ) -> str:
        """Return the board as text with Chinese pieces or letters; see ``xiangqi.text.board`` for the options.

        >>> Board().unicode().splitlines()[0]
        '9 \u3000車－馬－象－士－將－士－象－馬－車'
        """
        from xiangqi import text

        return text.board(
            self, orientation=orientation, last_move=last_move, coordinates=coordinates, pieces=pieces, color=color
        )

    def _repr_svg_(self) -> str:
        from xiangqi import svg

        return svg.board(self)


def _replay(fen: str, moves: list[Move]) -> Board:
    """Return a pickled board. Its moves may be illegal or null moves, as on the original."""
    board = Board(fen)
    for move in moves:
        board.push(move)
    return board
