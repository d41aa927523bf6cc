import threading

import pytest

from gui.worker import Chosen, Failed, Loaded, Request, Worker
from lm.players.player import Choice
from xiangqi import Board, Move

ANSWER = Choice(Move.from_iccs("h2e2"))


class Gated:
    """Answers when the gate is open; says when it has begun."""

    name = "gated"

    def __init__(self):
        self.begun, self.gate = threading.Event(), threading.Event()
        self.asked, self.closed = 0, False

    def choose(self, boards):
        self.asked += 1
        self.begun.set()
        assert self.gate.wait(10)
        return [ANSWER for _ in boards]

    def close(self):
        self.closed = True


@pytest.fixture
def work():
    """Start a worker: ``work(load)`` returns it and a function that waits for its next report."""
    workers = []

    def start(load):
        ready = threading.Semaphore(0)
        worker = Worker(load, ready.release)
        workers.append(worker)

        def report():
            assert ready.acquire(timeout=10)
            return worker.poll()

        return worker, report

    yield start
    for worker in workers:
        worker.close()


class TestWorker:
    def test_loads_then_answers_with_the_generation_asked(self, work):
        player = Gated()
        player.gate.set()
        worker, report = work(lambda spec: player)
        worker.ask(Request("lm", 7, Board()))
        assert report() == Loaded("lm", "gated")
        assert report() == Chosen(7, ANSWER)
        assert worker.poll() is None

    def test_asking_and_polling_never_wait(self, work):
        player = Gated()
        worker, report = work(lambda spec: player)
        worker.ask(Request("lm", 1, Board()))
        assert isinstance(report(), Loaded)
        assert player.begun.wait(10)
        worker.ask(Request("lm", 2, Board()))
        assert worker.poll() is None
        player.gate.set()

    def test_of_waiting_requests_only_the_latest_is_served(self, work):
        player = Gated()
        worker, report = work(lambda spec: player)
        worker.ask(Request("lm", 1, Board()))
        assert isinstance(report(), Loaded)
        assert player.begun.wait(10)
        for generation in (2, 3, 4):
            worker.ask(Request("lm", generation, Board()))
        player.gate.set()
        assert [report().generation for _ in range(2)] == [1, 4]
        assert player.asked == 2

    def test_another_spec_closes_the_player_and_loads_anew(self, work):
        players = {spec: Gated() for spec in ("lm:temperature=1", "lm:temperature=0")}
        worker, report = work(players.__getitem__)
        for spec in players:
            worker.ask(Request(spec, 0))
            assert report() == Loaded(spec, "gated")
        assert [player.closed for player in players.values()] == [True, False]

    def test_an_error_is_a_report_and_the_thread_lives_on(self, work):
        outcomes = [ValueError("no such\nplayer: 'x'"), Gated()]

        def load(spec):
            outcome = outcomes.pop(0)
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        worker, report = work(load)
        worker.ask(Request("x", 1, Board()))
        assert report() == Failed(1, "no such player: 'x'")
        worker.ask(Request("x", 2))
        assert report() == Loaded("x", "gated")

    def test_closing_closes_the_player(self):
        player = Gated()
        loaded = threading.Event()
        worker = Worker(lambda spec: player, loaded.set)
        worker.ask(Request("lm", 1))
        assert loaded.wait(10)
        worker.close()
        assert player.closed
