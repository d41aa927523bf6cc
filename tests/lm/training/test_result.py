"""What a run makes of its result beside the weights."""

from __future__ import annotations

import json
import random
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from lm import UserError, data_path
from lm.measure.evaluate import evaluate
from lm.model.encoding import GameMoves
from lm.training.result import LEAST_TEMPERED, Metrics, Source, best_slope, card, temper
from small import small_model
from xiangqi import Board


def games(number: int) -> tuple[list[GameMoves], list[int]]:
    """Short random games whose results have nothing to do with their moves."""
    rng = random.Random(1)
    lines = []
    for _ in range(number):
        board = Board()
        for _ in range(6):
            board.push(rng.choice(board.legal_moves))
        lines.append(GameMoves.of(board))
    return lines, [rng.randrange(3) for _ in lines]


class TestTemper:
    def test_a_head_that_is_too_sure_is_made_less_so(self) -> None:
        model = small_model()
        lines, results = games(LEAST_TEMPERED)
        before = np.log(evaluate(model, lines, results).forecast)
        slope = temper(model, (lines, results))
        assert slope < 0.9
        after = np.log(evaluate(model, lines, results).forecast)
        # Logits are known up to a constant of each position.
        differences = [x[:, :2] - x[:, 2:] for x in (before, after)]
        assert differences[1] == pytest.approx(slope * differences[0], abs=0.05)

    def test_a_few_games_say_nothing(self) -> None:
        model = small_model()
        untouched = [parameter.clone() for parameter in model.value_parameters()]
        assert temper(model, games(LEAST_TEMPERED - 1)) == 1.0
        assert all((a == b).all() for a, b in zip(untouched, model.value_parameters(), strict=True))

    @pytest.mark.parametrize("truth", [0.5, 1.0, 2.0])
    def test_the_slope_is_the_one_that_made_the_outcomes(self, truth: float) -> None:
        rng = np.random.default_rng(1)
        logits = rng.normal(size=(20_000, 3))
        chances = np.exp(truth * logits)
        chances /= chances.sum(1, keepdims=True)
        outcomes = (rng.random((len(logits), 1)) > chances.cumsum(1)).sum(1).astype(np.int8)
        assert best_slope(logits, outcomes) == pytest.approx(truth, rel=0.1)


class TestCard:
    @pytest.fixture
    def metrics(self) -> Metrics:
        return Metrics.read(data_path("model") / "metrics.json")

    def test_the_shipped_one_says_what_the_figures_are(self, metrics: Metrics) -> None:
        assert card(metrics) == (data_path("model") / "README.md").read_text("utf-8")

    def test_it_does_not_vouch_for_what_it_started_from(self, metrics: Metrics) -> None:
        assert "is not known: it may have read these" in card(replace(metrics, start_is_known=False))
        assert "is not known: it may have read these" not in card(replace(metrics, start_is_known=True))

    def test_without_held_out_games(self, metrics: Metrics) -> None:
        assert "None: all games of the test split were read in training" in card(replace(metrics, test={}))

    def test_a_model_without_a_value_has_no_figures_of_one(self, metrics: Metrics) -> None:
        blind = {voice: replace(found, value_brier=None, value_ece=None) for voice, found in metrics.test.items()}
        rows = [line for line in card(replace(metrics, test=blind)).splitlines() if line.startswith("| human |")]
        assert [row.endswith(" | – | – |") for row in rows] == [True]

    def test_names_stand_as_they_are(self, metrics: Metrics) -> None:
        sources = {"a<b & 象棋": Source(1234, "not stated")}
        assert "| a<b & 象棋 | 1,234 | not stated |\n" in card(replace(metrics, sources=sources))


class TestMetrics:
    def test_what_is_read_is_what_was_written(self) -> None:
        file = data_path("model") / "metrics.json"
        assert asdict(Metrics.read(file)) == json.loads(file.read_text("utf-8"))

    @pytest.mark.parametrize("text", ["{", "[]", "{}", '{"before": {"plies": 1}}'])
    def test_other_files(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "metrics.json").write_text(text)
        with pytest.raises(UserError, match=r"metrics\.json: not the metrics of a run: "):
            Metrics.read(tmp_path / "metrics.json")
        with pytest.raises(UserError, match=r"none\.json: not the metrics of a run: "):
            Metrics.read(tmp_path / "none.json")
