"""The start of the board: a first frame at once, before the rules and the player are loaded, and then the game."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pygame

from gui.actions import Action
from gui.app import CLOSING, App, fills_screen, layout_of, look, open_window, run
from gui.board_view import BoardView, Marks
from gui.panel import draw_first_panel
from gui.preferences import Preferences, language_of_system
from gui.settings import Settings
from gui.strings import say

if TYPE_CHECKING:
    from gui.games_folder import GamesFolder
    from gui.session import Session

T = TypeVar("T")
_WAKE = pygame.event.custom_type()


def main(
    player_spec: str = "lm",
    side: str | None = None,
    fen: str | None = None,
    games_dir: Path | None = None,
    file: Path | None = None,
) -> int:
    """Open the window and play until it is closed; returns the exit code, 0.

    ``player_spec`` is the spec of the opponent, for ``lm.players.specs.load_player``. ``side`` is the person's:
    ``red``, ``black``, ``both`` or ``none``. Without ``side`` and ``fen``, the game in play when the window was last
    closed is resumed; if there was none, the person plays Red. Games are saved in ``games_dir``, by default
    ``~/xiangqi``. ``file`` is a file of games to open. Raises ``NoDisplayError`` if no window can be opened, and
    ``ValueError`` for an unknown side or a bad FEN.
    """
    settings = Settings.of_user()
    preferences = Preferences(settings)
    if "language" not in settings:
        preferences.set("language", language_of_system())
    window, helpers, games = open_window(settings.get("window", [])), None, None
    look(preferences)
    try:
        _draw_first(window, say("status.rules"))
        ready = _wait_for_rules(window, lambda: _sit_down(side, fen, games_dir or Path.home() / "xiangqi"))
        if ready is not None:
            from gui.controller import Controller
            from gui.new_game import known_player
            from gui.processes.helpers import Helpers
            from lm import freeze_loaded
            from lm.players.levels import LEVELS

            session, games, notice = ready
            helpers = Helpers.of_window(_wake)
            by_default = player_spec == "lm"
            if by_default and (level := settings.get("level", "")) in [level.name for level in LEVELS]:
                player_spec = f"level:{level}"
            controller = Controller(session, helpers, player_spec, _SystemClipboard(), games, settings)
            if by_default or not session.humans:
                controller.opponents.seat_players(*(known_player(settings, text) for text in session.seats))
            controller.clocks.now = time.monotonic
            controller.tick(time.monotonic())
            for text in (notice, *settings.faults[:1]):
                if text:
                    controller.say(text)
            if file is not None:
                controller.files.open(file)
            app = App(window, controller)
            freeze_loaded()
            try:
                run(app)
            finally:
                app.sounds.close()
            if not fills_screen(window):
                settings.set("window", list(window.size))
            if controller.opponents.level is not None:
                settings.set("level", controller.opponents.level.name)
    finally:
        window.destroy()  # before SDL frees its memory, and at once, even while the player thinks
        pygame.display.quit()
        if games is not None:  # first, since the processes may take a while to end
            games.close()
        if helpers is not None:
            helpers.close()
    return 0


def _draw_first(window: pygame.Window, message: str) -> None:
    """Draw the board without pieces and a line of text, before anything else is loaded."""
    layout, screen = layout_of(window), window.get_surface()
    BoardView().draw(screen, layout, 0, Marks(), 0.0)
    draw_first_panel(screen, layout, message)
    window.flip()


def _wait_for_rules(window: pygame.Window, prepare: Callable[[], T]) -> T | None:
    """Run ``prepare`` in a thread and return its result, or ``None`` if the window is closed meanwhile."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(prepare())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, name="rules", daemon=True).start()  # which does not hold up the end of the program
    shown = False
    while not future.done():
        events = pygame.event.get()
        if any(event.type in CLOSING for event in events):
            return None
        if events or not shown:
            _draw_first(window, say("status.compiling"))
            shown = True
        time.sleep(0.05)
    return future.result()


def _sit_down(side: str | None, fen: str | None, games_dir: Path) -> tuple[Session, GamesFolder, str]:
    """Load the rules, compile them, and resume the kept game or set up a new one.

    The third value returned is a notice about that, possibly empty. Raises ``ValueError``.
    """
    from gui.games_folder import GamesFolder
    from gui.session import Session
    from lm.matches.table import HUMANS
    from xiangqi import STARTING_FEN, Move

    if side is not None and side not in HUMANS:
        raise ValueError(f"no such side: {side!r} (allowed: {', '.join(HUMANS)})")
    session = Session(fen or STARTING_FEN, HUMANS[side or "red"])
    rehearsal = Session()
    for iccs in ("h2e2", "h9g7", "e2h2", "g7h9") * 2:  # ends by repetition, which compiles the rulings too
        rehearsal.play(Move.from_iccs(iccs))
    games = GamesFolder(games_dir)
    try:
        game = games.kept()
        if game is not None and side is None and fen is None and (kept := Session.going_on(game)) is not None:
            return kept, games, say("notice.goes_on", key=Action.NEW.shortcut)
        games.set_aside()
    except (OSError, ValueError) as error:
        with contextlib.suppress(OSError):
            games.set_aside()
        return session, games, say("notice.unreadable", reason=error)
    return session, games, ""


class _SystemClipboard:
    """The desktop's clipboard. Under X11, SDL 2 reads nothing if the text comes in parts, as long texts do."""

    def get(self) -> str:
        return pygame.scrap.get_text() if pygame.scrap.has_text() else ""

    def put(self, text: str) -> None:
        pygame.scrap.put_text(text)


def _wake() -> None:
    """Wake the loop from another thread."""
    with contextlib.suppress(pygame.error):  # the window is closed already
        pygame.event.post(pygame.Event(_WAKE))
