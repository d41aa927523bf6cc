from __future__ import annotations

import importlib.util
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from lm import UserError
from lm.matches.arena import load_openings, match_pairings
from lm.matches.cluster import LOCAL, Cluster, read_model, write_model
from lm.matches.exploring import Plan
from lm.matches.exploring import play_to_file as explore
from lm.matches.labels import Order, annotate
from lm.matches.match_file import play_to_file
from lm.matches.workers import Crew, Processes, in_order
from lm.players.player import PlayerError
from lm.players.specs import Spec
from worker_jobs import not_opened, squares
from xiangqi import Game, load

needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed")
ROOT = Path(__file__).resolve().parents[3]
NUMBERS = [(f"task {number}", number) for number in range(30)]
SQUARES = [(f"task {number}", number**2) for number in range(30)]


class TestInOrder:
    @pytest.mark.parametrize("at_once", [1, 4])
    def test_results_come_in_order_and_workers_close_their_players(self, tmp_path: Path, at_once: int) -> None:
        assert list(in_order(Processes(2), partial(squares, tmp_path), NUMBERS, at_once=at_once)) == SQUARES
        assert 1 <= len(list(tmp_path.glob("closed*"))) <= 2

    def test_this_process_does_it_without_a_crew(self, tmp_path: Path) -> None:
        assert list(in_order(None, partial(squares, tmp_path), NUMBERS)) == SQUARES
        assert (tmp_path / f"closed{os.getpid()}").exists()

    def test_few_tasks_are_taken_ahead(self, tmp_path: Path) -> None:
        taken: list[int] = []

        def endless() -> Iterator[tuple[int, int]]:
            number = 0
            while True:
                taken.append(number)
                yield number, number
                number += 1

        results = in_order(Processes(2), partial(squares, tmp_path), endless())
        assert next(results) == (0, 0)
        results.close()
        assert len(taken) <= 10

    def test_what_a_dead_worker_was_doing_is_done_by_another(self, tmp_path: Path) -> None:
        told: list[str] = []
        work = partial(squares, tmp_path, deaths=2)
        assert list(in_order(Processes(2), work, NUMBERS, at_once=4, report=told.append)) == SQUARES
        assert len(told) == 2 and told[0].startswith("a worker ended; ")

    def test_a_task_that_kills_every_worker_is_given_up(self, tmp_path: Path) -> None:
        with pytest.raises(PlayerError, match="5 times a worker ended while it did the same task"):
            list(in_order(Processes(2), partial(squares, tmp_path, deaths=99), NUMBERS))
        assert len(list(tmp_path.glob("dead*"))) == 5

    def test_workers_that_never_start_are_given_up(self) -> None:
        with pytest.raises(PlayerError, match="5 times a worker ended while it opened its players"):
            list(in_order(Processes(1), not_opened, NUMBERS))

    def test_an_error_is_raised_here(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="no roots here"):
            list(in_order(Processes(2), partial(squares, tmp_path), [("", -1)]))

    @pytest.mark.parametrize("gaps", [False, True])
    def test_what_was_found_before_an_error_may_leave_gaps(self, tmp_path: Path, gaps: bool) -> None:
        tasks = [("bad", -1), ("good", 2)]  # the last of those given together is done first
        results = in_order(Processes(1), partial(squares, tmp_path), tasks, at_once=2, gaps=gaps)
        if gaps:
            assert next(results) == ("good", 4)
        with pytest.raises(UserError, match="no roots here"):
            next(results)


GREEDY = Spec.parse("greedy:seed=1"), Spec.parse("random:seed=2")


def match(crew: Crew | None, out: Path, games: int = 12, parallel: int | None = None) -> list[tuple[int, Game]]:
    pairings = match_pairings(*GREEDY, games, load_openings())
    return list(play_to_file(pairings, out, max_plies=20, parallel=parallel, crew=crew))


class TestMatch:
    def test_workers_play_the_games_of_one_process_in_order(self, tmp_path: Path) -> None:
        alone = {index: str(game) for index, game in match(None, tmp_path / "alone.pgn")}
        by_two = match(Processes(2), tmp_path / "two.pgn")
        assert [index for index, _ in by_two] == list(range(12))
        assert {index: str(game) for index, game in by_two} == alone
        assert [game.moves() for game in load(tmp_path / "two.pgn")] == [game.moves() for _, game in by_two]

    def test_it_is_resumed(self, tmp_path: Path) -> None:
        out = tmp_path / "match.pgn"
        match(Processes(2), out)
        whole = out.read_bytes()
        out.write_bytes(whole[: len(whole) // 2])
        match(Processes(2), out, parallel=3)
        assert out.read_bytes() == whole

    def test_failures_of_players_are_reported(self, tmp_path: Path) -> None:
        told: list[str] = []
        broken = Spec.parse("py:gui_players:nothing,name=broken")
        pairings = match_pairings(broken, GREEDY[0], 6, load_openings())
        with pytest.raises(UserError, match="broken"):
            list(play_to_file(pairings, None, max_plies=4, report=told.append, crew=Processes(2)))


class TestModels:
    def test_a_host_writes_each_model_once(self, model_folder: Path, tmp_path: Path) -> None:
        files = read_model(model_folder)
        path = write_model(files, tmp_path)
        written = path.stat().st_mtime_ns
        assert read_model(path) == files
        assert write_model(files, tmp_path) == path and path.stat().st_mtime_ns == written
        assert write_model(files | {"config.json": b"{}"}, tmp_path) != path
        assert len(list(tmp_path.iterdir())) == 2


def descendants(pid: int) -> Iterator[int]:
    """Yield the processes that a process has started, on Linux."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in map(int, (task / "children").read_text().split()):
            yield child
            yield from descendants(child)


def listening(pids: set[int]) -> set[str]:
    """Return the addresses on which processes listen, in the hexadecimal digits of Linux."""
    sockets = set()
    for pid in pids:
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            try:
                sockets.add(os.readlink(entry))
            except OSError:
                continue
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A" and f"socket:[{words[9]}]" in sockets:
                found.add(words[1].partition(":")[0])
    return found


@needs_ray
@pytest.mark.slow
class TestRay:
    def test_self_play_on_ray(self, model_folder: Path, tmp_path: Path) -> None:
        """It equals self-play here, though the hosts lack the model; Ray is reached from this machine alone."""
        folder = tmp_path / "model"
        shutil.copytree(model_folder, folder)
        spec = Spec.parse(f"search:4,model={folder}")
        plan = Plan(spec, tuple(load_openings()), max_plies=12)
        list(explore(plan, 5, tmp_path / "here.jsonl"))
        crew = Cluster(LOCAL, [spec], 2)
        addresses: set[str] = set()

        def look(number: int) -> None:
            if sys.platform == "linux":
                addresses.update(listening({os.getpid(), *descendants(os.getpid())}))

        assert crew.size == 2
        crew._models  # noqa: B018 # they are in the object store
        shutil.rmtree(folder)
        for number, _ in explore(plan, 5, tmp_path / "ray.jsonl", crew=crew):
            look(number)
        assert (tmp_path / "ray.jsonl").read_bytes() == (tmp_path / "here.jsonl").read_bytes()
        assert addresses <= {"0100007F", "0000000000000000FFFF00000100007F"}
        assert addresses or sys.platform != "linux"

    def test_tasks_of_dead_workers(self, tmp_path: Path) -> None:
        told: list[str] = []
        work = partial(squares, tmp_path, deaths=2)
        assert list(in_order(Cluster(LOCAL, [], 2), work, NUMBERS, at_once=4, report=told.append)) == SQUARES
        assert len(told) == 2
        with pytest.raises(UserError, match="no roots here"):
            list(in_order(Cluster(LOCAL, [], 2), work, [("", -1)]))

    def test_a_match_and_labels(self, tmp_path: Path) -> None:
        match(Processes(2), tmp_path / "here.pgn")
        match(Cluster(LOCAL, GREEDY, 2), tmp_path / "ray.pgn")
        assert (tmp_path / "ray.pgn").read_bytes() == (tmp_path / "here.pgn").read_bytes()
        order = Order(Spec.parse("tactics:1"), every_game=True)
        annotate([tmp_path / "here.pgn"], tmp_path / "here.jsonl", order)
        annotate([tmp_path / "here.pgn"], tmp_path / "ray.jsonl", order, crew=Cluster(LOCAL, [order.spec], 2))
        assert (tmp_path / "ray.jsonl").read_bytes() == (tmp_path / "here.jsonl").read_bytes()

    def test_ctrl_c_leaves_a_file_that_goes_on(self, tmp_path: Path) -> None:
        words = ["selfplay", "--player", "tactics:3", "-n", "40", "--openings", "suite", "--max-plies", "30"]
        command = [sys.executable, "-m", "lm.cli", *words, "--cores", "2"]
        out, whole = tmp_path / "out.jsonl", tmp_path / "whole.jsonl"
        process = subprocess.Popen(
            [*command, "--cluster", "local", "--out", out], cwd=ROOT, stderr=subprocess.PIPE, start_new_session=True
        )
        while not out.exists() or out.read_bytes().count(b"\n") < 3:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 130 and b"the same command goes on" in err and b"Traceback" not in err
        assert out.read_bytes().count(b"\n") < 40
        subprocess.run([*command, "--out", out], cwd=ROOT, check=True)
        subprocess.run([*command, "--out", whole], cwd=ROOT, check=True)
        assert out.read_bytes() == whole.read_bytes()


def kill_workers(find: Callable[[], list[int]], every: float, stop: threading.Event, killed: list[int]) -> None:
    """Kill a worker by chance from time to time."""
    while not stop.wait(every):
        if workers := find():
            killed.append(random.choice(workers))
            os.kill(killed[-1], signal.SIGKILL)


@needs_ray
@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="it looks for workers in /proc")
def test_a_worker_killed_every_20_seconds_for_five_minutes(tmp_path: Path) -> None:
    """Nothing is lost but the games that were being played: the file is that of an undisturbed run.

    On a busy machine workers are killed less often: each time only after a game more was played.
    """
    plan = Plan(Spec.parse("tactics:3"), tuple(load_openings()), max_plies=60)
    me, stop, killed, told = os.getpid(), threading.Event(), list[int](), list[str]()
    games = seen = 0

    def find() -> list[int]:
        nonlocal seen
        if games == seen:
            return []
        seen = games
        return [pid for pid in descendants(me) if b"ray::_Worker" in Path(f"/proc/{pid}/cmdline").read_bytes()]

    killer = threading.Thread(target=kill_workers, args=(find, 20.0, stop, killed))
    killer.start()
    since = time.monotonic()
    try:
        playing = explore(
            plan, 100_000, tmp_path / "out.jsonl", crew=Cluster(LOCAL, [plan.spec], 2), report=told.append
        )
        for number, _ in playing:
            games = number + 1
            if time.monotonic() - since > 300 and len(killed) >= 10:
                break
        playing.close()
    finally:
        stop.set()
        killer.join()
    assert sum(text.startswith("a worker ended; 1 ") for text in told) >= len(killed) - 2
    list(explore(plan, games, tmp_path / "whole.jsonl", crew=Processes(2)))
    assert (tmp_path / "out.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
