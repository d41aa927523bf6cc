"""Draw ``board.png``, the picture of the board: ``python docs/img/make_board.py``. Needs no display."""

import os
from pathlib import Path

os.environ["SDL_VIDEODRIVER"] = "dummy"

import pygame

from gui.app import WINDOW_SIZE, App, open_window
from gui.controller import Controller
from gui.session import Session
from gui.worker import Worker
from lm.players.player import Choice
from xiangqi import Move, parse_square

# The central cannon against the screen horses, a main line of the books.
OPENING = """
    h2e2 h9g7 h0g2 i9h9 i0h0 b9c7 c3c4 g6g5 h0h6 h7i7 h6g6 i7i8
    b0c2 d9e8 b2a2 i8g8 g6f6 g7h5 e3e4 g5g4 e4e5 e6e5 a0b0 a9b9
"""


class Bystander:
    """Has a name and is never asked."""

    name = "lm"

    def choose(self, boards):
        return [Choice(None) for _ in boards]

    def close(self):
        pass


class NoClipboard:
    def get(self):
        return ""

    def put(self, text):
        pass


def main():
    session = Session()
    worker = Worker(lambda spec: Bystander())
    window = open_window()
    window.size = WINDOW_SIZE
    app = App(window, Controller(session, worker, "lm", NoClipboard(), Path()))
    for iccs in OPENING.split():
        session.play(Move.from_iccs(iccs))
    while app.controller.loaded is None:
        app.controller.tick(0.0)
    app.frame(0.0)  # the pieces set out
    session.press(parse_square("f6"))
    app.frame(10.0)  # and have arrived
    target = Path(__file__).with_name("board.png")
    pygame.image.save(window.get_surface(), target)
    worker.close()
    window.destroy()
    print(target)


if __name__ == "__main__":
    main()
