"""Mate in one: the fast search agrees with trying all moves."""

from __future__ import annotations

import random

import numpy as np
import pytest
from numpy.typing import NDArray

from xiangqi import Board, Move, kernels
from xiangqi.jit import compiled
from xiangqi.mates import checking_moves, evasion, mates_in_one, mating_move, survey, targets
from xiangqi.move import ADVISOR_POINTS, BISHOP_POINTS, MOVES, SQUARES

PALACES = [[sq for sq in SQUARES if 3 <= sq % 9 <= 5 and sq // 9 in ranks] for ranks in ((0, 1, 2), (7, 8, 9))]
POINTS = {2: ADVISOR_POINTS, 3: BISHOP_POINTS}


@compiled
def plain(cells: NDArray[np.uint8], side: int, moves: NDArray[np.int16], replies: NDArray[np.int16]) -> int:
    """Return the first legal move of a side that mates, or -1, by looking at all of them."""
    king = kernels.find_king(cells, 1 - side)
    if king >= 0:
        for i in range(kernels.legal_moves(cells, side, moves)):
            a, b = kernels.MOVE_FROM[moves[i]], kernels.MOVE_TO[moves[i]]
            piece, captured = cells[a], cells[b]
            cells[b] = piece
            cells[a] = 0
            mated = kernels.is_attacked(cells, king, side) and kernels.legal_moves(cells, 1 - side, replies) == 0
            cells[a] = piece
            cells[b] = captured
            if mated:
                return int(moves[i])
    return -1


def any_position(chance: random.Random) -> NDArray[np.uint8]:
    """Up to 24 pieces on squares where they may stand, many near the enemy's king; at times a king is missing."""
    cells = np.zeros(90, np.uint8)
    for color in (0, 1):
        if chance.random() < 0.95:
            cells[chance.choice(PALACES[color])] = color * 8 + 1
    for _ in range(chance.randrange(24)):
        color, kind = chance.randrange(2), chance.choice([2, 3, 4, 4, 5, 5, 6, 6, 7, 7])
        places = [sq for sq in POINTS.get(kind, SQUARES) if kind > 3 or (sq >= 45) == color]
        if kind == 7:
            places = [sq for sq in places if (sq >= 27 if color == 0 else sq < 63)]
        elif kind > 3 and chance.random() < 0.5:
            places = [sq for sq in places if (sq >= 54 if color == 0 else sq < 36)]
        sq = chance.choice(places)
        if cells[sq] & 7 != 1:
            cells[sq] = color * 8 + kind
    return cells


def positions(seed: int, number: int) -> list[NDArray[np.uint8]]:
    """Positions of random games, from the start and from anywhere."""
    chance, moves, found = random.Random(seed), np.empty(kernels.MAX_MOVES, np.int16), []
    while len(found) < number:
        cells, turn, plies = any_position(chance), chance.randrange(2), 4
        if chance.random() < 0.01:
            cells, turn, plies = Board().cells.copy(), 0, 120
        for _ in range(plies):
            found.append(cells.copy())
            count = kernels.legal_moves(cells, turn, moves)
            if count == 0:
                break
            move = MOVES[moves[chance.randrange(count)]]
            cells[move.to_square] = cells[move.from_square]
            cells[move.from_square] = 0
            turn = 1 - turn
    return found


def scratch() -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    return np.full((2, kernels.MAX_MOVES), -1, np.int16), np.empty((2, kernels.MAX_MOVES), np.int16)


class TestAgainstAllMoves:
    @pytest.mark.parametrize("seed", range(4))
    def test_mate_in_one(self, seed: int) -> None:
        _, room = scratch()
        found = 0
        for cells in positions(seed, 10_000):
            for side in (0, 1):
                before = cells.copy()
                expected = plain(cells, side, room[0], room[1]) >= 0
                assert mates_in_one(cells, side) == expected, cells.tolist()
                assert (cells == before).all()
                found += expected
        assert found > 300

    def test_replies_that_are_kept_do_no_harm(self) -> None:
        """A reply noted in one position is tried in others, where it may be neither legal nor an answer."""
        replies, room = scratch()
        men, lines = np.empty((2, 92), np.int16), np.empty(19, np.int16)
        for cells in positions(5, 10_000):
            for side in (0, 1):
                king = kernels.find_king(cells, 1 - side)
                if king >= 0 and not kernels.is_attacked(cells, king, side):
                    survey(cells, men, lines)
                    move = mating_move(cells, side, king, men, lines, replies, room)
                    assert (move >= 0) == (plain(cells, side, room[0], room[1]) >= 0), cells.tolist()

    def test_evasions(self) -> None:
        room = np.empty(kernels.MAX_MOVES, np.int16)
        checks = 0
        for cells in positions(6, 10_000):
            for side in (0, 1):
                if kernels.in_check(cells, side):
                    checks += 1
                    move = evasion(cells, side, kernels.find_king(cells, side), room)
                    count = kernels.legal_moves(cells, side, room)
                    assert move in room[:count] if count else move == -1, cells.tolist()
        assert checks > 300

    def test_targets(self) -> None:
        out = np.empty(90, np.int16)
        for cells in positions(7, 500):
            for a in np.flatnonzero(cells):
                turn = int(cells[a] >> 3)
                expected = [b for b in SQUARES if kernels.is_pseudo_legal(cells, turn, a, b)]
                assert sorted(out[: targets(cells, a, out)].tolist()) == expected


class TestWaysToGiveCheck:
    @pytest.mark.parametrize(
        ("fen", "moves"),
        [
            ("4k4/9/9/9/9/9/9/9/9/R2K5 w", "a0a9"),  # a rook
            ("3k5/3a5/9/9/9/9/9/9/9/C3K4 w", ""),
            ("3k5/3a5/9/9/9/9/9/9/C8/4K4 w", "a1d1"),  # a cannon behind a screen
            ("3k5/9/9/9/9/3N5/9/3R5/9/4K4 w", "d4b3 d4b5 d4c2 d4c6 d4e2 d4e6 d4f3 d4f5"),  # a rook's line is opened
            ("4k4/9/4p4/9/9/4N4/9/4C4/9/3K5 w", "e4c3 e4c5 e4d2 e4d6 e4f2 e4f6 e4g3 e4g5"),  # one of two screens leaves
            ("4k4/9/9/9/8R/4C4/9/9/9/3K5 w", "i5e5 i5i9"),  # a screen steps before a bare cannon
            ("4k4/9/9/9/2N6/9/9/9/9/3K5 w", "c5d7"),  # a knight
            ("4k4/3R5/3N5/9/9/9/9/9/9/3K5 w", "d8c8 d8d9 d8e8"),  # the leg of a knight becomes free
            ("5k3/4P4/9/9/9/9/9/9/9/3K5 w", "e8f8"),  # a pawn
            ("3k1Pb1C/9/9/9/9/9/9/9/9/4K4 w", "f9g9"),  # one of two screens takes the other
            ("4k4/9/4p4/9/9/9/9/4K4/4C4/9 w", "e2d2 e2f2"),  # the king leaves the line
        ],
    )
    def test_checks(self, fen: str, moves: str) -> None:
        board = Board(fen)
        expected = {Move.from_iccs(iccs) for iccs in moves.split()}
        assert {move for move in board.legal_moves if board.gives_check(move)} >= expected
        men, lines, out = np.empty((2, 92), np.int16), np.empty(19, np.int16), np.empty(kernels.MAX_MOVES, np.int16)
        survey(board.cells.copy(), men, lines)
        count = checking_moves(board.cells.copy(), 0, kernels.find_king(board.cells.copy(), 1), men, lines, out)
        found = {MOVES[move] for move in out[:count]}
        assert {move for move in board.legal_moves if board.gives_check(move)} <= found
        assert len(found) <= 12
