from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lm import UserError
from lm.dataset.shards import Shard, build
from lm.matches.exploring import Exploration, Plan, play_to_file
from lm.matches.labels import judge
from lm.matches.workers import Crew, Processes
from lm.players.search_player import Search
from lm.players.specs import Spec
from xiangqi import Board, load

OPENINGS = tuple(tuple(Board.from_moves(moves).move_stack) for moves in ("h2e2", "c3c4 g6g5", "b0c2"))
PLAN = Plan(
    Spec.parse("tactics:1"), OPENINGS, Exploration(((1.0, None),), deviations=0.2), most=4, max_plies=12, seed=3
)


def play(plan: Plan, games: int, out: Path, crew: Crew | None = None) -> list[int]:
    """Play to a file; return the numbers of the games that were written."""
    return [number for number, game in play_to_file(plan, games, out, crew=crew) if game is not None]


class TestExploration:
    def test_temperatures_by_ply(self) -> None:
        player = Spec.parse("tactics:1").open()
        board, random = Board(), np.random.default_rng(0)
        label = judge(player, board, 8)
        explore = Exploration.parse("5:1,0")
        drawn = {explore.choose(label, board, random) for _ in range(200)}
        assert len(drawn) == 8
        later = Board.from_moves("h2e2")
        label = judge(player, later, 8)
        assert {explore.choose(label, later, random) for _ in range(20)} == {label.candidates[0].move}

    def test_deviations_are_any_legal_moves(self) -> None:
        player, board, random = Spec.parse("tactics:1").open(), Board(), np.random.default_rng(0)
        label = judge(player, board, 1)
        forced = {Exploration.parse("0", 1.0).choose(label, board, random) for _ in range(500)}
        assert len(forced) > 40
        rarely = [Exploration.parse("0", 0.1).choose(label, board, random) for _ in range(500)]
        assert 20 < sum(move is not label.candidates[0].move for move in rarely) < 80

    @pytest.mark.parametrize(
        "text", ["", "warm", "1:2", "1,2", "1:x,0", "-1", "1:20,0.5:10,0", "1:20,0.5:20,0", "1:0,0"]
    )
    def test_wrong_temperatures(self, text: str) -> None:
        with pytest.raises(UserError, match="temperature"):
            Exploration.parse(text)

    def test_noise_at_the_root_leads_the_search_but_is_not_learned(self, model_folder: Path) -> None:
        board = Board()
        quiet, noisy = (Search(model_folder, nodes=32, noise=noise) for noise in (0.0, 1.0))
        own = {c.move: c.prior for c in quiet.study(board).candidates}
        studies = []
        for seed in (1, 1, 2):
            noisy.new_game()
            studies.append(noisy.study(board, np.random.default_rng(seed)))
        visits = [[(c.move, c.visits) for c in study.candidates] for study in studies]
        assert visits[0] == visits[1] != visits[2]
        for study in studies:
            unseen = [
                (own[c.move], share) for c, share in zip(study.candidates, study.shares, strict=True) if not c.visits
            ]
            ratio = [share / prior for prior, share in unseen]
            assert ratio == pytest.approx([ratio[0]] * len(ratio), rel=1e-3)


class TestPlayToFile:
    def test_each_ply_after_the_opening_has_a_label(self, tmp_path: Path) -> None:
        out = tmp_path / "games.jsonl"
        assert play(PLAN, 6, out) == list(range(6))
        games = list(load(out))
        assert {tuple(game.moves()[: len(o)]) for game in games for o in OPENINGS} >= set(OPENINGS)
        for number, game in enumerate(games):
            opening = PLAN.opening(number)
            assert tuple(game.moves()[: len(opening)]) == opening
            told = [bool(node.candidates) for node in game.main_line()]
            assert told == [False] * len(opening) + [True] * (len(told) - len(opening))
            assert game.headers["Tier"] == "engine"
            assert game.result != "*"
        assert len({tuple(game.moves()) for game in games}) == 6
        build([out], tmp_path / "shard")
        shard = Shard.open(tmp_path / "shard")
        assert (shard.meta["tiers"], shard.meta["sources"]) == (["engine"], ["selfplay"])
        assert shard.weighed_counts.max() == 4

    @pytest.mark.parametrize("cut", [3, 1000, -1, -40])
    def test_one_that_was_interrupted_ends_like_one_that_was_not(self, tmp_path: Path, cut: int) -> None:
        whole, other = tmp_path / "whole.jsonl", tmp_path / "other.jsonl"
        play(PLAN, 5, whole)
        other.write_bytes(whole.read_bytes()[:cut])
        assert play(PLAN, 5, other, crew=Processes(2) if cut == 3 else None) == list(range(5))
        assert other.read_bytes() == whole.read_bytes()

    def test_near_duplicates_are_left_out(self, tmp_path: Path) -> None:
        plan = replace(PLAN, openings=OPENINGS[:2], exploration=Exploration.parse("0"))
        out = tmp_path / "games.jsonl"
        assert play(plan, 4, out) == [0, 1]
        assert play(plan, 4, out) == [0, 1]
        assert len(out.read_text().splitlines()) == 2

    def test_other_games_are_refused(self, tmp_path: Path) -> None:
        out = tmp_path / "games.jsonl"
        play(PLAN, 2, out)
        before = out.read_bytes()
        for other in (replace(PLAN, seed=4), replace(PLAN, most=5), replace(PLAN, exploration=Exploration())):
            with pytest.raises(UserError, match=r"games\.jsonl: line 1 is not of these games"):
                play(other, 2, out)
        assert out.read_bytes() == before

    def test_games_at_a_time_are_refused_rather_than_ignored(self, xqlm, tmp_path: Path) -> None:
        code, _, err = xqlm("selfplay", "--out", tmp_path / "x.jsonl", "--parallel", 4)
        assert (code, "--parallel is for games in PGN" in err) == (2, True)

    def test_a_player_that_does_not_judge_leaves_no_file(self, xqlm, tmp_path: Path) -> None:
        code, _, err = xqlm("selfplay", "--player", "random", "-n", 2, "--out", tmp_path / "x.jsonl", "--cores", 1)
        assert (code, "does not judge" in err, list(tmp_path.iterdir())) == (2, True, [])

    def test_the_command(self, xqlm, tmp_path: Path) -> None:
        out = tmp_path / "games.jsonl"
        words = ["selfplay", "--player", "tactics:1", "-n", 2, "--max-plies", 6, "--cores", 1]
        code, _, err = xqlm(*words, "--out", out, "--temperature", "2:4,0.5", "--deviations", 0.1, "--moves", 2)
        assert code == 0
        assert err.endswith("2 games, ended by ply limit (2)\n")
        lines = [json.loads(line) for line in out.read_text().splitlines()]
        assert [line["exploration"] for line in lines] == ["temperature 2:4,0.5, deviations 0.1, seed 0"] * 2
        assert "--deviations is for games to train on" in xqlm(*words, "--deviations", 0.1)[2]
