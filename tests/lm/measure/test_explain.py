from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from lm import UserError
from lm.measure.explain import TOLERANCE, _Score, explain
from lm.measure.pieces import EXPLAINED, rows_of_pieces
from lm.model.encoding import Encoder, GameMoves
from lm.model.groups import INPUT_GROUPS
from lm.model.loading import network_of
from lm.model.model import XiangqiLM
from lm.model.prompts import Voice
from lm.players.evaluation import recent
from lm.players.policy import Evaluator
from small import random_game, small_model
from xiangqi import BLACK, Board, IllegalMoveError, Move, parse_square

POSITIONS = [Board(), random_game(1, 30), random_game(2, 45), random_game(3, 61)]
START = Board().fen()


class TestCompleteness:
    @pytest.mark.parametrize("board", POSITIONS, ids=lambda board: f"ply{board.ply}")
    def test_the_shares_add_up_to_the_difference(self, model: XiangqiLM, board: Board) -> None:
        for move in board.legal_moves[:3]:
            found = explain(model, board, move)
            total = sum(share.value for share in found.shares)
            assert abs(total - found.difference) <= TOLERANCE * abs(found.difference)
            assert found.error <= TOLERANCE
            for share in found.shares:
                assert sum(share.parts.values()) == pytest.approx(share.value, abs=1e-6)

    def test_the_difference_is_that_of_the_scores(self, model: XiangqiLM, monkeypatch: pytest.MonkeyPatch) -> None:
        # The same model, but rows that speak of pieces are zero; a board without history has no ply but the last.
        monkeypatch.setattr(GameMoves, "with_past", lambda self: self)
        alone = random_game(2, 45).copy(stack=False)
        move = alone.legal_moves[0]
        bare = small_model()
        at = 0
        with torch.no_grad():
            for name, size in INPUT_GROUPS.items():
                if name in EXPLAINED:
                    bare.table.weight[at : at + size] = 0
                at += size
        expected = []
        for which in (model, bare):
            thought = Evaluator(network_of(which))([alone])[0]
            expected.append(thought.scores[thought.moves.index(move)] - thought.scores.mean())
        assert explain(model, alone, move).difference == pytest.approx(expected[0] - expected[1], abs=1e-4)

    def test_a_model_in_half_precision(self, model_folder: Path, model: XiangqiLM) -> None:
        half = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.bfloat16)
        board = random_game(2, 45)
        move = board.legal_moves[0]
        assert explain(half, board, move).difference == pytest.approx(explain(model, board, move).difference, abs=0.1)

    def test_history_and_voice_matter(self, model: XiangqiLM) -> None:
        board = random_game(2, 45)
        move = board.legal_moves[0]
        found = {explain(model, board, move, voice).difference for voice in Voice}
        found.add(explain(model, board.copy(stack=False), move).difference)
        assert len(found) == 3

    def test_the_score_is_the_players_also_after_a_long_history(self, model: XiangqiLM) -> None:
        # With all rows of pieces at zero the score says nothing of the board; with them it is what the player sees.
        for plies in (1, 45, 200):
            board = random_game(2, plies)
            line = GameMoves.of(recent(board, 80) if plies == 200 else board)
            for move in board.legal_moves[:2]:
                score = _Score(model, line, move, Voice.HUMAN)
                rows = score.take(np.arange(5))
                thought = Evaluator(network_of(model))([board])[0]
                expected = thought.scores[thought.moves.index(move)] - thought.scores.mean()
                assert score(rows.unsqueeze(0)).tolist() == pytest.approx([expected], abs=1e-4)
                assert explain(model, board, move).error <= TOLERANCE


class TestShares:
    def test_one_for_each_piece_the_weightiest_first(self, model: XiangqiLM) -> None:
        for board in POSITIONS:
            shares = explain(model, board, board.legal_moves[0]).shares
            assert {share.square: share.piece for share in shares} == board.piece_map()
            weights = [abs(share.value) for share in shares]
            assert weights == sorted(weights, reverse=True)

    def test_a_piece_gets_what_its_rows_say(self) -> None:
        # A model in which nothing but one row matters: the red cannon on h2.
        model = small_model(input_groups=("board", "status"))
        with torch.no_grad():
            keep = model.table.weight[(6 - 1) * 90 + parse_square("h2")].clone()
            model.table.weight.zero_()
            model.table.weight[(6 - 1) * 90 + parse_square("h2")] = keep
        found = explain(model, Board(), Move.from_iccs("h2e2"))
        assert found.shares[0].square == parse_square("h2")
        assert found.shares[0].value == pytest.approx(found.difference, rel=TOLERANCE)
        assert found.shares[0].parts["board"] == found.shares[0].value
        assert all(share.value == 0 for share in found.shares[1:])

    def test_turning_the_board_turns_the_shares(self, model: XiangqiLM) -> None:
        board = random_game(2, 44).copy(stack=False)
        turned = board.rotate()
        assert turned.turn == BLACK
        move = board.legal_moves[3]
        found, mirrored = explain(model, board, move), explain(model, turned, move.rotate())
        assert found.difference == pytest.approx(mirrored.difference, abs=1e-5)
        values = {share.square: share.value for share in mirrored.shares}
        for share in found.shares:
            assert share.value == pytest.approx(values[89 - share.square], abs=1e-5)

    @pytest.mark.parametrize("board", POSITIONS, ids=lambda board: f"ply{board.ply}")
    def test_rows_belong_to_the_pieces_they_speak_of(self, model: XiangqiLM, board: Board) -> None:
        features = Encoder(model.config.input_groups, model.config.candidate_groups)(
            [GameMoves.of(board, first=board.ply)]
        )
        owners, groups = rows_of_pieces(features, model.config.input_groups, board)
        men = board.piece_map()
        for group in (0, 1):  # board, status: one row a piece
            assert sorted(owners[groups == group]) == sorted(men)
        assert set(owners) - {-1} == set(men)
        captures = sum(board.is_capture(move) for move in board.legal_moves)
        mine = owners[groups == 2]
        assert len(mine) == len(board.legal_moves) + captures
        expected = [m.from_square for m in board.legal_moves for _ in range(1 + board.is_capture(m))]
        assert sorted(mine) == sorted(expected)
        assert {men[square].color for square in owners[groups == 3].tolist()} <= {1 - board.turn}


class TestMistakes:
    def test_an_illegal_move(self, model: XiangqiLM) -> None:
        with pytest.raises(IllegalMoveError):
            explain(model, Board(), Move.from_iccs("a0a9"))

    def test_a_model_without_a_board(self) -> None:
        with pytest.raises(UserError, match="nothing to explain"):
            explain(small_model(input_groups=("move", "counters")), Board(), Move.from_iccs("h2e2"))

    def test_without_captum(self, model: XiangqiLM, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "captum", None)
        with pytest.raises(UserError, match=r"this needs captum: .+ -m pip install .+\[report\]"):
            explain(model, Board(), Move.from_iccs("h2e2"))


class TestPicture:
    def test_marks_and_arrow(self, model: XiangqiLM) -> None:
        picture = explain(model, random_game(1, 30), random_game(1, 30).legal_moves[0]).svg(labels=3, size=300)
        tree = ElementTree.fromstring(picture)
        kinds = [element.get("class") for element in tree.iter()]
        assert kinds.count("arrow") == 1
        assert 3 <= kinds.count("mark") <= 32
        texts = [element.text for element in tree.iter() if element.tag.endswith("text")]
        assert sum(text is not None and text[0] in "+-" for text in texts) == 3


class TestCommand:
    def test_picture_and_list(self, xqlm, model_folder: Path, tmp_path: Path) -> None:
        out = tmp_path / "why.svg"
        code, text, err = xqlm("explain", START, "炮二平五", "--out", out, "--model", model_folder)
        assert (code, err) == (0, f"picture written to {out}\n")
        lines = text.splitlines()
        assert lines[0].startswith("炮二平五 (h2e2): the pieces together account for ")
        values = [float(line.split()[2]) for line in lines[1:]]
        assert len(values) == 32
        difference = float(lines[0].split()[-2])
        assert np.sum(values) == pytest.approx(difference, abs=0.03)
        assert out.read_text().startswith("<svg ")
        assert [path.name for path in tmp_path.iterdir()] == ["why.svg"]

    @pytest.mark.parametrize(
        ("words", "reason"),
        [
            (["rubbish", "h2e2"], "rubbish"),
            ([START, "a0a9"], "a0a9"),
            ([START, "hello"], "not a move: 'hello'"),
            ([START, "h2e2", "--voice", "god"], "--voice must be one of human, engine: 'god'"),
            ([START, "h2e2", "--model", "/nowhere"], "no model in /nowhere"),
            ([START, "h2e2", "--out", "/nowhere/x.svg"], "/nowhere"),
        ],
    )
    def test_mistakes(self, xqlm, model_folder: Path, words: list[str], reason: str) -> None:
        model = [] if "--model" in words else ["--model", model_folder]
        code, _, err = xqlm("explain", *words, *model)
        assert (code, err.count("\n")) == (2, 1)
        assert reason in err
