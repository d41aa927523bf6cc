"""The engine as a process: its start, its end, and what it writes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Literal

import pytest

from uci_talk import PATIENCE, ROOT, Program
from xiangqi import Board
from xiangqi.engine import Limit, SimpleEngine
from xiangqi.engine.compliance import check
from xiangqi.engine.compliance_steps import STEPS

PLAYER = "py:uci_players:Scripted"


class TestStart:
    @pytest.mark.parametrize("module", ["lm.uci.program", "lm.cli.app"])
    def test_the_handshake_needs_nothing_that_takes_time(self, module: str) -> None:
        names = ("numpy", "numba", "torch", "transformers", "xiangqi")
        code = f"import sys, {module}; print([name for name in {names} if name in sys.modules])"
        made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
        assert made.stdout == "[]\n"

    def test_it_comes_before_the_player_is_loaded(self, tmp_path: Path) -> None:
        gate = tmp_path / "gate"
        with Program(f"py:uci_players:open_late,gate={gate}") as program:
            assert program.tell("uci").until("uciok")[0].startswith("id name xqlm")
            program.tell("isready")
            gate.touch()
            assert program.until("readyok") == ["readyok"]

    def test_ucci_by_the_first_word(self) -> None:
        with Program(PLAYER) as program:
            program.tell("", "ucci").until("ucciok")
            assert program.tell("isready").until("readyok") == ["readyok"]
            assert program.tell("stop", "quit").until("bye") == ["nobestmove", "bye"]

    def test_a_board_may_begin_without_a_handshake(self) -> None:
        with Program(PLAYER) as program:
            assert program.tell("position startpos moves h2e2", "go depth 1").until("bestmove")[-1] == "bestmove a6a5"

    def test_line_ends_and_strange_bytes(self) -> None:
        with Program(PLAYER) as program:
            program.stdin.write(b"\xef\xbb\xbfuci\r\n")
            program.tell("").until("uciok")
            program.stdin.write(
                b"setoption name Model value \xc6\xe5\r\n\xff\xfe\x00\nposition startpos\r\ngo depth 1\r\n"
            )
            assert program.tell("").until("bestmove")[-1] == "bestmove a0a1"

    def test_prints_of_a_player_do_not_get_in_between(self) -> None:
        with Program(f"{PLAYER},does=prints") as program:
            assert "noise" not in program.tell("uci", "go depth 1").until("bestmove")


class TestEnd:
    @pytest.mark.parametrize("go", ["go infinite", "go ponder wtime 100 btime 100"])
    def test_quit_in_a_search(self, go: str) -> None:
        with Program(PLAYER) as program:
            program.tell("uci", "isready").until("readyok")
            program.tell(go, "isready").until("readyok")
            assert program.tell("quit").rest()[-1] == "bestmove a0a1"
            assert program.process.wait(PATIENCE) == 0

    def test_input_closed_in_a_search(self) -> None:
        with Program(PLAYER) as program:
            program.tell("ucci", "go infinite", "isready").until("readyok")
            assert program.rest()[-1] == "bye"
            assert program.process.wait(PATIENCE) == 0

    def test_what_came_before_quit_is_answered(self) -> None:
        with Program(PLAYER) as program:
            said = program.tell("uci", "isready", "position startpos", "quit").rest()
            assert said[-1] == "readyok"

    @pytest.mark.parametrize("asked", ["isready", "go infinite", "ucinewgame"])
    def test_quit_while_a_player_is_loaded(self, asked: str, tmp_path: Path) -> None:
        with Program(f"py:uci_players:open_late,gate={tmp_path / 'never'}") as program:
            program.tell("ucci").until("ucciok")
            program.tell(asked)
            time.sleep(4)  # the imports are over, the player is being loaded
            since = time.monotonic()
            assert program.tell("quit").until("bye")[-1] == "bye"
            assert program.process.wait(PATIENCE) == 0
            assert time.monotonic() - since < 6

    def test_output_closed(self) -> None:
        with Program(PLAYER) as program:
            program.tell("uci").until("uciok")
            program.stdout.close()
            program.tell("go infinite")
            assert program.process.wait(PATIENCE) == 1

    @pytest.mark.skipif(not Path("/proc").exists(), reason="looks into /proc")
    def test_a_parent_that_is_killed_leaves_no_process(self) -> None:
        engine = f"from lm.uci.program import main; main({PLAYER!r})"
        parent = (
            "import subprocess, sys, time\n"
            "pipes = {'stdin': subprocess.PIPE, 'stdout': subprocess.PIPE}\n"
            f"engine = subprocess.Popen([sys.executable, '-c', {engine!r}], **pipes)\n"
            "engine.stdin.write(b'uci\\nisready\\ngo infinite\\n'); engine.stdin.flush()\n"
            "while not engine.stdout.readline().startswith(b'info'): pass\n"
            "print(engine.pid, flush=True); time.sleep(600)"
        )
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
        board = subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, env=environment)
        assert board.stdout is not None
        number = int(board.stdout.readline())
        assert is_running(number)
        board.send_signal(signal.SIGKILL)
        board.wait()
        board.stdout.close()
        waited = time.monotonic()
        while is_running(number):
            assert time.monotonic() - waited < PATIENCE
            time.sleep(0.05)


def is_running(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


class TestCompliance:
    @pytest.mark.parametrize("protocol", ["uci", "ucci"])
    def test_no_step_fails(self, protocol: Literal["uci", "ucci"], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(ROOT / "tests")]))
        command = [sys.executable, "-c", f"from lm.uci.program import main; main({PLAYER!r})"]
        # Not those that depend on how busy the machine is, nor ends of the process, which have tests above.
        late = ("shakes hands within a second", "answers stop within 200 ms, as the UCCI league demands")
        steps = [step.title for step in STEPS if not step.last and step.title not in late]
        results = check(command, protocol, timeout=PATIENCE, only=steps)
        assert len(results) > 50
        assert [result for result in results if result.verdict != "pass"] == []


class TestOurClient:
    def test_the_model_plays(self, model_folder: Path) -> None:
        command = [sys.executable, "-m", "lm.cli", "engine"]
        options = {"Model": str(model_folder), "Level": "Best"}
        with SimpleEngine.popen_uci(command, options=options, timeout=PATIENCE) as engine:
            assert engine.id["name"].startswith("xqlm")
            talk(engine)
            assert engine._engine.first_rank == 1  # the client has set the variant

    def test_in_ucci(self) -> None:
        command = [sys.executable, "-m", "lm.cli", "engine", "--player", PLAYER]
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(ROOT / "tests")]))
            engine = SimpleEngine.popen_ucci(command, timeout=PATIENCE)
        with engine:
            talk(engine)


def talk(engine: SimpleEngine) -> None:
    """Play some moves and analyse, as a program does with an engine."""
    engine.new_game()
    board = Board()
    for _ in range(6):
        result = engine.play(board, Limit(time=0.2))
        assert result.move is not None
        assert result.info.score is not None
        board.push(result.move)
    moves = board.legal_moves[:2]
    assert engine.play(board, Limit(depth=2), root_moves=moves).move in moves
    lines = engine.analyse(board, Limit(depth=3), multipv=3)
    assert len({line.pv[0] for line in lines}) == 3
    mated = engine.play(Board("R3k4/R8/9/9/9/9/9/9/9/3K5 b"), Limit(depth=1))
    assert mated.move is None and not mated.resigned
