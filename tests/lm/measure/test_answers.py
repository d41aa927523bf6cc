"""Players of any kind measured by their answers."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lm.dataset.records import Record
from lm.measure.answers import SCHEMA, Question, measure, questions_of
from lm.players.player import Choice, Player, PlayerError
from xiangqi import MOVES, Board, Move

RECORDS = [
    Record(np.array([MOVES.index(move) for move in Board.from_moves(moves).move_stack], np.int16))
    for moves in ("h2e2 h9g7 h0g2 i9h9", "b2e2 b9c7 b0c2 a9b9", "c3c4 g6g5 b0c2 h9g7")
]


class Even(Player):
    """Knows the legal moves, all alike."""

    name = "even"

    def choose(self, boards, limits=None):
        found = []
        for board in boards:
            moves = board.legal_moves
            found.append(Choice(moves[-1], candidates=tuple((move, 1 / len(moves)) for move in moves)))
        return found


class Engine(Player):
    """Names the move that it is told for a position, without probabilities, and fails elsewhere."""

    name, one_game = "engine", True

    def __init__(self, moves: dict[str, Move], failure="illegal move") -> None:
        self.moves, self.failure = moves, failure

    def choose(self, boards, limits=None):
        try:
            return [Choice(self.moves[board.fen()]) for board in boards]
        except KeyError:
            raise PlayerError("a0a9 is not legal", self.failure) from None


def test_questions_are_of_as_many_games_as_can_be() -> None:
    found = questions_of(RECORDS, 6)
    assert [question.group for question in found] == [0, 0, 1, 1, 2, 2]
    assert all(question.answer in question.board.legal_moves for question in found)
    assert found == found and len(questions_of(RECORDS, 2)) == 2
    played = {(q.board.fen(), q.answer.iccs) for q in questions_of(RECORDS, 100)}
    assert (Board().fen(), "h2e2") in played and len(played) == 12


def test_probabilities_give_the_nll() -> None:
    questions = [Question(Board(), Board().legal_moves[0], 0), Question(Board(), Board().legal_moves[1], 1)]
    card = measure(Even(), questions)
    assert card.schema == SCHEMA
    assert card.nll == pytest.approx(math.log(44))
    assert (card.top1, card.legal, card.puzzles, card.solved) == (0.5, None, 0, None)
    low, high = card.interval["top1"]
    assert low < 0.5 < high


def test_an_engine_answers_by_its_move() -> None:
    questions = questions_of(RECORDS, 6)
    right = {question.board.fen(): question.answer for question in questions}
    card = measure(Engine(right), questions)
    assert (card.top1, card.nll, card.legal) == (1.0, None, 1.0)
    right.popitem()
    card = measure(Engine(right), questions)
    assert card.top1 == card.legal == pytest.approx(5 / 6)


def test_an_engine_that_dies_is_no_answer() -> None:
    with pytest.raises(PlayerError):
        measure(Engine({}, "crash"), questions_of(RECORDS, 2))


def test_any_solution_of_a_puzzle_counts() -> None:
    first, second, *_ = Board().legal_moves
    puzzles = [Question(Board(), first, 5), Question(Board(), second, 5), Question(Board.from_moves("h2e2"), first, 9)]
    player = Engine({Board().fen(): second, Board.from_moves("h2e2").fen(): second})
    card = measure(player, questions_of(RECORDS, 1), puzzles)
    assert (card.puzzles, card.solved) == (2, 0.5)
