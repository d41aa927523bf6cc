"""The board's tests need no display: SDL draws into memory."""

import os
import threading
import time

import pytest

os.environ["SDL_VIDEODRIVER"] = "dummy"

from gui.controller import Controller
from gui.session import Session
from gui.worker import Worker
from xiangqi import Move


class MemoryClipboard:
    def __init__(self):
        self.text = ""

    def get(self):
        return self.text

    def put(self, text):
        self.text = text


class Table:
    """A controller with a player of the test's own (or the error of loading it), and a clock that the test turns."""

    def __init__(self, tmp_path, player, spec="lm", session=None):
        self.player = player
        self.specs = []
        self.session = session or Session()
        self.reported = threading.Semaphore(0)
        self.worker = Worker(self._load, notify=self.reported.release)
        self.clipboard = MemoryClipboard()
        self.games_dir = tmp_path / "games"
        self.controller = Controller(self.session, self.worker, spec, self.clipboard, self.games_dir)
        self.now = 0.0

    def _load(self, spec):
        self.specs.append(spec)
        if isinstance(self.player, Exception):
            raise self.player
        return self.player

    def tick(self, seconds=1.0):
        self.now += seconds
        self.controller.tick(self.now)

    def play(self, *moves):
        for iccs in moves:
            self.session.play(Move.from_iccs(iccs))

    def wait(self, condition):
        """Let time pass until the condition holds."""
        end = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < end, "waited in vain"
            self.tick()
            time.sleep(0.002)

    @property
    def moves(self):
        return [move.iccs for move in self.session.board.move_stack]


@pytest.fixture
def seat(tmp_path):
    """Sit down opposite a player: ``seat(player, **options)`` returns a ``Table``."""
    tables = []

    def sit_down(player, **options):
        tables.append(Table(tmp_path, player, **options))
        return tables[-1]

    yield sit_down
    for table in tables:
        gate = getattr(table.player, "gate", None)
        if gate is not None:
            gate.set()
        table.worker.close()
