from __future__ import annotations

from pathlib import Path

import pytest

from lm import UserError
from lm.players.careful import CarefulPlayer
from lm.players.specs import load_player
from xiangqi import Board, Move


def player(model_folder: Path, **options: object) -> CarefulPlayer:
    return CarefulPlayer(model=model_folder, symmetries=1, **options)


class TestCare:
    def test_with_care_it_takes_what_hangs_and_hangs_nothing(self, model_folder: Path) -> None:
        """The model is untrained: what is good about its moves is tactics."""
        board = Board.from_moves("h2e2 h9g7 e2e6")  # a cannon took a pawn, unprotected
        careful = player(model_folder, depth=2, care=50, temperature=0)
        assert careful.choose([board])[0].move is Move.from_iccs("g7e6")

    def test_without_care_it_is_the_language_model(self, model_folder: Path) -> None:
        boards = [Board(), Board.from_moves("h2e2 h9g7 e2e6")]
        careless = player(model_folder, care=0, temperature=0).choose(boards)
        plain = load_player(f"lm:model={model_folder},temperature=0,symmetries=1").choose(boards)
        assert [choice.move for choice in careless] == [choice.move for choice in plain]

    def test_small_losses_are_overlooked_more_often_than_large_ones(self, model_folder: Path) -> None:
        board = Board.from_moves("h2e2 h9g7 e2e6")
        careful = player(model_folder, depth=1, care=0.3, temperature=1, top_p=1.0, seed=1)
        moves = board.legal_moves
        losses = dict(zip(moves, careful.losses(board, moves).tolist(), strict=True))
        assert min(losses.values()) == 0
        drawn = [losses[choice.move] for choice in careful.choose([board] * 300) if choice.move]
        best = sum(loss < 1 for loss in drawn) / sum(loss < 1 for loss in losses.values())
        worst = sum(loss > 3 for loss in drawn) / sum(loss > 3 for loss in losses.values())
        assert best > 1.2 * worst > 0

    def test_a_mate_is_seen(self, model_folder: Path) -> None:
        board = Board("3k5/9/4R4/9/9/9/9/9/4R4/5K3 w")
        careful = player(model_folder, depth=1, care=50, temperature=0)
        (choice,) = careful.choose([board])
        board.push(choice.move)
        assert board.is_checkmate()

    @pytest.mark.parametrize(
        ("spec", "reason"),
        [("careful:0", "depth must be at least 1"), ("careful:care=-1", "care"), ("careful:many", "depth is a whole")],
    )
    def test_wrong_settings_are_named(self, spec: str, reason: str) -> None:
        with pytest.raises(UserError, match=reason):
            load_player(spec)
