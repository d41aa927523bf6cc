"""Makes the pictures of the board in docs/img, with the shipped model: ``python docs/make_screenshots.py [NAME ...]``.

It needs no display: SDL draws into memory. `film.webp` is the moving picture that opens the README. Positions come from
the shipped games; thinking is measured in nodes or waited for, so that a slow machine makes the same pictures.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Final
from unittest.mock import patch

os.environ["SDL_VIDEODRIVER"] = os.environ["SDL_AUDIODRIVER"] = "dummy"

import pygame
from PIL import Image

from gui.actions import Action
from gui.app import App, look, open_window
from gui.controller import Controller
from gui.games_folder import GamesFolder
from gui.preferences import Preferences
from gui.processes.helpers import Helpers
from gui.session import Session
from gui.settings import Settings
from gui.sheets.engine import EngineDialog
from lm import data_path
from xiangqi import load, parse_square
from xiangqi.formats.streams import open_replacing

IMAGES: Final = Path(__file__).parent / "img"
SIZE: Final = 984, 688
"""Of the window. Nothing is scaled afterwards: letters stay sharp."""
GAME: Final = 3
"""Number of the shipped game shown."""
REVIEWED: Final = 3194
"""Number of the one that is reviewed, in which both sides go wrong."""
AWAY: Final = 2, 2
PATIENCE: Final = 240.0
"""Seconds after which something that never comes is an error."""


class Memory:
    """A clipboard."""

    def __init__(self) -> None:
        self.text = ""

    def get(self) -> str:
        return self.text

    def put(self, text: str) -> None:
        self.text = text


class Stage:
    """A board that is played by a script."""

    def __init__(self, app: App) -> None:
        self.app, self.session, self.controller = app, app.session, app.controller
        self.pointer = AWAY

    def pass_time(self) -> None:
        """Let what was asked for happen, and draw a frame."""
        now = time.monotonic()
        self.controller.tick(now)
        with patch("pygame.mouse.get_pos", return_value=self.pointer):
            self.app.frame(now)
        for event in pygame.event.get():
            self.app.handle(event)
        time.sleep(0.01)

    def until(self, holds: Callable[[], bool]) -> None:
        """Wait for something."""
        end = time.monotonic() + PATIENCE
        while not holds():
            if time.monotonic() > end:
                raise TimeoutError(self.controller.status()[0])
            self.pass_time()
        self.settle()

    def settle(self) -> None:
        """Wait until nothing glides any more."""
        end = time.monotonic() + 1.2
        while time.monotonic() < end:
            self.pass_time()

    def do(self, *actions: Action) -> None:
        for action in actions:
            self.app.do(action)
            self.pass_time()

    def click(self, name: str) -> None:
        """Click on a square."""
        place = self.app.layout.point(parse_square(name), self.session.bottom)
        self.pointer = round(place[0]), round(place[1])
        for kind in (pygame.MOUSEBUTTONDOWN, pygame.MOUSEBUTTONUP):
            self.app.handle(pygame.Event(kind, button=1, pos=self.pointer))
            self.pass_time()

    def study(self, ply: int, game: int = GAME) -> None:
        """Look at a ply of a shipped game."""
        path = data_path("games") / "practical.pgn.zst"
        self.session.study(next(islice(load(path), game, None)))
        self.do(Action.FIRST)
        self.controller.step(ply)
        self.settle()

    def analysed(self, nodes: int) -> bool:
        """Whether the analysis has come so far."""
        lines = self.controller.analysis.lines
        return bool(lines) and (lines[0].info.nodes or 0) >= nodes and bool(self.controller.analysis.people)

    def picture(self) -> Image.Image:
        """Return what is seen."""
        screen = self.app.window.get_surface()
        return Image.frombytes("RGB", screen.get_size(), pygame.image.tobytes(screen, "RGB"))


def play(stage: Stage) -> None:
    """A game in play, a piece picked up."""
    stage.controller.opponents.seat_players(None, None)
    for move in ("b2e2", "b0c2", "a0b0", "c3c4"):
        stage.until(lambda: stage.session.awaits_human)
        stage.click(move[:2])
        stage.click(move[2:])
    stage.until(lambda: stage.session.awaits_human and not stage.controller.opponents.thinking)
    stage.click("b0")
    stage.settle()


def analysis(stage: Stage) -> None:
    """The analysis: the best moves, and those that people would play."""
    stage.study(34)
    stage.do(Action.ANALYSE)
    stage.until(lambda: stage.analysed(4000))


def mind(stage: Stage) -> None:
    """What the model thinks of the position, and which pieces speak for its move."""
    stage.study(22)
    stage.do(Action.MIND)
    stage.until(lambda: bool(stage.controller.mind.speakers()))


def review(stage: Stage) -> None:
    """The curve of a game, and its worst moves."""
    stage.study(0, REVIEWED)
    stage.do(Action.REVIEW)
    stage.until(lambda: not stage.controller.review.running)
    stage.do(Action.NEXT_MISTAKE)
    stage.settle()


def teaching(stage: Stage) -> None:
    """A mistake that may be taken back, with what follows."""
    stage.do(Action.TEACH)
    teacher = stage.controller.teacher
    for move in ("h2e2", "e2e6"):  # the second one gives a cannon for a pawn
        stage.until(lambda: stage.session.table.awaits_person)
        stage.click(move[:2])
        stage.click(move[2:])
    stage.until(lambda: teacher.offered is not None)
    stage.pointer = AWAY
    stage.until(lambda: teacher.count == len(teacher.why))


def library(stage: Stage) -> None:
    """What was played in a position, in the shipped games."""
    stage.study(1)
    stage.do(Action.LIBRARY)
    found = stage.controller.library
    stage.until(lambda: not found.tasks and found.current)


def puzzle(stage: Stage) -> None:
    """A puzzle, with a hint asked for."""
    stage.do(Action.PUZZLES)
    stage.until(lambda: stage.controller.puzzles.awaits)
    stage.controller.puzzles.hint()
    stage.until(lambda: stage.controller.puzzles.awaits)


def editor(stage: Stage) -> None:
    """A position being set up."""
    stage.study(40)
    stage.do(Action.EDIT)
    stage.settle()


def new_game(stage: Stage) -> None:
    """The dialog for a new game."""
    stage.do(Action.NEW)
    stage.settle()


def engine(stage: Stage) -> None:
    """The options of fairy-stockfish, which has to be installed; one of them is being changed."""
    stage.do(Action.ADD_ENGINE)
    dialog = stage.app.overlay
    assert isinstance(dialog, EngineDialog)
    for field, text in zip(dialog.fields, ("fairy-stockfish", "Fairy-Stockfish", "Hash=64 movetime=1000"), strict=True):
        field.insert(text)
    dialog.key("enter")
    dialog.key("enter")
    stage.until(lambda: dialog.options is not None)
    for _ in range(6):
        dialog.key("down")
    dialog.text(pygame.Event(pygame.TEXTINPUT, text="12"))
    stage.settle()


def settings(stage: Stage) -> None:
    """What a person may choose."""
    stage.do(Action.SETTINGS)
    stage.settle()


def menu(stage: Stage) -> None:
    """All actions, with their keys."""
    stage.do(Action.MENU)
    stage.settle()


def chinese(stage: Stage) -> None:
    """The same board in Chinese, in another theme."""
    stage.controller.preferences.set("language", "zh-Hans")
    stage.controller.preferences.set("theme", "jade")
    analysis(stage)


SCENES: Final[dict[str, Callable[[Stage], None]]] = {
    scene.__name__: scene
    for scene in (
        play,
        analysis,
        mind,
        review,
        teaching,
        library,
        puzzle,
        editor,
        new_game,
        engine,
        settings,
        menu,
        chinese,
    )
}
FILM: Final = "film"
PLIES: Final = range(14, 30)
"""The plies that the moving picture shows."""


def film(stage: Stage) -> Iterator[Image.Image]:
    """Yield a picture a ply: the moves that people would play beside those that the search prefers."""
    stage.study(PLIES[0])
    stage.do(Action.ANALYSE)
    for ply in PLIES:
        stage.session.view(ply)
        stage.pass_time()  # the lines of the ply before are gone then
        stage.until(lambda: stage.analysed(1200))
        yield stage.picture()


@contextmanager
def opened(folder: Path) -> Iterator[Stage]:
    """Open a board with settings and games of its own."""
    chosen = Settings(folder / "settings.json")
    chosen.set("language", "en")
    window = open_window()
    window.size = SIZE  # whatever room SDL believes to have
    look(Preferences(chosen))
    helpers, games = Helpers.of_window(folder=folder), GamesFolder(folder / "games")
    try:
        controller = Controller(Session(), helpers, "level:Steady", Memory(), games, chosen)
        yield Stage(App(window, controller))
    finally:
        window.destroy()
        helpers.close()
        games.close()


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    for name in sys.argv[1:] or [*SCENES, FILM]:
        with tempfile.TemporaryDirectory() as folder, opened(Path(folder)) as stage:
            if name == FILM:
                first, *others = film(stage)
                how = {"duration": 1400, "loop": 0, "quality": 75, "method": 6}
                with open_replacing(IMAGES / f"{FILM}.webp") as file:
                    first.save(file, "WEBP", save_all=True, append_images=others, **how)
            else:
                SCENES[name](stage)
                stage.picture().quantize(256, dither=Image.Dither.NONE).save(IMAGES / f"{name}.png", optimize=True)
        print(name, flush=True)


if __name__ == "__main__":
    main()
