from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from lm import UserError, cli
from xiangqi import STARTING_FEN, InvalidFenError
from xiangqi.formats import load


class TestCommands:
    def test_perft(self, xqlm) -> None:
        code, out, _ = xqlm("perft", 3)
        assert code == 0
        assert out.startswith("79666 leaves in ")
        assert out.endswith("million leaves/s\n")

    def test_match_prints_json_and_nothing_else(self, xqlm, tmp_path: Path) -> None:
        path = tmp_path / "match.pgn"
        code, out, _ = xqlm("match", "greedy:seed=1", "random:seed=2", "--games", 6, "--json", "--out", path)
        result = json.loads(out)
        assert code == 0
        assert result["games"] == result["wins"] + result["draws"] + result["losses"] == 6
        assert result["score"] == (result["wins"] + result["draws"] / 2) / 6
        assert set(result) >= {"elo", "interval", "a", "b"}
        assert len(list(load(path))) == 6

    def test_match_for_people(self, xqlm) -> None:
        code, out, _ = xqlm("match", "random:seed=1", "random:seed=2", "-n", 4, "--max-plies", 12)
        assert code == 0
        assert "4 games, +0 =4 -0, score 0.500" in out
        assert "Ended by ply limit (4)" in out
        assert "Elo +0" in out

    def test_selfplay_to_a_file_and_to_a_pipe(self, xqlm, tmp_path: Path) -> None:
        path = tmp_path / "games.pgn"
        assert xqlm("selfplay", "--games", 3, "--player", "random:seed=1", "--out", path)[0] == 0
        games = list(load(path))
        assert len(games) == 3
        for game in games:
            assert game.result != "*"
            assert game.headers["Termination"]
            assert game.headers["Red"] == game.headers["Black"] == "random:seed=1"
        code, out, err = xqlm("selfplay", "--games", 2, "--player", "random:seed=1")
        assert (code, out.count('[Game "Chinese Chess"]')) == (0, 2)
        assert err.startswith("2 games, ended by ")

    def test_convert(self, xqlm, tmp_path: Path) -> None:
        source, target = tmp_path / "games.pgn", tmp_path / "games.jsonl"
        xqlm("selfplay", "--games", 2, "--player", "random:seed=1", "--max-plies", 20, "--out", source)
        code, out, _ = xqlm("convert", source, target)
        assert (code, out) == (0, f"2 games written to {target}\n")
        assert [game.moves() for game in load(target)] == [game.moves() for game in load(source)]

    def test_play_without_a_display_falls_to_the_terminal(self, xqlm, monkeypatch: pytest.MonkeyPatch) -> None:
        import gui.app
        import lm.terminal

        def no_window(*options: object) -> int:
            raise gui.NoDisplayError("no display here")

        asked = []
        monkeypatch.setattr(gui.app, "main", no_window)
        monkeypatch.setattr(lm.terminal, "main", lambda *options: asked.append(options))
        code, _, err = xqlm("play", "--player", "random", "--side", "black")
        assert (code, asked) == (0, [("random", "black", None, False)])
        assert "no display here; playing in the terminal" in err

    def test_the_ladder_takes_several_files_however_they_are_given(self, xqlm, monkeypatch: pytest.MonkeyPatch) -> None:
        opened: list[list[str]] = []

        def open_shards(paths: list[Path], cache: Path) -> None:
            opened.append([path.name for path in paths])
            raise UserError("that is enough")

        monkeypatch.setattr("lm.training.memory.keep_memory", lambda: None)
        monkeypatch.setattr(cli.training, "open_shards", open_shards)
        for words in (["--data", "a", "b"], ["--data", "a", "--data", "b"], ["a", "b"]):
            assert xqlm("ladder", *words)[2] == "xqlm: that is enough\n"
        assert opened == [["a", "b"]] * 3

    def test_explain_speaks_in_the_human_voice_unless_told_otherwise(self, xqlm, model_folder: Path) -> None:
        plain, human, engine = (
            xqlm("explain", STARTING_FEN, "h2e2", "--model", model_folder, *words)[1]
            for words in ([], ["--voice", "human"], ["--voice", "engine"])
        )
        assert plain == human != engine

    def test_help_names_every_command(self, xqlm) -> None:
        code, out, _ = xqlm("--help")
        assert code == 0
        for name in ("play", "terminal", "match", "selfplay", "perft", "convert"):
            assert name in out


class TestMistakes:
    @pytest.mark.parametrize(
        ("words", "reason"),
        [
            (["match", "random", "nobody"], "no player 'nobody'"),
            (["match", "random", "random", "--openings", "/no/such/file"], "/no/such/file: No such file"),
            (["match", "random", "uci:cmd=no-such-engine,depth=1"], "no-such-engine"),
            (["selfplay", "--player", "random", "--out", "/dev/null/x.pgn"], "/dev/null"),
            (["perft", "2", "--fen", "rubbish"], "rubbish"),
            (["convert", "/no/such.pgn", "out.pgn"], "/no/such.pgn: No such file"),
            (["convert", __file__, "out.pgn"], "test_cli.py"),
            (["terminal", "--fen", "rubbish"], "rubbish"),
        ],
    )
    def test_one_line_and_exit_code_2(self, xqlm, words: list[str], reason: str) -> None:
        code, out, err = xqlm(*words)
        assert code == 2
        assert out == ""
        assert err.startswith("xqlm: ")
        assert err.count("\n") == 1
        assert reason in err

    @pytest.mark.parametrize("words", [["fly"], ["match", "random"], ["perft", "-3"], ["play", "--side", "green"]])
    def test_a_wrong_command_line(self, xqlm, words: list[str]) -> None:
        code, _, err = xqlm(*words)
        assert code == 2
        assert "Error" in err

    def test_our_errors_and_the_systems_are_the_users_our_bugs_are_not(self) -> None:
        assert cli.is_users_fault(UserError())
        assert cli.is_users_fault(InvalidFenError())
        assert cli.is_users_fault(FileNotFoundError())
        assert not cli.is_users_fault(ValueError())
        assert not cli.is_users_fault(KeyError())

    def test_a_bug_shows_where_it_is(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def bug() -> None:
            raise ZeroDivisionError

        monkeypatch.setattr(cli, "app", bug)
        with pytest.raises(ZeroDivisionError):
            cli.main()


class TestProcess:
    def test_terminal_at_the_end_of_a_pipe(self) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "lm.cli", "terminal", "--player", "random:seed=1"],
            input="炮二平五\nh2h8\nundo\nquit\n",
            capture_output=True,
            encoding="utf-8",
        )
        said = [line for line in done.stderr.splitlines() if not line.startswith("xiangqi: compiling")]
        assert (done.returncode, said) == (0, [])
        assert "red> 炮二平五" in done.stdout
        assert "Black plays" in done.stdout
        assert "\x1b" not in done.stdout

    def test_light_start(self) -> None:
        """The command line waits for no library that the command does not need."""
        code = (
            "import sys, lm.cli; print([m for m in ('torch', 'numba', 'pygame', 'transformers') if m in sys.modules])"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout == "[]\n"

    def test_a_reader_that_leaves_early(self) -> None:
        command = f"{sys.executable} -m lm.cli selfplay --games 40 --player random | head -1"
        done = subprocess.run(command, shell=True, capture_output=True, text=True)
        assert done.stdout == '[Game "Chinese Chess"]\n'
        assert "Traceback" not in done.stderr
