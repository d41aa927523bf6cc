"""WXF and algebraic notation beside Fairy-Stockfish's."""

from __future__ import annotations

import random

import pytest

from xiangqi import PAWN, RED, Board, Piece, notation

sf = pytest.importorskip("pyffish")


def written_by_fairy_stockfish(board: Board) -> list[str]:
    fen = board.fen()
    return [
        sf.get_san("xiangqi", fen, notation.uci(move, first_rank=1), False, sf.NOTATION_XIANGQI_WXF)
        for move in board.legal_moves
    ]


class TestWxf:
    def test_the_same_where_no_pieces_are_tandem(self):
        """Fairy-Stockfish puts marks behind the letter, and none where only one of two tandem pieces can move so."""
        rng = random.Random(3)
        board = Board()
        while board.ply < 40:
            for move, theirs in zip(board.legal_moves, written_by_fairy_stockfish(board), strict=True):
                ours = board.wxf(move)
                if ours[0] not in "+-":
                    assert ours == theirs
                assert board.parse_wxf(theirs) is move
            board.push(rng.choice(board.legal_moves))

    def test_its_numbered_pawns_are_read(self):
        """All but "11" and "33", which to the World Xiangqi Federation are the middle ones of three on that file."""
        rng = random.Random(4)
        numbered = 0
        for _ in range(25):
            board = Board("5k3/9/9/9/9/9/9/9/9/3K5 w")
            files = rng.sample(range(9), 2)
            for _ in range(5):
                board.set_piece_at(rng.randrange(5, 9) * 9 + rng.choice(files), Piece(RED, PAWN))
            for move, theirs in zip(board.legal_moves, written_by_fairy_stockfish(board), strict=True):
                if theirs[:2] in ("11", "33"):
                    continue
                numbered += theirs[0].isdigit()
                assert board.parse_wxf(theirs) is move, (board, move, theirs)
        assert numbered > 50


class TestAlgebraic:
    def test_the_same_but_for_pawns(self):
        """Fairy-Stockfish gives pawns a letter, and no file to those that capture; three moves of each position."""
        rng = random.Random(5)
        for _ in range(12):
            board = Board()
            while board.ply < 120 and board.legal_moves:
                for move in rng.sample(board.legal_moves, min(3, len(board.legal_moves))):
                    theirs = sf.get_san(
                        "xiangqi", board.fen(), notation.uci(move, first_rank=1), False, sf.NOTATION_SAN
                    )
                    assert board.parse_algebraic(theirs, first_rank=1) is move
                    if theirs[0] != "P":
                        assert board.algebraic(move, first_rank=1) == theirs
                board.push(rng.choice(board.legal_captures or board.legal_moves))
