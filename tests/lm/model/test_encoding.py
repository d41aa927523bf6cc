"""What a model is told about a game, with all feature groups and with some of them."""

from __future__ import annotations

from itertools import accumulate, pairwise

import numpy as np
import pytest

from lm.ladder import RUNGS
from lm.model.encoding import Encoder, Features, GameMoves
from lm.model.groups import CANDIDATE_COLUMNS, CANDIDATE_GROUPS, INPUT_GROUPS, NO_MOVE
from lm.model.pretrained_config import XiangqiConfig
from small import random_game
from xiangqi import BLACK, NULL_MOVE, RED, Board, Move

Row = tuple[str, int]
"""A feature group, and a row of its block."""

INPUTS, CANDIDATES = tuple(INPUT_GROUPS), tuple(CANDIDATE_GROUPS)
FEN = "3k5/9/9/r3P4/9/9/6C2/R8/9/4K4 b - - 30 40"
"""A position that is not its own mirror image, with Black to move."""

SUBSETS = {
    **{name: (rung.inputs, rung.candidates) for name, rung in RUNGS.items() if rung.tokens == "move"},
    **{f"without {name}": (tuple(x for x in INPUTS if x != name), CANDIDATES) for name in INPUTS},
    **{f"{name} alone": ((name,), ("move",)) for name in INPUTS},
    **{f"without {name}": (INPUTS, tuple(x for x in CANDIDATES if x != name)) for name in CANDIDATES[1:]},
    **{f"move and {name}": (("board",), ("move", name)) for name in CANDIDATES[1:]},
}


def games() -> list[GameMoves]:
    """Games of several lengths, one from a set-up position, one of which the first plies are known already."""
    boards = [random_game(1, 7), Board(), Board.from_moves("d9d8 a2a6", FEN)]
    return [*map(GameMoves.of, boards), GameMoves.of(random_game(4, 40), first=35)]


def encoder(inputs: tuple[str, ...] = INPUTS, candidates: tuple[str, ...] = CANDIDATES) -> Encoder:
    return Encoder(inputs, candidates)


def starts(groups: dict[str, int], chosen: tuple[str, ...]) -> dict[str, int]:
    """Where the blocks of some groups start in a table that has only those, one after another."""
    names = [name for name in groups if name in chosen]
    return dict(zip(names, accumulate((groups[name] for name in names), initial=0), strict=False))


def inputs_of(features: Features, chosen: tuple[str, ...]) -> list[list[Row]]:
    """The input features of each ply, by name of the group and row within it."""
    blocks = starts(INPUT_GROUPS, chosen)

    def named(row: int) -> Row:
        name = max((start, name) for name, start in blocks.items() if start <= row)[1]
        assert row - blocks[name] < INPUT_GROUPS[name]
        return name, row - blocks[name]

    return [
        [named(row) for row in features.inputs[a:b].tolist()] for a, b in pairwise([0, *features.input_ends.tolist()])
    ]


def candidates_of(features: Features, chosen: tuple[str, ...]) -> list[list[list[Row]]]:
    """What is told of each legal move of each ply, by name of the group and row within it; moves have a table apart."""
    blocks = {"move": 0} | starts({name: CANDIDATE_GROUPS[name] for name in CANDIDATES[1:]}, chosen)
    columns = [name for name in CANDIDATE_COLUMNS if name in chosen]
    assert features.candidates.shape[1] == len(columns)
    told = [
        [(name, row - blocks[name]) for name, row in zip(columns, line, strict=True)]
        for line in features.candidates.tolist()
    ]
    assert all(0 <= row < CANDIDATE_GROUPS[name] for line in told for name, row in line)
    return [told[a:b] for a, b in pairwise([0, *features.candidate_ends.tolist()])]


@pytest.fixture(scope="module")
def whole() -> tuple[list[list[Row]], list[list[list[Row]]]]:
    """What is told of the games with all groups."""
    features = encoder()(games())
    return inputs_of(features, INPUTS), candidates_of(features, CANDIDATES)


class TestSubsets:
    """A model with fewer feature groups is told the same about each ply and each move, and no more."""

    @pytest.mark.parametrize(("inputs", "candidates"), SUBSETS.values(), ids=SUBSETS)
    def test_the_rows_of_the_chosen_groups_are_those_of_the_full_set(
        self,
        whole: tuple[list[list[Row]], list[list[list[Row]]]],
        inputs: tuple[str, ...],
        candidates: tuple[str, ...],
    ) -> None:
        features = encoder(inputs, candidates)(games())
        assert inputs_of(features, inputs) == [[row for row in ply if row[0] in inputs] for ply in whole[0]]
        assert candidates_of(features, candidates) == [
            [[row for row in move if row[0] in candidates] for move in ply] for ply in whole[1]
        ]
        config = XiangqiConfig(input_groups=inputs, candidate_groups=candidates)
        assert features.inputs.max() < config.input_rows
        contexts = config.candidate_rows - CANDIDATE_GROUPS["move"]
        assert features.candidates[:, 1:].max(initial=-1) < contexts

    def test_the_order_in_which_groups_are_named_does_not_matter(self) -> None:
        inputs, candidates = ("move", "board", "own_moves"), ("move", "capture", "context", "near")
        one, other = encoder(inputs, candidates)(games()), encoder(inputs[::-1], candidates[::-1])(games())
        np.testing.assert_array_equal(one.inputs, other.inputs)
        np.testing.assert_array_equal(one.candidates, other.candidates)

    def test_no_input_groups_leave_each_ply_without_rows(self) -> None:
        features = encoder(())(games())
        assert len(features.inputs) == 0
        assert set(features.input_ends.tolist()) == {0}


class TestAgainstTheBoard:
    """With some groups, what is told is what the board itself says."""

    INPUTS = ("move", "board", "own_moves", "enemy_moves")
    CANDIDATES = ("move", "capture", "piece_to")

    @staticmethod
    def positions(line: GameMoves, board: Board) -> list[Board]:
        """The positions of a game from ``line.first`` on, as their movers see them: always Red's."""
        shown, position = [], board.root()
        for move in [None, *board.move_stack]:
            if move is not None:
                position.push(move)
            shown.append(position.copy() if position.turn == RED else position.rotate())
        return shown[line.first :]

    @pytest.mark.parametrize(
        ("board", "first"),
        [(random_game(5, 12), 0), (random_game(6, 33), 30), (Board.from_moves("d9d8 a2a6 d8d7", FEN), 0)],
    )
    def test_moves_pieces_and_captures(self, board: Board, first: int) -> None:
        line = GameMoves.of(board, first)
        features = encoder(self.INPUTS, self.CANDIDATES)([line])
        told, moves = inputs_of(features, self.INPUTS), candidates_of(features, self.CANDIDATES)
        seen = self.positions(line, board)
        for ply, position in enumerate(seen, first):
            last = board.move_stack[ply - 1] if ply else None
            if last is not None and features.turns[ply - first] == BLACK:
                last = last.rotate()
            own, enemy = position.copy(stack=False), position.copy(stack=False)
            enemy.turn = BLACK
            expected = [("move", NO_MOVE if last is None else last.index)]
            for square, piece in position.piece_map().items():
                expected.append(("board", (piece.type - 1 + 7 * piece.color) * 90 + square))
            for name, side in (("own_moves", own), ("enemy_moves", enemy)):
                for move in side.legal_moves:
                    expected.append((name, move.index))
                    if taken := side.piece_at(move.to_square):
                        expected.append((name, 2086 + (taken.type - 1) * 90 + move.to_square))
            assert sorted(told[ply - first]) == sorted(expected)
            lines = []
            for move in own.legal_moves:
                piece, taken = own.piece_at(move.from_square), own.piece_at(move.to_square)
                assert piece is not None
                capture = (taken.type if taken else 0) * 90 + move.to_square
                lines.append(
                    [("move", move.index), ("capture", capture), ("piece_to", (piece.type - 1) * 90 + move.to_square)]
                )
            assert sorted(moves[ply - first]) == sorted(lines)

    @pytest.mark.parametrize("candidates", [("move",), ("move", "near"), CANDIDATES])
    def test_moves_are_named_as_played_and_found_again(self, candidates: tuple[str, ...]) -> None:
        boards = [random_game(7, 21), Board.from_moves("d9d8 a2a6 d8d7", FEN), random_game(8, 12)]
        features = encoder(("board",), candidates)([GameMoves.of(board) for board in boards])
        ply, played = 0, []
        for board in boards:
            position = board.root()
            for move in [*board.move_stack, None]:
                assert sorted(features.moves(ply)) == sorted(x.index for x in position.legal_moves)
                assert features.turns[ply] == position.turn
                played.append(move.index if move else -1)
                ply += 1
                if move:
                    position.push(move)
        labels = features.labels(np.array(played))
        for at, (label, number) in enumerate(zip(labels.tolist(), played, strict=True)):
            assert features.moves(at)[label] == number if number >= 0 else label == -100


class TestPasses:
    """A game with passes is read from behind the last of them: what is told of it is what follows."""

    def test_the_moves_behind_the_last_pass_are_read(self) -> None:
        board = Board.from_moves("h2e2 h9g7")
        board.push(NULL_MOVE)
        board.push_iccs("b9c7")
        board.push(NULL_MOVE)
        passed = board.copy()
        for iccs in ("i9h9", "h0g2", "h9h8"):
            board.push_iccs(iccs)
        line = GameMoves.of(board)
        assert line.moves.tolist() == [Move.from_iccs(iccs).index for iccs in ("i9h9", "h0g2", "h9h8")]
        assert line.cells.tolist() == passed.cells.tolist()
        assert (line.turn, line.clock) == (passed.turn, passed.halfmove_clock) == (BLACK, 5)
        assert sorted(encoder()([line]).moves(3).tolist()) == sorted(board.legal_move_indices().tolist())

    def test_right_behind_a_pass_the_position_is_all(self) -> None:
        board = Board.from_moves("h2e2")
        board.push(NULL_MOVE)
        line = GameMoves.of(board)
        assert (line.moves.tolist(), line.turn, line.clock) == ([], RED, 2)
        assert line.cells.tolist() == board.cells.tolist()

    def test_without_a_pass_the_whole_game_is_read_and_the_board_left_alone(self) -> None:
        board = random_game(9, 40)
        before = board.copy()
        line = GameMoves.of(board)
        assert line.moves.tolist() == [move.index for move in board.move_stack]
        assert (line.cells.tolist(), line.turn, line.clock) == (Board().cells.tolist(), RED, 0)
        assert board == before and board.move_stack == before.move_stack


class TestMirror:
    """The mirror image of a game is the game with left and right exchanged, wherever it starts."""

    @pytest.mark.parametrize("first", [0, 2])
    @pytest.mark.parametrize("board", [random_game(3, 12), Board(FEN), Board.from_moves("d9d8 a2a6 d8d7", FEN)])
    def test_it_is_read_as_the_mirrored_game_is(self, board: Board, first: int) -> None:
        image = Board.from_moves([move.mirror() for move in board.move_stack], board.root().mirror().fen())
        first = min(first, board.ply)
        mirrored, line = GameMoves.of(board, first).mirror(), GameMoves.of(image, first)
        assert mirrored.moves.tolist() == line.moves.tolist()
        assert mirrored.cells.tolist() == line.cells.tolist()
        assert (mirrored.turn, mirrored.clock, mirrored.first) == (line.turn, line.clock, line.first)
        one, other = encoder()([mirrored]), encoder()([line])
        np.testing.assert_array_equal(one.inputs, other.inputs)
        np.testing.assert_array_equal(one.candidates, other.candidates)

    def test_a_position_that_is_not_its_own_image_changes_cells(self) -> None:
        line = GameMoves.of(Board(FEN))
        assert line.mirror().cells.tolist() != line.cells.tolist()
        assert line.mirror().mirror().cells.tolist() == line.cells.tolist()
