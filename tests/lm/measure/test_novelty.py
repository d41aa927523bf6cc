from __future__ import annotations

import numpy as np

from lm.dataset.positions import keys_of
from lm.dataset.shards import Shard
from lm.measure.evaluate import evaluate
from lm.measure.novelty import is_new, read_positions
from lm.model.encoding import GameMoves
from small import random_game, small_model
from xiangqi import Board


def test_a_key_is_that_of_the_position_or_of_its_mirror_image() -> None:
    board = random_game(3, 80)
    (keys,) = [keys_of([GameMoves.of(board)])]
    replayed = board.root()
    for key, move in zip(keys.tolist(), [*board.move_stack, None], strict=True):
        assert key == min(replayed.key, replayed.mirror().key)
        if move is not None:
            replayed.push(move)


def test_a_game_from_a_position_of_black() -> None:
    board = Board("3k5/9/9/9/9/9/9/9/9/R3K4 b - - 4 30")
    assert keys_of([GameMoves.of(board)]).tolist() == [min(board.key, board.mirror().key)]


def test_positions_of_an_evaluation_are_looked_up_by_game_and_ply() -> None:
    known = keys_of([GameMoves.of(Board.from_moves("h2e2 h9g7"))])
    games = [GameMoves.of(Board.from_moves(moves)) for moves in ("h2e2 h9g7 h0g2", "b2e2")]
    found = evaluate(small_model(), games, [0, 0])
    assert is_new(found, games, known).tolist() == [False, False, False, True, False, False]


def test_training_games_are_known_and_held_out_ones_are_mostly_new(shard: Shard) -> None:
    known = read_positions([shard])
    trained = keys_of([shard.game_moves(game) for game in shard.games("train").tolist()])
    assert np.isin(trained, known).all()
    held_out = keys_of([shard.game_moves(game) for game in shard.games("test").tolist()])
    new = ~np.isin(held_out, known)
    assert not new[0]  # the initial position
    assert new.mean() > 0.5
