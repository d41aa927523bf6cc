"""Between the window and the game: carries out actions, fetches the player's answers, and words the line on both.

Knows no window either: time and clipboard are handed in.
"""

from __future__ import annotations

import datetime
import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from gui.actions import Action, Tone
from gui.player_process import Failed, Loaded, Report, Request, describe
from gui.session import COLOR_NAMES, Session
from gui.worker import Worker
from xiangqi import Color, Move, Square

if TYPE_CHECKING:
    from lm.players.player import Choice

PACE = 0.45
"""Seconds that an answer is held back at least, so that the eye can follow."""
NOTICE_TIME = 5.0
"""Seconds that a notice stays, and that an action waits to be confirmed."""


@dataclass(frozen=True)
class Level:
    """A strength by name: the model's moves are drawn at this temperature, the lower the stronger."""

    name: str
    temperature: float


LEVELS = (Level("Wild", 1.5), Level("Casual", 1.0), Level("Steady", 0.6), Level("Sharp", 0.3), Level("Best", 0.0))
DEFAULT_LEVEL = LEVELS[2]


def with_temperature(spec: str, temperature: float) -> str:
    """Return the player's spec at a temperature.

    >>> with_temperature("lm:model=runs/a,temperature=1", 0.3)
    'lm:model=runs/a,temperature=0.3'
    """
    name, _, options = spec.partition(":")
    kept = [option for option in options.split(",") if option and not option.startswith("temperature=")]
    return f"{name}:{','.join([*kept, f'temperature={temperature:g}'])}"


class Clipboard(Protocol):
    """Where text is copied to and pasted from."""

    def get(self) -> str:
        """Return the text in the clipboard, empty if there is none."""
        ...

    def put(self, text: str) -> None:
        """Replace what is in the clipboard."""
        ...


class Controller:
    """Carries out actions on a session and lets the worker's player answer.

    ``tick(now)`` is to be called often; it never waits. ``spec`` names the player, of which ``lm`` has levels.
    """

    def __init__(self, session: Session, worker: Worker, spec: str, clipboard: Clipboard, games_dir: Path) -> None:
        self.session, self.worker, self.clipboard, self.games_dir = session, worker, clipboard, games_dir
        self.has_levels = spec.partition(":")[0] == "lm"
        self.level: Level | None = None
        """The level chosen; ``None`` if the player has none or its temperature was given by hand."""
        self.spec = spec
        if self.has_levels and "temperature=" not in spec:
            self._set_level(DEFAULT_LEVEL)
        self.error: str | None = None
        """Why the player cannot answer, in one line."""
        self.loaded: str | None = None
        """The spec of the player that is ready."""
        self.player_name = spec.partition(":")[0]
        self._now = 0.0
        self._notice: tuple[str, Tone, float] = ("", "quiet", 0.0)
        self._armed: tuple[Action, float] | None = None
        self._asked = -1
        """The generation in which a move was last asked for."""
        self._unanswered = False
        self._answer_at = 0.0
        self._held: Report | None = None
        if len(session.humans) < 2:
            worker.ask(Request(self.spec, session.generation))

    # --- The player ---------------------------------------------------------------------------------------------------

    @property
    def thinking(self) -> bool:
        """Whether the player has been asked for a move and has not answered."""
        return self.session.awaits_player and self.error is None

    def tick(self, now: float) -> None:
        """Take what the player has reported and ask it for a move if it is to play; ``now`` is in seconds."""
        self._now = now
        if self._armed is not None and now >= self._armed[1]:
            self._armed = None
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
                self.worker.ask(Request(self.spec, self.session.generation, self.session.board.copy()))
        elif self._unanswered:  # its move was taken back: it need not think any longer
            self._unanswered = False
            self.worker.ask(Request(self.spec, self.session.generation))

    def _take(self, choice: Choice) -> None:
        if choice.move is None:
            self.session.player_resigns()
            return
        try:
            self.session.play(choice.move)
        except ValueError as error:
            self.error = f"{self.player_name} failed: {describe(error)}"

    def _set_level(self, level: Level) -> None:
        self.level, self.spec = level, with_temperature(self.spec, level.temperature)

    # --- What is said -------------------------------------------------------------------------------------------------

    def status(self) -> tuple[str, Tone]:
        """Return the line that says how things stand, and its tone."""
        text, tone, until = self._notice
        if self._now < until:
            return text, tone
        session = self.session
        if not session.live:
            return f"Looking back at move {session.viewed} of {session.board.ply}. End returns.", "busy"
        if session.outcome is not None:
            return f"{session.outcome.text}.", "good"
        if self.error is not None:
            stuck = "The player cannot move. U takes your move back."
            return stuck if session.awaits_player else "The player is not ready.", "alert"
        if session.awaits_player:
            return ("Thinking..." if self.loaded == self.spec else "Loading model..."), "busy"
        side = COLOR_NAMES[session.board.turn]
        mine = "Your move" if len(session.humans) == 1 else f"{side} to move"
        text = f"Check! {mine}." if session.checked_king is not None else f"{mine}."
        if len(session.humans) == 1 and self.loaded != self.spec:
            text += " Loading model..."
        return text, "alert" if session.checked_king is not None else "quiet"

    def say(self, text: str, tone: Tone = "quiet") -> None:
        """Show a notice for a while."""
        self._notice = (text, tone, self._now + NOTICE_TIME)

    def label(self, action: Action) -> str:
        """Return the words on the action's button now."""
        if self.armed(action):
            return "Sure?"
        if action is Action.LEVEL and self.has_levels:
            return f"Level: {self.level.name if self.level else 'own'}"
        if action is Action.SCRIPT:
            return "Script: 繁體" if self.session.traditional else "Script: 简体"
        return action.label

    def side(self, color: Color) -> tuple[str, str]:
        """Return who plays a side, and the side's name."""
        if color in self.session.humans:
            return "You" if len(self.session.humans) == 1 else "Player", COLOR_NAMES[color]
        if self.level is not None:
            return f"{self.spec.partition(':')[0]} · {self.level.name}", COLOR_NAMES[color]
        return self.player_name, COLOR_NAMES[color]

    def armed(self, action: Action) -> bool:
        """Whether the action waits to be confirmed by doing it again."""
        return self._armed is not None and self._armed[0] is action

    def enabled(self, action: Action) -> bool:
        """Whether the action can be done now."""
        session = self.session
        match action:
            case Action.UNDO:
                return session.can_undo
            case Action.RESIGN:
                return session.outcome is None and bool(session.humans)
            case Action.LEVEL:
                return self.has_levels
            case Action.SWAP:
                return len(session.humans) == 1
            case Action.FIRST | Action.BACK:
                return session.viewed > 0
            case Action.FORWARD | Action.LAST:
                return not session.live
        return True

    # --- What is done -------------------------------------------------------------------------------------------------

    def press(self, square: Square | None) -> Move | None:
        """Press on a square; returns the move if that plays one."""
        self._quiet()
        if square is not None and not self.session.live:
            self.say("Looking back: press End to return to the game.")
        return self.session.press(square)

    def release(self, square: Square | None) -> Move | None:
        """Let go over a square; returns the move if that plays one."""
        return self.session.release(square)

    def do(self, action: Action) -> None:
        """Carry out an action if it can be done; one that gives a game up is done when it is repeated."""
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
        playing = self.session.board.ply > 0 and self.session.outcome is None
        return action is Action.RESIGN or (action in (Action.NEW, Action.PASTE) and playing)

    def _next_level(self) -> None:
        at = LEVELS.index(self.level) if self.level else -1
        level = LEVELS[(at + 1) % len(LEVELS)]
        self._set_level(level)
        self.say(f"{level.name}: temperature {level.temperature:g}, from its next move on.")
        if self.error is not None or not self.thinking:
            self._asked, self.error = -1, None
            self.worker.ask(Request(self.spec, self.session.generation))

    def _paste(self) -> None:
        text = self.clipboard.get().strip()
        if not text:
            self.say("The clipboard is empty.", "alert")
            return
        try:
            if text.startswith(("[", "1.")):
                from xiangqi.game import Game

                game = Game.from_pgn(text)
                self.session.resume(game)
                if game.errors:
                    self.say(f"Pasted up to a fault: {game.errors[0]}", "alert")
                    return
            else:
                self.session.new(text)
        except ValueError as error:
            self.say(describe(error), "alert")
            return
        self.say("Pasted.", "good")

    def _save(self) -> None:
        from xiangqi import formats

        stamp = datetime.datetime.now().strftime("%Y-%m-%d-%H%M%S")
        numbers = itertools.chain([""], (f"-{n}" for n in itertools.count(2)))
        path = next(p for n in numbers if not (p := self.games_dir / f"{stamp}{n}.pgn").exists())
        try:
            self.games_dir.mkdir(parents=True, exist_ok=True)
            formats.save([self.session.game(self.player_name)], path)
        except (OSError, ValueError) as error:
            self.say(f"Not saved: {describe(error)}", "alert")
            return
        self.say(f"Saved as {path}", "good")
