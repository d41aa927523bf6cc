"""Connects the window and the game: carries out actions, fetches the player's answers, and writes the status line.

It needs no window: time and clipboard are arguments.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import TYPE_CHECKING, Protocol

from gui.actions import Action, Tone
from gui.games_folder import GamesFolder
from gui.pasting import read_pasted
from gui.player_process import Failed, Loaded, Report, Request, describe
from gui.session import Session
from gui.worker import Worker
from lm.matches.table import SIDES
from lm.players.levels import DEFAULT_LEVEL, LEVELS, Level, find_level
from lm.players.specs import Spec
from xiangqi import STARTING_FEN, Color, Move, Square

if TYPE_CHECKING:
    from lm.players.player import Choice
    from xiangqi import Board
    from xiangqi.game import Game

PACE = 0.45
"""Minimum seconds before an answer is played, so that the person can follow."""
NOTICE_TIME = 5.0
"""Seconds that a notice stays, and that an action waits to be confirmed."""


class Clipboard(Protocol):
    """The clipboard, as the controller needs it."""

    def get(self) -> str:
        """Return the text in the clipboard, empty if there is none."""
        ...

    def put(self, text: str) -> None:
        """Replace the text in the clipboard."""
        ...


class Controller:
    """Carries out actions on a session and asks the worker's player for moves.

    Call ``tick(now)`` at every event and when ``patience`` ends; it never blocks. ``notify`` is called in another
    thread when a ``tick`` is due. ``spec`` is the player's. Raises ``UserError`` if no player has it.
    """

    def __init__(
        self,
        session: Session,
        worker: Worker,
        spec: str,
        clipboard: Clipboard,
        games: GamesFolder,
        notify: Callable[[], None] = lambda: None,
    ) -> None:
        self.session, self.worker, self.clipboard, self.games, self._notify = session, worker, clipboard, games, notify
        self.player = Spec.parse(spec)
        """The spec of the person's opponent."""
        self.level: Level | None = None
        """The level chosen; ``None`` if the player has no levels or its strength was given explicitly."""
        if self.player.kind == "level":
            self.level = find_level(self.player.value or "")
            self.player = Spec.parse(self.level.spec)
        elif self.player.kind == Spec.parse(DEFAULT_LEVEL.spec).kind and "temperature" not in dict(self.player.options):
            self._set_level(DEFAULT_LEVEL)
        self.error: str | None = None
        """Why the player cannot answer, in one line."""
        self.loaded: str | None = None
        """The spec of the loaded player."""
        self.player_name = self.player.kind
        self._now = 0.0
        self._notice: tuple[str, Tone, float] = ("", "quiet", 0.0)
        self._armed: tuple[Action, float] | None = None
        self._asked = -1
        """The generation of the last request for a move."""
        self._unanswered = False
        self._answer_at = 0.0
        self._held: Report | None = None
        self._pasted: SimpleQueue[Game | str] = SimpleQueue()
        """Results of pasting: a game, or a line with the reason why there is none."""
        self._kept = session.generation
        """The generation in which the game was last kept."""
        self._keeps = True
        """Whether that succeeded."""
        if len(session.humans) < 2:
            self._ask()

    # --- The player ---------------------------------------------------------------------------------------------------

    @property
    def spec(self) -> str:
        """The player's spec, as text."""
        return str(self.player)

    @property
    def has_levels(self) -> bool:
        """Whether the player's level can be chosen."""
        return self.player.kind in {Spec.parse(level.spec).kind for level in LEVELS}

    @property
    def thinking(self) -> bool:
        """Whether the player has been asked for a move and has not answered."""
        return self.session.awaits_player and self.error is None

    def tick(self, now: float) -> None:
        """Read the player's reports, and ask it for a move if it is its turn; ``now`` is in seconds."""
        self._now = now
        if self._armed is not None and now >= self._armed[1]:
            self._armed = None
        while not self._pasted.empty():
            self._take_pasted(self._pasted.get())
        while (report := self._held or self.worker.poll()) is not None:
            self._held = None
            if isinstance(report, Loaded):
                self.loaded, self.player_name = report.spec, report.name
            elif report.generation != self.session.generation:
                pass
            elif isinstance(report, Failed):
                self.error, self._unanswered = report.message, False
            elif now < self._answer_at:
                self._held = report
                break
            else:
                self._unanswered = False
                self._take(report.choice)
        if self.session.awaits_player:
            if self._asked != self.session.generation:
                self._asked, self._unanswered, self.error = self.session.generation, True, None
                self._answer_at = now + PACE
                self._ask(self.session.board.copy())
        elif self._unanswered:  # a move was taken back, so the answer is no longer needed
            self._unanswered = False
            self._ask()
        if self._kept != self.session.generation:
            self._kept = self.session.generation
            self._keep()

    def patience(self) -> float:
        """Return how many seconds after the last tick the next change is due."""
        ends = [self._notice[2]] + [end for _, end in filter(None, [self._armed])]
        if self._held is not None:
            ends.append(self._answer_at)
        return min((end - self._now for end in ends if end > self._now), default=math.inf)

    def _ask(self, board: Board | None = None) -> None:
        self.worker.ask(Request(self.spec, self.session.generation, self.session.number, board))

    def _take(self, choice: Choice) -> None:
        session = self.session
        asked = session.offer is not None
        try:
            session.answer(choice)
        except ValueError as error:
            self.error = f"{self.player_name} failed: {describe(error)}"
            return
        if asked and session.ending is None:
            self.say("Your offer of a draw is declined.")

    def _keep(self) -> None:
        """Write the game in play to disk."""
        session = self.session
        try:
            if session.board.ply or session.start_fen != STARTING_FEN:
                self.games.keep(session.game(self.player_name))
            else:
                self.games.drop()
            self._keeps = True
        except (OSError, ValueError) as error:
            if self._keeps:
                self.say(f"This game will be lost with the window: {describe(error)}", "alert")
            self._keeps = False

    def _set_level(self, level: Level) -> None:
        self.level, self.player = level, self.player.at(level)

    # --- Text ---------------------------------------------------------------------------------------------------------

    def status(self) -> tuple[str, Tone]:
        """Return the status line and its tone."""
        text, tone, until = self._notice
        if self._now < until:
            return text, tone
        session = self.session
        if not session.live:
            return f"Looking back at move {session.viewed} of {session.board.ply}. End returns.", "busy"
        if session.ending is not None:
            return f"{session.ending.text}.", "good"
        if self.error is not None:
            stuck = "The player cannot move. U takes your move back."
            return stuck if session.awaits_player else "The player is not ready.", "alert"
        if session.awaits_player:
            return ("Thinking..." if self.loaded == self.spec else "Loading model..."), "busy"
        side = SIDES[session.board.turn]
        mine = "Your move" if len(session.humans) == 1 else f"{side} to move"
        text = f"Check! {mine}." if session.checked_king is not None else f"{mine}."
        if session.offer == 1 - session.board.turn:
            text += " A draw is offered: D accepts, a move declines."
        if len(session.humans) == 1 and self.loaded != self.spec:
            text += " Loading model..."
        return text, "alert" if session.checked_king is not None else "quiet"

    def say(self, text: str, tone: Tone = "quiet") -> None:
        """Show a notice for some seconds."""
        self._notice = (text, tone, self._now + NOTICE_TIME)

    def label(self, action: Action) -> str:
        """Return the current text on the action's button."""
        if self.armed(action):
            return "Sure?"
        if action is Action.DRAW and self.session.offer is not None:
            return "Draw offered" if self.session.offer == self.session.person else "Accept draw"
        if action is Action.LEVEL and self.has_levels:
            return f"Level: {self.level.name if self.level else 'own'}"
        if action is Action.SCRIPT:
            return "Script: 繁體" if self.session.traditional else "Script: 简体"
        return action.label

    def side(self, color: Color) -> tuple[str, str]:
        """Return who plays a side, and the side's name."""
        if color in self.session.humans:
            return "You" if len(self.session.humans) == 1 else "Player", SIDES[color]
        if self.level is not None:
            return f"{self.player.kind} · {self.level.name}", SIDES[color]
        return self.player_name, SIDES[color]

    def armed(self, action: Action) -> bool:
        """Whether repeating the action now would confirm it."""
        return self._armed is not None and self._armed[0] is action

    def enabled(self, action: Action) -> bool:
        """Whether the action can be done now."""
        session = self.session
        match action:
            case Action.UNDO:
                return session.can_undo
            case Action.RESIGN:
                return session.ending is None and bool(session.humans)
            case Action.DRAW:
                return session.ending is None and session.person not in (None, session.offer)
            case Action.LEVEL:
                return self.has_levels
            case Action.SWAP:
                return len(session.humans) == 1
            case Action.FIRST | Action.BACK:
                return session.viewed > 0
            case Action.FORWARD | Action.LAST:
                return not session.live
        return True

    # --- Actions ------------------------------------------------------------------------------------------------------

    def press(self, square: Square | None) -> Move | None:
        """Press on a square; returns the move if this plays one."""
        self._quiet()
        if square is not None and not self.session.live:
            self.say("Looking back: press End to return to the game.")
        return self.session.press(square)

    def release(self, square: Square | None) -> Move | None:
        """Release over a square; returns the move if this plays one."""
        return self.session.release(square)

    def do(self, action: Action) -> None:
        """Carry out an action if it is enabled. One that ends or discards a game must be repeated to confirm it."""
        if not self.enabled(action):
            return
        armed = self.armed(action)
        self._quiet()
        if self._gives_up(action) and not armed:
            self._armed = (action, self._now + NOTICE_TIME)
            self.say(f"Press {action.shortcut} again to give up this game.", "alert")
            return
        session = self.session
        match action:
            case Action.NEW:
                session.new()
            case Action.UNDO:
                session.undo()
            case Action.RESIGN:
                session.resign()
            case Action.DRAW:
                self._offer_draw()
            case Action.LEVEL:
                self._next_level()
            case Action.SWAP:
                session.swap()
            case Action.FLIP:
                session.flip()
            case Action.SCRIPT:
                session.set_traditional(not session.traditional)
            case Action.SAVE:
                self._save()
            case Action.COPY:
                self.clipboard.put(session.shown.fen())
                self.say("FEN copied.", "good")
            case Action.PASTE:
                self._paste()
            case Action.FIRST:
                session.view(0)
            case Action.BACK:
                session.view(session.viewed - 1)
            case Action.FORWARD:
                session.view(session.viewed + 1)
            case Action.LAST:
                session.view(session.board.ply)

    def _quiet(self) -> None:
        self._armed = None
        self._notice = ("", "quiet", 0.0)

    def _gives_up(self, action: Action) -> bool:
        playing = self.session.board.ply > 0 and self.session.ending is None
        return action is Action.RESIGN or (action in (Action.NEW, Action.PASTE) and playing)

    def _next_level(self) -> None:
        at = LEVELS.index(self.level) if self.level else -1
        level = LEVELS[(at + 1) % len(LEVELS)]
        self._set_level(level)
        settings = ", ".join(f"{name} {value}" for name, value in Spec.parse(level.spec).options)
        self.say(f"{level.name}: {settings}, from its next move on.")
        if self.error is not None or not self.thinking:
            self._asked, self.error = -1, None
            self._ask()

    def _offer_draw(self) -> None:
        session = self.session
        session.offer_draw()
        if session.ending is None:
            when = "with your next move" if session.awaits_human else "now"
            self.say(f"You offer a draw {when}.")

    def _paste(self) -> None:
        text = self.clipboard.get()
        if not text.strip():
            self.say("No text in the clipboard, or more than 250 kB, which is too much.", "alert")
            return
        self._notice = ("Reading...", "busy", math.inf)
        threading.Thread(target=self._read_pasted, args=(text,), daemon=True).start()

    def _read_pasted(self, text: str) -> None:
        """Read a text. This takes seconds for a long text, and for the first one if numba has to compile."""
        try:
            self._pasted.put(read_pasted(text))
        except Exception as error:
            self._pasted.put(describe(error))
        self._notify()

    def _take_pasted(self, pasted: Game | str) -> None:
        if isinstance(pasted, str):
            self.say(pasted, "alert")
            return
        try:
            self.session.resume(pasted)
        except ValueError as error:
            self.say(describe(error), "alert")
            return
        if pasted.errors:
            self.say(f"Pasted up to a fault: {describe(pasted.errors[0])}", "alert")
        else:
            self.say("Pasted.", "good")

    def _save(self) -> None:
        try:
            path = self.games.save(self.session.game(self.player_name))
            if self.session.ending is not None:
                self.games.drop()
        except (OSError, ValueError) as error:
            self.say(f"Not saved: {describe(error)}", "alert")
            return
        self.say(f"Saved as {path}", "good")
