"""The window: what it draws, and what keys and the mouse do.

The loop sleeps until the next event, report of the player or step of an animation, and draws only then.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import pygame

from gui import NoDisplayError, keys, theme
from gui.actions import Action
from gui.board_view import GLIDE, Arrow, BoardView, Glow, Marks, Scene, draw_chances, drawn_marks
from gui.layout import MINIMUM_SIZE, Layout, Point, arrange
from gui.panel import BUTTONS, NAVIGATION, Panel, banner_rect, draw_banner, draw_error, error_rect
from gui.preferences import Preferences
from gui.rulings import told
from gui.sheets.dialogs import TextDialog
from gui.sheets.help import HelpSheet
from gui.sheets.menu import Menu
from gui.sheets.overlay import Overlay
from gui.sheets.settings import SettingsSheet
from gui.sounds import Sounds
from gui.strings import say, set_language

if TYPE_CHECKING:
    from gui.analysis import ArrowMark
    from gui.controller import Controller
    from gui.new_game import Setup
    from gui.sheets.text_field import TextField
    from lm.matches.table import Ending
    from lm.players.specs import Spec
    from xiangqi import Board, Move
    from xiangqi.tags import Drawn, DrawnColor

WINDOW_SIZE = (1180, 900)
SCREEN_SHARE = 0.75
"""The part of a large screen's height that the window takes at first: texts grow with it."""
FRAME_SIZE: Final = (8, 40)
"""Pixels that a desktop puts around a window: a screen without that room is used as a whole."""
FRAME = 1 / 60
DOTS = 0.2
"""Seconds between the steps of the dots shown while the player thinks."""
AWAY = -1, -1
"""A pointer that is over nothing."""
SPEEDS: Final = {"none": 0.0, "fast": 0.5, "normal": 1.0, "slow": 2.0}
"""Times that a piece glides, as parts of `GLIDE`."""
PAUSES = 0.002, 0.03
"""Seconds between polls for events: at first, and after a while without any."""

REVIEWING = (Action.REVIEW, Action.NEXT_MISTAKE, Action.PREVIOUS_MISTAKE, Action.RETRY)
"""The actions that show the review."""

_DRAWN_COLORS: Final[dict[tuple[bool, bool], DrawnColor]] = {
    (False, False): "G",
    (True, False): "R",
    (False, True): "B",
    (True, True): "Y",
}
"""The colour of what is drawn, by whether Shift and Ctrl are held. Alt with a button is for the desktop."""
CLOSING = (pygame.QUIT, pygame.WINDOWCLOSE)
"""Events that end the program."""


def open_window(size: Sequence[int] = ()) -> pygame.Window:
    """Open the window, of a size (width and height) as far as the screen has room. Raises ``NoDisplayError``."""
    asked_for = os.environ.get("SDL_VIDEODRIVER")
    if sys.platform.startswith("linux") and not asked_for and not {"DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys():
        raise NoDisplayError("no display: no window can be opened here")  # SDL's libraries would complain first
    try:
        pygame.display.init()
        driver = pygame.display.get_driver()
        if driver in ("offscreen", "dummy") and driver != asked_for:
            raise NoDisplayError("no display: no window can be opened here")
        (desktop, *_) = pygame.display.get_desktop_sizes()
        known = len(size) == 2 and all(isinstance(side, int) for side in size)
        grown = max(1.0, SCREEN_SHARE * desktop[1] / WINDOW_SIZE[1])
        wanted = size if known else [round(grown * side) for side in WINDOW_SIZE]
        width = max(min(wanted[0], desktop[0] - 40), MINIMUM_SIZE[0])
        height = max(min(wanted[1], desktop[1] - 80), MINIMUM_SIZE[1])
        window = pygame.Window("xqlm", (width, height), resizable=True, allow_high_dpi=True)
    except pygame.error as error:
        raise NoDisplayError(f"no display: {error}") from None
    window.minimum_size = MINIMUM_SIZE
    if desktop[0] < MINIMUM_SIZE[0] + FRAME_SIZE[0] or desktop[1] < MINIMUM_SIZE[1] + FRAME_SIZE[1]:
        window.set_fullscreen(True)
    window.set_icon(theme.piece(1, 64))
    pygame.key.set_repeat(350, 60)
    pygame.key.stop_text_input()  # input methods are on where a text is typed only
    return window


def fills_screen(window: pygame.Window) -> bool:
    """Whether a window has the whole screen."""
    return tuple(window.size) in pygame.display.get_desktop_sizes()


class App:
    """The window's own state: the pointer, the dragged piece, and whether the result has been dismissed."""

    def __init__(self, window: pygame.Window, controller: Controller) -> None:
        self.window, self.controller = window, controller
        self.session = controller.session
        self.panel = Panel(controller)
        self.view = BoardView()
        self.overlay: Overlay | None = None
        """The menu, the help sheet or a dialog, if one is open."""
        self.sounds = Sounds()
        self.layout: Layout = layout_of(window)
        self._scale = 1.0
        self._looks = -1
        """The revision of the preferences that the window looks like."""
        self._follow_preferences()
        self.running = True
        self._opener = ""
        """What the key pressed last types; if it has opened a sheet, that is not meant for it."""
        self._pressed_at: tuple[int, int] | None = None
        self._dragged: Point | None = None
        self._dropped: tuple[int, Point] | None = None
        self._drawn_from: int | None = None
        """The square where the right button began to draw."""
        self._dismissed = -1
        """The generation whose banner has been dismissed."""

    # --- Frames -------------------------------------------------------------------------------------------------------

    def frame(self, now: float) -> None:
        """Draw one frame."""
        screen = self.window.get_surface()
        if self._looks != self.controller.preferences.revision:
            self._follow_preferences()
        if screen.get_size() != self.layout.size:
            self.layout = layout_of(self.window, self._scale)
        self.sounds.follow(self.session)
        session, layout = self.session, self.layout
        pointer = self._pointer
        self.view.traditional, self.view.notation = session.traditional, session.scribe.style.notation
        covering = None if self.overlay is None else self.overlay.scene(layout, pointer)
        scene = covering or self._scene(pointer)
        self.view.show(scene.cells, now, layout, scene.bottom, self._dropped)
        self._dropped = None
        self.view.draw(screen, layout, scene.bottom, scene.marks, now, scene.dragged)
        if covering is None:
            self._draw_game(screen, layout, pointer, now)
        if self.overlay is not None:
            self.overlay.draw(screen, self.sheet_layout, pointer, now)
        self.window.flip()

    def _follow_preferences(self) -> None:
        """Look and sound as the person prefers."""
        chosen = self.controller.preferences
        self._looks = chosen.revision
        look(chosen)
        self.view.coordinates = chosen["coordinates"] == "on"
        self.view.glide = GLIDE * SPEEDS[str(chosen["animation"])]
        volume = int(chosen["volume"]) / 100 if chosen["sounds"] == "on" else 0.0
        if volume != self.sounds.volume:
            self.sounds.volume = volume
            if isinstance(self.overlay, SettingsSheet):
                self.sounds.play("move")
        self._scale = int(chosen["scale"]) / 100
        self.layout = layout_of(self.window, self._scale)

    @property
    def _pointer(self) -> tuple[int, int]:
        """Where the pointer is, in pixels."""
        return self.layout.in_pixels(pygame.mouse.get_pos())

    @property
    def sheet_layout(self) -> Layout:
        """The layout of the sheet that is open."""
        return self.layout if self.overlay is not None and self.overlay.on_board else self.layout.for_sheets()

    def _draw_game(self, screen: pygame.Surface, layout: Layout, pointer: tuple[int, int], now: float) -> None:
        """Draw all but the board of the game."""
        session = self.session
        if (error := self._error()) is not None:
            draw_error(screen, layout, error, self._error_hint)
        elif (ending := self._banner()) is not None and not self.view.moving(now):
            draw_banner(screen, layout, ending, self._banner_hint)
        if (chances := self.controller.analysis.chances) is not None:
            draw_chances(screen, layout, session.bottom, (chances.win, chances.draw, chances.loss))
        self.panel.draw(screen, layout, pointer if self.overlay is None else AWAY, now)

    def _scene(self, pointer: tuple[int, int]) -> Scene:
        session, preview = self.session, self._preview()
        board = session.shown if preview is None else preview[0]
        return Scene(board.cells.tolist(), session.bottom, self._marks(pointer), self._dragged)

    def _preview(self) -> tuple[Board, Move] | None:
        """Return what the board shows in place of the game: a line under the pointer, or what follows a mistake."""
        return self.controller.analysis.preview() or self.controller.teacher.preview()

    def _marks(self, pointer: tuple[int, int]) -> Marks:
        session = self.session
        if (preview := self._preview()) is not None:
            board, last = preview
            check = board.king(board.turn) if board.is_check() else None
            return Marks(last_move=(last.from_square, last.to_square), check=check)
        move = session.last_move
        drawing = self._drawn_to(pointer)
        arrows, circles = drawn_marks(session.node.drawn + ([] if drawing is None else [drawing]))
        return Marks(
            selected=session.selected,
            targets=session.targets if session.selected is not None else (),
            last_move=(move.from_square, move.to_square) if move is not None else None,
            check=session.checked_king,
            hover=self.layout.square_at(self._dragged or pointer, session.bottom),
            arrows=[] if session.selected is not None else self._arrows() + arrows,
            circles=circles,
            glows=self._glows(),
        )

    def _arrows(self) -> list[Arrow]:
        """Return the arrow of the move pointed at, those of the analysis, or that of the move whose pieces glow."""
        analysis, mind = self.controller.analysis, self.controller.mind
        if (move := self.controller.library.hovered) is not None:
            return [Arrow(move.from_square, move.to_square, theme.TARGET, 0.7)]
        if not analysis.on and mind.speakers() and mind.move is not None:
            return [Arrow(mind.move.from_square, mind.move.to_square, theme.PEOPLE, 0.7)]
        return [_arrow(mark) for mark in analysis.arrows()]

    def _glows(self) -> list[Glow]:
        """Return the glows of the pieces that speak for the move, or against it."""
        mind = self.controller.mind
        if self.session.selected is not None:
            return []
        colors = theme.SPEAKS_FOR, theme.SPEAKS_AGAINST
        return [Glow(speaker.square, colors[speaker.value < 0], speaker.strength) for speaker in mind.speakers()]

    def _banner(self) -> Ending | None:
        session = self.session
        if session.ending is None or not session.live or self._dismissed == session.generation:
            return None
        return told(session.ending, session.texts)

    def _error(self) -> str | None:
        """Return why the player cannot answer: over the game as it stands, until it is dismissed or analysed."""
        opponents = self.controller.opponents
        hidden = opponents.error_dismissed or self.controller.analysis.on or not self.session.live
        return None if hidden else opponents.error

    @property
    def _error_hint(self) -> str:
        return say("error.hint", again=Action.MOVE_NOW.shortcut, other=Action.LEVEL.shortcut)

    @property
    def _banner_hint(self) -> str:
        new, undo = Action.NEW.shortcut, Action.UNDO.shortcut
        return say("banner.hint", new=new, undo=undo) if self.session.can_undo else say("banner.hint_record", new=new)

    def patience(self, now: float) -> float:
        """Return how many seconds a frame drawn at ``now`` stays current if no event comes."""
        if self.view.moving(now):
            return FRAME
        return min(self.controller.patience(), DOTS if self.controller.opponents.thinking else math.inf)

    # --- Events -------------------------------------------------------------------------------------------------------

    def handle(self, event: pygame.Event) -> None:
        """Handle one event."""
        if event.type in CLOSING:
            self.running = False
        elif event.type in (pygame.KEYDOWN, pygame.TEXTINPUT, pygame.TEXTEDITING):
            self._typed(event)
        elif event.type == pygame.MOUSEBUTTONDOWN and event.button == 1:
            self._press(self.layout.in_pixels(event.pos))
        elif event.type == pygame.MOUSEBUTTONDOWN and event.button == 3:
            self._press_right(self.layout.in_pixels(event.pos))
        elif event.type == pygame.MOUSEMOTION:
            self._motion(self.layout.in_pixels(event.pos))
        elif event.type == pygame.MOUSEBUTTONUP and event.button == 1:
            self._release(self.layout.in_pixels(event.pos))
        elif event.type == pygame.MOUSEBUTTONUP and event.button == 3:
            self._release_right(self.layout.in_pixels(event.pos))
        elif event.type == pygame.MOUSEWHEEL:
            self._wheel(event)
        elif event.type == pygame.DROPFILE:
            self._open(None)
            self.controller.files.open(Path(event.file))
        elif event.type == pygame.WINDOWLEAVE:
            self.panel.view.leave()
        elif event.type == pygame.WINDOWFOCUSLOST and self.overlay is not None:
            self._stop_composing(self.overlay.typed_in())
        if self.overlay is not None and self.overlay.closed:
            self._open(None)

    def do(self, action: Action) -> None:
        """Carry out an action: those that open something here, all others by the controller."""
        match action:
            case Action.MENU:
                self._open(Menu(self.controller, self.do))
            case Action.HELP:
                self._open(HelpSheet(self.controller.keys))
            case Action.QUIT:
                self.running = False
            case Action.FULL_SCREEN:
                if fills_screen(self.window):
                    self.window.set_windowed()
                else:
                    self.window.set_fullscreen(True)
            case Action.SETTINGS:
                self._open(SettingsSheet(self.controller.preferences, self.sounds))
            case Action.COMMENT:
                self._comment()
            case Action.NEW:
                self._new_game()
            case Action.LEVEL:
                from gui.sheets.new_game import opponent_sheet

                self._open(opponent_sheet(self.controller))
            case Action.ADD_ENGINE:
                added = say("notice.engine_added", key=Action.NEW.shortcut)
                self._open_engine(lambda _: self.controller.say(added, "good"))
            case Action.EDIT:
                from gui.sheets.editor import EditorSheet

                self._open(EditorSheet(self.controller, self._set_up))
            case (
                Action.OPEN
                | Action.IMPORT
                | Action.SAVE_AS
                | Action.GAMES
                | Action.COPY_AS
                | Action.PICTURE
                | Action.SAVE_REVIEW
            ):
                from gui.sheets.files import sheet_of

                if self.controller.enabled(action):
                    self._open(sheet_of(self.controller, action))
                else:
                    self.controller.do(action)
            case Action.LIBRARY:
                self.panel.show("moves" if self.panel.view.name == "library" else "library")
            case Action.SIMILAR if self.controller.enabled(action):
                self.controller.library.build_index()
            case Action.SEARCH_LIBRARY:
                from gui.sheets.library import LibrarySheet

                self._open(LibrarySheet(self.controller.library, self.controller.clipboard.get))
            case Action.PUZZLES:
                from gui.sheets.puzzles import PuzzleSheet

                self._open(PuzzleSheet(self.controller, self.sounds, lambda fen: self._set_up(fen, analyse=True)))
            case Action.NEXT_VIEW:
                self.panel.show_next()
            case _:
                self.controller.do(action)
                if action in (Action.ANALYSE, Action.THREATS) and self.controller.analysis.on:
                    self.panel.show("analysis")
                elif action in (Action.MIND, Action.NEXT_MOVE) and self.controller.mind.on:
                    self.panel.show("mind")
                elif action in REVIEWING:
                    self.panel.show("review")

    def _open(self, overlay: Overlay | None) -> None:
        if self.overlay is not None:
            self.overlay.leave()
        self.overlay = overlay
        self.controller.writing = isinstance(overlay, TextDialog)
        self.panel.view.leave()
        pygame.key.stop_text_input()
        if overlay is not None and overlay.typed_in() is not None:
            pygame.key.start_text_input()

    def _set_up(self, fen: str, analyse: bool) -> None:
        """Play from a position, or analyse it."""
        self.controller.set_up(fen, analyse)
        if analyse:
            self.panel.show("analysis")

    def _new_game(self) -> None:
        from gui.sheets.new_game import NewGameDialog

        def more(engine: Spec | None) -> None:
            self._open_engine(lambda spec: self._open(dialog.with_engine(spec)), engine)

        def begin(setup: Setup) -> None:
            self.controller.start(setup)
            if self.panel.view.name == "review":  # of the game before
                self.panel.show("moves")

        dialog = NewGameDialog(self.controller, begin, more)
        self._open(dialog)

    def _open_engine(self, done: Callable[[Spec], None], engine: Spec | None = None) -> None:
        """Add an engine, or change one; ``done`` is called with it once it is kept."""
        from gui.sheets.engine import EngineDialog

        self._open(EngineDialog(self.controller, done, engine))

    def _comment(self) -> None:
        session, node = self.session, self.session.node
        move = session.scribe.line(node.line())[-1] if node.ply else say("comment.start")
        title = say("comment.title", move=move)
        paste = self.controller.clipboard.get
        self._open(TextDialog(title, node.remark, lambda text: session.set_comment(node, text), paste))

    def _typed(self, event: pygame.Event) -> None:
        opener, self._opener = self._opener, ""
        if self.overlay is not None:
            overlay = self.overlay
            if event.type != pygame.KEYDOWN:
                if event.text != opener or not opener:
                    overlay.text(event)
            elif (field := overlay.typed_in()) is not None and field.composed:
                pass  # the key belongs to the input method
            elif (name := keys.name_of(event)) == "escape":
                overlay.closed = not overlay.escape()
            else:
                overlay.key(name)
        elif event.type == pygame.KEYDOWN:
            if keys.name_of(event) == "escape":
                self.controller.press(None)
                self._dismiss()
            elif (action := keys.action_of(event)) is not None:
                self.do(action)
                self._opener = getattr(event, "unicode", "")

    def _press(self, position: tuple[int, int]) -> None:
        layout, session = self.layout, self.session
        if self.overlay is not None:
            self._press_sheet(self.overlay, position)
            return
        error, ending = self._error(), self._banner()
        if (error is not None and error_rect(layout, error, self._error_hint).collidepoint(position)) or (
            ending is not None and banner_rect(layout, ending, self._banner_hint).collidepoint(position)
        ):
            self._dismiss()
            return
        action = self.panel.action_at(layout, position)
        if action is not None:
            self.do(action)
        elif self.panel.press(layout, position):
            pass
        elif layout.plate.collidepoint(position):
            self._dismiss()
            self.controller.press(layout.square_at(position, session.bottom))
            self._pressed_at = position

    def _dismiss(self) -> None:
        """Take away what is said over the board."""
        self._dismissed = self.session.generation
        if self._error() is not None:
            self.controller.opponents.error_dismissed = True

    def _press_sheet(self, overlay: Overlay, position: tuple[int, int]) -> None:
        field = overlay.typed_in()
        overlay.press(self.sheet_layout, position)
        if overlay.typed_in() is not field:
            self._stop_composing(field)

    @staticmethod
    def _stop_composing(field: TextField | None) -> None:
        """Let the input method begin anew: the field that it composes for is left."""
        if field is not None and field.composed:
            field.composed = ""
            pygame.key.stop_text_input()
            pygame.key.start_text_input()

    def _press_right(self, position: tuple[int, int]) -> None:
        if self.overlay is not None:
            self.overlay.press_right(self.sheet_layout, position)
        elif self.session.selected is not None:
            self.controller.press(None)
        elif self.layout.view.collidepoint(position):
            self.do(Action.COPY_AS)
        else:
            self._drawn_from = self.layout.square_at(position, self.session.bottom)

    def _release_right(self, position: tuple[int, int]) -> None:
        drawn, self._drawn_from = self._drawn_to(position), None
        if drawn is not None and self.overlay is None:
            self.session.draw(drawn)

    def _drawn_to(self, position: tuple[int, int]) -> Drawn | None:
        """Return the arrow or circle that the right button draws: it was pressed before, and is at this place now."""
        end = self.layout.square_at(position, self.session.bottom)
        if self._drawn_from is None or end is None:
            return None
        from xiangqi.tags import Drawn

        mods = pygame.key.get_mods()
        color = _DRAWN_COLORS[bool(mods & pygame.KMOD_SHIFT), bool(mods & (pygame.KMOD_CTRL | pygame.KMOD_META))]
        return Drawn(color, self._drawn_from, end)

    def _motion(self, position: tuple[int, int]) -> None:
        if self.overlay is not None:
            self.overlay.motion(self.sheet_layout, position)
            return
        self.panel.motion(self.layout, position)
        if self._pressed_at is None or self.session.selected is None:
            return
        if self._dragged is not None or self.layout.is_drag(self._pressed_at, position):
            self._dragged = position

    def _release(self, position: tuple[int, int]) -> None:
        self.panel.release()
        if self.overlay is not None:
            self.overlay.release(self.sheet_layout, position)
        if self._pressed_at is not None and self.overlay is None:
            move = self.controller.release(self.layout.square_at(position, self.session.bottom))
            if move is not None and self._dragged is not None:
                self._dropped = move.to_square, self._dragged
        self._pressed_at = self._dragged = None

    def _wheel(self, event: pygame.Event) -> None:
        """Step through the game over the board, and scroll elsewhere."""
        if self.overlay is not None:
            self.overlay.wheel(self.sheet_layout, -event.y * 2)
        elif self.layout.plate.collidepoint(self._pointer):
            self.controller.step(-event.y)
        else:
            self.panel.wheel(self.layout, -event.y * 2)


def _arrow(mark: ArrowMark) -> Arrow:
    color, aside = (theme.PEOPLE, -0.13) if mark.people else (theme.BEST, 0.13)
    return Arrow(mark.move.from_square, mark.move.to_square, color, mark.weight, aside)


def look(preferences: Preferences) -> None:
    """Make language, colours and pieces those that the person prefers."""
    set_language(str(preferences["language"]))
    theme.use(str(preferences["theme"]))
    theme.write_on_pieces(cast("theme.Pieces", preferences["pieces"]))


def layout_of(window: pygame.Window, scale: float = 1.0) -> Layout:
    """Return the layout of a window, with texts so much larger."""
    width, height = window.get_surface().get_size()
    return arrange(width, height, len(BUTTONS), len(NAVIGATION), scale, density=width / window.size[0])


def run(app: App) -> None:
    """Run the loop until the window is closed."""
    while app.running:
        now = time.monotonic()
        app.controller.tick(now)
        app.frame(now)
        events = wait_for_events(now + app.patience(now))
        app.controller.wake(time.monotonic())
        for event in events:
            app.handle(event)


def wait_for_events(due: float) -> list[pygame.Event]:
    """Wait for events, until ``due`` at most.

    ``pygame.event.wait`` polls a thousand times a second, which takes 3% of a core.
    """
    pause, longest = PAUSES
    while not (events := pygame.event.get()) and (left := due - time.monotonic()) > 0:
        time.sleep(min(pause, left))
        pause = min(1.2 * pause, longest)
    return events
