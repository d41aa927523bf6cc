"""Engines that do one thing wrong are told so by the step that is about it."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Sequence
from types import SimpleNamespace

import pytest

from xiangqi import Board
from xiangqi.__main__ import run
from xiangqi.engine import compliance, compliance_steps, raw, wire
from xiangqi.engine.compliance import Result, check
from xiangqi.engine.example import COMMAND
from xiangqi.engine.serving import read_moves, read_position
from xiangqi.notation import uci


class FakeEngine:
    """An engine in this process that answers at once, with one fault. It stands for an `EngineProcess`."""

    fault = ""
    protocol = "uci"

    def __init__(self, on_line: Callable[[str], None], on_end: Callable[[], None]) -> None:
        self.on_line, self.on_end = on_line, on_end
        self.ended = asyncio.get_running_loop().create_future()
        self.status: int | None = None
        pipe = SimpleNamespace(close=lambda: None if self.fault == "stays when closed" else self.end())
        self.transport = SimpleNamespace(get_returncode=lambda: self.status, get_pipe_transport=lambda fd: pipe)
        self.board, self.banned = Board(), []
        self.waits = self.batch = False
        self.lines = 1
        self.rank = int(self.fault == "ranks from 1")

    @classmethod
    async def start(
        cls, command: Sequence[str], cwd: str | None, on_line: Callable[[str], None], on_end: Callable[[], None]
    ) -> FakeEngine:
        return cls(on_line, on_end)

    def kill(self) -> None:
        self.end()

    def end(self) -> None:
        if not self.ended.done():
            self.status = int(self.fault == "status 1")
            self.ended.set_result(None)
            self.on_end()

    def tail(self) -> str:
        return ""

    def say(self, *lines: str) -> None:
        for line in lines:
            self.on_line(line)

    def write(self, line: str) -> None:
        if self.ended.done():
            return
        if self.fault == "windows" and "\r" in line:
            return
        if self.fault == "tabs" and "\t" in line:
            return
        words = line.split()
        is_ucci = self.protocol == "ucci"
        match words[0] if words else "":
            case "uci" | "ucci":
                self.greet()
            case "isready" if not (self.fault == "busy" and self.waits):
                self.say("readyok")
            case "setoption":
                self.set_option(words[1:] if is_ucci else words[2:])
            case "position":
                try:
                    board, self.rank = read_position(words[1:], (self.rank,))
                except ValueError:
                    if self.fault == "exits":
                        self.end()
                    return
                self.board, self.banned = board, [] if self.fault != "keeps bans" else self.banned
            case "banmoves" if self.fault != "no bans":
                self.banned = read_moves(words[1:], self.board)
            case "go":
                self.go(words[1:])
            case "stop" | "ponderhit":
                if self.waits:
                    self.waits = False
                    if self.fault != f"no {words[0]}":
                        self.answer(words)
                elif is_ucci and self.fault != "stray stop":
                    self.say("nobestmove")
                elif not is_ucci and self.fault == "stray stop":
                    self.say("bestmove a0a1")
            case "nonsense" if self.fault == "unknown":
                self.end()
            case "quit":
                if is_ucci and self.fault != "no bye":
                    self.say("bye")
                if self.fault != "stays":
                    self.end()

    def greet(self) -> None:
        if self.fault == "mute":
            return
        if self.fault != "no name":
            self.say("id name Fake")
        if self.fault != "no author":
            self.say("id author nobody")
        name = "" if self.protocol == "ucci" else "name "
        hash_default = "0" if self.fault == "default" else "16"
        if self.fault == "type":
            self.say(f"option {name}Style")
        if self.fault == "variant":
            self.say("option name UCI_Variant type combo default chess var chess")
        self.say(
            f"option {name}MultiPV type spin default 1 min 1 max 100",
            f"option {name}Hash type spin default {hash_default} min 1 max 64",
            f"option {name}batch type check default false",
            f"option {name}usemillisec type check default false",
            f"{self.protocol}ok",
        )

    def set_option(self, words: list[str]) -> None:
        if words[0] == "MultiPV":
            self.lines = int(words[-1])
            if self.fault == "one line":
                self.lines = 1
        elif words[0] == "batch":
            self.batch = words[-1] == "true"
        elif words[0] == "NoSuchOption":
            if self.fault == "echoes":
                self.say("no such option")
            elif self.fault == "leaves":
                self.end()

    def go(self, words: list[str]) -> None:
        waiting = "infinite" in words or "ponder" in words
        if waiting and self.fault != "impatient":
            self.waits = True
        elif not (self.fault == "clock" and words[0] in ("btime", "time")) and not (
            self.fault == "batch" and self.batch
        ):
            self.answer(words)

    def answer(self, words: list[str]) -> None:
        is_ucci = self.protocol == "ucci"
        moves = [move for move in self.board.legal_moves if move not in self.banned]
        if "searchmoves" in words and self.fault != "searchmoves":
            moves = read_moves(words[words.index("searchmoves") + 1 :], self.board, self.rank)
        elif "searchmoves" in words:
            moves = moves[2:]
        score = "12" if is_ucci else "cp 12"
        if self.fault == "score":
            score = "cp 12" if is_ucci else "12"
        texts = [uci(move, self.rank) for move in moves]
        for rank, text in enumerate(texts[: self.lines], 1):
            nodes = "1.5" if self.fault == "numbers" else "20"
            pv = f"{text} {text}" if self.fault == "pv" else text
            multipv = "" if is_ucci else f" multipv {rank}"
            depth = "" if self.fault == "no depth" else "depth 1 "
            line = f"info {depth}{multipv} score {score} nodes {nodes} time 1 nps 20 pv {pv}"
            if self.fault != "silent":
                self.say(line)
        if (is_ucci and words[:2] == ["depth", "0"] and self.fault != "depth 0") or not moves:
            no_move = "nobestmove" if is_ucci else "bestmove (none)"
            self.say("bestmove a0a1" if self.fault == "mated" else no_move)
            return
        if self.fault == "long game" and self.board.ply > 100:
            return
        if self.fault == "repetition" and self.board.ply == 12:
            self.say("bestmove (none)")
            return
        ponder = f" ponder {texts[0]}" if self.fault == "ponder" else ""
        self.say(f"bestmove {'a0a9' if self.fault == 'illegal' else texts[0]}{ponder}")
        if self.fault == "twice":
            self.say(f"bestmove {texts[0]}")


@pytest.fixture
def verdicts(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, str]]:
    def of(protocol: str, fault: str = "", *steps: str, options: dict[str, str] | None = None) -> dict[str, str]:
        monkeypatch.setattr(raw, "EngineProcess", FakeEngine)
        monkeypatch.setattr(raw, "LOADING", 0.2)
        monkeypatch.setattr(compliance_steps, "WATCH", 0.01)
        monkeypatch.setattr(FakeEngine, "fault", fault)
        monkeypatch.setattr(FakeEngine, "protocol", protocol)
        results = check("fake", protocol, timeout=0.2, only=steps or None, options=options)
        return {result.step: result.verdict for result in results}

    return of


@pytest.mark.parametrize("protocol", ["uci", "ucci"])
def test_a_sound_engine_passes(verdicts, protocol: str) -> None:
    found = verdicts(protocol)
    assert len(found) >= 50
    assert set(found.values()) <= {"pass", "skip"}, found
    skipped = [step for step, verdict in found.items() if verdict == "skip"]
    assert skipped == (["plays xiangqi, if it declares UCI_Variant"] if protocol == "uci" else [])


BOTH = [
    ("no name", "names itself"),
    ("type", "declares options with a name and a type"),
    ("default", "declares defaults that lie within bounds"),
    ("leaves", "goes on after an option that it has not declared"),
    ("no depth", "tells depth"),
    ("silent", "tells of its search"),
    ("numbers", "writes whole numbers"),
    ("score", "writes scores as the protocol does"),
    ("pv", "shows lines of legal moves"),
    ("ponder", "expects a legal reply, if any"),
    ("illegal", "goes by depth"),
    ("twice", "answers a go once"),
    ("impatient", "thinks on in go infinite until stop"),
    ("impatient", "thinks on in go ponder until ponderhit"),
    ("no stop", "answers stop after go ponder"),
    ("no ponderhit", "thinks on in go ponder until ponderhit"),
    ("busy", "answers isready while it thinks"),
    ("long game", "reads a game of 200 plies"),
    ("repetition", "moves where a position has come back three times"),
    ("windows", "reads lines that end as on Windows"),
    ("tabs", "reads tabs and several spaces"),
    ("unknown", "goes on after empty lines and unknown words"),
]
OF_UCI = [
    ("no author", "names its author"),
    ("variant", "plays xiangqi, if it declares UCI_Variant"),
    ("clock", "goes by Black's clock alone"),
    ("searchmoves", "keeps to searchmoves"),
    ("one line", "shows several lines by MultiPV"),
    ("stray stop", "says nothing to a stray stop"),
    ("mated", "says bestmove (none) where it is mated"),
    ("mated", "says bestmove (none) where it is stalemated"),
    ("stays", "ends at quit"),
]
OF_UCCI = [
    ("ranks from 1", "counts ranks from 0"),
    ("echoes", "goes on after an option that it has not declared"),
    ("clock", "goes by clocks of both sides"),
    ("no bans", "does not play a banned move"),
    ("no bans", "plays the only move that is not banned"),
    ("keeps bans", "forgets bans at the next position"),
    ("depth 0", "gives a score and no move for go depth 0"),
    ("stray stop", "says nobestmove to a stray stop"),
    ("mated", "says nobestmove where it is mated"),
    ("batch", "makes lines after go wait in batch"),
    ("no bye", "says bye at quit and ends"),
    ("no bye", "says bye at quit while it thinks and ends"),
]
CASES = [
    *(("uci", *case) for case in BOTH + OF_UCI),
    *(("ucci", *case) for case in BOTH + OF_UCCI),
]


@pytest.mark.parametrize(("protocol", "fault", "beginning"), CASES)
def test_a_fault_is_found_by_its_step(verdicts, protocol: str, fault: str, beginning: str) -> None:
    dialect = wire.UCCI if protocol == "ucci" else wire.UCI
    titles = [step.title for step in compliance_steps.STEPS if dialect in step.dialects]
    title = beginning if beginning in titles else next(title for title in titles if title.startswith(beginning))
    assert verdicts(protocol, fault, title)[title] == "fail"
    assert verdicts(protocol, "", title)[title] in ("pass", "skip")


@pytest.mark.parametrize(
    ("fault", "step"),
    [
        ("exits", "goes on after a FEN that is none"),
        ("status 1", "ends with status 0"),
        ("stays when closed", "ends when its input is closed"),
    ],
)
def test_what_the_protocol_leaves_open_is_a_warning(verdicts, fault: str, step: str) -> None:
    assert verdicts("uci", fault, step)[step] == "warn"


def test_an_engine_that_does_not_shake_hands(verdicts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xiangqi.engine.raw.GREETING", 1.0)
    found = verdicts("uci", "mute")
    assert found.pop("starts and shakes hands") == "fail"
    assert set(found.values()) == {"skip"}


def test_an_option_that_is_given_must_be_there(verdicts) -> None:
    step = "takes its own defaults"
    assert verdicts("uci", "", step, options={"hash": "2"})[step] == "pass"
    assert verdicts("uci", "", step, options={"Hsah": "2"})[step] == "fail"


class TestCommand:
    def test_table_and_status(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as ended:
            run(["compliance", f"{sys.executable} -c pass", "--timeout", "5"])
        assert ended.value.code == 1
        first, last = capsys.readouterr().out.splitlines()  # and no line for each step that it cannot take
        assert first.startswith("fail  starts and shakes hands: the engine ended with status 0 after 'uci'")
        assert "0 passed" in last and "1 failed" in last

    def test_json(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        sound = [Result("names itself", "pass", "", 0.1), Result("ends at quit", "warn", "late", 0.1)]
        monkeypatch.setattr(compliance, "check", lambda *args, **kwargs: sound)
        run(["compliance", "engine --fast", "--protocol", "ucci", "--json"])
        found = json.loads(capsys.readouterr().out)
        assert found["counts"] == {"pass": 1, "warn": 1, "fail": 0, "skip": 0}
        assert found["protocol"] == "ucci"
        assert found["steps"][1] == {"step": "ends at quit", "verdict": "warn", "note": "late", "seconds": 0.1}

    def test_no_such_program(self) -> None:
        with pytest.raises(FileNotFoundError, match="no-such-engine"):
            run(["compliance", "no-such-engine --fast"])

    @pytest.mark.parametrize(
        ("words", "told"),
        [
            (["--option", "Hash"], "NAME=VALUE"),
            (['"engine'], "quotation"),
            ([" "], "the command is empty"),
            (["--option", "=1"], "NAME"),
        ],
    )
    def test_mistakes(self, words: list[str], told: str) -> None:
        from xiangqi.__main__ import CommandError

        command = ["compliance", *words] if words[0].startswith(('"', " ")) else ["compliance", *COMMAND[:1], *words]
        with pytest.raises(CommandError, match=told):
            run(command)
