"""Connects the window and the game: carries out actions, passes reports on, and keeps the game.

It needs no window: time and clipboard are arguments. Each group of the menu has a module of its own that does its
actions, as `gui.actions.game`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol, cast

from gui.actions import Action, Group, Tone, availability
from gui.actions import files as file_actions
from gui.actions import game as game_actions
from gui.actions import study as study_actions
from gui.actions import tree as tree_actions
from gui.analysis import LiveAnalysis
from gui.clocks import RunningClocks
from gui.errors import describe
from gui.files import Files
from gui.games_folder import GamesFolder
from gui.keys import Keys
from gui.library import GameLibrary
from gui.mind import Mind
from gui.notation import Notation, Style
from gui.opponents import Opponents
from gui.preferences import Preferences
from gui.processes import analysis as analysis_process
from gui.processes import mind as mind_process
from gui.processes import review as review_process
from gui.processes import teaching as teaching_process
from gui.processes.helpers import Helpers
from gui.processes.player import Loaded, Report
from gui.puzzles import Puzzles
from gui.review import GameReview
from gui.session import Session
from gui.settings import Settings
from gui.status import status, why_nothing
from gui.strings import say
from gui.teaching import Teacher
from lm.matches.table import HUMANS
from xiangqi import BLACK, RED, STARTING_FEN, Move, Square

if TYPE_CHECKING:
    from gui.new_game import Setup
    from lm.players.player import Choice
    from xiangqi.game import Game

NOTICE_TIME: Final = 5.0
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
    """Carries out actions on a session, and keeps all that follows the game up to date.

    Call ``wake(now)`` before events, and ``tick(now)`` after them and when ``patience`` ends; neither blocks. ``spec``
    is the player's. Raises ``UserError`` if no player has it.
    """

    def __init__(
        self,
        session: Session,
        helpers: Helpers,
        spec: str,
        clipboard: Clipboard,
        games: GamesFolder,
        settings: Settings | None = None,
    ) -> None:
        self.session, self.clipboard, self.games = session, clipboard, games
        self.worker = worker = helpers.worker
        self.prober = helpers.prober
        self.settings = settings or Settings()
        self.preferences = Preferences(self.settings)
        self.keys = Keys(self.settings)
        self._now = 0.0
        self.writing = False
        """Whether a comment is being written: another game then waits to be laid open."""
        self.opponents = Opponents(session, worker, spec)
        self.clocks = RunningClocks(session, self.opponents, lambda: self._now)
        self.analysis = LiveAnalysis(session, worker)
        self.review = GameReview(session, worker)
        self.mind = Mind(session, worker)
        self.teacher = Teacher(session, worker)
        self.files = Files(session, games, helpers.reader, self.settings, self.say, self.record)
        self.library = GameLibrary(
            session, helpers.librarian, helpers.importer, self.say, self.files.bring, self.record
        )
        self.puzzles = Puzzles(helpers.puzzler)
        self._notice: tuple[str, Tone, float] = ("", "quiet", 0.0)
        self._armed: tuple[Action, float] | None = None
        self._kept = self._to_keep()
        """What `_to_keep` told when the game was last kept."""
        self._keeps = True
        """Whether that succeeded."""
        self._preferred = -1
        """The revision of the preferences when they were last followed."""
        self._follow_preferences()

    # --- Time ---------------------------------------------------------------------------------------------------------

    def tick(self, now: float) -> None:
        """Read all reports, and ask the player for a move if it is its turn; ``now`` is in seconds."""
        self._now = now
        self._follow_preferences()
        self.clocks.run()
        if self._armed is not None and now >= self._armed[1]:
            self._armed = None
        while not self.writing and (read := self.files.reader.poll()) is not None:
            self.files.take(read)
        self.library.tick()
        self.puzzles.tick(now)
        while (report := self.worker.poll()) is not None:
            self._take(report)
            self._play_answer()
        self._play_answer()
        self.opponents.follow(now)
        self.analysis.follow(self.opponents.player)
        self.review.follow()
        self.mind.follow(self.opponents.player)
        self.library.follow()
        self.teacher.follow(self.opponents.player)
        self.teacher.tick(now)
        if self._kept != (now_is := self._to_keep()):
            self._kept = now_is
            self._keep()

    def wake(self, now: float) -> None:
        """Note the time before events are handled: a notice begins then, and not at the last tick."""
        self._now = now

    def patience(self) -> float:
        """Return how many seconds after the last tick the next change is due."""
        ends = [self._notice[2], self.opponents.due, self.teacher.due, self.puzzles.due]
        ends.append(self._now + self.clocks.patience())
        ends += [end for _, end in filter(None, [self._armed])]
        return min((end - self._now for end in ends if end > self._now), default=math.inf)

    def _take(self, report: Report) -> None:
        """Pass a report of the player's process on."""
        if isinstance(report, analysis_process.Report):
            self.analysis.take(report)
            self.tell_hint()
        elif isinstance(report, review_process.Report):
            self.review.take(report)
        elif isinstance(report, mind_process.Report):
            self.mind.take(report)
        elif isinstance(report, teaching_process.Report):
            self.teacher.take(report)
            if self.teacher.error is not None:
                self.say(say("notice.not_judged", reason=self.teacher.error), "alert")
        else:
            self.opponents.take(report)
            if isinstance(report, Loaded) and self.session.awaits_player and report.spec == self.opponents.spec:
                self.clocks.restart_turn()

    def _play_answer(self) -> None:
        """Carry out the player's answer once it is due, and the person's move stands."""
        if self.teacher.holds:
            return
        choice = self.opponents.answer(self._now)
        if choice is not None:
            self._answer(choice)

    def _answer(self, choice: Choice) -> None:
        session = self.session
        asked = session.offer is not None
        try:
            session.answer(choice)
        except ValueError as error:
            player = self.opponents.name(session.board.turn)
            self.opponents.error = say("notice.failed", player=player, reason=describe(error))
            return
        if asked and session.ending is None:
            self.say(say("notice.declined"))

    # --- The record ---------------------------------------------------------------------------------------------------

    def record(self) -> Game:
        """Return the game as it is written, with the players' names."""
        return self.session.game(*map(self.opponents.name, (RED, BLACK)))

    def _to_keep(self) -> tuple[object, ...]:
        """Return what changes whenever the game in play has to be kept anew."""
        opponents = self.opponents
        return self.session.generation, self.session.revision, opponents.player, opponents.red_player

    def _is_usual(self) -> bool:
        """Whether the game began as one does when the board is opened first: of a person with Red against a level."""
        session, opponents = self.session, self.opponents
        begun_so = session.start_fen == STARTING_FEN and session.humans == HUMANS["red"] and not session.table.clocks
        return begun_so and opponents.level is not None and not session.table.game.comment

    def _keep(self) -> None:
        """Write the game in play to disk."""
        session, opponents = self.session, self.opponents
        try:
            if session.table.game.variations or not self._is_usual():
                saved = not self.files.unsaved
                seats = [opponents.seat(color) for color in (RED, BLACK)]
                names = map(opponents.name, (RED, BLACK))
                self.games.keep(session.kept(*names, saved=saved, seats=seats))
            else:
                self.games.drop()
            self._keeps = True
        except (OSError, ValueError) as error:
            if self._keeps:
                self.say(say("notice.lost", reason=describe(error)), "alert")
            self._keeps = False

    # --- Text ---------------------------------------------------------------------------------------------------------

    def status(self) -> tuple[str, Tone]:
        """Return the status line and its tone."""
        text, tone, until = self._notice
        return (text, tone) if self._now < until else status(self)

    def say(self, text: str, tone: Tone = "quiet") -> None:
        """Show a notice for some seconds."""
        self._notice = (text, tone, self._now + NOTICE_TIME)

    def tell_hint(self) -> None:
        """Show the hint that was asked for once it is there."""
        move, board = self.analysis.hint, self.session.shown
        if move is not None and not self.analysis.hinting and not self.analysis.hint_told:
            self.analysis.hint_told = True
            self.say(say("notice.hint", move=self.session.scribe.style.move(board, move)), "good")

    def label(self, action: Action) -> str:
        """Return the current text on the action's button."""
        return availability.label(self, action)

    def ticked(self, action: Action) -> bool:
        """Whether an action is a switch that is on."""
        return availability.ticked(self, action)

    def enabled(self, action: Action) -> bool:
        """Whether the action can be done now."""
        return availability.enabled(self, action)

    def armed(self, action: Action) -> bool:
        """Whether repeating the action now would confirm it."""
        return self._armed is not None and self._armed[0] is action

    def _follow_preferences(self) -> None:
        """Write moves and pieces as the person prefers."""
        if self._preferred != self.preferences.revision:
            self._preferred = self.preferences.revision
            notation = self.preferences["notation"]
            self.analysis.seconds = int(self.preferences["analysis"])
            self.teacher.on = self.preferences["teaching"] == "on"
            self.session.scribe.style = Style(cast("Notation", notation), self.preferences.traditional)

    def _quiet(self) -> None:
        self._armed = None
        self._notice = ("", "quiet", 0.0)

    # --- Actions ------------------------------------------------------------------------------------------------------

    def press(self, square: Square | None) -> Move | None:
        """Press on a square; returns the move if this plays one."""
        self._quiet()
        self.teacher.rest()
        session = self.session
        held, shown = session.selected, session.shown
        move = session.press(square)
        if move is None and square is not None and session.selected is None and session.ending is None:
            if reason := why_nothing(self, square, held, shown):
                self.say(reason)
        return move

    def release(self, square: Square | None) -> Move | None:
        """Release over a square; returns the move if this plays one."""
        return self.session.release(square)

    def do(self, action: Action) -> None:
        """Carry out an action if it is enabled. One that ends or discards a game must be repeated to confirm it."""
        if not self.enabled(action):
            if reason := availability.why_not(self, action):
                self.say(reason)
            return
        armed = self.armed(action)
        self._quiet()
        if (question := availability.question(self, action)) and not armed:
            self._armed = (action, self._now + NOTICE_TIME)
            self.say(question, "alert")
            return
        _DOING[action.group](self, action)
        self._follow_preferences()
        self.analysis.follow(self.opponents.player)

    def step(self, plies: int) -> None:
        """Show the position so many plies further on in the line shown, or back."""
        self.session.view(self.session.viewed + plies)

    def start(self, setup: Setup) -> None:
        """Start a game as the new-game dialog says. A game that no file has is kept in a file."""
        if self.files.set_aside() is None:
            return
        humans = [color for color, spec in enumerate(setup.players) if spec is None]
        self.session.begin(setup.fen, humans, setup.clocks)  # which keeps the game before, with those who played it
        self.opponents.seat_players(*setup.players)
        self._quiet()
        self.opponents.ask_again()
        self.analysis.follow(self.opponents.player)

    def set_up(self, fen: str, analyse: bool) -> None:
        """Start a game from a position; to analyse it, a person plays both sides. Raises ``InvalidFenError``.

        A game that no file has is kept in one.
        """
        self._quiet()
        if self.files.set_aside() is None:
            return
        self.session.new(fen)
        if analyse:
            self.session.sit(HUMANS["both"])
            if not self.analysis.on:
                self.analysis.toggle()
        self.analysis.follow(self.opponents.player)


_DOING: Final[dict[Group, Callable[[Controller, Action], None]]] = {
    "game": game_actions.do,
    "analysis": study_actions.do,
    "study": study_actions.do,
    "steps": tree_actions.do,
    "tree": tree_actions.do,
    "board": tree_actions.draw_otherwise,
    "files": file_actions.do,
}
"""What carries out the actions of each group of the menu."""
