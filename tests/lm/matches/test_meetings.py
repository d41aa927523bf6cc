"""``xqlm levels`` and ``strength``: meetings, the file of their results, and the pages made from it."""

from __future__ import annotations

import json
import random
import re
import shutil
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import pytest
from filelock import FileLock

from lm.matches import level_ratings, meetings, strength
from lm.matches.clocks import TimeControl
from lm.matches.marks import _hash, called, marked
from lm.matches.meetings import Meeting
from lm.matches.rating_page import Rated
from lm.matches.results_file import Entrant, ResultsFile, Tally
from lm.model.folder import NET
from lm.players.levels import LEVELS
from lm.players.specs import Spec
from xiangqi.formats import load
from xiangqi.game import Game

OPENINGS = [tuple(Game.from_pgn(f"1. {move} *").moves()) for move in ("h2e2", "b0c2", "c3c4", "g3g4", "c0e2")]
MACHINE = "AMD EPYC"


def entrant(text: str, time: TimeControl | None = None) -> Entrant:
    spec = Spec.parse(text)
    return Entrant(marked(spec.name, spec), time)


A, B, C = (entrant(text) for text in ("random:seed=1,name=a", "random:seed=2,name=b", "greedy:seed=3,name=c"))


@pytest.fixture(autouse=True)
def short_games(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meetings, "MAX_PLIES", 12)
    monkeypatch.setattr(meetings, "cpu_model", lambda: MACHINE)


def stopping(after: float = 1e9, seen: list[str] | None = None) -> meetings.Progress:
    """Show no progress, and interrupt after so many games."""
    left = after

    @contextmanager
    def progress(title: str, total: int | None):
        def advance(done: int, note: str) -> None:
            nonlocal left
            left -= 1
            if left <= 0:
                raise KeyboardInterrupt

        if seen is not None:
            seen.append(f"{title}: {total}")
        yield lambda text: None, advance

    return progress


def play(folder: Path, planned: list[Meeting], progress: meetings.Progress | None = None) -> ResultsFile:
    known = ResultsFile(folder / "page.json")
    meetings.play(planned, known, folder / "games", OPENINGS, progress or stopping(), parallel=4, cores=1)
    return ResultsFile(folder / "page.json")


def results(known: ResultsFile) -> list[dict[str, object]]:
    """Return all but the days, which may change in a test."""
    return [tally.as_dict() | {"machines": None} for tally in known.tallies]


class TestPlay:
    PLANNED = (Meeting(A, B, 24), Meeting(B, C, 24), Meeting(A, C, 6))

    def test_each_meeting_begins_before_any_goes_on(self, tmp_path: Path) -> None:
        seen: list[str] = []
        play(tmp_path, list(self.PLANNED), stopping(seen=seen))
        assert seen == [
            "1/3 a - b: 10",
            "2/3 b - c: 10",
            "3/3 a - c: 6",
            "1/3 a - b: 20",
            "2/3 b - c: 20",
            "1/3 a - b: 24",
            "2/3 b - c: 24",
        ]

    def test_steps(self) -> None:
        assert list(meetings.steps(100)) == [10, 20, 50, 100]
        assert list(meetings.steps(7)) == [7]
        assert list(meetings.steps(300)) == [10, 20, 50, 100, 200, 300]

    def test_what_is_known_is_not_played_again(self, tmp_path: Path) -> None:
        known, seen = play(tmp_path, list(self.PLANNED)), list[str]()
        text = (tmp_path / "page.json").read_text()
        shutil.rmtree(tmp_path / "games")
        again = play(tmp_path, list(self.PLANNED), stopping(seen=seen))
        assert results(again) == results(known)
        assert not seen
        assert (tmp_path / "page.json").read_text() == text
        assert sum(len(tally.points) for tally in again.tallies) == 54

    def test_stopped_anyhow_it_has_the_results_of_a_run_that_was_not(self, tmp_path: Path) -> None:
        """It is interrupted, killed before the results are written, and has its folder lost, at random."""
        whole = results(play(tmp_path / "whole", list(self.PLANNED)))
        folder, chance, stops = tmp_path / "stopped", random.Random(3), list[str]()
        while True:
            file, games = folder / "page.json", folder / "games"
            before = file.read_text() if file.exists() else None
            try:
                play(folder, list(self.PLANNED), stopping(after=chance.randrange(1, 9)))
                break
            except KeyboardInterrupt:
                stops.append(chance.choice(["interrupted", "killed", "lost"]))
            if stops[-1] == "killed":
                file.unlink() if before is None else file.write_text(before)
                (last := max(games.iterdir(), key=lambda path: path.stat().st_mtime_ns)).write_text(
                    last.read_text()[: -chance.randrange(1, 200)]
                )
            elif stops[-1] == "lost":
                shutil.rmtree(games)
        assert set(stops) == {"interrupted", "killed", "lost"}
        assert results(ResultsFile(folder / "page.json")) == whole

    def test_a_match_goes_on_from_the_next_game_with_the_same_openings(self, tmp_path: Path) -> None:
        play(tmp_path, [Meeting(A, B, 10)])
        shutil.rmtree(tmp_path / "games")
        play(tmp_path, [Meeting(A, B, 16)])
        (games,) = (tmp_path / "games").iterdir()
        rounds = {int(game.headers["Round"]): game for game in load(games)}
        assert sorted(rounds) == list(range(11, 17))
        whole = play(tmp_path / "whole", [Meeting(A, B, 16)])
        assert results(ResultsFile(tmp_path / "page.json")) == results(whole)
        assert rounds[11].moves()[0] is rounds[12].moves()[0]
        assert rounds[11].headers["Red"] == rounds[12].headers["Black"] == A.spec.name

    def test_the_folder_may_hold_more_games_than_are_asked_for(self, tmp_path: Path) -> None:
        whole = results(play(tmp_path, [Meeting(A, B, 12)]))
        (tmp_path / "page.json").unlink()
        assert results(play(tmp_path, [Meeting(A, B, 4)])) == whole

    def test_other_marks_openings_and_times_are_other_meetings(self, tmp_path: Path) -> None:
        play(tmp_path, [Meeting(A, B, 2)])
        other = entrant("random:seed=9,name=a")
        assert called(other.spec.name) == called(A.spec.name)
        known = play(tmp_path, [Meeting(other, B, 2)])
        assert len(known.tallies) == 2
        stated = meetings.conditions(OPENINGS)
        assert [tally.a["spec"] for tally in known.among([A, B], stated)] == ["random:seed=1"]
        assert not known.among([A, B], meetings.conditions(OPENINGS[:2]))
        assert not known.among([Entrant(A.spec, TimeControl(1, per_move=True)), B], stated)

    def test_machines_and_days_are_kept(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        play(tmp_path, [Meeting(A, B, 2)])
        monkeypatch.setattr(meetings, "cpu_model", lambda: "another")
        (tally,) = play(tmp_path, [Meeting(A, B, 4)]).tallies
        assert list(tally.machines) == [MACHINE, "another"]
        assert all(re.fullmatch(r"\d{4}-\d\d-\d\d", day) for days in tally.machines.values() for day in days)


class TestResultsFile:
    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        play(tmp_path, [Meeting(A, B, 10)])
        return tmp_path / "page.json"

    def test_it_tells_all_that_a_result_is(self, file: Path) -> None:
        (known,) = ResultsFile(file).tallies
        assert Tally.of(json.loads(json.dumps(known.as_dict()))) == known
        found = json.loads(file.read_text())
        assert found["schema"] == "xqlm results 1"
        (meeting,) = found["meetings"]
        assert meeting["a"] == {"name": A.spec.name, "spec": "random:seed=1", "time": "-"}
        assert meeting["games"] == len(meeting["results"]) == 2 * sum(meeting["pentanomial"]) == 10
        assert "draw at ply 12" in meeting["conditions"]

    def test_a_gap_is_a_game_still_to_be_played(self) -> None:
        tally = Tally(A.as_dict(), B.as_dict(), "", {0: 1.0, 1: 0.5, 4: 0.0})
        assert tally.as_dict()["results"] == "1=..0"
        assert Tally.of(tally.as_dict()) == tally
        assert tally.result.pairs == ((1.5, 2), (0.0, 1))
        assert tally.result.draws == 1

    def test_lines_of_two_machines_are_one_meeting(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """As where a merge has left both: a game that both have played counts as the first one tells it."""
        monkeypatch.setattr(meetings, "cpu_model", lambda: "another")
        play(file.parent / "other", [Meeting(A, B, 14), Meeting(B, C, 2)])
        ours, theirs = (json.loads(path.read_text()) for path in (file, file.parent / "other" / "page.json"))
        file.write_text(json.dumps(ours | {"meetings": ours["meetings"] + theirs["meetings"]}))
        first, second = ResultsFile(file).tallies
        assert [first.points[i] for i in range(10)] == [*Tally.of(ours["meetings"][0]).points.values()]
        assert (len(first.points), len(second.points)) == (14, 2)
        assert list(first.machines) == [MACHINE, "another"]

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda text: text[:200],
            lambda text: "",
            lambda text: "[]",
            lambda text: text.replace('"games": 10', '"games": 12'),
            lambda text: text.replace('"results": "', '"results": "1'),
            lambda text: text.replace('"results": "', '"results": "x'),
            lambda text: text.replace('"time": "-"', '"time": 3'),
            lambda text: text.replace('"spec"', '"player"'),
            lambda text: text.replace("xqlm results 1", "xqlm results 2"),
            lambda text: text.replace('"players": []', '"players": [3]'),
            lambda text: re.sub(r'"machines": \{.*?\}', '"machines": []', text),
        ],
    )
    def test_a_damaged_file_or_another_form_is_one_line_and_left_as_it_is(
        self, xqlm, file: Path, spoil: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file.write_text(text := spoil(file.read_text()))
        monkeypatch.setattr("lm.cli.levels.version", lambda engine: pytest.fail("it went on"))
        code, out, err = xqlm("strength", "--table", file.with_suffix(".md"), "--out", file.parent / "games")
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert str(file) in err and "left as it is" in err
        assert file.read_text() == text


class TestMarks:
    def test_they_tell_specs_versions_and_weights(self, tmp_path: Path) -> None:
        engine = Spec.parse("uci:engine,depth=1")
        assert marked("x", engine, "X 1").name != marked("x", engine, "X 2").name
        names = set()
        for number in range(2):
            folder = tmp_path / f"{number}" / "model"
            folder.mkdir(parents=True)
            (folder / "model.safetensors").write_bytes(bytes([number]))
            names.add(marked("x", Spec.parse(f"lm:model={folder}")).name)
        assert len(names) == 2

    def test_only_a_player_that_uses_it_has_the_network_for_tactics(self, tmp_path: Path) -> None:
        specs = [
            Spec.parse(f"{name}={tmp_path}") for name in ("lm:model", "careful:model", "search:model", "tactics:net")
        ]
        (tmp_path / "model.safetensors").write_bytes(b"1")
        (tmp_path / "config.json").write_text("{}")
        names = []
        for content in (b"1", b"2"):
            (tmp_path / NET).write_bytes(content)
            _hash.cache_clear()
            names.append([marked("x", spec).name for spec in specs])
        assert [old == new for old, new in zip(*names, strict=True)] == [True, True, False, False]

    def test_a_level_has_those_of_its_player(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert marked("x", Spec.parse("level:5")).name != marked("x", Spec.parse("level:6")).name
        assert marked("x", Spec.parse("level:5,name=y")).name == marked("x", Spec.parse("level:5")).name
        before = marked("x", Spec.parse("level:5")).name
        monkeypatch.setattr("lm.matches.marks.find_level", lambda name: LEVELS[0])
        assert marked("x", Spec.parse("level:5")).name != before


def rated(players: list[Entrant], planned: list[Meeting], score: str, known: ResultsFile, anchor: Entrant) -> Rated:
    """Return ratings after all meetings have gone the same way."""
    points = {"1": 1.0, "=": 0.5, "0": 0.0}
    for meeting in planned:
        tally = known.of(meeting.a, meeting.b, meetings.conditions(OPENINGS))
        games = {index: points[score[index % len(score)]] for index in range(meeting.games)}
        tally.points |= games
        tally.machines[MACHINE] = ["2026-11-30", "2026-12-01"]
    return Rated(players, planned, known, OPENINGS, anchor)


class TestPage:
    def page(self, folder: Path, planned: list[Meeting], players: tuple[Entrant, ...] = (A, B, C)) -> str:
        known = Rated(players, planned, ResultsFile(folder / "page.json"), OPENINGS, A)
        return strength.page(known).replace("\n", " ")

    def test_what_is_unfinished_says_so(self, tmp_path: Path) -> None:
        planned = [Meeting(A, B, 10), Meeting(B, C, 20)]
        play(tmp_path, planned[:1])
        page = self.page(tmp_path, planned)
        assert re.search(r"\| a - b \| 10 \| \d\.\d{3} \|", page)
        assert "| b - c | 0 of 20 |  |" in page
        assert "| c | `greedy:seed=3` | 0 | – |  |" in page
        assert "Still to be played: 20 games of 1 meeting." in page
        assert "Not counted" not in page
        assert f"Played on {MACHINE}, 20" in page

    def test_before_the_anchor_has_played_another_is_0(self, tmp_path: Path) -> None:
        play(tmp_path, [Meeting(A, B, 10)])
        known = Rated((C, A, B), [], ResultsFile(tmp_path / "page.json"), OPENINGS, C)
        page = strength.page(known).replace("\n", " ")
        assert "with a as 0" in page
        assert "| a | `random:seed=1` | 10 | 0 |" in page
        assert re.search(r"\| b \| `random:seed=2` \| 10 \| [+-]\d+ \(", page)

    def test_before_the_first_game(self, tmp_path: Path) -> None:
        page = self.page(tmp_path, [Meeting(A, B, 10)])
        assert "| a | `random:seed=1` | 0 | – |" in page
        assert "Still to be played: 10 games" in page

    def test_games_of_other_specs_are_not_counted_but_kept(self, tmp_path: Path) -> None:
        play(tmp_path, [Meeting(A, B, 4), Meeting(entrant("random:seed=7,name=b"), C, 6)])
        assert "Not counted: 6 games of other players, specs, weights or conditions." in self.page(
            tmp_path, [Meeting(A, B, 4)]
        )
        assert len(play(tmp_path, [Meeting(A, B, 6)]).tallies) == 2

    def test_known_games_count_whether_planned_or_not(self, tmp_path: Path) -> None:
        play(tmp_path, [Meeting(A, B, 4), Meeting(A, C, 2)])
        page = self.page(tmp_path, [Meeting(A, B, 2)])
        assert re.search(r"\| a - b \| 4 \| .*\| a - c \| 2 \|", page)


class TestLevelRatings:
    PLAYERS = level_ratings.entrants("fairy-stockfish 11.1")

    def test_each_level_meets_the_next_two_and_somebody_else(self) -> None:
        games = level_ratings.meetings(self.PLAYERS, 100)
        assert all(meeting.games == 100 for meeting in games)
        met = {(m.a.called, m.b.called) for m in games if not m.b.called.startswith("level")}
        assert ("level 1", "greedy") in met
        assert {("level 10", f"fairy-stockfish 11.1 depth {depth}") for depth in (1, 4, 8)} <= met
        between = [meeting for meeting in games if meeting.b.called.startswith("level")]
        assert len(between) == 2 * len(LEVELS) - 3

    def test_the_page_tells_what_was_found(self, tmp_path: Path) -> None:
        planned, known = level_ratings.meetings(self.PLAYERS, 100), ResultsFile(tmp_path / "none.json")
        page = level_ratings.page(rated(self.PLAYERS, planned, "1=0=0", known, self.PLAYERS[-3]))
        for level in LEVELS:
            assert re.search(rf"\| {level.name} \| `{level.spec}` \| \d+ \| [+-]\d+ \([+-]\d+ to [+-]\d+\) \|", page)
        assert "| fairy-stockfish 11.1 depth 1 | `uci:fairy-stockfish,UCI_Variant=xiangqi,depth=1` | 600 | 0 |" in page
        assert "level 1 - greedy | 100 | 0.400" in page
        assert "Still to be played" not in page
        assert f"{MACHINE}, 2026-11-30 to 2026-12-01." in page.replace("\n", " ")


class TestStrength:
    def test_each_meets_its_three_nearest_and_all_are_joined(self) -> None:
        players = strength.places("engine")
        assert len({player.entrant.spec.name for player in players}) == 31
        games = strength.meetings(players, 100)
        met: dict[str, set[str]] = {}
        for meeting in games:
            met.setdefault(meeting.a.called, set()).add(meeting.b.called)
            met.setdefault(meeting.b.called, set()).add(meeting.a.called)
        assert all(len(met[player.name]) >= 3 for player in players if player.name != "level 1")
        assert "level 2" in met["level 1"]
        slow = [meeting for meeting in games if "1 s" in meeting.a.called + meeting.b.called]
        assert slow
        assert all(meeting.games == (50 if meeting in slow else 100) for meeting in games)

    def test_another_guess_of_strength_leaves_red_to_the_same(self) -> None:
        players = strength.places("engine")
        turned = [strength.Place(player.name, player.entrant, -player.rough) for player in players]
        sides = [{(m.a.called, m.b.called) for m in strength.meetings(of, 2)} for of in (players, turned)]
        assert sides[0] & sides[1]
        assert not {(b, a) for a, b in sides[0]} & sides[1]

    def test_time_is_a_clock_for_who_has_it_alone(self) -> None:
        players = {player.name: player for player in strength.places("engine")}
        (meeting,) = strength.meetings([players["level 9"], players["search, 10 ms"]], 2)
        assert meeting.clocks.headers == {"RedTimeControl": "-", "BlackTimeControl": "0.01/move"}


class TestCommand:
    @pytest.fixture
    def words(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[object]:
        """Quick players instead of the engine and the rest."""
        quick = [strength.Place(player.called, player, rough) for rough, player in enumerate((A, B, C))]
        monkeypatch.setattr(strength, "places", lambda version, engine: quick)
        monkeypatch.setattr("lm.cli.levels.version", lambda engine: "engine")
        return ["strength", "-n", 4, "--out", tmp_path / "games", "--table", tmp_path / "docs" / "page.md"]

    def test_it_plays_writes_both_files_and_goes_on_from_either(self, xqlm, words, tmp_path: Path) -> None:
        code, out, err = xqlm(*words)
        assert code == 0, err
        page, figures = tmp_path / "docs" / "page.md", tmp_path / "docs" / "page.json"
        texts = page.read_text(), figures.read_text()
        assert out.strip() == texts[0].strip()
        assert re.search(r"\| a \| `random:seed=1` \| 8 \| 0 \|", texts[0])
        figures.unlink()
        assert xqlm(*words)[0] == 0
        assert (page.read_text(), figures.read_text()) == texts
        shutil.rmtree(tmp_path / "games")
        assert xqlm(*words)[0] == 0
        assert (page.read_text(), figures.read_text()) == texts
        assert not list((tmp_path / "games").glob("*.pgn"))

    def test_ctrl_c_writes_what_is_known(self, xqlm, words, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("lm.cli.levels.progress", stopping(after=3))
        code, out, err = xqlm(*words)
        assert code == 130
        assert err.endswith("stopped; the same command goes on\n")
        assert "Still to be played: 9 games of 3 meetings." in out
        (meeting,) = json.loads((tmp_path / "docs" / "page.json").read_text())["meetings"]
        assert meeting["games"] == 3

    def test_hours_end_it_in_an_orderly_way(self, xqlm, words, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "endless.py").write_text(
            "import threading\n"
            "from lm.players.player import Player\n"
            "class Endless(Player):\n"
            "    def __init__(self): self.closed = threading.Event()\n"
            "    def choose(self, boards, limits=None): self.closed.wait()\n"
            "    def close(self): self.closed.set()\n"
        )
        monkeypatch.syspath_prepend(tmp_path)
        players = [strength.Place(p.called, p, 0) for p in (A, entrant("py:endless:Endless,name=endless"))]
        monkeypatch.setattr(strength, "places", lambda version, engine: players)
        code, out, err = xqlm(*words, "--hours", 0.0003)
        assert code == 0
        assert "stopped after 0.0003 h; the same command goes on\n" in err
        assert "Still to be played: 4 games of 1 meeting." in out

    def test_without_time_the_page_is_written_alone(self, xqlm, words, tmp_path: Path) -> None:
        assert xqlm(*words)[0] == 0
        page, text = tmp_path / "docs" / "page.md", (tmp_path / "docs" / "page.md").read_text()
        page.unlink()
        code, out, _ = xqlm(*words, "--hours", 0, "--games", 6)
        assert (code, page.exists()) == (0, True)
        assert "| a - b | 4 of 6 |" in out
        assert xqlm(*words, "--hours", 0)[0] == 0
        assert page.read_text() == text

    def test_some_of_the_players(self, xqlm, words, tmp_path: Path) -> None:
        assert xqlm(*words)[0] == 0
        code, out, _ = xqlm(*words, "--only", "a;c")
        assert code == 0
        assert "Not counted: 8 games" in out
        assert len(ResultsFile(tmp_path / "docs" / "page.json").tallies) == 3
        assert "no player 'nobody'" in xqlm(*words, "--only", "nobody")[2]
        assert "two players at least" in xqlm(*words, "--only", "a;a")[2]

    def test_two_do_not_play_the_same(self, xqlm, words, tmp_path: Path) -> None:
        (tmp_path / "games").mkdir()
        with FileLock(tmp_path / "games" / ".lock"):
            assert xqlm(*words)[::2] == (2, f"xqlm: {tmp_path / 'games'}: another process plays these matches\n")
        assert xqlm(*words)[0] == 0

    def test_the_page_is_no_json(self, xqlm, words, tmp_path: Path) -> None:
        code, _, err = xqlm(*words, "--table", tmp_path / "page.json")
        assert (code, err.count("\n")) == (2, 1)
        assert "the page is Markdown" in err

    def test_the_engine_and_time(self, xqlm, tmp_path: Path, fairy_stockfish: str) -> None:
        words = ["strength", "-n", 2, "--out", tmp_path / "games", "--table", tmp_path / "page.md"]
        code, out, err = xqlm(*words, "--only", "engine depth 1;engine depth 2;control: tactics alone, 100 ms")
        assert code == 0, err
        assert re.search(r"\| Fairy-Stockfish .* depth 1 \| `uci:.*` \| 4 \| 0 \|", out)
        assert re.search(r"\| control: tactics alone, 100 ms \| `tactics:movetime=100` \| 4 \| [+-]\d+ \(", out)
