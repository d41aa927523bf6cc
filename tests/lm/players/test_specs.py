from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lm import UserError
from lm.players.levels import DEFAULT_LEVEL, LEVELS, find_level
from lm.players.player import Choice
from lm.players.specs import Spec, load_player
from xiangqi import Board

NAMES = st.text(min_size=1).filter(lambda name: name not in {"cmd", "depth", "nodes", "movetime", "timeout"})

PLAYER = """
from lm.players.player import Choice, Player

class Nth(Player):
    name = "nth"

    def __init__(self, n: int = 0, share: "float | None" = None, word="") -> None:
        self.n, self.share, self.word = n, share, word

    def choose(self, boards, limits=None):
        return [Choice(board.legal_moves[self.n]) for board in boards]

def needs(n: int): return Nth(n)
def nothing(): return 3
def fails(): raise RuntimeError("no\\nweights")
def anything(**options): return Nth(word=str(options))
number = 7
"""


class TestText:
    @given(st.dictionaries(NAMES, st.text()), st.text())
    def test_what_is_written_is_read_again(self, options: dict[str, str], command: str) -> None:
        spec = Spec("uci", options=(("cmd", command), ("depth", "1"), *options.items()))
        assert Spec.parse(str(spec)) == spec

    @given(st.text(min_size=1))
    def test_values_without_a_name_too(self, value: str) -> None:
        spec = Spec("py", f"module:{value}", (("n", "1"),))
        assert Spec.parse(str(spec)) == spec

    @pytest.mark.parametrize(
        ("text", "options"),
        [
            ("uci:cmd=sh -c 'x -y=1',depth=1", {"cmd": "sh -c 'x -y=1'", "depth": "1"}),
            ('uci: cmd = "a,b" , depth = 1 ,', {"cmd": "a,b", "depth": "1"}),
            ('uci:cmd="say ""hi"", twice",depth=1', {"cmd": 'say "hi", twice', "depth": "1"}),
            ('uci:cmd=a "b",depth=1,"My, Option"=x=y', {"cmd": 'a "b"', "depth": "1", "My, Option": "x=y"}),
            ("uci:cmd=a,depth=1,EvalFile=", {"cmd": "a", "depth": "1", "EvalFile": ""}),
        ],
    )
    def test_quotes_spaces_and_commas(self, text: str, options: dict[str, str]) -> None:
        assert dict(Spec.parse(text).options) == options

    def test_a_value_without_a_name_is_the_option_of_its_kind(self, tmp_path: Path) -> None:
        fake = Path(__file__).parents[2] / "xiangqi" / "engines" / "fake.py"
        player = load_player(f'uci:"{sys.executable} -S {fake} uci none log={tmp_path}/log",nodes=7')
        player.choose([Board()])
        player.close()
        assert (tmp_path / "log").read_text().splitlines().count("go nodes 7") == 1

    def test_an_engine_thinks_for_a_second_unless_something_is_said(self, tmp_path: Path) -> None:
        fake = Path(__file__).parents[2] / "xiangqi" / "engines" / "fake.py"
        player = load_player(f'uci:"{sys.executable} -S {fake} uci none log={tmp_path}/log"')
        player.choose([Board()])
        player.close()
        assert "go movetime 1000" in (tmp_path / "log").read_text()

    def test_it_can_be_a_key(self) -> None:
        assert len({Spec.parse("lm"), Spec.parse("lm:"), Spec("lm")}) == 1


class TestErrors:
    @pytest.mark.parametrize(
        ("spec", "reason"),
        [
            ("", "no player '' \\(random, greedy, lm, char, careful, hf, search, tactics, uci, ucci, file, level, py"),
            ("stockfish", "no player 'stockfish'"),
            (
                "random:sede=1",
                "player 'random:sede=1': 'sede=1' is not an option of random \\(options: seed, as name=value",
            ),
            ("random:seed", "'seed' is not an option of random \\(options: seed, as name=value"),
            ("random:1,2", "'2' is not written as name=value"),
            ("random:seed=one", "seed is a whole number"),
            ("random:seed=1,seed=2", "given twice"),
            ("lm:temprature=1", "options: model, temperature, top_k, top_p, voice, source, strength, aim, dtype"),
            ("lm:temperature=warm", "temperature is a number"),
            ("lm:top_k=1.5", "top_k is a whole number, not '1.5'"),
            ("lm:seed=-1", "seed must not be negative: -1"),
            ("uci:depth=1", "uci needs a program, as uci:PROGRAM,depth=1"),
            ("uci:cat,cmd=cat", "cmd is given twice"),
            ("search:many", "nodes is a whole number, not 'many'"),
            ("search:4,nodes=5", "nodes is given twice"),
            ("uci:cmd=cat,depth=0", "at least 1"),
            ("uci:cmd=cat,movetime=nan", "at least 1 and finite"),
            ("uci:cmd=cat,movetime=inf", "at least 1 and finite"),
            ("uci:cmd=cat,depth=1,=3", "'=3' is not an option"),
            ("uci:cmd='cat,depth=1", "has no closing quotation"),
            ('uci:cmd="cat,depth=1', "the quotes of .* do not match"),
            ('uci:cmd="cat" -x,depth=1', "the quotes of .* do not match"),
            ("uci:cmd=cat,depth=1,timeout=nan", "timeout is in seconds, above 0: nan"),
            ("uci:cmd=cat,depth=1,timeout=-1", "timeout is in seconds, above 0: -1"),
            ("uci:cmd=cat,depth=1,timeout=inf", "timeout is in seconds"),
            ("ucci:cmd=no-such-engine,depth=1", "no-such-engine"),
            ("level", "level needs the name or number"),
            ("level:Hard", "no level 'Hard' \\(levels: Child, Beginner, .*, Best, or 1 to 10"),
            ("level:Best,sede=1", "'sede=1' is not an option of search"),
            ("char:model=runs/a", "'model=runs/a' is not an option of char \\(options: temperature"),
            ("py:module", "py:MODULE:FUNCTION"),
        ],
    )
    def test_a_wrong_spec_says_what_is_allowed(self, spec: str, reason: str) -> None:
        with pytest.raises(UserError, match=reason) as caught:
            load_player(spec)
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("text", ["lm:seed=x", "uci:nodes=5", "level:none", "py", "greedy:3"])
    def test_it_is_seen_before_anything_is_opened(self, text: str) -> None:
        with pytest.raises(UserError):
            Spec.parse(text)


class TestOpening:
    def test_a_player_is_called_by_its_spec_or_the_name_in_it(self) -> None:
        assert load_player("greedy: seed = 4").name == "greedy:seed=4"
        assert load_player("greedy:seed=4,name=Old Hand").name == "Old Hand"

    @pytest.mark.parametrize("spec", ["random", "greedy", "lm:model={model},temperature=1,dtype=float32,symmetries=1"])
    def test_the_seed_decides_the_moves(self, model_folder: Path, spec: str) -> None:
        def moves(seed: int) -> list[Choice]:
            text = spec.format(model=model_folder)
            return load_player(f"{text}{',' if ':' in text else ':'}seed={seed}").choose([Board()] * 8)

        assert moves(3) == moves(3)
        assert moves(3) != moves(4) != moves(5)


class TestLevels:
    def test_each_is_opened_by_name_and_number(self, model_folder: Path) -> None:
        for number in (1, 5, 9):
            level = LEVELS[number - 1]
            for text in (level.name.upper(), str(number)):
                player = load_player(f"level:{text},model={model_folder}")
                assert player.name == f"level:{text},model={model_folder}"
                assert player.choose([Board()])[0].move in Board().legal_moves

    def test_there_are_ten_from_weak_to_strong_and_none_asks_for_strength(self) -> None:
        assert len(LEVELS) == len({level.name for level in LEVELS}) == 10
        assert [level.elo for level in LEVELS] == sorted(level.elo for level in LEVELS)
        assert not any("strength" in level.spec for level in LEVELS)

    def test_the_default_is_the_language_model_alone(self) -> None:
        assert DEFAULT_LEVEL in LEVELS
        assert Spec.parse(DEFAULT_LEVEL.spec).kind == "lm"

    def test_a_level_keeps_of_a_spec_what_makes_no_strength(self) -> None:
        spec = Spec.parse("lm:temperature=1,model=runs/a,voice=engine")
        assert str(spec.at(find_level("steady"))) == "lm:temperature=0.35,model=runs/a,voice=engine"
        assert str(spec.at(find_level("best"))) == "search:nodes=170,model=runs/a,voice=engine"


class TestPlayersFromElsewhere:
    @pytest.fixture(autouse=True)
    def module(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "elsewhere.py").write_text(PLAYER)
        (tmp_path / "broken.py").write_text("import no_such_module")
        monkeypatch.setattr(sys, "path", list(sys.path))
        monkeypatch.chdir(tmp_path)
        for name in ("elsewhere", "broken"):
            monkeypatch.delitem(sys.modules, name, raising=False)

    def test_a_class_of_the_current_folder(self) -> None:
        player = load_player("py:elsewhere:Nth,n=3,share=0.5,word=a")
        assert player.choose([Board()])[0].move is Board().legal_moves[3]
        assert (player.name, player.share, player.word) == ("py:elsewhere:Nth,n=3,share=0.5,word=a", 0.5, "a")

    def test_a_function_with_any_options(self) -> None:
        assert load_player("py:elsewhere:anything,Depth=3").word == "{'Depth': '3'}"

    @pytest.mark.parametrize(
        ("spec", "reason"),
        [
            ("no_such_module:f", "it cannot be imported: ModuleNotFoundError: No module named 'no_such_module'"),
            ("broken:f", "it cannot be imported: ModuleNotFoundError"),
            ("elsewhere:f", "it cannot be imported: AttributeError: .*has no attribute 'f'"),
            ("elsewhere:number", "7 is not a function or class"),
            ("elsewhere:nothing", "it returns int, not a player"),
            ("elsewhere:fails", "it cannot be opened: RuntimeError: no weights \\(elsewhere.py, line "),
            ("elsewhere:needs", "missing a required argument: 'n'"),
            ("elsewhere:Nth,n=x", "n is a whole number, not 'x'"),
            ("elsewhere:Nth,m=1", "'m=1' is not an option of py \\(options: n, share, word"),
        ],
    )
    def test_what_is_wrong_is_told_in_a_line(self, spec: str, reason: str) -> None:
        with pytest.raises(UserError, match=reason) as caught:
            load_player(f"py:{spec}")
        assert "\n" not in str(caught.value)

    def test_an_installed_package_adds_a_kind(self, tmp_path: Path) -> None:
        folder = tmp_path / "elsewhere-1.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: elsewhere\nVersion: 1\n")
        (folder / "entry_points.txt").write_text("[xqlm.players]\nnth = elsewhere:Nth\nrandom = elsewhere:Nth\n")
        sys.path.insert(0, str(tmp_path))
        assert load_player("nth:word=b").word == "b"
        assert load_player("nth:2").n == 2
        assert not hasattr(load_player("random"), "word")  # what is built in stays what it is
        with pytest.raises(UserError, match="py, nth"):
            load_player("mth")
