from __future__ import annotations

import re
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from lm.matches import level_ratings, tournament
from lm.matches.tournament import Meeting, Result, rate
from lm.players.levels import LEVELS
from lm.players.specs import Spec


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
            low, high = rate([Result("a", "b", pairs)], anchor="b", samples=200).interval("a")
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

    def test_the_anchor_must_have_played(self) -> None:
        with pytest.raises(ValueError, match="nobody has not played"):
            rate([result("a", "b", 0.5)], anchor="nobody")


@contextmanager
def silent(title: str, total: int | None):
    yield lambda text: None, lambda done, note: None


class TestPlay:
    def test_what_was_played_is_kept(self, tmp_path: Path) -> None:
        a, b = Spec.parse("greedy:seed=1,name=a"), Spec.parse("random:seed=2,name=b")
        options = {"max_plies": 30}
        first = tournament.play([Meeting(a, b, 4)], tmp_path, [()], silent, **options)
        files = {file.name: file.read_text() for file in tmp_path.iterdir()}
        assert list(files) == ["a - b.pgn"]
        again = tournament.play([Meeting(a, b, 4), Meeting(b, a, 2)], tmp_path, [()], silent, **options)
        assert again[0] == first[0]
        assert (tmp_path / "a - b.pgn").read_text() == files["a - b.pgn"]
        assert (again[0].games, again[1].games, len(again[0].pairs)) == (4, 2, 2)


class TestLevelRatings:
    def test_each_level_meets_the_next_two_and_somebody_else(self) -> None:
        games = level_ratings.meetings(100)
        assert all(meeting.games == 100 for meeting in games)
        met = {
            (meeting.a.name.split()[1], meeting.b.name) for meeting in games if not meeting.b.name.startswith("level")
        }
        assert ("1", "greedy") in met
        assert {("10", f"engine depth {depth}") for depth in (1, 4, 8)} <= met
        between = [meeting for meeting in games if meeting.b.name.startswith("level")]
        assert len(between) == 2 * len(LEVELS) - 3

    def test_the_page_tells_what_was_found(self) -> None:
        results = [result(meeting.a.name, meeting.b.name, 0.4) for meeting in level_ratings.meetings(100)]
        page = level_ratings.page(results, "fairy-stockfish 11.1")
        for level in LEVELS:
            assert re.search(rf"\| {level.name} \| `{level.spec}` \| \d+ \| [+-]\d+ \([+-]\d+ to [+-]\d+\) \|", page)
        assert "| fairy-stockfish 11.1 depth 1 |" in page
        assert "level 1 - greedy | 100 | 0.400" in page
