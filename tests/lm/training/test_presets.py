from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from lm import UserError
from lm.training import run
from lm.training.presets import CONFIG, PRESETS, RECIPE, SIZES, Preset, find_preset, read_settings


class TestWarmUp:
    def test_a_short_run_reaches_its_peak(self) -> None:
        short = replace(PRESETS["small"], plies=20 * 2048).fitted()
        rates = [short.rate(step) for step in range(short.steps)]
        assert rates[:2] == [0.5, 1.0]
        assert max(rates) == 1.0
        assert rates[-1] < 0.2

    def test_a_long_run_keeps_its_warm_up(self) -> None:
        assert PRESETS["small"].fitted() == PRESETS["small"]

    def test_none(self) -> None:
        assert replace(PRESETS["small"], warmup=0).rate(0) == 1.0


class TestSettings:
    def test_every_setting_of_a_preset_has_a_name(self) -> None:
        assert {*RECIPE, *SIZES} == asdict(PRESETS["small"]).keys() - {"average"}

    def test_they_change_the_preset(self) -> None:
        given = read_settings(["batch_plies=64", "warmup=0", "decay=0.25", "learning_rate=1e-4", "n_embd=64"])
        assert find_preset("tiny", given) == replace(
            PRESETS["tiny"], batch_plies=64, warmup=0, decay=0.25, learning_rate=1e-4, n_embd=64
        )

    def test_they_go_before_what_an_average_changes(self) -> None:
        changed = find_preset("small", {"weight_decay": 0.7}, average=True)
        assert (changed.decay, changed.weight_decay) == (0.0, 0.7)

    @pytest.mark.parametrize(
        ("texts", "told"),
        [
            (["width=64"], f"no setting 'width': choose from {', '.join([*RECIPE, *SIZES, *CONFIG])}"),
            (["warmup"], "--set warmup: expected NAME=VALUE"),
            (["warmup=ten"], "--set warmup=ten: warmup must be a whole number from 0 on"),
            (["n_layer=0"], "n_layer must be a whole number from 1 on"),
            (["decay=2"], "decay must be a share from 0 to 1"),
            (["learning_rate=nan"], "learning_rate must be a number above 0"),
            (["n_layer=1", "n_layer=2"], "--set n_layer=2: n_layer is given twice"),
            (["input_groups=moves"], "input_groups must be feature groups, of move, counters"),
            (["candidate_groups=capture"], "candidate_groups must be feature groups with move, of move, capture"),
        ],
    )
    def test_a_wrong_one(self, texts: list[str], told: str) -> None:
        with pytest.raises(UserError) as error:
            read_settings(texts)
        assert told in str(error.value)
        assert "\n" not in str(error.value)

    def test_a_width_that_the_heads_cannot_share(self) -> None:
        with pytest.raises(UserError, match="n_embd 100 is no multiple of n_head 8"):
            find_preset("base", {"n_embd": 100})


class TestCommandLine:
    @pytest.fixture
    def asked(self, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Preset, dict[str, Any]]]:
        """What the command asks of training, which does not take place."""
        found: list[tuple[Preset, dict[str, Any]]] = []

        def train(shards: object, out: Path, preset: Preset, **options: Any) -> Path:
            found.append((preset, options["config_changes"]))
            return out

        monkeypatch.setattr("lm.training.memory.keep_memory", lambda: None)
        monkeypatch.setattr(run, "train", train)
        return found

    def test_settings_reach_the_run(
        self, xqlm: Callable[..., Any], asked: list[tuple[Preset, dict[str, Any]]], shard_folder: Path
    ) -> None:
        code, _, _ = xqlm(
            "train", shard_folder, "--preset", "tiny", "--plies", 5000, "--set", "warmup=7", "--set", "n_query=16"
        )
        assert code == 0
        assert asked == [(replace(PRESETS["tiny"], plies=5000, warmup=7), {"n_query": 16})]

    @pytest.mark.parametrize(
        ("words", "told"),
        [
            (["--plies", "5000", "--set", "plies=6000"], "plies is given twice, by --plies and by --set"),
            (["--init-from", "START", "--set", "n_layer=3"], "n_layer: a model that is trained further keeps its size"),
            (["--tokens", "char", "--set", "n_query=3"], "n_query: a model that reads characters has no such setting"),
            (["--init-from", "nowhere"], "no model in nowhere: there is no such folder"),
            (["--init-from", "nowhere", "--tokens", "char"], "no model in nowhere: there is no such folder"),
            (["--init-from", "RUN"], "no model in RUN: there is one in RUN/model"),
        ],
    )
    def test_what_does_not_fit_is_one_line(
        self,
        xqlm: Callable[..., Any],
        asked: list[object],
        model_folder: Path,
        tmp_path: Path,
        words: list[str],
        told: str,
    ) -> None:
        """And is told before games are read: there are none in the file that is named."""
        (tmp_path / "model").symlink_to(model_folder)
        places = {"START": str(model_folder), "RUN": str(tmp_path)}
        code, _, err = xqlm("train", "no.pgn", *(places.get(word, word) for word in words))
        assert (code, asked) == (2, [])
        assert err.startswith("xqlm: ")
        assert err.count("\n") == 1
        assert told.replace("RUN", str(tmp_path)) in err
