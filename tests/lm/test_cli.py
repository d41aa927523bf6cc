from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import get_args

import pytest

import lm
from lm import UserError, cli, install_command
from lm.cli import training
from lm.cli.commands import EXTRAS, plugins
from xiangqi import STARTING_FEN, Game, InvalidFenError
from xiangqi.__main__ import run as run_rules
from xiangqi.formats import load, save
from xiangqi.lines import Notation
from xiangqi.rulings import Rules

RULES_ALONE = ("typer", "click", "rich", "torch", "transformers", "safetensors", "pygame", "zstandard", "filelock")
"""Packages that are missing where only the rules are installed."""


class TestProcessor:
    """What a page says that it was measured on."""

    @pytest.mark.parametrize(
        ("text", "name"),
        [
            ("model : 17\nmodel name : AMD EPYC\ncpu family : 25\n", "AMD EPYC (family 25, model 17)"),
            (
                "model : 1\nmodel name : AMD EPYC 7763 64-Core Processor\ncpu family : 25\n",
                "AMD EPYC 7763 64-Core Processor",
            ),
            ("processor : 0\nBogoMIPS : 50.00\n", "aarch64"),
            (None, "aarch64"),
        ],
    )
    def test_its_name(self, text: str | None, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        if text is not None:
            (tmp_path / "cpuinfo").write_text(text)
        monkeypatch.setattr(lm, "CPU_FILE", tmp_path / "cpuinfo")
        monkeypatch.setattr("platform.processor", lambda: "")
        monkeypatch.setattr("platform.machine", lambda: "aarch64")
        assert lm.cpu_model() == name


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

    def test_a_sequential_test_needs_no_number_of_games(self, xqlm, tmp_path: Path) -> None:
        words = ["match", "greedy:seed=1", "random:seed=2", "--sprt", "0,100", "--parallel", 8]
        code, out, _ = xqlm(*words, "--openings", "start", "--sprt-model", "normalized")
        assert code == 0
        assert "H1 after" in out
        assert "(-2.94, 2.94) [0.00, 100.00] normalized" in out
        assert "Ptnml(0-2): [" in out

    def test_selfplay_to_a_file_and_to_a_pipe(self, xqlm, tmp_path: Path) -> None:
        path = tmp_path / "games.pgn"
        assert xqlm("selfplay", "--games", 3, "--player", "random:seed=1", "--out", path)[0] == 0
        games = list(load(path))
        assert len(games) == 3
        for game in games:
            assert game.result != "*"
            assert game.headers["Termination"]
            assert game.headers["Red"] == game.headers["Black"] == "random:seed=1"
        assert xqlm("selfplay", "--games", 1, "--player", "random:seed=1")[2].startswith("1 game, ended by ")
        code, out, err = xqlm("selfplay", "--games", 2, "--player", "random:seed=1")
        assert (code, out.count('[Game "Chinese Chess"]')) == (0, 2)
        assert err.startswith("2 games, ended by ")

    @pytest.mark.parametrize("player", ["lm:temperature=0", "careful:temperature=0.0", "lm:top_k=1"])
    def test_selfplay_that_would_repeat_one_game_is_refused(self, xqlm, player: str) -> None:
        code, out, err = xqlm("selfplay", "--games", 4, "--player", player)
        assert (code, out) == (2, "")
        assert err.startswith(f"xqlm: {player} always plays the same moves: from 1 opening it plays 1 game, not 4; ")

    def test_selfplay_of_the_likeliest_moves_takes_each_opening_once(
        self, xqlm, model_folder: Path, tmp_path: Path
    ) -> None:
        openings, out = tmp_path / "openings.txt", tmp_path / "games.pgn"
        openings.write_text("h2e2\nb0c2\n")
        words = ["selfplay", "--player", f"lm:temperature=0,model={model_folder}", "--openings", openings]
        assert xqlm(*words, "-n", 2, "--max-plies", 6, "--out", out)[0] == 0
        assert {game.moves()[0].iccs for game in load(out)} == {"h2e2", "b0c2"}
        assert "from 2 openings it plays 2 games, not 3" in xqlm(*words, "-n", 3)[2]

    def test_selfplay_says_how_many_games_differ(self, xqlm, tmp_path: Path) -> None:
        (tmp_path / "plugged.py").write_text(
            "from lm.players.player import Choice, Player\n"
            "class First(Player):\n"
            "    def choose(self, boards, limits=None): return [Choice(board.legal_moves[0]) for board in boards]\n"
        )
        sys.path.append(str(tmp_path))
        words = ["selfplay", "--player", "py:plugged:First", "-n", 3, "--max-plies", 6]
        assert "3 games, only 1 of them different, ended by " in xqlm(*words)[2]
        sys.path.remove(str(tmp_path))

    def test_a_match_takes_each_set_of_rules(self, xqlm, tmp_path: Path) -> None:
        for rules in get_args(Rules):
            out = tmp_path / f"{rules}.pgn"
            code, _, _ = xqlm("match", "random", "random", "-n", 2, "--max-plies", 4, "--rules", rules, "--out", out)
            assert code == 0
            assert next(iter(load(out))).headers["Adjudication"] == f"rules {rules}, draw at ply 4"

    def test_convert(self, xqlm, tmp_path: Path) -> None:
        source, target = tmp_path / "games.pgn", tmp_path / "games.jsonl"
        xqlm("selfplay", "--games", 2, "--player", "random:seed=1", "--max-plies", 20, "--out", source)
        code, out, _ = xqlm("convert", source, target)
        assert (code, out) == (0, f"2 games written to {target}\n")
        assert [game.moves() for game in load(target)] == [game.moves() for game in load(source)]

    def test_what_a_format_does_not_hold_is_told(self, xqlm, tmp_path: Path) -> None:
        source = tmp_path / "games.pgn"
        source.write_text("1. h2e2 {An idea.} (1. c3c4) *\n\n1. h2e2 {Another.} h9g7 *\n\n1. h2e2 *\n")
        code, out, err = xqlm("convert", source, tmp_path / "games.jsonl")
        assert (code, out) == (0, f"3 games written to {tmp_path / 'games.jsonl'}\n")
        assert err == "left out, as the format has no place for them: variations of 1 game, comments of 2 games\n"
        assert xqlm("convert", source, tmp_path / "again.pgn")[2] == ""

    def test_one_of_a_thing_is_no_plural(self, xqlm, tmp_path: Path) -> None:
        games, perft = tmp_path / "game.pgn", xqlm("perft", 0)
        assert perft[1].startswith("1 leaf in ")
        words = ("selfplay", "--games", 1, "--player", "random:seed=1", "--max-plies", 1, "--out", games)
        assert xqlm(*words)[2].startswith("1 game, ended by ")
        assert xqlm("rulings", games)[1] == "0 of 1 game differs\n"
        assert xqlm("convert", games, tmp_path / "game.jsonl")[1].startswith("1 game written")
        out = xqlm("data", games, "--out", tmp_path / "shard")[1]
        assert "1 game, 1 ply\n" in out

    def test_convert_from_another_encoding(self, xqlm, tmp_path: Path) -> None:
        source, target = tmp_path / "game.pgn", tmp_path / "out.pgn"
        source.write_text('[Red "Müller"]\n\n1. h2e2 h9g7 *\n', encoding="latin-1")
        assert xqlm("convert", source, target, "--encoding", "latin-1")[0] == 0
        assert [game.headers["Red"] for game in load(target)] == ["Müller"]

    def test_convert_to_each_notation(self, xqlm, tmp_path: Path) -> None:
        source, target = tmp_path / "game.ubb", tmp_path / "game.pgn"
        save(Game.from_pgn("1. h2e2 h9g7 *"), source)
        written = {}
        for notation in get_args(Notation):
            assert xqlm("convert", source, target, "--notation", notation)[0] == 0
            written[notation] = target.read_text(encoding="utf-8").split("\n\n")[1].strip()
        assert written == {
            "iccs": "1. H2-E2 H9-G7 *",
            "wxf": "1. C2=5 H8+7 *",
            "chinese": "1. 炮二平五 马8进7 *",
            "traditional": "1. 炮二平五 馬８進７ *",
            "algebraic": "1. Che2 Hg7 *",
        }
        code, _, err = xqlm("convert", source, tmp_path / "game.xqf", "--notation", "wxf")
        assert (code, err.count("\n")) == (2, 1)
        assert ".xqf has no notation to choose, only PGN has" in err
        assert not (tmp_path / "game.xqf").exists()
        run_rules(["convert", str(source), str(target), "--notation", "wxf"])
        assert "C2=5 H8+7" in target.read_text()

    def test_play_without_a_display_falls_to_the_terminal(self, xqlm, monkeypatch: pytest.MonkeyPatch) -> None:
        import gui.start
        import lm.terminal.program

        def no_window(*options: object, **others: object) -> int:
            raise gui.NoDisplayError("no display here")

        asked = []
        monkeypatch.setattr(gui.start, "main", no_window)
        monkeypatch.setattr(lm.terminal.program, "main", lambda *options: asked.append(options))
        code, _, err = xqlm("play", "--player", "random", "--side", "black")
        assert (code, asked) == (0, [("random", "black", None, None, None)])
        assert "no display here; playing in the terminal" in err
        assert xqlm("play", __file__)[0] == 0
        assert asked[1] == ("lm", "red", None, None, Path(__file__))

    @pytest.mark.parametrize("command", ["train", "ladder"])
    def test_several_files_of_games(self, xqlm, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
        opened: list[list[str]] = []

        def open_shards(paths: list[Path], cache: Path) -> None:
            opened.append([path.name for path in paths])
            raise UserError("that is enough")

        monkeypatch.setattr("lm.training.memory.keep_memory", lambda: None)
        monkeypatch.setattr(training, "open_shards", open_shards)
        assert xqlm(command, "a", "b")[2] == "xqlm: that is enough\n"
        assert opened == [["a", "b"]]

    def test_explain_speaks_in_the_human_voice_unless_told_otherwise(self, xqlm, model_folder: Path) -> None:
        plain, human, engine = (
            xqlm("explain", STARTING_FEN, "h2e2", "--model", model_folder, *words)[1]
            for words in ([], ["--voice", "human"], ["--voice", "engine"])
        )
        assert plain == human != engine

    def test_help_names_every_command(self, xqlm) -> None:
        code, out, _ = xqlm("--help")
        assert code == 0
        for name in ("play", "perft", "convert", *EXTRAS):
            assert name in out

    def test_version(self, xqlm) -> None:
        assert xqlm("--version")[:2] == (0, f"xqlm {version('xqlm')}\n")

    def test_every_command_names_the_extra_that_it_needs(self) -> None:
        from lm.cli.app import app

        commands = {command.name or command.callback.__name__ for command in app.registered_commands}
        others = {entry.name for entry in plugins()}
        assert commands == {"perft", "convert", "compliance"} | EXTRAS.keys() | others


class TestOtherPackagesCommands:
    """A distribution adds a command to ``xqlm`` by an entry point."""

    def add(self, folder: Path, code: str) -> dict[str, str]:
        (folder / "extra_command.py").write_text(code)
        facts = folder / "extra-1.0.dist-info"
        facts.mkdir()
        (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: extra\nVersion: 1.0\n")
        (facts / "entry_points.txt").write_text("[xqlm.commands]\ngreet = extra_command:greet\n")
        return os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), *sys.path])}

    def run(self, environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "lm.cli", *words], env=environment, capture_output=True, encoding="utf-8"
        )

    def test_it_runs_and_its_mistakes_are_one_line(self, tmp_path: Path) -> None:
        environment = self.add(
            tmp_path,
            "class NobodyError(Exception): pass\n"
            "def greet(name: str) -> None:\n"
            "    if name == 'nobody': raise NobodyError('nobody is there')\n"
            "    print('hello', name)\n",
        )
        assert self.run(environment, "greet", "you").stdout == "hello you\n"
        done = self.run(environment, "greet", "nobody")
        assert (done.returncode, done.stderr) == (2, "xqlm: nobody is there\n")

    def test_one_that_cannot_be_loaded_leaves_the_others(self, tmp_path: Path) -> None:
        environment = self.add(tmp_path, "import no_such_package\n")
        done = self.run(environment, "--version")
        assert (done.returncode, done.stdout) == (0, f"xqlm {version('xqlm')}\n")
        assert done.stderr == (
            "xqlm: the command greet of extra_command cannot be loaded: No module named 'no_such_package'\n"
        )


class TestMissingPackages:
    """What is not installed is named in a line, with the command that installs it."""

    def run(self, without: tuple[str, ...], *words: str) -> subprocess.CompletedProcess[str]:
        code = (
            f"import sys; sys.modules.update(dict.fromkeys({without!r})); sys.argv = ['xqlm', *{words!r}];"
            "from lm.cli import main; main()"
        )
        return subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8")

    def test_the_rules_alone_do_perft_and_convert(self, tmp_path: Path) -> None:
        done = self.run(RULES_ALONE, "perft", "3")
        assert done.returncode == 0
        assert done.stdout.startswith("79666 leaves in ")
        (source := tmp_path / "a.pgn").write_text("1. h2e2 h9g7 *")
        done = self.run(RULES_ALONE, "convert", str(source), str(target := tmp_path / "a.jsonl"))
        assert (done.returncode, done.stdout) == (0, f"1 game written to {target}\n")
        assert [game.moves() for game in load(target)] == [game.moves() for game in load(source)]
        done = self.run(RULES_ALONE, "perft", "3", "--fen", "rubbish")
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert done.stderr.startswith("xqlm: ")

    @pytest.fixture
    def without_typer(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "typer", None)
        monkeypatch.delitem(sys.modules, "lm.cli.app", raising=False)

    @pytest.mark.usefixtures("without_typer")
    @pytest.mark.parametrize("command", ["play", *EXTRAS])
    def test_the_rules_alone_name_the_extra_of_any_other_command(self, xqlm, command: str) -> None:
        needed = install_command(EXTRAS.get(command, "play"))
        assert xqlm(command) == (2, "", f"xqlm: {command} needs more than the rules: {needed}\n")

    @pytest.mark.usefixtures("without_typer")
    def test_the_rules_alone_have_help_and_version(self, xqlm) -> None:
        assert xqlm("--version") == (0, f"xqlm {version('xqlm')}\n", "")
        told = " ".join(xqlm("--help")[1].split())
        for words in ("perft", "convert", "play, terminal, match", "need more than the rules"):
            assert words in told
        code, _, err = xqlm("fly")
        assert code == 2
        assert "invalid choice: 'fly'" in err

    @pytest.mark.parametrize(
        ("package", "words", "extra"),
        [
            ("torch", ("evaluate",), "torch"),
            ("pygame", ("play",), "play"),
            ("matplotlib", ("report",), "report"),
            ("captum", ("explain", STARTING_FEN, "h2e2", "--model", "/no/such/model"), "report"),
        ],
    )
    def test_a_command_names_what_it_misses(self, package: str, words: tuple[str, ...], extra: str) -> None:
        done = self.run((package,), *words)
        last = done.stderr.splitlines()[-1]  # transformers may have its say before
        assert (done.returncode, last) == (2, f"xqlm: this needs {package}: {install_command(extra)}")


class TestInstallCommand:
    """It installs from where this installation came from."""

    @pytest.mark.parametrize(
        ("origin", "command"),
        [
            (None, '"xqlm[play]"'),
            ({"url": "file:///home/me/my%20xqlm", "dir_info": {}}, '"/home/me/my xqlm[play]"'),
            ({"url": "file:///home/me/xqlm", "dir_info": {"editable": True}}, '-e "/home/me/xqlm[play]"'),
            ({"url": "file:///tmp/xqlm.whl", "archive_info": {}}, '"xqlm[play] @ file:///tmp/xqlm.whl"'),
            (
                {"url": "https://host/xqlm", "vcs_info": {"vcs": "git", "commit_id": "abc"}},
                '"xqlm[play] @ git+https://host/xqlm@abc"',
            ),
        ],
    )
    def test_each_origin(self, origin: dict[str, object] | None, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
        class Installed:
            def read_text(self, name: str) -> str | None:
                return json.dumps(origin) if origin and name == "direct_url.json" else None

        monkeypatch.setattr(lm, "distribution", lambda name: Installed())
        assert install_command("play") == f"{sys.executable} -m pip install {command}"


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

        monkeypatch.setattr("lm.cli.app.app", lambda words: bug())
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
        heavy = ("torch", "numba", "numpy", "pygame", "transformers", "rich.progress")
        code = f"import sys, lm.cli.app; print([name for name in {heavy} if name in sys.modules])"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout == "[]\n"

    def test_a_reader_that_leaves_early(self) -> None:
        command = f"{sys.executable} -m lm.cli selfplay --games 40 --player random | head -1"
        done = subprocess.run(command, shell=True, capture_output=True, text=True)
        assert done.stdout == '[Game "Chinese Chess"]\n'
        assert "Traceback" not in done.stderr
