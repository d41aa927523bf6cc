"""No text is clipped, overlapped or without a glyph: on any screen, in any language, from 640x480 to 4K."""

import re
import threading
from pathlib import Path

import pygame
import pytest

from drawn import Faults, Window
from gui import strings
from gui.actions import Action
from gui.app import App
from gui.controller import Controller
from gui.engines import add_engine, engine_spec
from gui.processes.analysis import Lines, People
from gui.processes.importing import AddFile, AddShipped, BuildIndex, Progress
from gui.processes.library import Explored, Listed, Resembling
from gui.processes.mind import Expected, Spoken, Thoughts
from gui.processes.probing import NotProbed, Probed
from gui.processes.puzzles import Standing
from gui.processes.review import Looked
from gui.processes.teaching import MoveJudged
from gui.session import Session
from gui.sheets.engine import EngineDialog
from gui.sheets.files import sheet_of
from gui.sheets.new_game import NewGameDialog
from lm.library.entries import Entry, Played
from lm.library.entries import Explored as Found
from lm.library.entries import Score as Results
from lm.matches.clocks import Clocks, TimeControl
from lm.matches.table import HUMANS
from lm.players.player import Choice, Line
from lm.study.review import Judged, Point
from xiangqi import RED, STARTING_FEN, Board, Game, Move, parse_square
from xiangqi.engine import Info, Option, Score, Wdl

QUICK = [(640, 480), (1280, 800)]
SLOW = [pytest.param(size, marks=pytest.mark.slow) for size in ((800, 600), (900, 1400), (1920, 1080), (3840, 2160))]
DENSE = pytest.param((640, 480, 2), marks=pytest.mark.slow)
"""A small window on a screen that shows all twice as large."""
GAME = ["h2e2", "h9g7", "h0g2", "i9h9", "i0h0", "b9c7", "b0c2", "g6g5", "h0h6", "c9e7", "h6g6", "h7i7", "c3c4", "a9b9"]
PERPETUAL = "3k5/9/9/9/9/9/9/9/4R4/5K3 w", ["e1d1", "d9e9", "d1e1", "e9d9"] * 2


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


def moves(*iccs):
    return tuple(map(Move.from_iccs, iccs))


class Stage:
    """A window of a size, and the screens that it can show."""

    def __init__(self, seat, size, player):
        self.table = seat(player, session=Session(humans=HUMANS["both"]))
        self.window = Window(size[:2], *size[2:])
        self.app = App(self.window, self.table.controller)
        self.app.sounds.volume = 0.0
        self.app.view.draw = lambda *args, **options: None  # the board has no texts but the file numbers

    @property
    def controller(self) -> Controller:
        return self.app.controller

    @property
    def session(self) -> Session:
        return self.app.session

    def prefer(self, **values):
        for name, value in values.items():
            self.controller.preferences.set(name, value)
        self.table.tick(0.0)
        self.app._follow_preferences()

    def reset(self, fen=STARTING_FEN, played=(), humans="both", clocks=None):
        """Begin a game, with all studies off and no sheet open."""
        app, controller = self.app, self.controller
        app._open(None)
        self.prefer(teaching="off")
        for study in (controller.analysis, controller.mind):
            if study.on:
                study.toggle()
        if controller.review.running:
            controller.do(Action.REVIEW)
        self.session.begin(fen, HUMANS[humans], clocks or Clocks(None, None))
        for iccs in played:
            self.session.play(Move.from_iccs(iccs))
        app.panel.show("moves")
        self.table.tick(10.0)

    def faults(self, shortened=()):
        """Draw, and return what is wrong."""
        screen = self.window.screen
        screen.clear()
        self.app.frame(1e6)
        assert screen.texts
        found = Faults.of(screen, shortened)
        screen.clear()
        return found


def analysed(stage):
    stage.reset()
    stage.app.do(Action.ANALYSE)
    stage.table.tick()
    analysis = stage.controller.analysis
    lines = [("h2e2", "h9g7", "h0g2", "i9h9", "i0h0"), ("c3c4", "g6g5", "b0c2"), ("b2e2", "b9c7")]
    wdl = Wdl(480, 320, 200)
    analysis.take(People(analysis._number, tuple((moves(*line)[0], 0.3) for line in lines)))
    found = (
        Line(Info(rank, 12, score=Score(RED, cp=135 - rank), nodes=123_456, nps=1_234, pv=moves(*line), wdl=wdl))
        for rank, line in enumerate(lines, 1)
    )
    analysis.take(Lines(analysis._number, tuple(found)))


def reviewed(stage):
    stage.reset(played=GAME)
    stage.app.do(Action.REVIEW)
    stage.table.tick()
    review, board = stage.controller.review, Board()
    for ply in range(len(GAME) + 1):
        best = tuple(board.legal_moves[:6])
        popular = tuple((move, 0.31) for move in best[:3])
        value = (0.5, 0.45, 0.8, 0.75, 0.3, 0.3, 0.55)[ply % 7]
        review.take(Looked(review._number, Point(ply, ply % 2, value, None, best[:1], popular, 0.1, 3)))
        if ply < len(GAME):
            board.push(Move.from_iccs(GAME[ply]))


def reviewed_at_a_mistake(stage):
    reviewed(stage)
    stage.app.do(Action.FIRST)
    stage.app.do(Action.NEXT_MISTAKE)
    stage.app.do(Action.FORWARD)


def taught(stage):
    """A mistake may be taken back."""
    stage.reset(humans="red")
    stage.prefer(teaching="on")
    stage.table.tick()
    stage.session.play(Move.from_iccs("h2h9"))
    stage.table.tick()
    best, follows = moves("h2e2"), moves("i9h9", "h0g2", "h9h8", "i0h0", "h8d8")
    points = [Point(ply, ply, (0.5, 0.2)[ply], None, (best, follows)[ply], (), None, None) for ply in range(2)]
    teacher = stage.controller.teacher
    teacher.take(MoveJudged(teacher._number, Judged(*points, Move.from_iccs("h2h9"))))
    stage.table.tick(4.0)


def minded(stage):
    stage.reset(played=GAME[:1])
    stage.app.do(Action.MIND)
    stage.table.tick()
    mind = stage.controller.mind
    expected = tuple(Expected(move, 0.4, 1, 44) for move in moves("h9g7", "h7e7", "b9c7", "c6c5"))
    reply = Expected(Move.from_iccs("h0g2"), 0.7, 1, 44)
    mind.take(Thoughts(mind._number, expected, (reply, *[None] * 3), Expected(Move.from_iccs("h2e2"), 0.005, 20, 44)))
    values = {
        parse_square(name): value for name, value in zip(("h9", "e2", "a0", "b2"), (3.0, -1.5, 2, 1), strict=True)
    }
    mind.take(Spoken(mind._number, expected[0].move, values))


def looking_back(stage):
    stage.reset(played=GAME)
    stage.app.do(Action.FIRST)
    stage.app.do(Action.FORWARD)


def commented(stage):
    stage.reset(played=GAME)
    stage.session.set_comment(stage.session.node, "紅方佔先,黑方應以馬8進9。 A comment that takes several lines here.")
    stage.session.view(3)
    stage.session.explore(moves("b9c7", "i0h0", "i9i8"))


def timed(stage):
    control = TimeControl(3_723, 5, byoyomi=30)
    stage.reset("3ak4/9/9/9/9/9/9/9/p2R5/R4K3 w", ["d1c1"], humans="red", clocks=Clocks(control, control))


def two_players(stage):
    stage.reset(played=GAME[:5], humans="none")


def ended(fen, played):
    def set_up(stage):
        stage.reset(fen, played)
        if stage.session.ending is None:
            stage.session.resign()

    return set_up


def failed(stage):
    stage.reset(humans="red")
    fen = "rnbakabnr/9/1c5c1/p1p1p1p1p/9/9/P1P1P1P1P/1C5C1/9/RNBAKABNR b"
    stage.controller.opponents.error = f"the engine neither gave a move nor resigned in {fen}"


def armed(stage):
    stage.reset(played=GAME[:3], humans="red")
    stage.app.do(Action.RESIGN)


def view(name):
    def set_up(stage):
        stage.reset()
        stage.app.panel.show(name)

    return set_up


def opened(action, *keys):
    def set_up(stage):
        stage.reset(played=GAME[:3])
        stage.app.do(action)
        assert stage.app.overlay is not None
        for key in keys:
            stage.app.overlay.key(key)

    return set_up


def helped(stage):
    opened(Action.HELP)(stage)
    sheet, layout = stage.app.overlay, stage.app.sheet_layout
    rect = dict(sheet.places(layout, sheet.room(layout)))[Action.PREVIOUS_MISTAKE]
    sheet.press(layout, rect.center)
    assert sheet.chosen is not None


def searched(stage):
    stage.reset()
    stage.app.do(Action.MENU)
    stage.app.overlay.text(pygame.Event(pygame.TEXTINPUT, text="e" if strings.language() == "en" else "着"))


def editing(*keys):
    def set_up(stage):
        stage.reset()
        stage.app.do(Action.EDIT)
        for key in keys:
            stage.app.overlay.key(key)

    return set_up


def edited_wrongly(stage):
    editing("c")(stage)
    stage.app.overlay.editor.set_fen("4k4/9/9/9/9/9/9/9/9/R3K3R w")


def no_engine(stage):
    stage.reset()
    stage.app._open(EngineDialog(stage.controller, lambda spec: None))
    stage.app.overlay.key("enter")


OPTIONS = (
    Option("Debug Log File", "string", ""),
    Option("Threads", "spin", "1", 1, 512),
    Option("Hash", "spin", "16", 1, 131_072),
    Option("Analysis Contempt", "combo", "Both", choices=("Both", "Off", "White", "Black")),
    Option("Minimum Thinking Time", "spin", "20", 0, 5000),
    Option("UCI_LimitStrength", "check", "false"),
    Option("SyzygyPath", "string", "<empty>"),
    *(Option(f"Knowledge {number}", "check", "true") for number in range(12)),
)


def engine_options(*keys, text=""):
    """Show an engine's options, without starting it."""

    def set_up(stage):
        stage.reset()
        dialog = EngineDialog(stage.controller, lambda spec: None)
        stage.app._open(dialog)
        dialog._spec = engine_spec("Fairy-Stockfish", "sh", "Hash=64")
        dialog._list(Probed(0, "uci", OPTIONS))
        for key in keys:
            dialog.key(key)
        if text:
            dialog.text(pygame.Event(pygame.TEXTINPUT, text=text))
            dialog.key("enter")

    return set_up


def silent_engine(stage):
    stage.reset()
    dialog = EngineDialog(stage.controller, lambda spec: None)
    stage.app._open(dialog)
    dialog._spec = engine_spec("Fairy-Stockfish", "sh", "")
    dialog._tell(dialog._why_not(NotProbed(0)), (255, 255, 255))


def added_engine(stage):
    """Show the new game with an engine that was added, which is chosen."""
    stage.reset()
    add_engine(stage.controller.settings, engine_spec("Fairy-Stockfish", "sh", ""))
    stage.app.do(Action.NEW)
    for key in ("pagedown", "pagedown", "up"):
        stage.app.overlay.key(key)


def bad_clock(stage):
    stage.reset(played=GAME[:3])
    stage.app._open(NewGameDialog(stage.controller, lambda setup: None, lambda engine: None))
    stage.app.overlay.field.value = "ten"
    stage.app.overlay.key("enter")


def games_of_a_file(stage):
    stage.reset()
    path = stage.table.games_dir / "two.pgn"
    path.parent.mkdir(exist_ok=True)
    game = Game(
        headers={"Red": "胡榮華", "Black": "Lại Lý Huynh", "Event": "全國賽", "Date": "1990.05.03", "Result": "1-0"}
    )
    game.add_main_line(moves(*GAME[:4]))
    path.write_text((str(game) + "\n\n") * 2, "utf-8")
    stage.controller.files.open(path)
    stage.table.wait(lambda: stage.controller.files.several)
    stage.app._open(sheet_of(stage.controller, Action.GAMES))


ENTRY = Entry("上海 胡榮華", "Lại Lý Huynh", "1985年全國象棋個人賽", "1985-10-07", "1/2-1/2", 84, 1, 12)


def explored(stage):
    """Show what the library has on the start position."""
    stage.reset()
    stage.app.panel.show("library")
    stage.table.tick()
    library = stage.controller.library
    scores = (Results(6029, 5210, 4633, 12), Results(1, 0, 0, 0), Results(0, 0, 2, 0), Results(0, 0, 0, 3))
    played = zip(moves("h2e2", "g3g4", "h0g2", "a0a1"), scores, (2013, 1985, None, 2026), strict=True)
    found = Found(Results(10215, 8760, 7036, 39), tuple(Played(*row) for row in played))
    stage.table.wait(lambda: library.explored is not None and library.explored.number == library._explore_number)
    library._take(Explored(library._explore_number, found, (ENTRY,) * 12))


def explored_once(stage):
    """Show a position of one game."""
    explored(stage)
    library = stage.controller.library
    found = Found(Results(1, 0, 0, 0), (Played(Move.from_iccs("h2e2"), Results(1, 0, 0, 0), 1984),))
    library._take(Explored(library._explore_number, found, (ENTRY,)))


def importing(task, total):
    def set_up(stage):
        explored(stage)
        library = stage.controller.library
        library.tasks = [task]
        library.progress = Progress(task, 12_300, 10_000, total=total)

    return set_up


def without_games(indexed):
    def set_up(stage):
        explored(stage)
        library = stage.controller.library
        library.tasks = []
        library._take(Explored(library._explore_number, Found(Results(0, 0, 0, 0), ()), ()))
        alike = tuple((move, 0.25) for move in moves("h2e2", "g3g4", "h0g2"))
        library._take(Resembling(library._explore_number, indexed, alike, 0.54, (ENTRY,) * 5))

    return set_up


def searching(stage):
    stage.reset()
    stage.app.do(Action.SEARCH_LIBRARY)
    library = stage.controller.library
    stage.table.wait(lambda: library.listed is not None)
    library._take(Listed(library._search_number, 26_011, (ENTRY,) * 30))


def searching_in_vain(*tasks, similar=None, games=()):
    """Search for games with a position that none has."""

    def set_up(stage):
        searching(stage)
        library = stage.controller.library
        library.tasks = list(tasks)
        library._take(Listed(library._search_number, 0, games, similar))

    return set_up


def puzzled(**facts):
    """Show a puzzle that stands so."""

    def set_up(stage):
        stage.reset()
        stage.app.do(Action.PUZZLES)
        puzzles = stage.controller.puzzles
        stage.table.wait(lambda: not puzzles.waiting)
        counts = {"only_failed": False, "left": 800, "all": 932, "grade": 9, "solved": 120, "failed": 12}
        source = "上海 胡榮華 - Lại Lý Huynh, 1985年全國象棋個人賽, 1985-10-07"
        puzzle = {"fen": STARTING_FEN, "mate": 8, "of_grade": 10, "chance": 0.003, "source": source}
        puzzles.standing = Standing(**{"phase": "begun"} | counts | puzzle | facts)

    return set_up


def puzzle_armed(stage):
    stage.reset(played=GAME)
    puzzled()(stage)
    stage.session.explore(stage.session.shown.legal_moves[:1])
    stage.app.overlay.do("analyse")


SCREENS = {
    "start": lambda stage: stage.reset(),
    "looking back": looking_back,
    "comments": commented,
    "clocks": timed,
    "two players": two_players,
    "resigned": ended(STARTING_FEN, GAME[:3]),
    "perpetual check": ended(*PERPETUAL),
    "failed": failed,
    "armed": armed,
    "no analysis": view("analysis"),
    "no review": view("review"),
    "no mind": view("mind"),
    "analysis": analysed,
    "review": reviewed,
    "mistake": reviewed_at_a_mistake,
    "teaching": taught,
    "mind": minded,
    "library": explored,
    "library, one game": explored_once,
    "shipped games": importing(AddShipped(), 26_050),
    "index": importing(BuildIndex(), 3_000),
    "import": importing(AddFile(Path("games.pgn")), None),
    "no games": without_games(False),
    "similar": without_games(True),
    "search": searching,
    "search, nothing": searching_in_vain(),
    "search, no index": searching_in_vain(similar=False),
    "search, indexing": searching_in_vain(BuildIndex(), similar=False),
    "search, similar": searching_in_vain(similar=True, games=(ENTRY,) * 3),
    "puzzle": puzzled(),
    "puzzle, one move wins": puzzled(mate=None, piece=1),
    "puzzle, hinted": puzzled(piece=1, target=20),
    "puzzle, right": puzzled(phase="right", moves=moves(*GAME[:8])),
    "puzzle, wrong": puzzled(phase="wrong", moves=moves(*GAME[:13]), is_failed=True),
    "puzzle, solution": puzzled(phase="right", moves=moves(*GAME[:2]), solution=moves(*GAME[2:13]), is_failed=True),
    "puzzle, solved": puzzled(phase="solved", moves=moves(*GAME[:13])),
    "puzzle, solved late": puzzled(phase="solved", moves=moves(*GAME[:13]), is_failed=True),
    "puzzle, armed": puzzle_armed,
    "no puzzle left": puzzled(phase="over", fen="", left=0),
    "no failed puzzle": puzzled(phase="over", fen="", left=0, only_failed=True),
    "file to import": opened(Action.IMPORT),
    "menu": opened(Action.MENU),
    "menu searched": searched,
    "help": opened(Action.HELP),
    "help, mouse": opened(Action.HELP, "tab"),
    "help, another key": helped,
    "settings": opened(Action.SETTINGS),
    "comment": opened(Action.COMMENT),
    "new game": opened(Action.NEW),
    "bad clock": bad_clock,
    "engine": opened(Action.ADD_ENGINE),
    "no engine": no_engine,
    "engine, silent": silent_engine,
    "engine, options": engine_options(),
    "engine, an option": engine_options("down", "down", "down", "down"),
    "engine, wrong option": engine_options("down", "down", "down", text="999999"),
    "new game, engine": added_engine,
    "open": opened(Action.OPEN),
    "save as": opened(Action.SAVE_AS),
    "picture": opened(Action.PICTURE),
    "copy as": opened(Action.COPY_AS),
    "games": games_of_a_file,
    "editor": editing(),
    "handicaps": editing("h"),
    "editor, wrong": edited_wrongly,
}
SHORTENED = ("/tmp", "/pytest-", ".pgn")
"""Parts of texts that may be cut off: paths, and names of files."""


@pytest.fixture
def stage(seat, monkeypatch, request):
    pygame.display.init()
    stage = Stage(seat, request.param, Silent())
    stage.window.screen.watch(monkeypatch)
    yield stage
    strings.set_language("en")
    pygame.display.quit()


def by_size(sizes):
    return pytest.mark.parametrize("stage", sizes, indirect=True, ids=lambda size: "x".join(map(str, size)))


def look_at_all(stage, **preferences):
    found = {}
    for language in strings.LANGUAGES:
        stage.prefer(language=language, **preferences)
        for name, set_up in SCREENS.items():
            set_up(stage)
            if faults := stage.faults(SHORTENED):
                found[f"{language}, {name}"] = faults
    return found


@by_size([*QUICK, *SLOW, DENSE])
def test_no_text_is_clipped_overlapped_or_without_a_glyph(stage):
    assert look_at_all(stage) == {}


@by_size([(640, 480), (1280, 800), *SLOW[1:3]])
@pytest.mark.parametrize("scale", [pytest.param(150, marks=pytest.mark.slow), 200])
def test_nor_with_larger_texts(stage, scale):
    assert look_at_all(stage, scale=scale, notation="wxf", pieces="letters") == {}


@by_size(QUICK[:1] + SLOW[-1:])
def test_every_notice_has_room_in_the_status_line(stage):
    values = {"path": "~/xiangqi/2026-11-30 1.pgn", "name": "games.pgn", "kept": "2.pgn", "reason": "", "key": "Ctrl+V"}
    values |= {"player": "lm", "side": "Black", "move": "炮二平五", "count": 12, "number": 3, "shown": 12, "last": 40}
    values |= {"level": "Watchful", "elo": "+280", "what": "FEN", "value": "x", "allowed": "on, off"}
    found = {}
    for language in strings.LANGUAGES:
        stage.prefer(language=language)
        stage.reset()
        for key, text in strings.column(language).items():
            if key.startswith(("notice.", "status.")):
                filled = {name: values.get(name, "x") for name in re.findall(r"\{(\w+)\}", text)}
                stage.controller.say(strings.say(key, **filled))
                if faults := stage.faults():
                    found[f"{language}, {key}"] = faults
    assert found == {}


@by_size([(800, 600)])
def test_faults_are_found(stage):
    """The test of the test: texts that are too long, too high, on one another, or not in the font."""
    stage.reset()
    screen = stage.window.screen
    from gui.widgets import write

    screen.clear()
    write(screen, "much too long", 20, pygame.Rect(0, 0, 40, 30))
    write(screen, "Hg", 40, pygame.Rect(100, 100, 300, 10))
    write(screen, "one", 20, pygame.Rect(300, 300, 90, 30))
    write(screen, "two", 20, pygame.Rect(305, 300, 90, 30))
    write(screen, "beyond", 20, pygame.Rect(780, 500, 200, 30))
    write(screen, "\U0001f600", 20, pygame.Rect(10, 500, 200, 30))
    write(screen, "hidden", 20, pygame.Rect(500, 100, 200, 30))
    screen.fill((0, 0, 0), pygame.Rect(500, 110, 200, 30))
    with_clip = screen.get_clip()
    screen.set_clip(pygame.Rect(0, 400, 30, 30))
    write(screen, "half of it", 20, pygame.Rect(0, 400, 300, 30))
    screen.set_clip(with_clip)
    kinds = {fault.split(":")[0].split(" for ")[0] for fault in Faults.of(screen)}
    assert kinds == {"cut off", "higher than its row", "overlap", "beyond the window", "no glyph", "clipped", "covered"}
