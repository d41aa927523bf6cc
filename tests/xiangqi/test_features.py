"""The features say what they claim: checked against the board's own, slower, answers."""

from __future__ import annotations

import random
from bisect import bisect
from collections import Counter
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xiangqi import Board, Move, features, kernels
from xiangqi.kernels import MOVE_MIRRORED
from xiangqi.move import SQUARES

CLASS_OF = {1: 4, 2: 1, 3: 1, 4: 2, 5: 3, 6: 2, 7: 1}


def random_game(seed: int, plies: int) -> Board:
    chance, board = random.Random(seed), Board()
    while board.ply < plies and (moves := board.legal_moves):
        captures = [move for move in moves if board.is_capture(move)]
        board.push(chance.choice(captures if captures and chance.random() < 0.3 else moves))
    return board


def encode(root: Board, moves: list[Move], first: int = 0) -> list[tuple[list[int], np.ndarray]]:
    n = len(moves) + 1 - first
    inputs, ends = np.empty(n * features.MAX_INPUTS, np.int32), np.empty(n, np.int64)
    candidates = np.empty((n * features.MAX_CANDIDATES, features.CANDIDATE_WIDTH), np.int32)
    candidate_ends = np.empty(n, np.int64)
    indices = np.array([move.index for move in moves], np.int16)
    features.encode_game(
        root.cells.copy(), root.turn, root.halfmove_clock, indices, first, inputs, ends, candidates, candidate_ends
    )
    cuts = list(pairwise([0, *ends.tolist()]))
    lines = list(pairwise([0, *candidate_ends.tolist()]))
    return [(inputs[a:b].tolist(), candidates[c:d].copy()) for (a, b), (c, d) in zip(cuts, lines, strict=True)]


def group(inputs: list[int], name: str) -> list[int]:
    at = list(features.INPUT_GROUPS).index(name)
    low, high = features.INPUT_OFFSETS[at : at + 2]
    return sorted(i - int(low) for i in inputs if low <= i < high)


def column(candidates: np.ndarray, name: str) -> list[int]:
    at = list(features.CANDIDATE_GROUPS).index(name)
    low = int(features.CANDIDATE_OFFSETS[at])
    return [int(row) - low for row in candidates[:, features.CANDIDATE_COLUMNS.index(name)]]


def several(candidates: np.ndarray, name: str) -> list[list[int]]:
    """The rows of ``touched`` or ``eyes`` of each candidate, without those that stand for nothing."""
    columns = [at for at, column in enumerate(features.CANDIDATE_COLUMNS) if column == name]
    rows = candidates[:, columns] - features.CANDIDATE_OFFSETS[list(features.CANDIDATE_GROUPS).index(name)]
    return [[row for row in line if row] for line in rows.tolist()]


def mates_in_one(board: Board, color: int) -> bool:
    """Whether a side, if it were to move, could checkmate at once."""
    asked = Board(f"{board.fen().split()[0]} {'wb'[color]}")
    for move in asked.legal_moves:
        asked.push(move)
        mate = asked.is_checkmate()
        asked.pop()
        if mate:
            return True
    return False


def status(board: Board, square: int) -> int:
    """The status of a piece, from the board's own attackers: every piece that could capture there, pinned or not."""
    piece = board.piece_at(square)
    assert piece is not None
    attackers = [CLASS_OF[board.piece_at(a).type] for a in board.attackers(1 - piece.color, square)]  # type: ignore[union-attr]
    return 2 * min(attackers, default=0) + bool(board.attackers(piece.color, square))


def view(board: Board) -> Board:
    """The position as its mover sees it: always Red's."""
    return board if board.turn == 0 else board.rotate()


def any_game(test: Callable[..., None]) -> Callable[..., None]:
    """Run a test on random games: a seed and a number of plies."""
    return settings(max_examples=25)(given(seed=st.integers(0, 10**6), plies=st.integers(0, 120))(test))


class TestAgainstTheBoard:
    @any_game
    def test_rows_stay_in_their_tables(self, seed: int, plies: int) -> None:
        board = random_game(seed, plies)
        for inputs, candidates in encode(board.root(), board.move_stack):
            assert min(inputs) >= 0 and max(inputs) < features.INPUT_ROWS
            for at, name in enumerate(features.CANDIDATE_COLUMNS):
                table = list(features.CANDIDATE_GROUPS).index(name)
                assert (candidates[:, at] >= features.CANDIDATE_OFFSETS[table]).all()
                assert (candidates[:, at] < features.CANDIDATE_OFFSETS[table + 1]).all()

    @any_game
    def test_pieces_and_their_status(self, seed: int, plies: int) -> None:
        board = random_game(seed, plies)
        inputs, _ = encode(board.root(), board.move_stack)[-1]
        seen = view(board)
        places, states = [], []
        for sq, piece in seen.piece_map().items():
            place = (piece.type - 1 + 7 * piece.color) * 90 + sq
            enemies = [CLASS_OF[seen.piece_at(a).type] for a in seen.attackers(1 - piece.color, sq)]  # type: ignore[union-attr]
            places.append(place)
            states.append(place * 10 + min(enemies, default=0) * 2 + bool(seen.attackers(piece.color, sq)))
        assert group(inputs, "board") == sorted(places)
        assert group(inputs, "status") == sorted(states)

    @any_game
    def test_moves_of_both_sides(self, seed: int, plies: int) -> None:
        board = random_game(seed, plies)
        inputs, _ = encode(board.root(), board.move_stack)[-1]
        for name, turn in (("own_moves", 0), ("enemy_moves", 1)):
            seen = view(board).copy(stack=False)
            seen.turn = turn
            expected = []
            for move in seen.legal_moves:
                expected.append(move.index)
                if taken := seen.piece_at(move.to_square):
                    expected.append(2086 + (taken.type - 1) * 90 + move.to_square)
            assert group(inputs, name) == sorted(expected)

    @any_game
    def test_candidates(self, seed: int, plies: int) -> None:
        board = random_game(seed, plies)
        _, candidates = encode(board.root(), board.move_stack)[-1]
        seen = view(board)
        assert column(candidates, "move") == [move.index for move in seen.legal_moves]
        played = [move if board.turn == 0 else move.rotate() for move in seen.legal_moves]
        rows = zip(
            seen.legal_moves,
            played,
            column(candidates, "capture"),
            column(candidates, "context"),
            column(candidates, "mate"),
            column(candidates, "threat"),
            strict=True,
        )
        for move, real, capture, context, mate, danger in rows:
            taken = seen.piece_at(move.to_square)
            mover = seen.piece_at(move.from_square)
            assert mover is not None
            assert capture == (taken.type if taken else 0) * 90 + move.to_square
            after = seen.copy(stack=False)
            after.push(move)
            attackers = [CLASS_OF[after.piece_at(a).type] for a in after.attackers(1, move.to_square)]  # type: ignore[union-attr]
            defended = bool(after.attackers(0, move.to_square))
            kind = (mover.type - 1) * 8 + (taken.type if taken else 0)
            assert context == ((kind * 5 + min(attackers, default=0)) * 2 + defended) * 2 + after.is_check()
            seen_before, mates, threat, checked = np.unravel_index(mate, (3, 2, 3, 2))
            threatens, new, _ = np.unravel_index(danger, (2, 2, 5))
            assert mates == after.is_checkmate()
            assert checked == seen.is_check()
            assert threatens == (not after.is_check() and mates_in_one(after, 0))
            before = not seen.is_check() and mates_in_one(seen, 1)
            left = not mates and mates_in_one(after, 1)
            assert threat == (0 if not before or mates else 2 if left else 1)
            assert new == (left and not before)
            board.push(real)
            assert seen_before == min(2, board.repetitions() - 1)
            board.pop()

    @any_game
    def test_pieces_that_a_move_touches(self, seed: int, plies: int) -> None:
        board = random_game(seed, plies)
        _, candidates = encode(board.root(), board.move_stack)[-1]
        seen = view(board)
        for move, found in zip(seen.legal_moves, several(candidates, "touched"), strict=True):
            after = seen.copy(stack=False)
            after.push(move)
            expected = []
            for square, piece in after.piece_map().items():
                if square != move.to_square and piece.type != 1:
                    was, now = status(seen, square), status(after, square)
                    if was != now:
                        expected.append(1 + ((piece.type - 1 + 7 * piece.color) * 10 + was) * 10 + now)
            assert len(found) == min(len(expected), features.SEVERAL)
            assert not Counter(found) - Counter(expected)

    @any_game
    def test_pieces_that_the_mover_could_take_or_retake_next(self, seed: int, plies: int) -> None:
        board = random_game(seed, plies)
        _, candidates = encode(board.root(), board.move_stack)[-1]
        seen = view(board)
        for move, found in zip(seen.legal_moves, several(candidates, "eyes"), strict=True):
            after = seen.copy(stack=False)
            after.push(move)
            kind = after.piece_at(move.to_square).type  # type: ignore[union-attr]
            expected = []
            for square, piece in after.piece_map().items():
                if square != move.to_square and piece.type != 1 and move.to_square in after.attackers(0, square):
                    guarded = bool(after.attackers(1, square))
                    new = move.from_square not in seen.attackers(0, square)
                    index = piece.type - 1 + 7 * piece.color
                    expected.append(1 + (((kind - 1) * 14 + index) * 2 + guarded) * 2 + new)
            assert len(found) == min(len(expected), features.SEVERAL)
            assert not Counter(found) - Counter(expected)

    @any_game
    def test_free_squares_beside_the_kings(self, seed: int, plies: int) -> None:
        board = random_game(seed, plies)
        _, candidates = encode(board.root(), board.move_stack)[-1]
        seen = view(board)

        def room(board: Board, color: int) -> int:
            king = board.king(color)
            assert king is not None
            steps = [king + 9, king - 9, *([king + 1] if king % 9 < 5 else []), *([king - 1] if king % 9 > 3 else [])]
            inside = [sq for sq in steps if (sq in range(27) if color == 0 else sq in range(63, 90))]
            own = [sq for sq in inside if (piece := board.piece_at(sq)) and piece.color == color]
            return sum(sq not in own and not board.attackers(1 - color, sq) for sq in inside)

        rows = zip(column(candidates, "kings"), column(candidates, "threat"), strict=True)
        for move, (found, threat) in zip(seen.legal_moves, rows, strict=True):
            after = seen.copy(stack=False)
            after.push(move)
            assert threat % 5 == room(after, 1)
            assert found == ((room(seen, 0) * 5 + room(after, 0)) * 5 + room(seen, 1)) * 5 + room(after, 1)

    @any_game
    def test_what_a_move_wins_and_does_not_lose(self, seed: int, plies: int) -> None:
        board = random_game(seed, plies)
        _, candidates = encode(board.root(), board.move_stack)[-1]
        seen = view(board)
        values, balances = (0, 100, 2, 2, 4, 9, 4, 1), []
        hanging, found = column(candidates, "hanging"), column(candidates, "balance")
        for move, row in zip(seen.legal_moves, hanging, strict=True):
            taken = seen.piece_at(move.to_square)
            gain = values[taken.type] if taken else 0
            if taken and taken.type == 7 and move.to_square < 45:
                gain = 2
            _, lost, _, _, _ = np.unravel_index(row, (5, 5, 5, 2, 2))
            balances.append(gain - (0, 1, 2, 4, 9)[lost])
        for balance, row in zip(balances, found, strict=True):
            level, behind, _ = np.unravel_index(row, (8, 8, 2))
            assert level == bisect([-8, -3, -1, 0, 1, 3, 5], balance)
            assert behind == bisect([1, 2, 3, 4, 5, 7, 9], max(balances) - balance)

    @any_game
    def test_the_last_moves(self, seed: int, plies: int) -> None:
        board = random_game(seed, plies + 2)
        _, candidates = encode(board.root(), board.move_stack)[-1]
        seen = view(board)
        own, last = (move if board.turn == 0 else move.rotate() for move in board.move_stack[-2:])
        took = board.halfmove_clock == 0
        rows = zip(*(column(candidates, name) for name in ("near", "reply", "plan")), strict=True)
        for move, (near, reply, plan) in zip(seen.legal_moves, rows, strict=True):
            after = seen.copy(stack=False)
            after.push(move)
            kind = seen.piece_at(move.from_square).type  # type: ignore[union-attr]
            files = abs(move.to_square % 9 - last.to_square % 9)
            ranks = min(4, max(-4, move.to_square // 9 - last.to_square // 9)) + 4
            assert near == 1 + ((kind - 1) * 9 + files) * 9 + ranks
            replied = seen.piece_at(last.to_square).type  # type: ignore[union-attr]
            attacked = last.to_square in seen.attackers(1, move.from_square)
            attacks = move.to_square in after.attackers(0, last.to_square)
            assert reply == (((replied * 2 + took) * 7 + kind - 1) * 2 + attacked) * 2 + attacks
            piece = seen.piece_at(own.to_square)
            planned = piece.type if piece and piece.color == 0 else 0
            same = move.from_square == own.to_square
            guards = bool(planned) and not same and move.to_square in after.attackers(0, own.to_square)
            assert plan == ((planned * 7 + kind - 1) * 2 + same) * 2 + guards

    @any_game
    def test_room_of_the_piece_that_moves(self, seed: int, plies: int) -> None:
        board = random_game(seed, plies)
        _, candidates = encode(board.root(), board.move_stack)[-1]
        seen = view(board)

        def room(board: Board, square: int) -> int:
            cells = board.cells.copy()
            count = sum(kernels.is_pseudo_legal(cells, 0, square, to) for to in SQUARES)
            return bisect([1, 2, 3, 4, 5, 7, 9, 12], count)

        for move, found in zip(seen.legal_moves, column(candidates, "reach"), strict=True):
            after = seen.copy(stack=False)
            after.push(move)
            kind = seen.piece_at(move.from_square).type  # type: ignore[union-attr]
            assert found == ((kind - 1) * 9 + room(seen, move.from_square)) * 9 + room(after, move.to_square)

    @any_game
    def test_black_sees_what_red_would_see(self, seed: int, plies: int) -> None:
        board = random_game(seed, plies)
        turned = encode(board.root().rotate(), [move.rotate() for move in board.move_stack])
        for (inputs, candidates), (other, others) in zip(encode(board.root(), board.move_stack), turned, strict=True):
            assert inputs == other
            assert (candidates == others).all()

    @any_game
    def test_a_mirror_image_differs_in_squares_only(self, seed: int, plies: int) -> None:
        board = random_game(seed, plies)
        _, candidates = encode(board.root(), board.move_stack)[-1]
        _, others = encode(board.root(), [move.mirror() for move in board.move_stack])[-1]
        names = [n for n in features.CANDIDATE_GROUPS if n not in ("move", "capture", "piece_to")]
        mirrored = {int(MOVE_MIRRORED[m]): i for i, m in enumerate(column(candidates, "move"))}
        order = [mirrored[m] for m in column(others, "move")]
        for name in names:
            assert [column(candidates, name)[i] for i in order] == column(others, name)
        for name in ("touched", "eyes"):
            assert [several(candidates, name)[i] for i in order] == several(others, name)

    @any_game
    def test_a_part_of_a_game_reads_as_in_the_whole(self, seed: int, plies: int) -> None:
        board = random_game(seed, plies)
        whole = encode(board.root(), board.move_stack)
        part = encode(board.root(), board.move_stack, first=board.ply // 2)
        for (inputs, candidates), (other, others) in zip(whole[board.ply // 2 :], part, strict=True):
            assert inputs == other
            assert (candidates == others).all()


class TestTactics:
    @pytest.mark.parametrize(
        ("fen", "in_check", "own", "enemy", "threat"),
        [
            ("4k4/9/9/9/9/9/9/9/9/3K5 w", 0, 0, 0, 0),
            ("3k5/9/9/9/9/4r4/9/9/9/4K4 w", 1, 0, 0, 0),
            ("3k5/9/9/r8/9/9/9/R8/9/4K4 w", 0, 4, 4, 0),  # two bare rooks attack each other
            ("3k5/9/9/9/9/9/9/r8/1r7/4K4 w", 0, 0, 0, 1),  # a rook mates on the back rank
        ],
    )
    def test_worst_losses_and_mate_threats(self, fen: str, in_check: int, own: int, enemy: int, threat: int) -> None:
        inputs, _ = encode(Board(fen), [])[0]
        assert group(inputs, "tactics") == [in_check, 2 + own, 7 + enemy, 12 + threat]

    def test_occurrences_are_counted_from_the_last_capture(self) -> None:
        shuffle = ["b0c2", "b9c7", "c2b0", "c7b9"]
        board = Board.from_moves(shuffle * 2)
        counts = [group(inputs, "counters")[0] for inputs, _ in encode(board.root(), board.move_stack)]
        assert counts == [0, 0, 0, 0, 1, 1, 1, 1, 2]
