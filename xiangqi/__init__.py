"""xiangqi: the rules of Chinese chess as a library.

>>> import xiangqi
>>> board = xiangqi.Board()
>>> board.push_iccs("h2e2")
Move.from_iccs('h2e2')
"""

from xiangqi.board import STARTING_FEN, Board
from xiangqi.fen import InvalidFenError
from xiangqi.formats import Conversion, FormatError, UnknownFormatError, convert, load, save
from xiangqi.game import RESULTS, ChildNode, Game, GameNode
from xiangqi.move import (
    ADVISOR,
    BISHOP,
    BLACK,
    CANNON,
    COLOR_NAMES,
    KING,
    KNIGHT,
    MOVES,
    NULL_MOVE,
    PAWN,
    PIECE_NAMES,
    PIECE_TYPES,
    PIECES,
    RED,
    ROOK,
    SQUARE_NAMES,
    SQUARES,
    AmbiguousMoveError,
    Color,
    IllegalMoveError,
    InvalidMoveError,
    Move,
    Piece,
    PieceType,
    Square,
    mirror_square,
    parse_square,
    rotate_square,
    square,
    square_file,
    square_name,
    square_rank,
)
from xiangqi.rulings import Outcome
from xiangqi.status import Status
from xiangqi.tags import MATE_EVAL

__all__ = [
    "ADVISOR",
    "BISHOP",
    "BLACK",
    "CANNON",
    "COLOR_NAMES",
    "KING",
    "KNIGHT",
    "MATE_EVAL",
    "MOVES",
    "NULL_MOVE",
    "PAWN",
    "PIECES",
    "PIECE_NAMES",
    "PIECE_TYPES",
    "RED",
    "RESULTS",
    "ROOK",
    "SQUARES",
    "SQUARE_NAMES",
    "STARTING_FEN",
    "AmbiguousMoveError",
    "Board",
    "ChildNode",
    "Color",
    "Conversion",
    "FormatError",
    "Game",
    "GameNode",
    "IllegalMoveError",
    "InvalidFenError",
    "InvalidMoveError",
    "Move",
    "Outcome",
    "Piece",
    "PieceType",
    "Square",
    "Status",
    "UnknownFormatError",
    "convert",
    "load",
    "mirror_square",
    "parse_square",
    "rotate_square",
    "save",
    "square",
    "square_file",
    "square_name",
    "square_rank",
]
