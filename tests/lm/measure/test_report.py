from __future__ import annotations

import json
import re
import sys
from dataclasses import asdict
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lm import UserError, cli
from lm.dataset.records import Record, split_of
from lm.measure import figures
from lm.measure.evaluate import LEGALITY
from lm.measure.puzzles import Puzzle, read_puzzles, solve
from lm.measure.report import Findings, endings, gather, page, training_log
from lm.measure.stray import after_random_plies, stray_games
from lm.model.char import new_model
from lm.model.encoding import GameMoves
from lm.model.loading import network_of
from lm.model.model import XiangqiLM
from lm.model.prompts import Voice
from lm.players.policy import Evaluator
from small import random_game, small_model
from xiangqi import Board, Game
from xiangqi.formats import save

LOG = [{"step": 20, "policy_loss": 3.0, "value_loss": 1.8}, {"step": 40, "policy_loss": 2.5, "value_loss": 1.7}]


def records(seeds: range, tier: str = "master") -> list[Record]:
    chance = np.random.default_rng(0)
    return [
        Record(GameMoves.of(random_game(seed, 30)).moves, int(chance.integers(3)), source="here:1", tier=tier)
        for seed in seeds
    ]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    for step in (40, 20, 100):
        (folder / f"checkpoint-{step}").mkdir()
        state = {
            "global_step": step,
            "log_history": [{"step": i, "policy_loss": 3 - i / 99} for i in range(20, step + 1, 20)],
        }
        (folder / f"checkpoint-{step}" / "trainer_state.json").write_text(json.dumps(state))
    return folder


@pytest.fixture(scope="module")
def games(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("selfplay") / "games.pgn"
    ends = ["checkmate"] * 4 + ["stalemate", "perpetual check", "resignation", "draw agreed", "ply limit", "ply limit"]
    found = []
    for i, end in enumerate(ends):
        found.append(Game({"Termination": end}))
        found[-1].add_main_line(random_game(i, 4).move_stack)
    save([*found, Game()], path)
    return path


@pytest.fixture(scope="module")
def puzzles(model: XiangqiLM) -> list[Puzzle]:
    """Positions of which the model solves the first and the last one."""
    found = []
    for seed in range(4):
        board = random_game(seed, 40).copy(stack=False)
        root = board.copy()
        for _ in range(3):
            thought = Evaluator(network_of(model))([board])[0]
            ranked = np.argsort(-thought.scores)
            solver = board.ply % 2 == 0
            board.push(thought.moves[ranked[1 if solver and 0 < seed < 3 and board.ply // 2 == seed - 1 else 0]])
        found.append(Puzzle(GameMoves.of(board), root.fen(), "mate" if seed < 2 else "endgame"))
    return found


class TestPuzzles:
    def test_first_moves_and_whole_lines(self, model: XiangqiLM, puzzles: list[Puzzle]) -> None:
        # The second puzzle's first move is not the model's likeliest one, nor the third's second.
        found = solve(model, puzzles, Voice.HUMAN, samples=50)
        assert (found.positions, found.first_move, found.whole_line) == (4, 0.75, 0.5)
        assert found.by["kind"]["mate"].first_move == 0.5
        assert found.by["kind"]["endgame"].whole_line == 0.5
        assert set(found.by["moves"]) == {"2"}
        low, high = found.interval["first_move"]
        assert low < 0.75 < high <= 1

    def test_any_solution_of_a_position_will_do(self, model: XiangqiLM, puzzles: list[Puzzle]) -> None:
        # The third puzzle's last move is the only one at fault.
        other = GameMoves.of(Board(puzzles[2].fen))
        board = Board(puzzles[2].fen)
        for _ in range(3):
            thought = Evaluator(network_of(model))([board])[0]
            board.push(thought.moves[int(np.argmax(thought.scores))])
        other = Puzzle(GameMoves.of(board), puzzles[2].fen, puzzles[2].kind)
        found = solve(model, [*puzzles, other], Voice.HUMAN, samples=5)
        assert (found.positions, found.first_move, found.whole_line) == (4, 0.75, 0.75)

    def test_positions_without_a_solution_are_left_out(self, tmp_path: Path) -> None:
        path = tmp_path / "positions.jsonl"
        fen = "3k5/9/9/9/9/9/9/9/4R4/4K4 b - - 0 1"
        lines = [
            {"fen": fen, "moves": "", "kind": "puzzle"},
            {"fen": fen, "moves": "d9d8 e1d1 d8d7", "kind": "puzzle"},
            {"fen": fen, "moves": "d9d8 e1e2", "kind": "残局"},
        ]
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        errors: list[Exception] = []
        (puzzle,) = read_puzzles(path, errors.append)
        assert (puzzle.kind, puzzle.fen, len(puzzle.game.moves), puzzle.game.turn) == ("endgame", fen, 2, 1)
        assert len(errors) == 1
        path.write_text(json.dumps(lines[0]))
        with pytest.raises(UserError, match="no positions with a solution"):
            read_puzzles(path, errors.append)


class TestStrayGames:
    def test_random_then_its_own(self, model: XiangqiLM) -> None:
        lines = stray_games(model, 6, random_plies=8, plies=5, seed=1)
        assert [len(line.moves) for line in lines] == [13] * 6
        assert len({line.moves[:8].tobytes() for line in lines}) == 6
        again = stray_games(model, 6, random_plies=8, plies=5, seed=1)
        assert all((a.moves == b.moves).all() for a, b in zip(lines, again, strict=True))
        other = stray_games(model, 6, random_plies=8, plies=5, seed=2)
        assert not any((a.moves == b.moves).all() for a, b in zip(lines, other, strict=True))

    def test_only_the_rules_judge_moves_that_it_chose_itself(self, model: XiangqiLM) -> None:
        found = after_random_plies(model, 3, samples=5)
        for part in (found, found.at_once, *found.by["ply"].values()):
            figures = {name for name in vars(part) if name.startswith("legal_")}
            assert figures == set(part.interval) == set(LEGALITY)
            assert set(vars(part)) <= figures | {"games", "plies", "interval", "at_once", "by"}

    def test_only_its_own_moves_count(self, model: XiangqiLM) -> None:
        found = after_random_plies(model, 3, samples=5)
        assert found.games == found.at_once.plies == 3
        assert found.plies <= 3 * 40
        assert next(iter(found.by["ply"])) == "20-29"
        assert sum(part.plies for part in found.by["ply"].values()) == found.plies


class TestTrainingLog:
    def test_the_newest_checkpoint(self, run: Path) -> None:
        assert [entry["step"] for entry in training_log(run)] == [20, 40, 60, 80, 100]
        assert len(training_log(run / "checkpoint-40")) == 2

    def test_mistakes(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="not a training run"):
            training_log(tmp_path)
        for text in ("{", "[]", '{"global_step": 1}'):
            (tmp_path / "trainer_state.json").write_text(text)
            with pytest.raises(UserError, match=r"trainer_state\.json: not the state of a training run"):
                training_log(tmp_path)


class TestEndings:
    def test_counted_by_kind(self, games: Path) -> None:
        found = endings(games, samples=100)
        assert found.games == 10
        assert {kind: part.games for kind, part in found.by.items()} == {
            "mate": 5, "ruling": 1, "own word": 2, "ply limit": 2,
        }  # fmt: skip
        low, high = found.by["mate"].interval
        assert low < found.by["mate"].share == 0.5 < high
        assert found.reasons["checkmate"] == 4

    def test_the_players_own_word(self, xqlm: Any, tmp_path: Path) -> None:
        """Of games that a model played with itself: one that says when they are over, and never hopes to win."""
        model = small_model()
        model.end_head.bias.data[0] = 0.0
        model.value_head.bias.data = torch.tensor([9.0, 0.0, 0.0])
        model.save_pretrained(tmp_path / "model")
        for out, limit in (("said.pgn", 100), ("limited.pgn", 1)):
            words = [
                "--games",
                4,
                "--player",
                f"lm:model={tmp_path / 'model'},temperature=1,seed=1",
                "--max-plies",
                limit,
            ]
            assert xqlm("selfplay", *words, "--out", tmp_path / out)[0] == 0
        said, limited = (endings(tmp_path / out, samples=10) for out in ("said.pgn", "limited.pgn"))
        assert said.by["own word"].share == 1.0
        assert said.reasons.keys() <= {"resignation", "draw agreed"}
        assert said.reasons["resignation"] > 0
        assert limited.by["ply limit"].games + limited.by["own word"].games == 4

    def test_three_of_a_kind_are_no_law(self, tmp_path: Path) -> None:
        save([Game({"Termination": "checkmate"})] * 3, tmp_path / "games.pgn")
        found = endings(tmp_path / "games.pgn", samples=10).by
        assert found["mate"].interval == pytest.approx([0.438, 1], abs=1e-3)
        assert found["ruling"].interval == pytest.approx([0, 0.562], abs=1e-3)

    def test_games_that_do_not_say(self, tmp_path: Path) -> None:
        save([Game()], tmp_path / "games.pgn")
        with pytest.raises(UserError, match="no game says how it ended"):
            endings(tmp_path / "games.pgn")


@pytest.fixture(scope="module")
def found(model: XiangqiLM, puzzles: list[Puzzle], run: Path, games: Path) -> Findings:
    played = records(range(12)) + records(range(12, 18), "club") + records(range(20, 32), "engine")
    return gather(
        model,
        played,
        puzzles=puzzles,
        learners=records(range(40, 60)),
        stray=3,
        run=run,
        selfplay=games,
        samples=20,
    )


class Reader(HTMLParser):
    """Notes what a page consists of and what it wants from elsewhere."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.headings: list[str] = []
        self.images = 0
        self.links: list[str] = []
        self.open: list[str] = []
        self.data = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)
        for name, value in attrs:
            if name in ("src", "href") and not (value or "").startswith("data:"):
                self.links.append(value or "")
        self.images += tag == "img"

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("h1", "h2"):
            self.headings.append(data)
        if self.open and self.open[-1] == "script":
            self.data += data


class TestPage:
    def test_everything_on_one_page_that_needs_nothing_else(self, found: Findings) -> None:
        text = page(found, "A <model> & more", {"games": "<some>"})
        read = Reader(text)
        assert read.open == []
        assert read.links == []
        assert "<h1>A &lt;model&gt; &amp; more</h1>" in text
        assert "games &lt;some&gt;" in text
        assert read.headings == [
            "A <model> & more", "Moves foreseen", "The rules, unmasked", "Who wins", "Puzzles", "The board inside",
            "How its games end", "Training",
        ]  # fmt: skip
        assert read.images == 8
        assert "<td>own word</td><td>2</td><td>0.200" in text
        assert json.loads(read.data) == {
            "title": "A <model> & more",
            "facts": {"games": "<some>"},
            **asdict(found),
        }
        assert not re.search(r"\bnan\b", text)

    def test_it_says_whose_voice_solves_and_that_two_readings_count(self, found: Findings) -> None:
        text = page(found, "Voices", {})
        assert "first moves of puzzles, engine voice" in text
        assert "Drawn: the engine voice." in text
        assert "the mean of two readings" in text
        assert found.symmetries == 2

    def test_humans_and_engines_are_read_in_their_own_voice(self, model: XiangqiLM, found: Findings) -> None:
        assert found.played["human"].games == 18
        assert found.played["engine"].games == 12
        assert set(found.played["human"].by["tier"]) == {"master", "club"}
        swapped = gather(model, records(range(20, 32)), stray=0, samples=20)
        assert swapped.played["human"].nll != pytest.approx(found.played["engine"].nll, rel=1e-3)

    def test_what_was_not_asked_for_is_not_there(self, model: XiangqiLM) -> None:
        found = gather(model, records(range(3)), stray=0, samples=5)
        read = Reader(page(found, "Short", {}))
        assert read.headings == ["Short", "Moves foreseen", "The rules, unmasked", "Who wins"]

    def test_probes_are_judged_by_ten_games_where_there_are_as_many(self, model: XiangqiLM) -> None:
        for games, asked in ((25, 13), (7, 7)):
            found = gather(model, records(range(games)), learners=records(range(40, 44)), stray=0, samples=5)
            assert found.probes is not None
            assert found.probes.plies["test"] == asked * 31

    def test_a_model_of_characters(self, puzzles: list[Puzzle]) -> None:
        model = new_model(n_layer=1, n_head=1, n_embd=16, plies=64).eval()
        found = gather(model, records(range(2)), puzzles=puzzles[:1], learners=records(range(2)), stray=2, samples=5)
        assert found.probes is None
        assert found.puzzles is not None
        assert set(found.puzzles) == {"human"}
        assert found.symmetries == 1
        text = page(found, "Characters", {})
        assert "first moves of puzzles, human voice" in text
        assert "readings" not in text
        read = Reader(text)
        assert read.headings == ["Characters", "Moves foreseen", "The rules, unmasked", "Puzzles"]

    def test_without_matplotlib(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "matplotlib", None)
        with pytest.raises(UserError, match=r"this needs matplotlib: .+ -m pip install .+\[report\]"):
            figures.training(LOG)


class TestCommand:
    def test_a_report(self, xqlm, model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        games = []
        for gid in range(150):
            games.append(Game({"Result": "1-0", "Tier": "master", "Gid": str(gid)}))
            games[-1].add_main_line(random_game(gid, 12).move_stack)
        save(games[:80], tmp_path / "games.jsonl")
        save(games[80:], tmp_path / "more.pgn")
        words = ["games.jsonl", "more.pgn", "--model", model_folder, "--random-games", 2]
        words += ["--out", "page.html", "--json"]
        code, out, err = xqlm("report", *words)
        assert code == 0
        assert err.endswith("report written to page.html\n")
        found = json.loads(out)
        assert found["played"]["human"]["games"] == sum(split_of(f"gid:{gid}") == "test" for gid in range(150))
        assert found["probes"]["layers"]["trained"][0]["points"] > 0.5
        assert Reader((tmp_path / "page.html").read_text()).images == 5

    @pytest.mark.parametrize(
        ("words", "reason"),
        [
            (["--split", "train"], "--split must be one of test, validation: 'train'"),
            (["/no/such.pgn"], "/no/such.pgn: No such file"),
            (["--model", "/nowhere"], "no model in /nowhere"),
        ],
    )
    def test_mistakes(
        self, xqlm, model_folder: Path, words: list[str], reason: str, tmp_path: Path, monkeypatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        model = [] if "--model" in words else ["--model", model_folder]
        code, out, err = xqlm("report", *words, *model)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert reason in err
        assert not (tmp_path / "report.html").exists()

    @pytest.mark.parametrize(
        ("words", "reason"),
        [
            (["report", "--out", "/nowhere/page.html"], "/nowhere/page.html: No such file"),
            (["report", "--out", "/"], "/: Is a directory"),
            (["report", "--puzzles", "/no/such.jsonl"], "/no/such.jsonl: No such file"),
            (["evaluate", "--puzzles", "/no/such.jsonl"], "/no/such.jsonl: No such file"),
        ],
    )
    def test_mistakes_found_before_the_work(
        self, xqlm, model_folder: Path, words: list[str], reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(cli.measuring, "open_shard", lambda *args: pytest.fail("games were read first"))
        code, out, err = xqlm(*words, "--model", model_folder)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert reason in err
        assert not list(tmp_path.iterdir())

    def test_puzzles_and_random_openings_in_evaluate(
        self, xqlm, model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        game = Game({"Result": "1-0"})
        game.add_main_line(random_game(1, 20).move_stack)
        save([game], tmp_path / "games.jsonl")
        puzzle = {"fen": "4k4/R8/9/9/9/9/9/9/8R/3K5 w - - 0 1", "moves": "i1i9", "kind": "mate"}
        (tmp_path / "puzzles.jsonl").write_text(json.dumps(puzzle))
        words = [tmp_path / "games.jsonl", "--model", model_folder, "--random-games", 2]
        words += ["--puzzles", tmp_path / "puzzles.jsonl"]
        code, out, _ = xqlm("evaluate", *words, "--json")
        found = json.loads(out)
        assert code == 0
        assert found["puzzles"]["positions"] == 1
        assert found["after_random_plies"]["games"] == 2
        code, out, _ = xqlm("evaluate", *words)
        assert code == 0
        assert "\n1 puzzle\nfirst_move " in out
        assert "\nits own play after 20 random plies\nlegal_argmax " in out
