"""The features say what they claim: each block is checked against the board's own, slower, answers."""

from __future__ import annotations

import random
from bisect import bisect
from collections.abc import Iterator
from itertools import pairwise
from math import prod
from typing import NamedTuple

import numpy as np
import pytest

from lm.model import features, groups
from lm.model.small_net import net_in_features
from xiangqi import BLACK, KING, MOVES, PAWN, RED, SQUARES, Board, Color, Move, Square, kernels
from xiangqi.alphabeta import quiesce
from xiangqi.evaluation import evaluate
from xiangqi.nnue import NO_NET, Net, judge
from xiangqi.tactics import set_board
from xiangqi.workspace import new_workspace

# By type of piece: none, king, advisor, bishop, knight, rook, cannon, pawn.
CLASS = (0, 4, 1, 1, 2, 3, 2, 1)
WORTH = (0, 100, 2, 2, 4, 9, 4, 1)
WORTH_OF_CLASS = (0, 2, 4, 9)
BUCKETS = (0, 1, 2, 4, 9)
SMALL_NET = net_in_features(["outlook"], ["lag"])
LAGS = [1, 4, 8, 12, 17, 23, 30, 38, 47, 57, 68, 80, 93, 107, 122, 140, 160, 185, 215, 250, 300, 350, 400]
"""From how many centipawns on each class begins."""


# --- What the board knows ---------------------------------------------------------------------------------------------


def random_game(seed: int) -> Board:
    """A game of up to 120 plies that is the wilder, the longer it is."""
    chance, board = random.Random(seed), Board()
    plies = chance.randint(0, 120)
    while board.ply < plies and (moves := board.legal_moves):
        captures = [move for move in moves if board.is_capture(move)]
        board.push(chance.choice(captures if captures and chance.random() < plies / 400 else moves))
    return board


@pytest.fixture(scope="module")
def games() -> list[Board]:
    """The first positions of a game, some in which mates are near, and random games."""
    mating = [
        "3k5/9/9/9/9/9/9/r8/1r7/4K4 w",
        "3k5/9/9/9/9/4r4/9/r8/1r7/4K4 w",
        "3k5/8R/7R1/9/9/9/9/r8/1r7/4K4 w",
    ]
    return [Board(), Board.from_moves("h2e2"), *map(Board, mating), *map(random_game, range(60))]


def as_seen(board: Board) -> Board:
    """The position as its mover sees it: always Red's."""
    return board if board.turn == RED else board.rotate()


def as_played(board: Board, move: Move) -> Move:
    """A move that the mover of a position sees, as it is played; and the other way round."""
    return move if board.turn == RED else move.rotate()


def last_moves(board: Board) -> tuple[Square, Square, Square]:
    """Whence and where to the mover moved last, and where to the enemy, as the mover sees it; -1 if he did not yet."""
    own, last = [None, None, *(as_played(board, move) for move in board.move_stack[-2:])][-2:]
    return own.from_square if own else -1, own.to_square if own else -1, last.to_square if last else -1


def type_at(board: Board, square: Square) -> int:
    """The type of the piece on a square; 0 for none, and for no square."""
    piece = board.piece_at(square) if square >= 0 else None
    return piece.type if piece else 0


def reaches(board: Board, a: Square, b: Square) -> bool:
    """Whether the piece on ``a`` could capture on ``b``, whatever stands there, pinned or not."""
    return b >= 0 and any(a in board.attackers(color, b) for color in (RED, BLACK))


def status(board: Board, square: Square) -> int:
    """The status of a piece: twice the class of its cheapest attacker, and one more if it is defended."""
    piece = board.piece_at(square)
    assert piece is not None
    attackers = [CLASS[type_at(board, sq)] for sq in board.attackers(1 - piece.color, square)]
    return 2 * min(attackers, default=0) + bool(board.attackers(piece.color, square))


def worth(board: Board, square: Square) -> int:
    """What a piece is worth where it stands; 0 for none."""
    piece = board.piece_at(square)
    if piece and piece.type == PAWN and (square >= 45) == (piece.color == RED):  # it has crossed the river
        return 2
    return WORTH[piece.type] if piece else 0


def loss(board: Board, square: Square) -> int:
    """What a piece's owner loses there by one exchange if the other side is to move."""
    attacker, defended = divmod(status(board, square), 2)
    if not attacker or type_at(board, square) == KING or (attacker == CLASS[KING] and defended):
        return 0
    return max(0, worth(board, square) - (WORTH_OF_CLASS[attacker] if defended else 0))


def losses(board: Board, color: Color) -> list[int]:
    """The buckets of what a side may lose, one a piece, the worst first."""
    own = [square for square, piece in board.piece_map().items() if piece.color == color]
    return sorted((bisect([1, 2, 4, 6], loss(board, square)) for square in own), reverse=True)


def free_beside_king(board: Board, color: Color) -> int:
    king = board.king(color)
    assert king is not None
    palace = [9 * rank + file for rank in (range(3) if color == RED else range(7, 10)) for file in (3, 4, 5)]
    beside = [sq for sq in palace if abs(sq % 9 - king % 9) + abs(sq // 9 - king // 9) == 1]
    own = [sq for sq in beside if (piece := board.piece_at(sq)) and piece.color == color]
    return sum(sq not in own and not board.attackers(1 - color, sq) for sq in beside)


def mates_in_one(board: Board, color: Color) -> bool:
    """Whether a side, if it were to move, could checkmate at once."""
    asked = board.copy(stack=False)
    asked.turn = color
    for move in asked.legal_moves:
        asked.push(move)
        mate = asked.is_checkmate()
        asked.pop()
        if mate:
            return True
    return False


def passed(board: Board) -> Board:
    """The position with the other side to move."""
    other = board.copy(stack=False)
    other.turn = 1 - board.turn
    return other


def mate_moves(board: Board, most: int) -> int:
    """Moves to the mate by checks of the side to move, 0 without one."""
    return (len(board.find_mate(most)) + 1) // 2


def after_each_move(board: Board) -> dict[Move, int]:
    """What the small network says of each legal move once captures are played out, up to 2,000 centipawns."""
    space, found = new_workspace(), {}
    for move in board.legal_moves:
        after = board.copy(stack=False)
        after.push(move)
        set_board(space, after)
        found[move] = max(-2000, min(2000, -int(quiesce(space, SMALL_NET, -2000, 2000))))
    return found


def fine(score: int) -> int:
    """The class of a score: steps of 20 up to 120, then of 60."""
    steps = min(abs(score), 120) // 20 + min(10, max(0, abs(score) - 120) // 60)
    return 16 + steps if score >= 0 else 16 - steps


# --- What is told of it -----------------------------------------------------------------------------------------------


def encode(
    root: Board, moves: list[Move], first: int = 0, looks: bool = True, net: Net | None = None
) -> list[tuple[list[int], np.ndarray]]:
    n = len(moves) + 1 - first
    inputs, ends = np.empty(n * groups.MAX_INPUTS, np.int32), np.empty(n, np.int64)
    candidates = np.empty((n * groups.MAX_CANDIDATES, groups.CANDIDATE_WIDTH), np.int32)
    candidate_ends = np.empty(n, np.int64)
    indices = np.array([move.index for move in moves], np.int16)
    features.encode_game(
        root.cells.copy(), root.turn, root.halfmove_clock, indices, first,
        inputs, ends, candidates, candidate_ends, looks, SMALL_NET if net is None else net,
    )  # fmt: skip
    cuts = list(pairwise([0, *ends.tolist()]))
    lines = list(pairwise([0, *candidate_ends.tolist()]))
    return [(inputs[a:b].tolist(), candidates[c:d].copy()) for (a, b), (c, d) in zip(cuts, lines, strict=True)]


def encode_last(board: Board) -> tuple[list[int], np.ndarray]:
    (told,) = encode(board.root(), board.move_stack, first=board.ply)
    return told


def group(inputs: list[int], name: str) -> list[int]:
    at = list(groups.INPUT_GROUPS).index(name)
    low, high = groups.INPUT_OFFSETS[at : at + 2]
    return sorted(i - int(low) for i in inputs if low <= i < high)


class Candidate(NamedTuple):
    """A legal move as its mover sees it, the positions before and after it, and what is told of it."""

    game: Board  # that led to the position
    a: Square
    b: Square
    mover: int  # type of its piece less one, as in the tables
    taken: int  # type of the piece that it takes, or 0
    before: Board
    after: Board
    line: np.ndarray

    def rows(self, name: str) -> list[int]:
        """Its rows of a block."""
        offset = groups.CANDIDATE_OFFSETS[list(groups.CANDIDATE_GROUPS).index(name)]
        columns = [at for at, column in enumerate(groups.CANDIDATE_COLUMNS) if column == name]
        return list((self.line[columns] - offset).tolist())

    def told(self, name: str, *sizes: int) -> tuple[int, ...]:
        """Its row of a block of so many numbers, taken apart."""
        assert prod(sizes) == groups.CANDIDATE_GROUPS[name]
        (row,) = self.rows(name)
        return tuple(map(int, np.unravel_index(row, sizes)))


def candidates_of(board: Board) -> Iterator[Candidate]:
    """The legal moves of a position."""
    _, lines = encode_last(board)
    before = as_seen(board)
    for move, line in zip(before.legal_moves, lines, strict=True):
        a, b, after = move.from_square, move.to_square, before.copy(stack=False)
        after.push(move)
        yield Candidate(board, a, b, type_at(before, a) - 1, type_at(before, b), before, after, line)


@pytest.fixture(scope="module")
def candidates(games: list[Board]) -> list[Candidate]:
    """Those of the positions that the games led to."""
    return [candidate for board in games for candidate in candidates_of(board)]


def dearest(found: list[tuple[int, int]]) -> list[int]:
    """The rows that are told of some with their worth: the four of most worth, then the highest."""
    rows = [row for _, row in sorted(found, reverse=True)]
    return [*rows, 0, 0, 0, 0][:4]


class TestInputs:
    def test_pieces_and_their_status(self, games: list[Board]) -> None:
        for board in games:
            inputs, _ = encode_last(board)
            seen = as_seen(board)
            places = {sq: (piece.type - 1 + 7 * piece.color) * 90 + sq for sq, piece in seen.piece_map().items()}
            assert group(inputs, "board") == sorted(places.values())
            assert group(inputs, "status") == sorted(place * 10 + status(seen, sq) for sq, place in places.items())

    def test_moves_of_both_sides(self, games: list[Board]) -> None:
        for board in games:
            inputs, _ = encode_last(board)
            for name, turn in (("own_moves", RED), ("enemy_moves", BLACK)):
                seen = as_seen(board).copy(stack=False)
                seen.turn = turn
                expected = []
                for move in seen.legal_moves:
                    expected.append(move.index)
                    if taken := type_at(seen, move.to_square):
                        expected.append(2086 + (taken - 1) * 90 + move.to_square)
                assert group(inputs, name) == sorted(expected)

    def test_tactics(self, games: list[Board]) -> None:
        for board in games:
            inputs, _ = encode_last(board)
            seen = as_seen(board)
            own, enemy = losses(seen, RED)[0], losses(seen, BLACK)[0]
            threat = not seen.is_check() and mates_in_one(seen, BLACK)
            assert group(inputs, "tactics") == [seen.is_check(), 2 + own, 7 + enemy, 12 + threat]

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

    def test_score(self, games: list[Board]) -> None:
        for board in games:
            space = new_workspace()
            set_board(space, board)
            told = group(encode_last(board)[0], "score")
            assert told == [fine(evaluate(space)), 33 + fine(quiesce(space, NO_NET, -2000, 2000))]

    def test_captures_are_played_out(self) -> None:
        """A rook that can be taken is worth nothing more, one that is guarded keeps its worth."""
        stands, played_out = group(encode_last(Board("3k5/9/9/9/r8/9/9/R8/9/4K4 w"))[0], "score")
        assert (stands, played_out) == (16, 33 + 16 + 6 + 5)
        stands, played_out = group(encode_last(Board("3k5/9/4b4/9/2b6/9/9/2R6/9/4K4 w"))[0], "score")
        assert stands > 16 and played_out == 33 + stands

    def test_forced(self, games: list[Board]) -> None:
        for board in games:
            before = as_seen(board).copy(stack=False)
            enemy = 0 if before.is_check() else mate_moves(passed(before), 3)
            assert group(encode_last(board)[0], "forced") == [mate_moves(before, 3), 4 + enemy]

    def test_nobody_looks_ahead_if_it_is_not_wanted(self, games: list[Board]) -> None:
        for board in games[:9]:
            ((told, _),) = encode(board.root(), board.move_stack, board.ply, looks=False)
            assert group(told, "score") == group(told, "forced") == group(told, "outlook") == []

    def test_outlook(self, games: list[Board]) -> None:
        for board in games:
            before, space = as_seen(board).copy(stack=False), new_workspace()
            set_board(space, before)
            played_out = max(-2000, quiesce(space, SMALL_NET, -2000, 2000))
            best = max(after_each_move(before).values(), default=played_out)
            assert group(encode_last(board)[0], "outlook") == [
                fine(max(-2000, min(2000, judge(space, SMALL_NET, 0)))),
                33 + fine(best),
            ]

    def test_nobody_judges_without_the_small_network(self, games: list[Board]) -> None:
        for board in games[:9]:
            ((told, _),) = encode(board.root(), board.move_stack, board.ply, net=NO_NET)
            assert group(told, "outlook") == []
            assert group(told, "score") == group(encode_last(board)[0], "score")

    def test_occurrences_are_counted(self) -> None:
        shuffle = ["b0c2", "b9c7", "c2b0", "c7b9"]
        board = Board.from_moves(shuffle * 2)
        counts = [group(inputs, "counters")[0] for inputs, _ in encode(board.root(), board.move_stack)]
        assert counts == [0, 0, 0, 0, 1, 1, 1, 1, 2]


class TestCandidates:
    def test_move_and_capture_and_piece_to(self, candidates: list[Candidate]) -> None:
        for c in candidates:
            assert c.rows("move") == [Move(c.a, c.b).index]
            assert c.told("capture", 8, 90) == (c.taken, c.b)
            assert c.told("piece_to", 7, 90) == (c.mover, c.b)

    def test_context(self, candidates: list[Candidate]) -> None:
        for c in candidates:
            attacker, defended = divmod(status(c.after, c.b), 2)
            assert c.told("context", 7, 8, 5, 2, 2) == (c.mover, c.taken, attacker, defended, c.after.is_check())

    def test_shelter(self, candidates: list[Candidate]) -> None:
        for c in candidates:
            assert c.told("shelter", 7, 10, 10) == (c.mover, status(c.before, c.a), status(c.after, c.b))

    def test_exchange(self, candidates: list[Candidate]) -> None:
        for c in candidates:
            value = bisect([-4, -1, 0, 1, 3, 6], worth(c.before, c.b) - loss(c.after, c.b))
            assert c.told("exchange", 7, 7, 10) == (c.mover, value, status(c.before, c.a))

    def test_hanging(self, games: list[Board]) -> None:
        for board in games:
            lost = losses(as_seen(board), RED)[0]
            for c in candidates_of(board):
                left, enemy = losses(c.after, RED)[0], losses(c.after, BLACK)
                fork = sum(bucket >= 3 for bucket in enemy) >= 2
                assert c.told("hanging", 5, 5, 5, 2, 2) == (lost, left, enemy[0], fork, c.after.is_check())

    def test_mate(self, games: list[Board]) -> None:
        for board in games:
            seen = as_seen(board)
            threatened = not seen.is_check() and mates_in_one(seen, BLACK)
            for c in candidates_of(board):
                mates = c.after.is_checkmate()
                answer = 1 + mates_in_one(c.after, BLACK) if threatened and not mates else 0
                board.push(as_played(board, Move(c.a, c.b)))
                earlier = board.repetitions() - 1
                board.pop()
                assert c.told("mate", 3, 2, 3, 2) == (min(2, earlier), mates, answer, seen.is_check())

    def test_last(self, candidates: list[Candidate]) -> None:
        for c in candidates:
            own_from, own_to, last = last_moves(c.game)
            retakes, same = c.b == last, c.a == own_to
            flees = not retakes and reaches(c.before, last, c.a)
            flags = retakes, same, same and c.b == own_from, reaches(c.after, c.b, last), flees
            assert c.told("last", 2, 2, 2, 2, 2, 8) == (*flags, c.taken)

    def test_reach(self, candidates: list[Candidate]) -> None:
        def room(board: Board, square: Square) -> int:
            cells = board.cells.copy()
            count = sum(kernels.is_pseudo_legal(cells, RED, square, to) for to in SQUARES)
            return bisect([1, 2, 3, 4, 5, 7, 9, 12], count)

        for c in candidates:
            assert c.told("reach", 7, 9, 9) == (c.mover, room(c.before, c.a), room(c.after, c.b))

    def test_kings(self, candidates: list[Candidate]) -> None:
        for c in candidates:
            free = [free_beside_king(position, color) for color in (RED, BLACK) for position in (c.before, c.after)]
            assert c.told("kings", 5, 5, 5, 5) == tuple(free)

    def test_near(self, candidates: list[Candidate]) -> None:
        for c in candidates:
            _, _, last = last_moves(c.game)
            files, ranks = abs(c.b % 9 - last % 9), min(4, max(-4, c.b // 9 - last // 9)) + 4
            assert c.rows("near") == [1 + (c.mover * 9 + files) * 9 + ranks if last >= 0 else 0]

    def test_reply(self, candidates: list[Candidate]) -> None:
        for c in candidates:
            _, _, last = last_moves(c.game)
            took = c.game.ply > 0 and c.game.halfmove_clock == 0
            attacked, attacks = reaches(c.before, last, c.a), reaches(c.after, c.b, last)
            assert c.told("reply", 8, 2, 7, 2, 2) == (type_at(c.before, last), took, c.mover, attacked, attacks)

    def test_plan(self, candidates: list[Candidate]) -> None:
        for c in candidates:
            _, own, last = last_moves(c.game)
            piece = type_at(c.before, own) if own != last else 0
            guards = bool(piece) and reaches(c.after, c.b, own)
            assert c.told("plan", 8, 7, 2, 2) == (piece, c.mover, c.a == own, c.a != own and guards)

    def test_threat(self, games: list[Board]) -> None:
        for board in games:
            seen = as_seen(board)
            threatened = not seen.is_check() and mates_in_one(seen, BLACK)
            for c in candidates_of(board):
                threatens = not c.after.is_check() and mates_in_one(c.after, RED)
                blunders = not threatened and not c.after.is_checkmate() and mates_in_one(c.after, BLACK)
                assert c.told("threat", 2, 2, 5) == (threatens, blunders, free_beside_king(c.after, BLACK))

    def test_balance(self, games: list[Board]) -> None:
        for board in games:
            candidates = list(candidates_of(board))
            balances = [worth(c.before, c.b) - BUCKETS[losses(c.after, RED)[0]] for c in candidates]
            for c, balance in zip(candidates, balances, strict=True):
                level = bisect([-8, -3, -1, 0, 1, 3, 5], balance)
                behind = bisect([1, 2, 3, 4, 5, 7, 9], max(balances) - balance)
                assert c.told("balance", 8, 8, 2) == (level, behind, c.after.is_check())

    def test_touched(self, candidates: list[Candidate]) -> None:
        for c in candidates:
            found = []
            for square, piece in c.after.piece_map().items():
                if square != c.b and piece.type != KING:
                    was, now = status(c.before, square), status(c.after, square)
                    row = 1 + ((piece.type - 1 + 7 * piece.color) * 10 + was) * 10 + now
                    if was != now:
                        found.append((worth(c.after, square), row))
            assert c.rows("touched") == dearest(found)

    def test_eyes(self, candidates: list[Candidate]) -> None:
        for c in candidates:
            found = []
            for square, piece in c.after.piece_map().items():
                if square != c.b and piece.type != KING and reaches(c.after, c.b, square):
                    guarded, new = bool(c.after.attackers(BLACK, square)), not reaches(c.before, c.a, square)
                    row = 1 + ((c.mover * 14 + piece.type - 1 + 7 * piece.color) * 2 + guarded) * 2 + new
                    found.append((worth(c.after, square), row))
            assert c.rows("eyes") == dearest(found)

    def test_forced(self, games: list[Board]) -> None:
        """The move that begins a mate is told, and moves that allow one: all of them where one is threatened."""
        missed = found = 0
        for board in games:
            before = as_seen(board).copy(stack=False)
            line, check = before.find_mate(3), before.is_check()
            enemy = 0 if check else mate_moves(passed(before), 3)
            for c in candidates_of(board):
                begun, allowed, threat, in_check = c.told("forced", 4, 3, 4, 2)
                assert (threat, in_check) == (enemy, check)
                assert begun == ((len(line) + 1) // 2 if line and line[0] == Move(c.a, c.b) else 0)
                truth = mate_moves(c.after.copy(stack=False), 2)
                assert allowed in (truth, 0)
                assert allowed == truth or not (check or enemy)
                missed, found = missed + (allowed != truth), found + allowed
        assert missed <= found / 50

    def test_lag(self, games: list[Board]) -> None:
        """How much worse than the best each move is, once captures after it are played out."""
        for board in games:
            scores = after_each_move(as_seen(board).copy(stack=False))
            for c in candidates_of(board):
                lag = max(scores.values()) - scores[Move(c.a, c.b)]
                assert c.told("lag", 24) == (bisect(LAGS, lag),)

    def test_earlier_occurrences(self) -> None:
        shuffle, board, counts = ["b0c2", "b9c7", "c2b0", "c7b9"], Board(), []
        for iccs in 3 * shuffle:
            move = as_played(board, Move.from_iccs(iccs))
            counts += [c.told("mate", 3, 2, 3, 2)[0] for c in candidates_of(board) if Move(c.a, c.b) is move]
            board.push_iccs(iccs)
        assert counts == [0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 2]


class TestGames:
    def test_rows_stay_in_their_tables(self, games: list[Board]) -> None:
        tables = np.array([list(groups.CANDIDATE_GROUPS).index(name) for name in groups.CANDIDATE_COLUMNS])
        low = groups.CANDIDATE_OFFSETS[tables]
        high = low + [groups.CANDIDATE_GROUPS[name] for name in groups.CANDIDATE_COLUMNS]
        for board in games:
            for inputs, candidates in encode(board.root(), board.move_stack):
                assert min(inputs) >= 0 and max(inputs) < sum(groups.INPUT_GROUPS.values())
                assert (candidates >= low).all() and (candidates < high).all()

    def test_black_sees_what_red_would_see(self, games: list[Board]) -> None:
        for board in games:
            plies = encode(board.root(), board.move_stack)
            turned = encode(board.root().rotate(), [move.rotate() for move in board.move_stack])
            for (inputs, candidates), (other, others) in zip(plies, turned, strict=True):
                assert inputs == other
                assert (candidates == others).all()

    def test_a_mirror_image_differs_in_squares_only(self, games: list[Board]) -> None:
        """And in what the small network says, since that has learned each half of the board for itself."""
        for board in games:
            _, lines = encode_last(board)
            _, others = encode(board.root().mirror(), [move.mirror() for move in board.move_stack])[-1]
            same = [name not in ("move", "capture", "piece_to", "lag") for name in groups.CANDIDATE_COLUMNS]
            mirrored = {MOVES[line[0]].mirror(): line[same].tolist() for line in others}
            assert len(lines) == len(others)
            for line in lines:
                assert mirrored[MOVES[line[0]]] == line[same].tolist()

    def test_a_part_of_a_game_reads_as_in_the_whole(self, games: list[Board]) -> None:
        for board in games:
            whole = encode(board.root(), board.move_stack)
            part = encode(board.root(), board.move_stack, first=board.ply // 2)
            for (inputs, candidates), (other, others) in zip(whole[board.ply // 2 :], part, strict=True):
                assert inputs == other
                assert (candidates == others).all()
