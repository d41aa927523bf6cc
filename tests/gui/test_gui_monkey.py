"""A monkey at the board: random keys, clicks, words and answers, and nothing breaks."""

import importlib
import random
import sys
from pathlib import Path

import pygame
import pytest

import gui
from gui.actions import Action
from gui.engines import engine_spec
from gui.preferences import PREFERENCES
from gui.processes.analysis import Lines, People
from gui.processes.mind import Expected, Spoken, Thoughts
from gui.processes.probing import Probed
from gui.processes.review import Looked
from gui.session import Session
from gui.sheets.dialogs import Dialog
from gui.sheets.engine import EngineDialog
from gui.sheets.file_dialog import FileDialog
from gui.sheets.overlay import Overlay
from gui.strings import LANGUAGES, language
from lm.players.player import Choice, Line
from lm.study.review import Point
from xiangqi.engine import Info, Option, Wdl
from xiangqi.formats import load


def events(chance, app):
    """Yield random events, those of a person with more sense than luck."""
    codes = [
        pygame.key.key_code(name)
        for name in ("return", "escape", "backspace", "tab", "f1", "f3", "f5", "f10", "delete")
    ]
    codes += [pygame.key.key_code(name) for name in ("up", "down", "left", "right", "home", "end", "space")]
    codes += [ord(character) for character in "abcdefghijklmnopstuvwxy+-123456,,"]
    mods = [0, 0, 0, 0, pygame.KMOD_LSHIFT, pygame.KMOD_LCTRL]
    while True:
        x, y = chance.randrange(app.layout.size[0]), chance.randrange(app.layout.size[1])
        square = chance.choice(app.session.shown.legal_moves or [None])
        kind = chance.random()
        if kind < 0.3:
            yield pygame.Event(pygame.KEYDOWN, key=chance.choice(codes), mod=chance.choice(mods), unicode="")
        elif kind < 0.5 and square is not None:
            for at in (square.from_square, square.to_square):
                spot = tuple(map(round, app.layout.point(at, app.session.bottom)))
                yield pygame.Event(pygame.MOUSEBUTTONDOWN, pos=spot, button=1)
                yield pygame.Event(pygame.MOUSEBUTTONUP, pos=spot, button=1)
        elif kind < 0.7:
            button = chance.choice([1, 1, 1, 3])
            yield pygame.Event(pygame.MOUSEBUTTONDOWN, pos=(x, y), button=button)
            yield pygame.Event(pygame.MOUSEMOTION, pos=(x + 9, y), rel=(9, 0), buttons=(1, 0, 0))
            yield pygame.Event(pygame.MOUSEBUTTONUP, pos=(x + 9, y), button=button)
        elif kind < 0.85:
            yield pygame.Event(pygame.MOUSEMOTION, pos=(x, y), rel=(1, 1), buttons=(0, 0, 0))
        elif kind < 0.92:
            yield pygame.Event(pygame.MOUSEWHEEL, x=0, y=chance.choice([-3, -1, 1, 3]))
        else:
            yield pygame.Event(
                chance.choice([pygame.TEXTINPUT, pygame.TEXTEDITING]), text=chance.choice(["马", "a } b", "{", ""])
            )


def answer(chance, app):
    """Let the player move, and the analysis report."""
    session, analysis = app.session, app.controller.analysis
    if session.awaits_player and chance.random() < 0.5:
        session.answer(Choice(chance.choice([*session.board.legal_moves, None])))
    if analysis.on and analysis.board is not None:
        moves = chance.sample(analysis.board.legal_moves, min(3, len(analysis.board.legal_moves)))
        analysis.take(People(analysis._number, tuple((move, 0.3) for move in moves)))
        wdl = Wdl(chance.randrange(500), 100, chance.randrange(500))
        analysis.take(
            Lines(analysis._number, tuple(Line(Info(n, wdl=wdl, pv=(move,))) for n, move in enumerate(moves, 1)))
        )
    answer_studies(chance, app)


def answer_studies(chance, app):
    """Let the review look at a position, and the model think."""
    review, mind = app.controller.review, app.controller.mind
    read = review.trial if review.trial is not None and not review.trial.done else review.review
    if review.running and read is not None:
        ply = len(read.points)
        board = read.board_at(ply)
        line = tuple(chance.sample(board.legal_moves, min(1, len(board.legal_moves))))
        point = Point(ply, board.turn, chance.random(), None, line, tuple((move, 0.3) for move in line), 0.1, 3)
        review.take(Looked(review._number, point))
    if mind.on and mind.board is not None and mind.board.legal_moves:
        move = chance.choice(mind.board.legal_moves)
        expected = Expected(move, chance.random(), 1, 40)
        mind.take(Thoughts(mind._number, (expected,), (None,), chance.choice([None, expected])))
        values = {square: chance.uniform(-2, 2) for square in mind.board.piece_map()}
        mind.take(Spoken(mind._number, move, values))


def legal(game):
    """Whether every move of a tree can be played."""
    board = game.board()
    for node in game.walk():
        while board.ply > node.parent.ply:
            board.pop()
        if node.move not in board.legal_moves:
            return False
        board.push(node.move)
    return True


def sheets():
    """Return the classes of all sheets."""
    for path in Path(gui.__file__).parent.glob("sheets/*.py"):
        importlib.import_module(f"gui.sheets.{path.stem}")
    found, waiting = set(), [Overlay]
    while waiting:
        below = waiting.pop().__subclasses__()
        found |= {each for each in below if each.__module__.startswith("gui.")}
        waiting += below
    return found - {Dialog}


TURN = 50
"""Events after which the sheet that is open, if any, is taken away, and another one is opened."""
OPENING = [
    *(Action.NEW, Action.ADD_ENGINE, Action.EDIT, Action.COMMENT, Action.MENU, Action.HELP, Action.SETTINGS),
    *(Action.OPEN, Action.SAVE_AS, Action.GAMES, Action.COPY_AS, Action.PICTURE, Action.IMPORT),
    *(Action.SEARCH_LIBRARY, Action.PUZZLES, Action.SAVE_REVIEW),
]
"""What opens a sheet."""


ENGINE_OPTIONS = (
    Option("Threads", "spin", "1", 1, 8),
    Option("Style", "combo", "solid", choices=("solid", "wild")),
    Option("Own Book", "check", "true"),
    Option("Book", "string", "<empty>"),
)


@pytest.mark.parametrize(("count", "seed"), [(1500, 26), pytest.param(20_000, 27, marks=pytest.mark.slow)])
def test_nothing_breaks_and_the_kept_game_can_be_read(count, seed, open_board, tmp_path, monkeypatch):
    enter = FileDialog.enter
    monkeypatch.setattr(  # a monkey that saves files must not leave its folder
        FileDialog, "enter", lambda self, folder: enter(self, folder if tmp_path in folder.parents else tmp_path)
    )
    chance = random.Random(seed)
    app = open_board(humans="red", size=(640, 480))
    several = tmp_path / "several.pgn"
    several.write_text("1. h2e2 *\n\n1. c3c4 h9g7 *\n")
    stream, now = events(chance, app), 0.0
    met = set()
    for number in range(count):
        now += chance.choice([0.01, 0.3, 6.0])
        if number % TURN == 0:
            app._open(None)
            if not app.controller.files.several:
                app.controller.files.open(several)
            for name in ("language", "theme", "pieces", "scale"):
                preference = next(each for each in PREFERENCES if each.name == name)
                app.controller.preferences.set(name, chance.choice(preference.values))
            if chance.random() < 0.6:
                app.do(chance.choice(OPENING))
                if isinstance(app.overlay, EngineDialog) and chance.random() < 0.5:
                    app.overlay._spec = engine_spec("Mine", sys.executable, "")
                    app.overlay._list(Probed(0, "uci", ENGINE_OPTIONS))
            else:
                app.panel.show(chance.choice(app.panel.views).name)
        app.handle(next(stream))
        if chance.random() < 0.2:
            answer(chance, app)
        app.controller.tick(now)
        if number % 7 == 0:
            app.frame(now)
            met |= {language(), type(app.overlay), app.panel.view.name}
        if number % 200 == 0:
            app.window.size = chance.choice([(640, 480), (1000, 700)])
    assert met >= set(LANGUAGES)
    if count > 10_000:
        assert met >= {*(view.name for view in app.panel.views), *sheets()}
    assert legal(app.session.table.game)
    app._open(None)
    app.controller.do(Action.FIRST)
    app.session.explore([app.session.shown.legal_moves[0]])
    app.controller.tick(now + 1)
    (path,) = app.controller.games.path.glob("current*.pgn")
    (game,) = load(path)
    assert not game.errors
    again = Session.going_on(game)
    assert again is None or legal(again.table.game)
