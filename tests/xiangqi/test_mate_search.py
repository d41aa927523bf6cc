"""Mate search: known mates, none where there is none, and agreement with brute force."""

import random

import numpy as np
import pytest

from xiangqi import Board, Move
from xiangqi.mate_search import mate_search
from xiangqi.rulings import repetitions
from xiangqi.tactics import Searcher, set_board
from xiangqi.workspace import new_workspace

MATES = [  # FEN, own moves
    ("3k5/9/9/9/9/9/9/R8/1R7/4K4 w", 1),
    ("1C1NR4/1C2c3R/5k3/6n1N/8r/9/9/1r2n4/4pc3/3K5 w", 5),
    ("1C1R2Nc1/9/b2Nk4/6c1r/9/9/9/2r6/6p2/3p1K3 w", 3),
    ("1C1R2bc1/5k3/b4N3/6c1r/4N4/9/1n7/2r6/6p2/3p1K3 w", 5),
]


def brute(board, moves):
    """Whether the side to move mates by checks in at most so many moves, without repeating a position."""
    for move in board.legal_moves:
        if not board.gives_check(move):
            continue
        board.push(move)
        mated = repetitions(board) == 1 and _all_lose(board, moves - 1)
        board.pop()
        if mated:
            return True
    return False


def _all_lose(board, moves):
    replies = board.legal_moves
    if moves == 0 and replies:
        return False
    for reply in replies:
        board.push(reply)
        lost = repetitions(board) == 1 and brute(board, moves)
        board.pop()
        if not lost:
            return False
    return True


def crowded_board(seed):
    """Return a position with strong pieces near both kings."""
    rng = random.Random(seed)
    while True:
        board = Board("3k5/9/9/9/9/9/9/9/9/4K4 w")
        pieces = board.piece_map()
        source = Board().piece_map()
        for letter, squares in (("R", range(45, 90)), ("C", range(90)), ("N", range(45, 90)), ("R", range(45, 90))):
            piece = next(p for p in source.values() if p.symbol() == letter)
            pieces.setdefault(rng.choice(squares), piece)
        for letter in "rcnaab":
            sq = rng.choice([84, 86, 76] if letter == "a" else [87, 83, 67] if letter == "b" else range(90))
            pieces.setdefault(sq, next(p for p in source.values() if p.symbol() == letter))
        board.set_piece_map(pieces)
        if board.is_valid() and not board.is_check():
            return board


class TestMates:
    @pytest.mark.parametrize(("fen", "moves"), MATES)
    def test_shortest_and_real(self, fen, moves):
        board = Board(fen)
        line = board.find_mate()
        assert len(line) == 2 * moves - 1
        for move in line:
            assert board.is_legal(move)
            board.push(move)
        assert board.is_checkmate()
        assert moves == 1 or Board(fen).find_mate(moves - 1) == ()
        assert len(Board(fen).rotate().find_mate()) == len(Board(fen).mirror().find_mate()) == len(line)

    def test_brute_force_agrees(self):
        found = [0, 0]
        for seed in range(150):
            board = crowded_board(seed)
            searcher = Searcher()
            for moves in (1, 2):
                line = searcher.find_mate(board, moves)
                assert bool(line) == brute(board, moves), (board.fen(), moves)
                found[moves - 1] += bool(line)
        assert found[1] > found[0] > 5

    def test_every_defence_loses(self):
        """Whatever the other side answers, the search goes on to find a shorter mate."""
        rng = random.Random(1)
        for fen, moves in MATES:
            for _ in range(5):
                board = Board(fen)
                for left in range(moves, 0, -1):
                    line = board.find_mate()
                    assert 1 <= len(line) <= 2 * left - 1
                    board.push(line[0])
                    if board.is_checkmate():
                        break
                    board.push(rng.choice(board.legal_moves))

    def test_perpetual_check_is_no_mate(self):
        """The rook checks for ever from d1 and e1, which proves nothing."""
        assert Board("3k5/9/9/9/9/9/9/9/4R4/5K3 w").find_mate(12) == ()

    def test_positions_of_the_game_do_not_count_again(self):
        fen = "3k5/9/9/9/9/9/9/R8/1R7/5K3 w"
        assert [str(move) for move in Board(fen).find_mate()] == ["b1d1", "d9e9", "a2e2"]
        board = Board("4k4/9/9/9/9/9/9/R8/3R5/5K3 b")
        for iccs in ("e9e8", "d1b1", "e8d8", "b1d1", "d8e8"):  # with the rook on d1 the king was on e9 and e8
            board.push_iccs(iccs)
        line = board.find_mate()
        assert line
        for move in line:
            board.push(move)
            assert repetitions(board) == 1
        assert board.is_checkmate()

    def test_few_nodes_and_wrong_numbers(self):
        board = Board(MATES[1][0])
        searcher = Searcher()
        assert searcher.find_mate(board, nodes=10) == ()
        assert len(searcher.find_mate(board)) == 9  # what was not finished was not kept as refuted
        for moves in (0, 16):
            with pytest.raises(ValueError, match="1 to 15 moves"):
                searcher.find_mate(board, moves)

    def test_kernel(self):
        space, refuted = new_workspace(), np.zeros(1 << 8, np.int64)
        set_board(space, Board(MATES[1][0]))
        cells = space["cells"].copy()
        assert mate_search(space, refuted, 8, 10_000) == (9, Move.from_iccs("e9f9").index)
        assert (space["cells"] == cells).all()
        assert mate_search(space, refuted, 4, 10_000) == (0, -1)
