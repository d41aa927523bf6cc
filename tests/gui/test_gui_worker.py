import os
import pickle
import signal
import subprocess
import sys
import threading
import time

import pytest

from gui.processes.player import Chosen, Failed, Loaded, Request, _Server
from gui.processes.worker import Worker
from gui_players import load
from lm.players.player import Choice
from xiangqi import Board, Move
from xiangqi.engine import Info, Wdl

POSIX = pytest.mark.skipif(os.name != "posix", reason="there are no signals")


def wait_for(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def wrote(note, line):
    return note.exists() and f"{line}\n" in note.read_text()


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def work():
    """Start a worker: ``work()`` returns it and a function that waits for its next report."""
    workers = []

    def start():
        ready = threading.Semaphore(0)
        worker = Worker(load, ready.release)
        workers.append(worker)

        def report():
            assert ready.acquire(timeout=60)
            return worker.poll()

        return worker, report

    yield start
    for worker in workers:
        worker.close()


class TestMessages:
    @pytest.mark.parametrize(
        "message",
        [
            Request("lm", 3, 1, Board.from_moves("h2e2 h9g7")),
            Chosen(
                3,
                Choice(
                    Move.from_iccs("h2e2"), Info(wdl=Wdl(500, 0, 500)), ((Move.from_iccs("h2e2"), 0.75),), draw=True
                ),
            ),
            Chosen(3, Choice(None)),
        ],
    )
    def test_they_come_through_a_pipe_as_they_were(self, message):
        assert pickle.loads(pickle.dumps(message)) == message

    def test_a_board_keeps_its_history(self):
        request = Request("lm", 3, 1, Board.from_moves("h2e2 h9g7"))
        assert [move.iccs for move in pickle.loads(pickle.dumps(request)).board.move_stack] == ["h2e2", "h9g7"]


class TestWorker:
    def test_loads_then_answers_in_another_process(self, work):
        worker, report = work()
        worker.ask(Request("quick", 7, board=Board()))
        assert worker.pid != os.getpid()
        assert report() == Loaded("quick", f"quick in {worker.pid}")
        assert report() == Chosen(7, Choice(Board().legal_moves[0]))
        assert worker.poll() is None

    def test_another_spec_closes_the_player_and_loads_anew(self, work, tmp_path):
        worker, report = work()
        first, second = (f"quick:{tmp_path / name}" for name in "ab")
        for spec in (first, second):
            worker.ask(Request(spec, 0))
            assert report().spec == spec
        assert (tmp_path / "a").read_text() == "closed\n"
        assert not (tmp_path / "b").exists()

    def test_errors_are_reports_and_the_process_lives_on(self, work):
        worker, report = work()
        worker.ask(Request("unknown", 1, board=Board()))
        assert report() == Failed(1, "no player 'unknown'")
        process = worker.pid
        worker.ask(Request("fails", 2, board=Board()))
        assert isinstance(report(), Loaded)
        assert report() == Failed(2, "no idea")
        worker.ask(Request("quick", 3))
        assert report() == Loaded("quick", f"quick in {process}")

    @POSIX
    @pytest.mark.parametrize(
        ("spec", "how"), [("crashes", "was killed by SIGKILL"), ("leaves", "ended with exit code 0")]
    )
    def test_a_crash_is_a_report_and_the_next_request_starts_another(self, work, spec, how):
        worker, report = work()
        worker.ask(Request(spec, 1, board=Board()))
        assert isinstance(report(), Loaded)
        assert report() == Failed(1, f"the player's process {how}")
        worker.ask(Request("quick", 2, board=Board()))
        assert isinstance(report(), Loaded)
        assert report().generation == 2

    @pytest.mark.parametrize("spec", ["slow", "stubborn"])
    def test_a_player_that_thinks_on_is_ended_when_something_else_is_asked(self, work, tmp_path, spec):
        note = tmp_path / "note"
        worker, report = work()
        worker.ask(Request(f"{spec}:{note}", 1, board=Board()))
        assert isinstance(report(), Loaded)
        wait_for(lambda: wrote(note, "asked"))
        process = worker.pid
        worker.ask(Request("quick", 2, board=Board()))
        assert report() == Loaded("quick", f"quick in {worker.pid}")
        assert report().generation == 2
        assert worker.pid != process
        assert note.read_text() == "asked\nclosed\n"

    @pytest.mark.parametrize("spec", ["patient", "late"])
    def test_a_player_that_can_be_stopped_stays(self, work, tmp_path, spec):
        note = tmp_path / "note"
        worker, report = work()
        worker.ask(Request(f"{spec}:{note}", 1, board=Board()))
        assert isinstance(report(), Loaded)
        wait_for(lambda: wrote(note, "asked"))
        process = worker.pid
        worker.ask(Request(f"{spec}:{note}", 2))
        assert report().generation == 1
        worker.ask(Request("quick", 3))
        assert report() == Loaded("quick", f"quick in {process}")

    def test_a_player_is_told_of_a_new_game(self, work, tmp_path):
        note = tmp_path / "note"
        worker, report = work()
        for generation, game in ((1, 1), (2, 1), (3, 2)):
            worker.ask(Request(f"quick:{note}", generation, game, Board()))
            while report() != Chosen(generation, Choice(Board().legal_moves[0])):
                pass
        assert note.read_text().splitlines() == ["asked", "asked", "new game", "asked"]

    def test_of_waiting_requests_only_the_latest_is_served(self):
        (asked, ask), (reports, report) = ((os.fdopen(r, "rb"), os.fdopen(w, "wb")) for r, w in (os.pipe(), os.pipe()))
        server = _Server(load, asked, report)
        listening = threading.Thread(target=server.listen)
        listening.start()
        for generation in (1, 2, 3):
            pickle.dump(Request("quick", generation, board=Board()), ask)
        ask.flush()
        wait_for(lambda: server._waiting is not None and server._waiting.generation == 3)
        serving = threading.Thread(target=server.serve)
        serving.start()
        assert isinstance(pickle.load(reports), Loaded)
        assert pickle.load(reports).generation == 3
        ask.close()
        serving.join(60)
        listening.join(60)
        report.close()
        assert reports.read() == b""


class TestEnding:
    @pytest.mark.parametrize("spec", ["quick", "slow", "stubborn"])
    def test_closing_closes_the_player_and_ends_its_process(self, work, tmp_path, spec):
        note = tmp_path / "note"
        worker, report = work()
        worker.ask(Request(f"{spec}:{note}", 1, board=Board()))
        assert isinstance(report(), Loaded)
        wait_for(lambda: wrote(note, "asked"))
        process = worker.pid
        worker.close()
        assert not alive(process)
        assert note.read_text() == "asked\nclosed\n"

    @POSIX
    @pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGINT])
    def test_it_ends_with_the_window_quietly(self, tmp_path, blow):
        note = tmp_path / "note"
        code = f"""
import sys, time; sys.path[:] = {sys.path!r}
from gui_players import load
from gui.processes.worker import Worker
from gui.processes.player import Request
from xiangqi import Board
Worker(load).ask(Request("slow:{note}", 1, board=Board()))
try:
    time.sleep(600)
except KeyboardInterrupt:
    pass
"""
        window = subprocess.Popen(
            [sys.executable, "-c", code], stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        wait_for(lambda: wrote(note, "asked"))
        os.killpg(window.pid, blow)
        _, said = window.communicate(timeout=60)  # returns when nobody has its standard error open any more
        assert "Traceback" not in said
        assert note.read_text() == "asked\nclosed\n"
