"""The board's tests need no display and no sound: SDL draws into memory, and plays into nothing."""

import os
import queue
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

os.environ["SDL_VIDEODRIVER"] = os.environ["SDL_AUDIODRIVER"] = "dummy"

import pygame

from gui import theme
from gui.actions import Action, chosen_keys
from gui.app import App, open_window
from gui.controller import Controller
from gui.errors import describe
from gui.games_folder import GamesFolder
from gui.processes.helpers import Helpers
from gui.processes.importing import AddShipped, Clerk, Done, Stop
from gui.processes.library import Desk
from gui.processes.player import Chosen, Failed, Loaded
from gui.processes.prober import Prober
from gui.processes.puzzles import Trainer
from gui.processes.reading import Fetch, Mend, Read, Shelf
from gui.session import Session
from gui.settings import Settings
from gui.strings import set_language
from lm.matches.table import HUMANS
from lm.players.player import Choice
from xiangqi import STARTING_FEN, Move


class MemoryClipboard:
    def __init__(self):
        self.text = ""

    def get(self):
        return self.text

    def put(self, text):
        self.text = text


class InThread:
    """What stands for a process beside the window: a thread, so that a test can hold what it does in its hands."""

    def __init__(self, notify):
        self._notify = notify
        self._thread = ThreadPoolExecutor(1)
        self._reports = queue.SimpleQueue()

    def poll(self):
        return None if self._reports.empty() else self._reports.get()

    def close(self):
        self._thread.shutdown()

    def report(self, report):
        self._reports.put(report)
        self._notify()


class ThreadWorker(InThread):
    """What `Worker` does, in a thread instead of a process, so that a test can hold the player in its hands."""

    def __init__(self, load, notify):
        super().__init__(notify)
        self._load = load
        self.requests, self.analyses, self.reviews, self.minds, self.hurried = [], [], [], [], []
        self.judgements = []
        self._player = self._spec = None

    def ask(self, request):
        self.requests.append(request)
        self._thread.submit(self._serve, request)

    def analyse(self, request):
        self.analyses.append(request)

    def review(self, request):
        self.reviews.append(request)

    def read_mind(self, request):
        self.minds.append(request)

    def judge(self, request):
        self.judgements.append(request)

    def move_now(self, generation):
        self.hurried.append(generation)

    def _serve(self, request):
        if request is not self.requests[-1]:
            return
        try:
            if request.spec != self._spec:
                self._player, self._spec = self._load(request.spec), request.spec
                self.report(Loaded(request.spec, self._player.name))
            if request.board is not None:
                (choice,) = self._player.choose([request.board])
                self.report(Chosen(request.generation, choice))
        except Exception as error:
            self.report(Failed(request.generation, describe(error)))


class ThreadReader(InThread):
    """What `Reader` does, in a thread instead of a process."""

    def __init__(self, notify):
        super().__init__(notify)
        self._shelf = Shelf(self.report)
        self._number = self._source = 0
        self.gate = threading.Event()
        self.gate.set()

    def read(self, source):
        self._number += 1
        self._source = self._number
        self._serve(Read(self._number, source))
        return self._number

    def fetch(self, index):
        self._serve(Fetch(self._source, index))

    def mend(self, game):
        self._number += 1
        self._serve(Mend(self._number, game))
        return self._number

    def close(self):
        self.gate.set()
        super().close()

    def _serve(self, message):
        self._thread.submit(lambda: self.gate.wait(60) and self._shelf.serve(message))


class ThreadLibrarian(InThread):
    """What `Librarian` does, in a thread instead of a process; ``asked`` are the questions."""

    def __init__(self, path, notify):
        super().__init__(notify)
        self._desk = Desk(path, self.report)
        self.asked = []

    def ask(self, question):
        self.asked.append(question)
        self._thread.submit(self._desk.serve, question)

    def close(self):
        self._thread.submit(self._desk.close)
        super().close()


class ThreadImporter(InThread):
    """What `Importer` does, in a thread, but that it does not take in the shipped games; ``sent`` are the messages."""

    def __init__(self, path, notify):
        super().__init__(notify)
        self._waiting = queue.SimpleQueue()
        self._clerk = Clerk(path, self.report, lambda: None if self._waiting.empty() else self._waiting.get())
        self.sent = []

    def send(self, message):
        self.sent.append(message)
        if isinstance(message, Stop):
            self._waiting.put(message)
        elif isinstance(message, AddShipped):
            self.report(Done(message, 0, 0))
        else:
            self._thread.submit(self._clerk.serve, message)

    def close(self):
        self._waiting.put(Stop())
        self._thread.submit(self._clerk.close)
        super().close()


class ThreadPuzzler(InThread):
    """What `Puzzler` does, in a thread instead of a process; ``sent`` are the messages."""

    def __init__(self, record, notify):
        super().__init__(notify)
        self._trainer = Trainer(record, self.report)
        self.sent = []

    def send(self, message):
        self.sent.append(message)
        self._thread.submit(self._trainer.serve, message)


class Silent:
    """Is never ready with a move, until the test is over."""

    name = "silent"

    def __init__(self):
        self.gate = threading.Event()

    def choose(self, boards):
        self.gate.wait(60)
        return [Choice(None) for _ in boards]

    def close(self):
        pass


class Table:
    """A controller with a player of the test's own (or the error of loading it), and a clock that the test turns."""

    def __init__(self, tmp_path, player, spec="lm", session=None):
        self.player = player
        self.specs = []
        self.session = session or Session()
        self.reported = threading.Semaphore(0)
        self.worker = ThreadWorker(self._load, notify=self.reported.release)
        self.clipboard = MemoryClipboard()
        self.games_dir = tmp_path / "games"
        self.games = GamesFolder(self.games_dir)
        self.reader = ThreadReader(notify=self.reported.release)
        self.settings = Settings(tmp_path / "settings" / "board.json")
        self.library_path = tmp_path / "library.sqlite"
        self.librarian = ThreadLibrarian(self.library_path, notify=self.reported.release)
        self.importer = ThreadImporter(self.library_path, notify=self.reported.release)
        self.record_path = tmp_path / "puzzles.json"
        self.puzzler = ThreadPuzzler(self.record_path, notify=self.reported.release)
        self.prober = Prober(self.reported.release, patience=240.0)
        others = self.librarian, self.importer, self.puzzler, self.prober
        self.helpers = Helpers(self.worker, self.reader, *others)
        self.controller = Controller(self.session, self.helpers, spec, self.clipboard, self.games, self.settings)
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

    def paste(self):
        """Paste, insisting where that gives a game up, and wait for what comes of it."""
        self.controller.do(Action.PASTE)
        if self.controller.armed(Action.PASTE):
            self.controller.do(Action.PASTE)
        self.wait(lambda: self.controller.status()[0] != "Reading...")

    @property
    def requests(self):
        return self.worker.requests

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
        table.helpers.close()
        table.games.close()


@pytest.fixture
def open_board(seat):
    """Open a window at a position: ``open_board(fen, humans="both", size=(900, 700))`` returns an ``App``."""
    windows, apps = [], []

    def open_at(fen=STARTING_FEN, humans="both", size=(900, 700), **options):
        windows.append(open_window())
        windows[-1].size = size
        table = seat(Silent(), session=Session(fen, HUMANS[humans]), **options)
        apps.append(App(windows[-1], table.controller))
        apps[-1].table = table
        return apps[-1]

    yield open_at
    for app in apps:
        app.sounds.close()
    for window in windows:
        window.destroy()
    pygame.display.quit()
    set_language("en")
    theme.use("rosewood")
    theme.write_on_pieces("characters")
    chosen_keys.clear()


@pytest.fixture
def written(monkeypatch):
    """Collect the lines of text that are drawn."""
    lines = []
    draw = theme.text

    def note(string, *options):
        lines.append(string)
        return draw(string, *options)

    monkeypatch.setattr(theme, "text", note)
    return lines


@pytest.fixture
def app(open_board):
    app = open_board(size=(1000, 760))
    app.controller.tick(1.0)
    return app
