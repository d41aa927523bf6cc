"""How fast the board is: its start, its frames in a game beside a search and an analysis, at rest, and a click in 4K.

    xvfb-run -s "-screen 0 3840x2160x24" python benchmarks/board.py [--seconds N] [--json]

The game is against level Best, with the analysis on: as soon as it is the person's turn, the next move of a recorded
game is clicked, or any other where that is illegal. A frame's time is how long the window is held up: reports are
read, the frame is drawn and shown. At rest, the analysis is off and it is the person's turn; the processor time is that
of the window and of the player's process.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
import psutil
import pygame

from gui.actions import Action
from gui.app import App, look, open_window, wait_for_events
from gui.controller import Controller
from gui.games_folder import GamesFolder
from gui.preferences import Preferences
from gui.processes.helpers import Helpers
from gui.session import Session
from gui.settings import Settings
from lm import data_path
from xiangqi import MOVES, Move, load

SIZE: Final = 1280, 800
LARGE: Final = 3840, 2160
REST: Final = 10.0
"""Seconds of rest that are measured, after as many that are not."""
CLICKS: Final = 20
STARTS: Final = 5
START: Final = """
import sys, time
from pathlib import Path
import gui.app, gui.start
began = float(sys.argv[1])
said = {}
drawn, frame = gui.start._draw_first, gui.app.App.frame

def say(what):
    if what not in said:
        said[what] = time.time() - began
        print(what, said[what], flush=True)

def first(*words):
    drawn(*words)
    say("first frame, s")

def playable(self, now):
    frame(self, now)
    say("board that can be played on, s")
    if self.controller.opponents.is_loaded:
        say("opponent ready, s")
        gui.app.pygame.event.post(gui.app.pygame.Event(gui.app.pygame.QUIT))

gui.start._draw_first, gui.app.App.frame = first, playable
gui.start.main("level:Best", "red", games_dir=Path(sys.argv[2]))
"""


class Clipboard:
    """A clipboard of our own."""

    def get(self) -> str:
        return ""

    def put(self, text: str) -> None:
        pass


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=120, metavar="N", help="length of the game")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    found = starts()
    with tempfile.TemporaryDirectory() as folder, opened(Path(folder)) as app:
        found |= game(app, arguments.seconds) | rest(app) | clicks(app)
    if arguments.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        print(f"{name:40} {value:.3f}" if isinstance(value, float) else f"{name:40} {value}")


def starts() -> dict[str, float]:
    """Start the board; return the medians."""
    times: dict[str, list[float]] = {}
    for _ in range(STARTS):
        with tempfile.TemporaryDirectory() as folder:
            words = [sys.executable, "-c", START, str(time.time()), folder]
            for line in subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines():
                name, _, seconds = line.rpartition(" ")
                if name.endswith(", s"):
                    times.setdefault(name, []).append(float(seconds))
    return {name: float(np.median(seconds)) for name, seconds in times.items()}


@contextmanager
def opened(folder: Path) -> Iterator[App]:
    """Open a board with settings and games of its own."""
    settings = Settings(folder / "settings.json")
    window = open_window(SIZE)
    look(Preferences(settings))
    helpers, games = Helpers.of_window(lambda: None), GamesFolder(folder / "games")
    try:
        yield App(window, Controller(Session(), helpers, "level:Best", Clipboard(), games, settings))
    finally:
        window.destroy()
        helpers.close()
        games.close()


def turn(app: App, ends: Callable[[], bool], act: Callable[[], None] = lambda: None, pause: float = 0.2) -> list[float]:
    """Run the window's loop, looking at least every ``pause`` seconds whether it ends; return what each frame took."""
    took = []
    while not ends():
        act()
        now, began = time.monotonic(), time.perf_counter()
        app.controller.tick(now)
        app.frame(now)
        took.append(time.perf_counter() - began)
        for event in wait_for_events(now + min(app.patience(now), pause)):
            app.handle(event)
    return took


def press(app: App, square: int) -> None:
    """Click on a square."""
    x, y = app.layout.point(square, app.session.bottom)
    for kind in (pygame.MOUSEBUTTONDOWN, pygame.MOUSEBUTTONUP):
        app.handle(pygame.Event(kind, button=1, pos=(round(x), round(y))))


def game(app: App, seconds: float) -> dict[str, float]:
    """Play for so long."""
    session, opponents = app.session, app.controller.opponents
    record = next(islice(load(data_path("games") / "practical.pgn.zst"), 3, None))
    recorded: list[Move] = list(record.moves())
    turn(app, lambda: opponents.is_loaded)
    app.do(Action.ANALYSE)

    def act() -> None:
        if session.ending is not None:
            app.do(Action.NEW)
            app.controller.session.new()
        elif session.awaits_human and not app.view.moving(time.monotonic()):
            ply = session.board.ply
            legal = [MOVES[index] for index in session.board.legal_move_indices()]
            move = recorded[ply] if ply < len(recorded) and recorded[ply] in legal else legal[ply % len(legal)]
            press(app, move.from_square)
            press(app, move.to_square)

    end = time.monotonic() + seconds
    took = np.array(turn(app, lambda: time.monotonic() > end, act))
    app.do(Action.ANALYSE)
    turn(app, lambda: session.awaits_human or session.ending is not None)
    return {
        "plies": session.board.ply,
        "frames": len(took),
        "share of frames under 50 ms": float((took < 0.05).mean()),
        "median frame, ms": float(np.median(took)) * 1000,
        "99.9% of frames, ms": float(np.quantile(took, 0.999)) * 1000,
        "longest frame, ms": float(took.max()) * 1000,
    }


def rest(app: App) -> dict[str, float]:
    """Measure what the board takes while nothing happens."""

    def spent() -> float:
        me = psutil.Process()
        return sum(sum(process.cpu_times()[:2]) for process in (me, *me.children(recursive=True)))

    end = time.monotonic() + REST
    turn(app, lambda: time.monotonic() > end)
    before, since = spent(), time.monotonic()
    turn(app, lambda: time.monotonic() > since + REST, pause=REST)
    return {"at rest, share of a core": (spent() - before) / (time.monotonic() - since)}


def clicks(app: App) -> dict[str, float]:
    """Pick pieces up in a window of 4K, if the screen has room."""
    (desktop, *_) = pygame.display.get_desktop_sizes()
    if desktop[0] < LARGE[0] or desktop[1] < LARGE[1]:
        return {}
    app.controller.session.new()
    app.window.size = LARGE
    end = time.monotonic() + 2
    turn(app, lambda: time.monotonic() > end)
    if app.window.get_surface().get_size() != LARGE:
        return {}
    took = []
    for number in range(CLICKS):
        began = time.perf_counter()
        press(app, (0, 1, 7, 8, 19, 25)[number % 6])
        app.frame(time.monotonic())
        took.append(time.perf_counter() - began)
    return {"click in 4K, median, ms": float(np.median(took)) * 1000, "slowest, ms": max(took) * 1000}


if __name__ == "__main__":
    main()
