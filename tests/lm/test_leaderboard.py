"""``xqlm leaderboard`` and ``xqlm evaluate --player``."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from lm.cli import leaderboard
from lm.matches.marks import called
from lm.measure.answers import SCHEMA, Question, measure
from lm.players.specs import Spec
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
        rows = [line for line in page.partition("| match |")[0].splitlines() if line.startswith("| ")][1:]
        assert {row.split(" | ")[0].removeprefix("| ") for row in rows} == {"random", "greedy", "tactics"}
        assert "6 games" in page
        found = json.loads((tmp_path / "page.json").read_text())
        assert [card["player"] for card in found["players"]] == [text.partition(",name")[0] for text in PLAYERS]
        assert [called(card["name"]) for card in found["players"]] == ["random", "greedy", "tactics"]
        for card in found["players"]:
            assert card["schema"] == SCHEMA
            assert card["positions"] == 3
            assert set(card["interval"]) >= {"top1", "elo"}
        assert found["players"][0]["elo"] == 0
        assert [meeting["games"] for meeting in found["meetings"]] == [2, 2, 2]

    @pytest.mark.parametrize("lost", ["matches", "page.json"])
    def test_it_goes_on_where_it_was_stopped(
        self, xqlm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: str
    ) -> None:
        """It needs the games again without the folder, and the answers without the file of figures."""
        self.run(xqlm, tmp_path)
        texts = [(tmp_path / name).read_text() for name in ("page.md", "page.json")]
        if lost == "matches":
            shutil.rmtree(tmp_path / lost)
            monkeypatch.setattr("lm.measure.answers.measure", lambda *args: pytest.fail("asked again"))
        else:
            (tmp_path / lost).unlink()
        monkeypatch.setattr(
            "lm.matches.arena.Arena.play", lambda arena, games: pytest.fail("played again") if games else iter(())
        )
        assert self.run(xqlm, tmp_path)[0] == 0
        assert [(tmp_path / name).read_text() for name in ("page.md", "page.json")] == texts

    def test_other_questions_are_asked_anew(self, xqlm, tmp_path: Path) -> None:
        self.run(xqlm, tmp_path)
        self.run(xqlm, tmp_path, "--positions", 2)
        cards = json.loads((tmp_path / "page.json").read_text())["players"]
        assert [card["positions"] for card in cards] == [2, 2, 2]

    def test_stopped_while_it_asks_the_page_says_so(
        self, xqlm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def answers(player, *rest):
            if player.name.startswith("tactics"):
                raise KeyboardInterrupt
            return measure(player, *rest)

        monkeypatch.setattr("lm.measure.answers.measure", answers)
        code, out, _ = self.run(xqlm, tmp_path)
        assert code == 130
        assert "Still to be asked: 1 player." in out.replace("\n", " ")
        assert "Still to be played: 6 games of 3 meetings." in out
        assert len(json.loads((tmp_path / "page.json").read_text())["players"]) == 2

    def test_the_usual_players_have_the_rungs_that_are_there(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(leaderboard, "LADDER", tmp_path)
        usual = [Spec.parse(text).name for text in leaderboard.usual_players()]
        assert {"level 1", "level 5", "level 10", "Fairy-Stockfish depth 1", "policy alone"} <= set(usual)
        assert not any("rung" in name for name in usual)
        (tmp_path / "char" / "model").mkdir(parents=True)
        (tmp_path / "char" / "model" / "metrics.json").touch()
        (tmp_path / "full" / "model").mkdir(parents=True)
        names = [Spec.parse(text).name for text in leaderboard.usual_players()]
        assert [name for name in names if name not in usual] == ["rung char"]

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
