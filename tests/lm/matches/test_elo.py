from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lm import UserError
from lm.matches.elo import Score, Sprt, elo, log_likelihood_ratio, normalized_ratio
from xiangqi.game import Game


def score(*pentanomial: int) -> Score:
    """Return the score of a match whose pairs came out so; a pair of 1 is a win and a loss."""
    _, half, one, three_halves, won = pentanomial
    wins, draws = one + three_halves + 2 * won, half + three_halves
    return Score(wins, draws, 2 * sum(pentanomial) - wins - draws, pentanomial, {})


class TestScore:
    def test_counts_are_seen_from_a(self) -> None:
        games = {}
        for index, result in enumerate(["1-0", "0-1", "1-0", "1-0", "1/2-1/2", "0-1"]):
            games[index] = Game({"Result": result, "Termination": "checkmate"})
        counted = Score.of(games)  # A is Red in 0, 2, 4
        assert (counted.wins, counted.draws, counted.losses) == (4, 1, 1)
        assert counted.pentanomial == (0, 0, 1, 1, 1)
        assert counted.score == 0.75

    def test_who_scores_more_has_the_higher_rating(self) -> None:
        """A is the first player named; it has Red in games of even number."""
        for swept, wins, losses, sign in (("1-0", 1, 0, 1), ("0-1", 0, 1, -1)):
            other = {"1-0": "0-1", "0-1": "1-0"}[swept]
            results = [swept, other, swept, other, swept, "1/2-1/2"]
            games = {i: Game({"Result": result, "Termination": "checkmate"}) for i, result in enumerate(results)}
            counted = Score.of(games).as_dict()
            assert (counted["wins"], counted["draws"], counted["losses"]) == (5 * wins, 1, 5 * losses)
            assert counted["score"] == pytest.approx((5 * wins + 0.5) / 6, abs=1e-6)
            assert isinstance(counted["elo"], float) and counted["elo"] * sign > 0
            assert counted["endings"] == {"checkmate": 6}
        drawn = {i: Game({"Result": "1/2-1/2", "Termination": "repetition"}) for i in range(4)}
        found = Score.of(drawn).as_dict()
        assert [found[name] for name in ("elo_error", "nelo", "los", "draw_ratio", "pairs_ratio")] == [
            0,
            None,
            0.5,
            1,
            None,
        ]
        old = ("games", "score", "wins", "draws", "losses", "elo", "pentanomial", "endings")
        assert {name: found[name] for name in old} == {
            "games": 4,
            "score": 0.5,
            "wins": 0,
            "draws": 4,
            "losses": 0,
            "elo": 0.0,
            "pentanomial": [0, 0, 2, 0, 0],
            "endings": {"repetition": 4},
        }

    def test_interval_of_many_pairs_is_the_normal_one(self) -> None:
        pairs = (100, 200, 400, 200, 100)
        low, high = score(*pairs).interval
        # variance of a pair's mean score: (100 * 1/4 + 200 * 1/16) * 2 / 1000 = 0.075
        assert low == pytest.approx(0.5 - 1.96 * (0.075 / 1000) ** 0.5, abs=1e-4)
        assert high == pytest.approx(0.5 + 1.96 * (0.075 / 1000) ** 0.5, abs=1e-4)

    def test_pairs_that_cancel_out_narrow_the_interval(self) -> None:
        def width(counts: Score) -> float:
            return counts.interval[1] - counts.interval[0]

        always_split, swept = score(0, 1, 98, 1, 0), score(50, 0, 0, 0, 50)
        assert always_split.score == swept.score == 0.5
        assert width(always_split) < width(swept) / 5

    def test_a_match_without_a_loss_has_a_finite_lower_bound(self) -> None:
        swept = score(0, 0, 0, 0, 100)
        assert elo(swept.score) is None
        assert 0.95 < swept.interval[0] < 1
        assert swept.interval[1] == 1
        assert swept.as_dict()["elo"] is None

    @pytest.mark.parametrize("won", [True, False])
    def test_a_clean_sweep_has_a_bound_that_is_infinite(self, won: bool) -> None:
        for pairs in range(1, 301):
            swept = score(0, 0, 0, 0, pairs) if won else score(pairs, 0, 0, 0, 0)
            assert swept.interval[won] == won
            assert swept.as_dict()["interval"][won] is None
            assert (elo(swept.interval[not won]) is None) == (pairs == 1)

    @given(st.tuples(*[st.integers(0, 50)] * 5).filter(sum))
    def test_the_score_lies_in_its_interval(self, pairs: tuple[int, ...]) -> None:
        counted = score(*pairs)
        low, high = counted.interval
        assert 0 <= low <= counted.score + 1e-9
        assert counted.score - 1e-9 <= high <= 1

    def test_elo(self) -> None:
        assert elo(10 / 11) == pytest.approx(400, abs=0.1)
        assert elo(0.25) == -elo(0.75)
        assert elo(0) is elo(1) is None


class TestPublishedFigures:
    """What fastchess printed for matches of others, and what its own tests expect."""

    def test_the_text_is_that_of_fastchess(self) -> None:
        """Thom against Stash 26, from the README of the engine Thom."""
        assert Score(863, 484, 653, (92, 160, 361, 220, 167), {}, 52).text == (
            "Elo: 36.62 +/- 12.76, nElo: 44.05 +/- 15.23\n"
            "LOS: 100.00 %, DrawRatio: 36.10 %, PairsRatio: 1.54\n"
            "Games: 2000, Wins: 863, Losses: 653, Draws: 484, Points: 1105.0 (55.25 %)\n"
            "Ptnml(0-2): [92, 160, 361, 220, 167], WL/DD Ratio: 5.94"
        )

    @pytest.mark.parametrize(
        ("pentanomial", "elo", "error", "nelo", "nelo_error", "los"),
        [
            ((34, 54, 63, 64, 75), 55.58, 27.65, 57.94, 28.28, 1.0),
            ((332, 433, 498, 333, 334), -8.64, 10.33, -9.17, 10.96, 0.0505),
            ((7895, 8757, 5685, 568, 9999), -21.04, 2.95, -19.01, 2.65, 0.0),
        ],
    )
    def test_elo_and_normalized_elo(
        self, pentanomial: tuple[int, ...], elo: float, error: float, nelo: float, nelo_error: float, los: float
    ) -> None:
        """From app/tests/elo_test.cpp of fastchess."""
        counted = score(*pentanomial)
        assert counted.elo_and_error == pytest.approx((elo, error), abs=0.006)
        assert counted.nelo_and_error == pytest.approx((nelo, nelo_error), abs=0.006)
        assert counted.los == pytest.approx(los, abs=6e-5)

    @pytest.mark.parametrize(
        ("pentanomial", "elo0", "elo1", "expected"),
        [((223, 9863, 21279, 10037, 246), 0.5, 2.5, -3.07), ((871, 26175, 55983, 26678, 821), 0, 2, -4.98)],
    )
    def test_logistic_ratios(self, pentanomial: tuple[int, ...], elo0: float, elo1: float, expected: float) -> None:
        """From app/tests/sprt_test.cpp of fastchess, whose counts are those of tests on fishtest."""
        assert log_likelihood_ratio(pentanomial, elo0, elo1) == pytest.approx(expected, abs=0.006)

    @pytest.mark.parametrize(
        ("pentanomial", "elo0", "elo1", "expected"),
        [
            ((365, 16618, 36229, 16974, 390), 0, 2, 2.25),
            ((127, 4883, 10712, 5150, 104), -1.75, 0.25, 3.01),
            ((307, 619, 1202, 725, 353), 0, 5, 2.95),
        ],
    )
    def test_normalized_ratios(self, pentanomial: tuple[int, ...], elo0: float, elo1: float, expected: float) -> None:
        """From the same file; the last is what fastchess printed for a test that it ended."""
        assert normalized_ratio(pentanomial, elo0, elo1) == pytest.approx(expected, abs=0.006)

    def test_figures_without_a_pair_or_a_loss_are_told(self) -> None:
        assert "Elo: nan +/- nan" in score(0, 0, 0, 0, 0).text
        swept = score(0, 0, 0, 0, 3)
        assert swept.text.startswith(
            "Elo: inf +/- nan, nElo: inf +/- nan\nLOS: 100.00 %, DrawRatio: 0.00 %, PairsRatio: inf"
        )


def play(test: Sprt, difference: float, pairs: int, chance: random.Random) -> None:
    """Tell a test of a match in which A is by so many Elo the stronger and about a third of the games are drawn."""
    score = 1 / (1 + 10 ** (-difference / 400))
    draw = min(score, 1 - score) * 0.66
    for index in range(2 * pairs):
        test.add(index, chance.choices([1.0, 0.5, 0.0], [score - draw / 2, draw, 1 - score - draw / 2])[0])


pairs_of_five = st.tuples(*[st.integers(0, 300)] * 5)
differences = st.floats(-300, 300)


class TestLikelihood:
    @given(pairs_of_five, differences, differences)
    def test_swapping_the_players_turns_the_sign(self, pairs: tuple[int, ...], elo0: float, elo1: float) -> None:
        swapped = log_likelihood_ratio(pairs[::-1], -elo1, -elo0)
        assert swapped == pytest.approx(-log_likelihood_ratio(pairs, elo0, elo1), abs=1e-6, rel=1e-6)

    @given(pairs_of_five, differences, differences, differences)
    def test_ratios_add_up(self, pairs: tuple[int, ...], a: float, b: float, c: float) -> None:
        whole = log_likelihood_ratio(pairs, a, c)
        assert whole == pytest.approx(
            log_likelihood_ratio(pairs, a, b) + log_likelihood_ratio(pairs, b, c), abs=1e-6, rel=1e-6
        )

    @given(pairs_of_five.filter(any), differences)
    def test_nothing_is_likelier_than_what_was_seen(self, pairs: tuple[int, ...], other: float) -> None:
        seen = elo(min(max(score(*pairs).score, 0.001), 0.999))
        assert seen is not None
        assert log_likelihood_ratio(pairs, seen, other) <= 0.01

    def test_many_pairs_near_the_middle_follow_the_normal_law(self) -> None:
        pairs = (100, 200, 380, 220, 110)
        n, counted, s0, s1 = sum(pairs), score(*pairs), 0.5, 1 / (1 + 10 ** (-10 / 400))
        variance = sum(count * (k / 4 - counted.score) ** 2 for k, count in enumerate(pairs)) / n
        approximately = n * (s1 - s0) * (2 * counted.score - s0 - s1) / (2 * variance)  # Van den Bergh, 2018
        assert log_likelihood_ratio(pairs, 0, 10) == pytest.approx(approximately, rel=0.02)

    def test_no_pairs_say_nothing(self) -> None:
        assert log_likelihood_ratio((0,) * 5, 0, 20) == pytest.approx(0, abs=1e-3)


class TestSprt:
    @pytest.mark.parametrize(("difference", "right"), [(0, "H0"), (60, "H1"), (-40, "H0"), (120, "H1")])
    def test_the_right_hypothesis_is_accepted(self, difference: float, right: str) -> None:
        chance, verdicts = random.Random(difference), []
        for _ in range(60):
            test = Sprt(0, 60)
            play(test, difference, 600, chance)
            verdicts.append(test.verdict)
        assert verdicts.count("undecided") == 0
        assert verdicts.count(right) >= 54  # at least 57 are expected; the seed is fixed

    def test_bounds_are_walds(self) -> None:
        assert Sprt(0, 5).bounds == pytest.approx((-2.9444, 2.9444), abs=1e-4)
        assert Sprt(0, 5, alpha=0.01, beta=0.1).bounds == pytest.approx((math.log(0.1 / 0.99), math.log(90)), abs=1e-9)

    def test_a_match_of_draws_alone_has_a_finite_ratio_and_is_decided(self) -> None:
        for model in ("logistic", "normalized"):
            test = Sprt(0, 50, model=model)
            for index in range(2000):
                test.add(index, 0.5)
            assert math.isfinite(test.llr)
            assert test.verdict == "H0"

    def test_a_verdict_stays(self) -> None:
        test = Sprt(0, 100)
        play(test, 600, 100, random.Random(1))
        decided = test.pairs, test.llr
        for index in range(200, 400):
            test.add(index, 0.0)
        assert (test.verdict, test.pairs, test.llr) == ("H1", *decided)

    def test_pairs_count_in_their_order_however_their_games_arrive(self) -> None:
        chance = random.Random(3)
        games = [(index, chance.choice([1.0, 0.5, 0.5, 0.0])) for index in range(40)]
        first, second = Sprt(0, 5), Sprt(0, 5)
        for game in games:
            first.add(*game)
        for game in reversed(games[1:]):
            second.add(*game)
        assert second.pairs == 0
        second.add(*games[0])
        assert (second.pairs, second.llr) == (first.pairs, first.llr) == (20, first.llr)

    @pytest.mark.parametrize("text", ["5", "5,0", "0,0", "a,b", "0,5,10", "nan,5", "0,inf", "-9999,0"])
    def test_what_is_no_pair_of_differences_is_refused(self, text: str) -> None:
        with pytest.raises(UserError, match="two Elo differences"):
            Sprt.parse(text)

    @pytest.mark.parametrize("chances", [(0, 0.05), (0.05, 0.5), (math.nan, 0.05)])
    def test_chances_of_error_are_small_and_positive(self, chances: tuple[float, float]) -> None:
        with pytest.raises(UserError, match="alpha and beta"):
            Sprt(0, 5, *chances)
