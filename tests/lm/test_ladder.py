from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from filelock import FileLock

from lm import ladder
from lm.dataset.records import split_of
from lm.ladder import RUNGS, Match, recall, second_table
from lm.matches.elo import Score
from lm.matches.table import Table
from lm.training import run as train
from lm.training.presets import PRESETS, Preset
from small import random_game
from xiangqi import Game, load, save

Command = Callable[..., tuple[int | str, str, str]]
TINY = Preset(1, 2, 16, plies=300, batch_plies=100, learning_rate=1e-2, warmup=2)
TEST, TRAIN = ([n for n in range(300, 999) if split_of(f"gid:{n}") == split] for split in ("test", "train"))


@pytest.fixture(scope="module")
def games(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve short games, as if between people; the first two are for testing."""
    path = tmp_path_factory.mktemp("games") / "games.pgn"
    gids = [*TEST[:2], *TRAIN[:10]]
    save([Game.from_board(random_game(gid, 20), {"Gid": str(gid), "Result": "1-0"}) for gid in gids], path)
    return path


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Small models, short games, one thread, and the cache elsewhere."""
    monkeypatch.setitem(PRESETS, "small", TINY)
    monkeypatch.setattr(ladder, "MAX_PLIES", 14)
    monkeypatch.setattr("lm.training.memory.keep_memory", lambda: None)
    monkeypatch.chdir(tmp_path)
    torch.set_num_threads(1)


def words(games: Path, *more: object) -> list[Any]:
    short = ["--budget", 0.2, "--games", 2, "--between", 2, "--reference", "greedy:seed=1", "--table", "t/ladder.md"]
    return ["ladder", games, *short, *more]


def cells(page: str, rung: str) -> list[list[str]]:
    """Return the cells of a rung's row in each table."""
    return [row.strip("| ").split(" | ") for row in page.splitlines() if row.startswith(f"| `{rung}` |")]


@pytest.mark.usefixtures("quick")
class TestCommand:
    @pytest.mark.slow
    def test_the_whole_ladder_at_once_or_rung_by_rung_and_nothing_twice(
        self, xqlm: Command, games: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        code, page, err = xqlm(*words(games, "--rungs", "blind"))
        assert code == 0, err
        assert "–" not in cells(page, "blind")[0]
        assert cells(page, "char")[0] == ["`char`"] + ["–"] * 8
        first = Path("runs/ladder/blind/model/metrics.json").stat().st_mtime_ns

        code, page, err = xqlm(*words(games))
        assert code == 0, err
        assert Path("t/ladder.md").read_text() + "\n" == page
        assert Path("runs/ladder/blind/model/metrics.json").stat().st_mtime_ns == first
        for name in RUNGS:
            figures, scores = cells(page, name)
            assert all(re.fullmatch(r"[\d,]+", cell) for cell in figures[1:4])
            assert all(re.fullmatch(r"\d\.\d{3} \(\d\.\d{3} to \d\.\d{3}\)", cell) for cell in figures[4:])
            assert [cell == "–" for cell in scores[1:]] == [other == name for other in RUNGS]
        parameters = [int(cells(page, name)[0][1].replace(",", "")) for name in list(RUNGS)[1:]]
        assert parameters == sorted(set(parameters))
        matches = list(Path("runs/ladder/matches").glob("*.pgn"))
        assert len(matches) == 6 + 15
        assert all(len(list(load(file))) == 2 for file in matches)
        assert "2 games between people that no training saw (40 plies)" in page
        assert "xqlm ladder --budget 0.2 --games 2 --between 2 --reference greedy:seed=1 /" in page

        for module, work in ((train, "make_trainer"), (ladder, "evaluate"), (ladder, "play_to_file")):
            monkeypatch.setattr(module, work, lambda *args, **kwargs: pytest.fail("done twice"))
        assert xqlm(*words(games))[1] == page

        figures = Path("runs/ladder/char/model/metrics.json")
        for seconds, said in (("0.2", False), ("0.3", True)):
            figures.write_text(
                re.sub(r'"cpu_seconds": [\d.]+,', f'"cpu_seconds": {seconds},', figures.read_text(), count=1)
            )
            assert ("\n`char` took 50% more than that: " in xqlm(*words(games))[1]) == said

    def test_interrupted_in_training_and_in_a_match_it_goes_on(
        self, xqlm: Command, games: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def stop(*args: object, **kwargs: object) -> None:
            raise KeyboardInterrupt("stopped at step 3 of 9")

        with monkeypatch.context() as patch:
            patch.setattr(train, "train", stop)
            code, _, err = xqlm(*words(games, "--rungs", "board"))
            assert (code, err.splitlines()[-1]) == (130, "stopped at step 3 of 9; the same command goes on")
        with monkeypatch.context() as patch:
            patch.setattr(Table, "record", stop_after(1, Table.record))
            assert xqlm(*words(games, "--rungs", "board"))[0] == 130
        file = Path("runs/ladder/matches/board-reference.pgn")
        assert len(list(load(file))) == 1
        code, page, _ = xqlm(*words(games, "--rungs", "board"))
        assert code == 0
        assert len(list(load(file))) == 2
        assert "–" not in cells(page, "board")[0]

        # The finished run can stand for a rung of another ladder; no engine is a column less.
        words_there = words(games, "--rungs", "board", "--out", "there", "--run", "board=runs/ladder/board")
        words_there += ["--reference", "uci:cmd=no-such-engine,depth=1"]
        code, page, err = xqlm(*words_there)
        assert code == 0
        assert "no matches against uci:cmd=no-such-engine,depth=1: " in err
        assert not Path("there/board/model").exists()
        assert len(cells(page, "board")[0]) == 8
        assert "\n`board` was trained apart, on games.pgn (12 games).\n" in page

    @pytest.mark.parametrize(
        ("more", "reason"),
        [
            (["--rungs", "char,attic"], "no rung 'attic': choose from char, blind, board, threats, full"),
            (["--run", "attic=DIR"], "no rung 'attic'"),
            (["--run", "DIR"], "as full=DIR, not 'DIR'"),
            (["--run", "full=DIR"], "DIR: no finished run"),
            (["--reference", "nobody"], "no player 'nobody'"),
        ],
    )
    def test_a_mistake_is_one_line_and_no_work(self, xqlm: Command, games: Path, more: list[str], reason: str) -> None:
        code, _, err = xqlm(*words(games, *more))
        assert (code, err.count("\n")) == (2, 1)
        assert reason in err
        assert not Path("runs").exists()

    def test_games_that_cannot_judge(self, xqlm: Command, games: Path, tmp_path: Path) -> None:
        save(list(load(games))[2:], tmp_path / "learned.pgn")
        code, _, err = xqlm(*words(tmp_path / "learned.pgn"))
        assert code == 2
        assert "no games between people in the test split of learned.pgn" in err

    def test_two_processes_do_not_make_the_same_rung(self, xqlm: Command, games: Path) -> None:
        lock = Path("runs/ladder/.char.lock")
        lock.parent.mkdir(parents=True)
        with FileLock(lock):
            code, _, err = xqlm(*words(games, "--rungs", "char"))
        assert (code, err) == (2, "xqlm: runs/ladder: another process is working on char\n")


def stop_after(calls: int, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that works so many times and then is interrupted."""
    left = iter(range(calls))

    def call(*args: Any) -> Any:
        if next(left, None) is None:
            raise KeyboardInterrupt
        return function(*args)

    return call


class TestTables:
    def test_a_match_shows_in_both_cells(self) -> None:
        score = Score(wins=10, draws=10, losses=0, pentanomial=(0, 0, 0, 10, 0), endings={})
        rows = second_table({("blind", "char"): Match("char", score)})
        assert rows[2].split(" | ")[2] == "0.250 (0.081 to 0.558)"
        assert rows[3].split(" | ")[1] == "0.750 (0.442 to 0.919)"

    def test_a_match_is_read_as_it_was_written(self) -> None:
        match = Match("Fairy", Score(wins=3, draws=2, losses=1, pentanomial=(0, 0, 1, 2, 0), endings={"checkmate": 6}))
        assert Match.of(json.loads(json.dumps(match.as_dict()))) == match

    @pytest.mark.parametrize("text", ["", "{", '{"of": {"games": 2}}', "{}"])
    def test_what_was_found_of_other_things_is_not_used(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "found.json").write_text(text)
        assert recall(tmp_path / "found.json", {"games": 1}, dict) is None
        assert recall(tmp_path / "missing.json", {"games": 1}, dict) is None
        (tmp_path / "found.json").write_text(json.dumps({"top1": 0.5, "of": {"games": 1}}))
        assert recall(tmp_path / "found.json", {"games": 1}, dict) == {"top1": 0.5}
        assert recall(tmp_path / "found.json", {"games": 1}, Match.of) is None
