from __future__ import annotations

import json
import math
import random
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from lm import UserError
from lm.matches.match_file import play_to_file
from lm.matches.ratings import Result, rate
from lm.matches.tournament import Tournament
from lm.players.specs import Spec
from xiangqi.formats import load
from xiangqi.game import Game


def result(a: str, b: str, score: float, games: int = 100) -> Result:
    return Result(a, b, ((2 * score, 2),) * (games // 2))


class TestRatings:
    def test_they_agree_with_the_scores(self) -> None:
        """A difference of 200 Elo is a score of 0.76."""
        ratings = rate([result("a", "b", 0.76, 10000), result("b", "c", 0.76, 10000)], anchor="c")
        assert [round(ratings[name], -1) for name in "abc"] == [400, 200, 0]

    def test_contradicting_results_meet_in_the_middle(self) -> None:
        games = [result("a", "b", 0.6), result("b", "c", 0.6), result("c", "a", 0.6)]
        ratings = rate(games, anchor="a")
        assert [round(ratings[name]) for name in "abc"] == [0, 0, 0]

    def test_a_clean_sweep_is_finite(self) -> None:
        ratings = rate([result("a", "b", 1.0)], anchor="b")
        assert 700 < ratings["a"] < 1500

    def test_intervals_hold_the_truth_as_often_as_they_say(self) -> None:
        """Draws many tournaments of two players 100 Elo apart."""
        random, held = np.random.default_rng(1), 0
        for _ in range(60):
            pairs = tuple((float(wins), 2) for wins in random.binomial(2, 0.64, 50))
            low, high = rate([Result("a", "b", pairs)], anchor="b").interval("a")
            held += low < 100 < high
        assert held >= 51

    def test_a_lead_has_an_interval_of_its_own(self) -> None:
        random = np.random.default_rng(1)
        noisy = tuple((float(wins), 2) for wins in random.binomial(2, 0.5, 20))
        close = tuple((1.2, 2) for _ in range(200))
        ratings = rate([Result("a", "b", close), Result("b", "c", noisy)], anchor="c")
        gain, low, high = ratings.lead("a", "b")
        assert 0 < low <= gain <= high
        assert high - low < ratings.interval("a")[1] - ratings.interval("a")[0]

    @pytest.mark.parametrize(("points", "games"), [(61.5, 100), (3, 40), (19.5, 20)])
    def test_two_players_have_the_closed_form(self, points: float, games: int) -> None:
        pairs = ((points % 2, 2), *[(2.0, 2)] * int(points // 2))
        pairs += ((0.0, 2),) * (games // 2 - len(pairs))
        exact = -400 * math.log10(games / points - 1)
        assert rate([Result("a", "b", pairs)], anchor="b", elo=1000)["a"] == pytest.approx(1000 + exact, abs=0.01)

    def test_many_players_agree_with_an_independent_fit(self) -> None:
        """The minorization of D. R. Hunter, Annals of Statistics 32, 2004, which is another way to the same maximum."""
        chance, names = np.random.default_rng(5), [f"p{i}" for i in range(9)]
        truth, results = np.linspace(-500, 500, 9), []
        for i in range(9):
            for j in range(i + 1, min(i + 5, 9)):
                share = 1 / (1 + 10 ** ((truth[j] - truth[i]) / 400))
                results.append(Result(names[i], names[j], tuple((p, 2) for p in chance.binomial(4, share, 40) / 2)))
        strength = np.ones(9)
        for _ in range(2000):
            points, weight = np.zeros(9), np.zeros(9)
            for r in results:
                i, j = names.index(r.a), names.index(r.b)
                points[i] += r.points
                points[j] += r.games - r.points
                weight[[i, j]] += r.games / (strength[i] + strength[j])
            strength = points / weight
            strength /= strength[0]
        ratings = rate(results, anchor="p0")
        assert not ratings.infinite
        for name, value in zip(names, strength, strict=True):
            assert ratings[name] == pytest.approx(400 * math.log10(value), abs=0.1)

    def test_a_single_pair_says_little(self) -> None:
        ratings = rate([Result("a", "b", ((1.5, 2),)), Result("b", "c", ((1.5, 2),))])
        low, high = ratings.lead("a", "b")[1:]
        assert low < 0 < high
        assert ratings.superiority("a", "b") < 0.99

    def test_a_clean_sweep_has_a_wide_interval(self) -> None:
        low, high = rate([result("a", "b", 1.0)], anchor="b").interval("a")
        assert 300 < low < 800
        assert high > 1200

    def test_a_clean_sweep_changes_little_among_the_others(self) -> None:
        """A drawn game more between ``a`` and ``c`` would bring them 70 Elo closer."""
        known = [result("a", "b", 0.75, 8), result("b", "c", 0.75, 8), result("a", "c", 1.0, 20)]
        before, after = rate(known, anchor="c"), rate([*known, result("d", "a", 1.0, 20)], anchor="c")
        assert after.infinite and not before.infinite
        assert after["d"] > after["a"] + 300
        for name, value in before.items():
            assert after[name] == pytest.approx(value, abs=1)

    def test_players_that_no_games_connect_are_named(self) -> None:
        with pytest.raises(UserError, match="no games connect c, d with a"):
            rate([result("a", "b", 0.5), result("c", "d", 0.5)])

    def test_superiority_is_near_certain_with_many_games_and_even_without_a_difference(self) -> None:
        noisy = tuple((float(p), 2) for p in np.random.default_rng(2).binomial(2, 0.7, 200))
        ratings = rate([Result("a", "b", noisy), result("b", "c", 0.5)])
        assert ratings.superiority("a", "b") > 0.999
        assert ratings.superiority("b", "a") < 0.001
        assert sum(ratings.values()) == pytest.approx(0, abs=1e-6)

    def test_the_anchor_must_have_played(self) -> None:
        with pytest.raises(UserError, match="nobody has not played"):
            rate([result("a", "b", 0.5)], anchor="nobody")


def record(red: str, black: str, result: str, **headers: object) -> Game:
    return Game({"Red": red, "Black": black, "Result": result} | {name: str(value) for name, value in headers.items()})


class TestRatingsCommand:
    @pytest.fixture
    def files(self, tmp_path: Path) -> list[Path]:
        games = [
            record("a", "b", "1-0", Round=1),
            record("b", "a", "1/2-1/2", Round=2),
            record("b", "c", "1-0", Round=3, Termination="time forfeit"),
            record("c", "b", "1-0", Round=4),
            record("b", "c", "*", Round=5),
        ]
        others = [record("c", "a", "0-1"), record("a", "c", "0-1"), record("c", "a", "1/2-1/2", Termination="stall")]
        files = [tmp_path / "one.pgn", tmp_path / "two.pgn"]
        for path, found in zip(files, (games, others), strict=True):
            path.write_text("\n".join(map(str, found)))
        return files

    def test_json_has_all_players_of_all_files(self, xqlm, files: list[Path]) -> None:
        code, out, err = xqlm("ratings", *files, "--anchor", "c=1500", "--json")
        assert (code, err) == (0, "left out: 1 game without a result or two players\n")
        found = json.loads(out)
        players = {player["name"]: player for player in found["players"]}
        assert {name: (p["points"], p["games"], p["draws"]) for name, p in players.items()} == {
            "a": (3, 5, 2),
            "b": (1.5, 4, 1),
            "c": (2.5, 5, 1),
        }
        assert players["c"]["elo"] == 1500
        assert players["c"]["failures"] == {"time forfeit": 1}

    def test_the_lists_for_people(self, xqlm, files: list[Path]) -> None:
        code, out, _ = xqlm("ratings", *files)
        assert code == 0
        assert re.search(r"1  a       [+]\d+\.\d  .* 5  60.0%  40.0%  \d+\.\d%", out)
        assert re.search(r"1  a  +1.5/3  1.5/2  +3/5", out)
        assert re.search(r"player  crash  stall  illegal move  time forfeit  no move\nc +0 +0 +0 +1 +0", out)

    def test_faults_are_one_line(self, xqlm, files: list[Path], tmp_path: Path) -> None:
        for rating in ("nan", "inf"):
            assert f"the rating is a number, not {rating}" in xqlm("ratings", *files, "--anchor", f"c={rating}")[2]
        once, again = xqlm("ratings", *files), xqlm("ratings", *files, files[0])
        assert again[1] == once[1]
        assert re.match(r"counted once: \d+ games that the files hold again\n", again[2])
        assert "xqlm: nobody has not played; players: " in xqlm("ratings", *files, "--anchor", "nobody")[2]
        (empty := tmp_path / "empty.pgn").write_text("")
        assert xqlm("ratings", empty)[::2] == (2, f"xqlm: no finished game between two named players in {empty}\n")
        assert "No such file" in xqlm("ratings", tmp_path / "missing.pgn")[2]


SIX = ["random:seed=1", "greedy:seed=2", "tactics:1", "tactics:nodes=300", "greedy:seed=5", "random:seed=6"]


def lines(games: Sequence[Game]) -> dict[str, tuple[str, ...]]:
    """Return what must be the same in two tournaments, by round."""
    return {
        game.headers["Round"]: (
            game.headers["Red"],
            game.headers["Black"],
            game.result,
            *(m.iccs for m in game.moves()),
        )
        for game in games
    }


class TestTournament:
    def write(self, path: Path, **settings: object) -> Path:
        path.write_text("\n".join(f"{name} = {json.dumps(value)}" for name, value in settings.items()))
        return path

    def test_a_round_robin_has_the_same_opening_for_all_pairs_of_a_round(self) -> None:
        openings = [(), tuple(Game.from_pgn("1. h2e2 *").moves()), tuple(Game.from_pgn("1. b0c2 *").moves())]
        plan = Tournament(["random:name=a", "random:name=b", "random:name=c"], rounds=3, seed=4)
        pairings = plan.pairings(openings)
        assert len(pairings) == 18
        rounds = [[pairings[i] for i in range(6 * r, 6 * r + 6)] for r in range(3)]
        assert all(len({game.opening for game in games}) == 1 for games in rounds)
        assert {games[0].opening for games in rounds} == set(openings)
        for games in rounds:
            met = [(game.red.name, game.black.name) for game in games]
            assert met == [("a", "b"), ("b", "a"), ("a", "c"), ("c", "a"), ("b", "c"), ("c", "b")]

    def test_in_a_gauntlet_the_challengers_meet_the_others(self) -> None:
        plan = Tournament([f"random:name={n}" for n in "abcd"], format="gauntlet", challengers=2)
        assert [(a.name, b.name) for a, b in plan.meetings] == [("a", "c"), ("a", "d"), ("b", "c"), ("b", "d")]

    def test_stopped_anywhere_it_has_the_games_of_one_that_was_not(self, tmp_path: Path) -> None:
        """Ten times it is stopped after some games, and the last record is cut as if the process had been killed."""
        pairings = Tournament(SIX, rounds=2).pairings([()])
        options = {"max_plies": 30, "parallel": 8}
        whole = [game for _, game in play_to_file(pairings, None, **options)]
        path, chance = tmp_path / "games.pgn", random.Random(1)
        for _ in range(10):
            with closing(play_to_file(pairings, path, **options)) as playing:
                known = len(list(load(path))) if path.exists() else 0
                for _ in range(known + chance.randrange(1, 6)):
                    next(playing)
            text = path.read_text()
            path.write_text(text[: len(text) - chance.randrange(400)])
        resumed = [game for _, game in play_to_file(pairings, path, **options)]
        assert lines(resumed) == lines(whole) == lines(list(load(path)))

    def test_the_command(self, xqlm, tmp_path: Path) -> None:
        path = self.write(tmp_path / "cup.toml", players=SIX[:3], rounds=2, openings="start", max_plies=40, name="Cup")
        code, out, err = xqlm("tournament", path, "--json")
        assert code == 0, err
        found = json.loads(out)
        assert [player["games"] for player in found["players"]] == [8, 8, 8]
        assert {game.headers["Event"] for game in load(tmp_path / "cup.pgn")} == {"Cup"}
        code, out, _ = xqlm("tournament", path)  # nothing is left to play
        assert code == 0
        assert "95% interval" in out
        assert "Ended by " in out
        assert json.loads(xqlm("ratings", tmp_path / "cup.pgn", "--json")[1])["players"] == found["players"]

    @pytest.mark.parametrize(
        ("settings", "fault"),
        [
            ({"players": SIX, "round": 3}, "'round' is no setting"),
            ({"players": SIX, "rounds": "3"}, "rounds takes a whole number, not '3'"),
            ({"players": SIX, "rounds": 0}, "rounds must be at least 1: 0"),
            ({"players": SIX, "margin": -0.5}, "margin is in seconds, from 0: -0.5"),
            ({"players": ["random", "random"]}, "two players are called 'random'"),
            ({"players": ["random", {"time": "60"}]}, "a player is a spec or a table"),
            ({"players": ["random", 3]}, "a player is a spec or a table with spec and time, not 3"),
            ({"players": ["random", {"spec": 3}]}, "a player is a spec or a table"),
            ({"players": ["random", {"spec": "greedy", "time": 60}]}, "a player is a spec or a table"),
            ({"players": ["random"]}, "too few players: 1"),
            ({"players": SIX, "elo": float("nan")}, "elo is a number, not nan"),
            ({"players": SIX, "elo": float("inf")}, "elo is a number, not inf"),
            ({"players": SIX, "anchor": "x"}, "the anchor 'x' is none of the players"),
            ({"players": SIX, "format": "swiss"}, "format must be one of round robin, gauntlet"),
            ({"rounds": 3}, "it names no players"),
        ],
    )
    def test_a_fault_of_the_file_is_one_line(
        self, xqlm, tmp_path: Path, settings: dict[str, object], fault: str
    ) -> None:
        path = tmp_path / "cup.toml"
        rows = []
        for name, value in settings.items():
            entries = value if isinstance(value, list) else None
            written = (
                "[" + ", ".join('{time = "60"}' if isinstance(e, dict) else json.dumps(e) for e in entries) + "]"
                if entries
                else json.dumps(value).replace("NaN", "nan").replace("Infinity", "inf")
            )
            rows.append(f"{name} = {written}")
        path.write_text("\n".join(rows))
        code, _, err = xqlm("tournament", path)
        assert (code, err.count("\n")) == (2, 1)
        assert err.startswith(f"xqlm: {path}: {fault}")

    @pytest.mark.slow
    def test_killed_at_ten_random_moments_it_has_the_games_of_one_that_was_not(
        self, tmp_path: Path, model_folder: Path
    ) -> None:
        own = [
            f"lm:seed=1,model={model_folder}",
            f"search:16,seed=2,model={model_folder}",
            f"careful:1,model={model_folder},seed=3",
        ]
        files = [
            self.write(tmp_path / f"{name}.toml", players=SIX[1:4] + own, rounds=2, max_plies=60, name="Cup")
            for name in ("whole", "killed")
        ]
        command = [sys.executable, "-m", "lm.cli", "tournament"]
        subprocess.run([*command, str(files[0])], check=True, capture_output=True)
        chance, path, kills = random.Random(7), tmp_path / "killed.pgn", 0
        while kills < 10:
            before = path.stat().st_size if path.exists() else 0
            run = subprocess.Popen([*command, str(files[1]), "--parallel", "4"], stdout=-3, stderr=-3)
            while run.poll() is None and (path.stat().st_size if path.exists() else 0) <= before:
                time.sleep(0.01)
            time.sleep(chance.random() / 4)
            if run.poll() is not None:
                break
            run.kill()
            run.wait()
            kills += 1
        assert kills >= 5
        subprocess.run([*command, str(files[1])], check=True, capture_output=True)
        assert lines(list(load(path))) == lines(list(load(tmp_path / "whole.pgn")))


class TestEngineFiles:
    """An engine file holds an engine's command, options, folder and limits."""

    def test_it_runs_in_its_folder_with_its_options(self, xqlm, tmp_path: Path, fairy_stockfish: str) -> None:
        (tmp_path / "here").mkdir()
        (tmp_path / "here" / "run.sh").write_text(f"#!/bin/sh\npwd > started\nexec {fairy_stockfish}\n")
        (tmp_path / "here" / "run.sh").chmod(0o755)
        file = tmp_path / "fairy.toml"
        file.write_text(
            f'protocol = "uci"\ncommand = "./run.sh"\nfolder = "{tmp_path / "here"}"\ndepth = 1\n'
            '[options]\nUCI_Variant = "xiangqi"\nHash = 8\nPonder = false\n'
        )
        spec = Spec.parse(f"file:{file}")
        assert spec.name == "fairy"
        player = spec.open()
        assert player.choose([Game().board()])[0].move is not None
        player.close()
        assert (tmp_path / "here" / "started").read_text().strip() == str(tmp_path / "here")

    @pytest.mark.parametrize(
        ("text", "fault"),
        [
            ("command = 1x", "engine.toml: Expected newline"),
            ('protocol = "xboard"\ncommand = "x"', "protocol must be uci or ucci, not 'xboard'"),
            ('command = "x"\ncolour = "red"', "no setting colour (settings: protocol, command, depth"),
            ("depth = 1", "uci needs a program"),
            ('command = "x"\noptions = 3', "options is a table of names and values, not 3"),
            ('command = "x"\n[options]\nHash = [64]', "Hash takes a text, a number or true or false, not [64]"),
            ('command = ["x"]', "command takes a text, a number or true or false, not ['x']"),
        ],
    )
    def test_faults_are_named(self, tmp_path: Path, text: str, fault: str) -> None:
        (file := tmp_path / "engine.toml").write_text(text)
        with pytest.raises(UserError, match=re.escape(fault)):
            Spec.parse(f"file:{file}")
        with pytest.raises(UserError, match="No such file"):
            Spec.parse(f"file:{tmp_path / 'missing.toml'}")
