"""Squares, pieces and the 2086 interned moves."""

import copy
import importlib
import pickle
import pkgutil
import threading
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

import xiangqi
from xiangqi import (
    BLACK,
    CANNON,
    KNIGHT,
    MOVES,
    NULL_MOVE,
    PAWN,
    PIECES,
    RED,
    ROOK,
    SQUARE_NAMES,
    SQUARES,
    Board,
    InvalidMoveError,
    Move,
    Piece,
    mirror_square,
    parse_square,
    rotate_square,
    square,
    square_file,
    square_name,
    square_rank,
)

MODULES = ("xiangqi", *(module.name for module in pkgutil.walk_packages(xiangqi.__path__, "xiangqi.")))


class TestSquares:
    def test_numbers(self):
        assert [square_name(sq) for sq in (0, 8, 9, 25, 89)] == ["a0", "i0", "a1", "h2", "i9"]
        assert len(set(SQUARE_NAMES)) == len(SQUARES) == 90
        for sq in SQUARES:
            assert square(square_file(sq), square_rank(sq)) == sq
            assert parse_square(square_name(sq)) == sq

    def test_symmetries(self):
        for sq in SQUARES:
            assert rotate_square(rotate_square(sq)) == mirror_square(mirror_square(sq)) == sq
            assert (square_file(mirror_square(sq)), square_rank(mirror_square(sq))) == (8 - sq % 9, sq // 9)
            assert (square_file(rotate_square(sq)), square_rank(rotate_square(sq))) == (8 - sq % 9, 9 - sq // 9)

    @pytest.mark.parametrize("name", ["", "j0", "a10", "A0", "00", "a", " a0"])
    def test_not_a_square(self, name):
        with pytest.raises(ValueError, match=f"not a square: {name!r}"):
            parse_square(name)

    @pytest.mark.parametrize("sq", [-1, 90, "a0"])
    def test_a_number_that_is_no_square(self, sq: Any) -> None:
        for function in (square_name, square_file, square_rank, rotate_square, mirror_square):
            with pytest.raises(ValueError, match=f"not a square: {sq!r}"):
                function(sq)

    @pytest.mark.parametrize(("file", "rank"), [(9, 0), (-1, 0), (0, 10), (0, -1), ("a", 0)])
    def test_no_square_on_that_file_and_rank(self, file: Any, rank: int) -> None:
        with pytest.raises(ValueError, match="no square on file"):
            square(file, rank)


class TestPieces:
    def test_interned(self):
        for code, piece in enumerate(PIECES):
            if piece is not None:
                assert piece.code == code == piece.color * 8 + piece.type
                assert Piece(piece.color, piece.type) is piece
                assert Piece.from_symbol(piece.symbol()) is piece
                assert pickle.loads(pickle.dumps(piece)) is copy.deepcopy(piece) is piece
        assert sum(piece is not None for piece in PIECES) == 14

    def test_does_not_change(self):
        """One slip would change every board of the process."""
        piece = Piece(RED, ROOK)
        for name in ("code", "color", "type"):
            with pytest.raises(AttributeError, match="a piece cannot be changed"):
                setattr(piece, name, 6)
            with pytest.raises(AttributeError, match="a piece cannot be changed"):
                delattr(piece, name)
        assert (Board().piece_at(0), piece.color, piece.type, piece.code) == (piece, RED, ROOK, ROOK)

    def test_symbols(self):
        assert "".join(piece.symbol() for piece in PIECES if piece) == "KABNRCPkabnrcp"
        assert (Piece.from_symbol("H"), Piece.from_symbol("e")) == (Piece.from_symbol("N"), Piece.from_symbol("b"))
        assert str(Piece(BLACK, CANNON)) == "c"

    def test_characters(self):
        simplified = "".join(piece.chinese() for piece in PIECES if piece)
        traditional = "".join(piece.chinese(traditional=True) for piece in PIECES if piece)
        assert simplified == "帅仕相马车炮兵将士象马车炮卒"
        assert traditional == "帥仕相傌俥炮兵將士象馬車砲卒"

    @pytest.mark.parametrize("symbol", ["", "x", "RR", "1", "帅", "ß", " "])
    def test_not_a_letter(self, symbol):
        with pytest.raises(ValueError, match="not a piece letter"):
            Piece.from_symbol(symbol)

    @pytest.mark.parametrize(("color", "type"), [(2, ROOK), (RED, 0), (RED, 8), (-1, PAWN)])
    def test_no_such_piece(self, color, type):
        with pytest.raises(ValueError, match="no such piece"):
            Piece(color, type)


class TestMoves:
    def test_count(self):
        """2086: 1530 along lines, 508 by knights, 16 by advisors and 16 by bishops each side's 16."""
        lines = [m for m in MOVES if m.from_square % 9 == m.to_square % 9 or m.from_square // 9 == m.to_square // 9]
        steps = [(abs(m.from_square % 9 - m.to_square % 9), abs(m.from_square // 9 - m.to_square // 9)) for m in MOVES]
        assert len(MOVES) == 2086
        assert len(lines) == 90 * (8 + 9)
        assert sum(sorted(step) == [1, 2] for step in steps) == 508
        assert steps.count((1, 1)) == 2 * 8
        assert steps.count((2, 2)) == 2 * 16

    def test_order(self):
        pairs = [(move.from_square, move.to_square) for move in MOVES]
        assert pairs == sorted(pairs)
        assert [move.index for move in MOVES] == list(range(2086))

    def test_interned(self):
        for move in MOVES:
            assert Move(move.from_square, move.to_square) is move
            assert Move.from_iccs(move.iccs) is move
        assert pickle.loads(pickle.dumps(MOVES[7])) is copy.copy(MOVES[7]) is copy.deepcopy(MOVES[7]) is MOVES[7]
        assert pickle.loads(pickle.dumps(NULL_MOVE)) is NULL_MOVE

    def test_symmetries(self):
        for move in MOVES:
            assert move.rotate().rotate() is move.mirror().mirror() is move
            assert move.rotate().from_square == rotate_square(move.from_square)
            assert move.mirror().to_square == mirror_square(move.to_square)
        assert NULL_MOVE.rotate() is NULL_MOVE.mirror() is NULL_MOVE

    @pytest.mark.parametrize("text", ["h2e2", "H2E2", "h2-e2", "H2-E2", " h2e2 "])
    def test_dresses_of_iccs(self, text):
        assert Move.from_iccs(text) is Move(25, 22)

    @pytest.mark.parametrize("text", ["", "h2", "h2e2q", "h3e13", "j0a0", "h2--e2", "炮二平五"])
    def test_not_iccs(self, text):
        with pytest.raises(InvalidMoveError, match="not an ICCS move") as error:
            Move.from_iccs(text)
        assert repr(text) in str(error.value)

    @pytest.mark.parametrize("text", ["h2e3", "H2-E3", " h2e3"])
    def test_two_squares_that_no_piece_joins(self, text):
        with pytest.raises(InvalidMoveError, match="no piece moves from h2 to e3"):
            Move.from_iccs(text)

    @pytest.mark.parametrize(("a", "b"), [(0, 0), (0, 89), (-1, 0), (0, 90), (0, 10)])
    def test_not_a_move(self, a, b):
        with pytest.raises(InvalidMoveError, match=f"from square {a} to square {b}"):
            Move(a, b)

    def test_does_not_change(self):
        with pytest.raises(AttributeError, match="a move cannot be changed"):
            MOVES[0].index = 5
        with pytest.raises(AttributeError, match="a move cannot be changed"):
            del MOVES[0].iccs

    def test_text(self):
        assert (repr(Move(25, 22)), str(Move(25, 22)), str(NULL_MOVE)) == ("Move.from_iccs('h2e2')", "h2e2", "0000")

    def test_knight_letter_is_not_king(self):
        assert Piece.from_symbol("N").type == KNIGHT


class TestConstants:
    """What a module shares with all others cannot be changed by any of them."""

    @pytest.mark.parametrize("name", MODULES)
    def test_no_module_shares_what_can_be_changed(self, name):
        shared = {
            name: value
            for name, value in vars(importlib.import_module(name)).items()
            if not name.startswith("_") or isinstance(value, np.ndarray)
        }
        shared.pop("__all__", None)
        assert [name for name, value in shared.items() if can_be_changed(value)] == []

    def test_tables_are_seen_through(self):
        """The test above is effective."""
        table = np.zeros(1)
        mapping = MappingProxyType({1: table})
        assert all(map(can_be_changed, [[], {}, set(), bytearray(), table, (1, [2]), mapping, Loose()]))
        table.flags.writeable = False
        assert not any(map(can_be_changed, [mapping, Piece(RED, ROOK), (1, "a"), frozenset()]))


class Loose:
    """An object that takes any attribute."""

    __module__ = "xiangqi.somewhere"


def can_be_changed(value):
    """Whether a value, or what it holds, can be changed in place."""
    if isinstance(value, np.ndarray):
        return value.size > 0 and value.flags.writeable
    if isinstance(value, tuple | frozenset):
        return any(map(can_be_changed, value))
    if isinstance(value, MappingProxyType):
        return any(map(can_be_changed, value.values()))
    if isinstance(value, list | dict | set | bytearray):
        return True
    if callable(value) or not type(value).__module__.startswith("xiangqi"):
        return False  # a class, a function, compiled or not, a number, a text
    if isinstance(value, threading.local):
        return False  # each thread has its own
    try:
        value.anything = 0
    except AttributeError:
        return False
    return True
