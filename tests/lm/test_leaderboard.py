"""``xqlm leaderboard`` and ``xqlm evaluate --player``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lm.cli import leaderboard
from lm.measure.answers import SCHEMA, Question
from xiangqi import Board

PLAYERS = ("random:seed=1,name=random", "greedy:seed=1,name=greedy", "tactics:1,name=tactics")


@pytest.fixture(autouse=True)
def few_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    boards = [Board(), Board.from_moves("h2e2"), Board.from_moves("h2e2 h9g7")]
    questions = [Question(board, board.legal_moves[0], number) for number, board in enumerate(boards)]
    monkeypatch.setattr(leaderboard, "held_out", lambda positions: questions[:positions])


class TestLeaderboard:
    def run(self, xqlm, folder: Path, *words: str, players: tuple[str, ...] = PLAYERS) -> tuple[int, str, str]:
        places = ("--out", str(folder / "matches"), "--table", str(folder / "page.md"))
        return xqlm("leaderboard", *players, "--games", 2, "--positions", 3, *places, *words)

    def test_the_page_and_its_figures(self, xqlm, tmp_path: Path) -> None:
        code, out, _ = self.run(xqlm, tmp_path)
        page = (tmp_path / "page.md").read_text()
        assert (code, out.strip()) == (0, page.strip())
        rows = [line for line in page.splitlines() if line.startswith("| ")][1:]
        assert {row.split(" | ")[0].removeprefix("| ") for row in rows} == {"random", "greedy", "tactics"}
        assert "6 games" in page
        cards = json.loads((tmp_path / "page.json").read_text())
        assert [card["player"] for card in cards] == list(PLAYERS)
        for card in cards:
            assert card["schema"] == SCHEMA
            assert card["positions"] == 3
            assert set(card["interval"]) >= {"top1", "elo"}
        assert cards[0]["elo"] == 0

    def test_it_goes_on_where_it_was_stopped(self, xqlm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.run(xqlm, tmp_path)
        page = (tmp_path / "page.md").read_text()
        monkeypatch.setattr("lm.measure.answers.measure", lambda *args: pytest.fail("asked again"))
        assert self.run(xqlm, tmp_path)[0] == 0
        assert (tmp_path / "page.md").read_text() == page

    @pytest.mark.parametrize(
        ("players", "words", "told"),
        [
            (PLAYERS[:1], (), "two players"),
            ((PLAYERS[0], PLAYERS[0]), (), "names of their own"),
            (PLAYERS, ("--anchor", "nobody"), "no player 'nobody'"),
            (("random", "fly"), (), "no player 'fly'"),
        ],
    )
    def test_mistakes(self, xqlm, tmp_path: Path, players, words, told: str) -> None:
        code, _, err = self.run(xqlm, tmp_path, *words, players=players)
        assert code == 2 and told in err and err.count("\n") == 1


class TestEvaluate:
    def test_any_player(self, xqlm) -> None:
        code, out, _ = xqlm("evaluate", "--player", "greedy:seed=1", "--positions", 3, "--json")
        card = json.loads(out)
        assert code == 0
        assert (card["player"], card["positions"], card["nll"]) == ("greedy:seed=1", 3, None)
        code, out, _ = xqlm("evaluate", "--player", "greedy:seed=1", "--positions", 3)
        assert out.startswith("greedy:seed=1: 3 games, 3 positions")

    def test_not_with_options_of_models(self, xqlm) -> None:
        code, _, err = xqlm("evaluate", "--player", "greedy", "--random-games", 3)
        assert code == 2 and "shipped test games" in err
