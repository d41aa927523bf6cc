from __future__ import annotations

import numpy as np

from lm.dataset.shards import Shard
from lm.measure.novelty import keys_of, read_positions
from lm.model.encoding import GameMoves
from small import random_game
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


def test_training_games_are_known_and_held_out_ones_are_mostly_new(shard: Shard) -> None:
    known = read_positions([shard])
    trained = keys_of([shard.line(game) for game in shard.games("train").tolist()])
    assert np.isin(trained, known).all()
    held_out = keys_of([shard.line(game) for game in shard.games("test").tolist()])
    new = ~np.isin(held_out, known)
    assert not new[0]  # the initial position
    assert new.mean() > 0.5
