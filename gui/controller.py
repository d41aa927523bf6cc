"""Connects the window and the game: carries out actions, fetches the player's answers, and writes the status line.

It needs no window: time and clipboard are arguments.
"""

from __future__ import annotations

import math
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from gui import analysis_process, availability, mind_process, picture, review_process
from gui.actions import MARKS, Action, Tone
from gui.analysis import LiveAnalysis
from gui.errors import describe
from gui.files import TEXTS, Files, Reads, as_text
from gui.games_folder import GamesFolder
from gui.mind import Mind
from gui.names import level_name, side_name
from gui.notation import NOTATIONS
from gui.player_process import Failed, Loaded, Report, Request
from gui.review import GameReview
from gui.session import Session
from gui.settings import Settings
from gui.strings import say, translated
from gui.worker import Worker
from lm.matches.table import HUMANS, SIDES
from lm.players.levels import DEFAULT_LEVEL, LEVELS, Level, find_level
from lm.players.specs import Spec
from xiangqi import RED, STARTING_FEN, Color, Move, Square

if TYPE_CHECKING:
    from collections.abc import Callable

    from gui.new_game import Setup
    from lm.players.player import Choice
    from xiangqi import Board
    from xiangqi.game import Game

ENGINES = ("uci", "ucci", "file")
"""Kinds of players that are told the clocks; the others have a level that does not depend on time."""
TENTHS = 10.0
"""Seconds from which on a clock shows tenths."""
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

    Call ``tick(now)`` at every event and when ``patience`` ends; it never blocks. ``reader`` reads files and what is
    pasted. ``spec`` is the player's. Raises ``UserError`` if no player has it.
    """

    def __init__(
        self,
        session: Session,
        worker: Worker,
        spec: str,
        clipboard: Clipboard,
        games: GamesFolder,
        reader: Reads,
        settings: Settings | None = None,
    ) -> None:
        self.session, self.worker, self.clipboard, self.games = session, worker, clipboard, games
        self.analysis = LiveAnalysis(session, worker)
        self.settings = settings or Settings()
        self.review = GameReview(session, worker)
        self.mind = Mind(session, worker)
        self.files = Files(session, games, reader, self.settings, self.say, self.record)
        self._now = 0.0
        self.clock: Callable[[], float] = lambda: self._now
        """The time in seconds, for the players' clocks; that of the last tick unless it is replaced."""
        session.elapsed = self.elapsed
        self.red_player: Spec | None = None
        """Red's player where two players play each other; the other one is `player`."""
        self._turn = -1, 0.0
        """The generation in which the side to move began to think, and when."""
        self.player = Spec.parse(spec)
        """The spec of the person's opponent."""
        self._base = self.player if self.has_levels else Spec.parse("lm")
        """What the levels take their model from."""
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
        """The spec of the player loaded last."""
        self._names: dict[str, str] = {}
        """The names of the players loaded."""
        self.player_name = self.player.kind
        self._notice: tuple[str, Tone, float] = ("", "quiet", 0.0)
        self._armed: tuple[Action, float] | None = None
        self._asked = -1
        """The generation of the last request for a move."""
        self._unanswered = False
        self._answer_at = 0.0
        self._held: Report | None = None
        self._kept = session.generation, session.revision
        """The game's generation and its tree's revision when it was last kept."""
        self._keeps = True
        """Whether that succeeded."""
        if len(session.humans) < 2:
            self._ask()

    # --- The player ---------------------------------------------------------------------------------------------------

    @property
    def spec(self) -> str:
        """The spec of the player that is asked, as text."""
        return str(self._spec_of(self.session.board.turn))

    @property
    def is_loaded(self) -> bool:
        """Whether the player to move is loaded."""
        return self.spec == self.loaded or (self.red_player is not None and self.spec in self._names)

    def seat(self, color: Color) -> Spec | None:
        """Return who sits at a side, as the new-game dialog names it; ``None`` for a person."""
        if color in self.session.humans:
            return None
        spec = self._spec_of(color)
        if self.level is not None and spec == self.player:
            return Spec("level", self.level.name)
        return spec

    def _spec_of(self, color: Color) -> Spec:
        two = self.red_player is not None and not self.session.humans
        return self.red_player if two and color == RED and self.red_player else self.player

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
        self._run_clock(now)
        if self._armed is not None and now >= self._armed[1]:
            self._armed = None
        while (read := self.files.reader.poll()) is not None:
            self.files.take(read)
        while (report := self._held or self.worker.poll()) is not None:
            self._held = None
            if isinstance(report, analysis_process.Report):
                self.analysis.take(report)
                self._tell_hint()
            elif isinstance(report, review_process.Report):
                self.review.take(report)
            elif isinstance(report, mind_process.Report):
                self.mind.take(report)
            elif isinstance(report, Loaded):
                self.loaded = report.spec
                self._names[report.spec] = report.name
                if report.spec == str(self.player):
                    self.player_name = report.name
                if self.session.awaits_player and report.spec == self.spec:
                    self._turn = -1, 0.0  # its time has not run while it was loaded
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
                self._answer_at = now if self.session.table.clocks else now + PACE
                self._ask(self.session.board.copy())
        elif self._unanswered:  # a move was taken back, so the answer is no longer needed
            self._unanswered = False
            self._ask()
        self.analysis.follow(self.player)
        self.review.follow()
        self.mind.follow(self.player)
        if self._kept != (now_is := (self.session.generation, self.session.revision)):
            self._kept = now_is
            self._keep()

    def patience(self) -> float:
        """Return how many seconds after the last tick the next change is due."""
        ends = [self._notice[2]] + [end for _, end in filter(None, [self._armed])]
        if self._held is not None:
            ends.append(self._answer_at)
        left = self.time_left(self.session.board.turn)
        if left and self.session.ending is None:  # a clock shows tenths of its last seconds
            ends.append(self._now + (left % 1 or 1.0 if left > TENTHS else 0.1))
        return min((end - self._now for end in ends if end > self._now), default=math.inf)

    def _ask(self, board: Board | None = None) -> None:
        session = self.session
        limit = session.table.limit() if self._spec_of(session.board.turn).kind in ENGINES else None
        two = self.red_player is not None and not session.humans
        beside = str(self._spec_of(1 - session.board.turn)) if two else ""
        self.worker.ask(Request(self.spec, session.generation, session.number, board, limit, beside))

    def _run_clock(self, now: float) -> None:
        """Note when a turn begins, and end the game of a side whose time is up."""
        session = self.session
        if self._turn[0] != session.generation:
            self._turn = session.generation, self.clock()
        left = self.time_left(session.board.turn)
        if session.ending is None and left is not None and left <= 0:
            session.forfeit(session.board.turn)

    def elapsed(self) -> float:
        """Return the seconds that the side to move has thought; none while its player is being loaded."""
        if self._turn[0] != self.session.generation or (self.session.awaits_player and not self.is_loaded):
            return 0.0
        return max(0.0, self.clock() - self._turn[1])

    def time_left(self, color: Color) -> float | None:
        """Return a side's seconds now, or ``None`` if it has no clock."""
        session = self.session
        left = session.table.time_left(color)
        if left is None or session.ending is not None or color != session.board.turn:
            return left
        return max(0.0, left - self.elapsed())

    def record(self) -> Game:
        """Return the game as it is written, with the players' names."""
        return self.session.game(self.player_name, self._red_name())

    def _red_name(self) -> str:
        return "" if self.red_player is None else self._names.get(str(self.red_player), self.red_player.name)

    def _take(self, choice: Choice) -> None:
        session = self.session
        asked = session.offer is not None
        try:
            session.answer(choice)
        except ValueError as error:
            self.error = say("notice.failed", player=self.player_name, reason=describe(error))
            return
        if asked and session.ending is None:
            self.say(say("notice.declined"))

    def _keep(self) -> None:
        """Write the game in play to disk."""
        session = self.session
        try:
            if session.table.game.variations or session.start_fen != STARTING_FEN:
                self.games.keep(session.kept(self.player_name, self._red_name(), saved=not self.files.unsaved))
            else:
                self.games.drop()
            self._keeps = True
        except (OSError, ValueError) as error:
            if self._keeps:
                self.say(say("notice.lost", reason=describe(error)), "alert")
            self._keeps = False

    def _set_level(self, level: Level) -> None:
        self.level, self.player = level, self.player.at(level)

    # --- Text ---------------------------------------------------------------------------------------------------------

    def status(self) -> tuple[str, Tone]:
        """Return the status line and its tone."""
        text, tone, until = self._notice
        if self._now < until:
            return text, tone
        if self.analysis.hinting:
            return say("status.hint"), "busy"
        if self.files.mending:
            return say("notice.mending"), "busy"
        if self.files.reading:
            return say("status.reading"), "busy"
        session = self.session
        if not session.live and not session.in_game:
            return say("status.variation", shown=session.viewed), "busy"
        if not session.live:
            return say("status.looking_back", shown=session.viewed, last=session.board.ply), "busy"
        if session.ending is not None:
            lost = len(session.humans) == 1 and session.ending.winner == 1 - (session.person or 0)
            return say("status.ended", ending=translated(session.ending.text)), "quiet" if lost else "good"
        if self.error is not None:
            return say("status.stuck" if session.awaits_player else "status.not_ready"), "alert"
        if session.awaits_player:
            return say("status.thinking" if self.is_loaded else "status.loading"), "busy"
        parts = [
            say("status.your_move")
            if len(session.humans) == 1
            else say("status.to_move", side=side_name(session.board.turn))
        ]
        if session.checked_king is not None:
            parts.insert(0, say("status.check"))
        if session.offer == 1 - session.board.turn:
            parts.append(say("status.draw_offered"))
        if len(session.humans) == 1 and self.loaded != str(self.player):
            parts.append(say("status.loading"))
        return " ".join(parts), "alert" if session.checked_king is not None else "quiet"

    def say(self, text: str, tone: Tone = "quiet") -> None:
        """Show a notice for some seconds."""
        self._notice = (text, tone, self._now + NOTICE_TIME)

    def label(self, action: Action) -> str:
        """Return the current text on the action's button."""
        return availability.label(self, action)

    def ticked(self, action: Action) -> bool:
        """Whether an action is a switch that is on."""
        return availability.ticked(self, action)

    def enabled(self, action: Action) -> bool:
        """Whether the action can be done now."""
        return availability.enabled(self, action)

    def side(self, color: Color) -> tuple[str, str]:
        """Return who plays a side, and the side's name."""
        if len(self.session.humans) == 2:
            named = self.session.table.game.headers.get(SIDES[color], "").strip("?. ")
            return named or say("player.person"), side_name(color)
        if color in self.session.humans:
            return say("player.you"), side_name(color)
        if self.red_player is not None and not self.session.humans and color == RED:
            return self._red_name(), side_name(color)
        if self.level is not None:
            return f"{self.player.kind} · {level_name(self.level)}", side_name(color)
        return self.player_name, side_name(color)

    def armed(self, action: Action) -> bool:
        """Whether repeating the action now would confirm it."""
        return self._armed is not None and self._armed[0] is action

    # --- Actions ------------------------------------------------------------------------------------------------------

    def press(self, square: Square | None) -> Move | None:
        """Press on a square; returns the move if this plays one."""
        self._quiet()
        session = self.session
        held, shown = session.selected, session.shown
        move = session.press(square)
        if move is None and square is not None and session.selected is None and session.ending is None:
            self._explain(square, held, shown)
        return move

    def _explain(self, square: Square, held: Square | None, shown: Board) -> None:
        """Say why a press did nothing."""
        session, piece = self.session, shown.piece_at(square)
        if not session.awaits_human:
            side = side_name(session.board.turn)
            if piece is not None and self.error is None:
                self.say(say("notice.not_yours", side=side, player=self.side(session.board.turn)[0]))
        elif held is not None and held != square:
            self.say(say("notice.illegal"))
        elif piece is not None and piece.color != shown.turn:
            self.say(say("notice.other_side", side=side_name(shown.turn)))

    def release(self, square: Square | None) -> Move | None:
        """Release over a square; returns the move if this plays one."""
        return self.session.release(square)

    def do(self, action: Action) -> None:
        """Carry out an action if it is enabled. One that ends or discards a game must be repeated to confirm it."""
        if not self.enabled(action):
            return
        armed = self.armed(action)
        self._quiet()
        if (question := availability.question(self, action)) and not armed:
            self._armed = (action, self._now + NOTICE_TIME)
            self.say(question, "alert")
            return
        if action in MARKS:
            self.session.toggle_mark(MARKS[action])
        else:
            self._do(action)
        self.analysis.follow(self.player)

    def start(self, setup: Setup) -> None:
        """Start a game as the new-game dialog says. A game that no file has is kept in a file."""
        if self.files.set_aside() is None:
            return
        humans = [color for color, spec in enumerate(setup.players) if spec is None]
        red, black = setup.players
        if (spec := black or red) is not None:
            self._choose(spec)
        self.red_player = self._resolved(red)[1] if red and black else None
        self.session.begin(setup.fen, humans, setup.clocks)
        self._quiet()
        self.error, self._asked = None, -1
        self.analysis.follow(self.player)

    def _resolved(self, spec: Spec) -> tuple[Level | None, Spec]:
        """Return the level that a spec names, if any, and the player."""
        if spec.kind != "level":
            return None, spec
        level = find_level(spec.value or "")
        return level, self._base.at(level)

    def _choose(self, spec: Spec) -> None:
        """Take another opponent."""
        self.level, self.player = self._resolved(spec)
        self.player_name = self._names.get(str(self.player), self.player.name)

    def _do(self, action: Action) -> None:
        session, analysis = self.session, self.analysis
        match action:
            case Action.NEW:
                session.new()
            case Action.UNDO:
                session.undo()
            case Action.REDO:
                session.redo()
            case Action.HINT:
                analysis.ask_hint(self.player)
                self._tell_hint()
            case Action.MOVE_NOW:
                self.worker.move_now(session.generation)
            case Action.RESIGN:
                session.resign()
            case Action.DRAW:
                self._offer_draw()
            case Action.LEVEL:
                self._next_level()
            case Action.SWAP:
                session.swap()
            case Action.BOTH:
                self._sit()
            case Action.ANALYSE:
                analysis.toggle()
            case Action.MORE_LINES | Action.FEWER_LINES:
                analysis.more_lines(1 if action is Action.MORE_LINES else -1)
            case Action.THREATS:
                analysis.threats = not analysis.threats
                if analysis.threats and not analysis.on:
                    analysis.toggle()
            case Action.BEST_ARROWS:
                analysis.best_arrows = not analysis.best_arrows
            case Action.PEOPLE_ARROWS:
                analysis.people_arrows = not analysis.people_arrows
            case Action.MIND:
                self.mind.toggle()
            case Action.NEXT_MOVE:
                self.mind.choose_next()
            case Action.GLOW:
                self.mind.glow = not self.mind.glow
            case Action.REVIEW:
                self.review.toggle(self.player)
            case Action.NEXT_MISTAKE | Action.PREVIOUS_MISTAKE:
                judged = self.review.next_mistake(1 if action is Action.NEXT_MISTAKE else -1)
                if judged is not None:
                    session.show(self.review.nodes[judged.ply - 1])
            case Action.RETRY if session.node.parent is not None:
                session.show(session.node.parent)
            case Action.FLIP:
                session.flip()
            case Action.SCRIPT:
                session.set_traditional(not session.traditional)
            case Action.NOTATION:
                at = NOTATIONS.index(session.scribe.style.notation)
                session.set_notation(NOTATIONS[(at + 1) % len(NOTATIONS)])
            case Action.SAVE:
                self.files.save()
            case Action.PREVIOUS_GAME | Action.NEXT_GAME:
                self.files.step(-1 if action is Action.PREVIOUS_GAME else 1)
            case Action.MEND:
                self.files.mend()
            case Action.COPY_PICTURE:
                self._copy_picture()
            case Action.COPY:
                self.clipboard.put(session.shown.fen())
                self.say(say("notice.fen_copied"), "good")
            case Action.PASTE:
                self._paste()
            case _:
                self._go(action)

    def _go(self, action: Action) -> None:
        """Carry out an action on the tree or on what is shown of it."""
        session = self.session
        match action:
            case Action.FIRST:
                session.view(0)
            case Action.BACK:
                session.view(session.viewed - 1)
            case Action.FORWARD:
                session.view(session.viewed + 1)
            case Action.LAST:
                session.view_last()
            case Action.UPPER_BRANCH | Action.LOWER_BRANCH:
                session.view_branch(-1 if action is Action.UPPER_BRANCH else 1)
            case Action.TO_GAME:
                session.show(session.table.node)
            case Action.PLAY_FROM_HERE:
                session.play_from_here()
            case Action.PROMOTE | Action.DEMOTE:
                session.move_branch(-1 if action is Action.PROMOTE else 1)
            case Action.PROMOTE_TO_MAIN:
                session.make_main()
            case Action.DELETE:
                session.delete()
                self.say(say("notice.deleted"))

    def set_up(self, fen: str, analyse: bool) -> None:
        """Start a game from a position; to analyse it, a person plays both sides. Raises ``InvalidFenError``."""
        self._quiet()
        self.session.new(fen)
        if analyse:
            self.session.sit(HUMANS["both"])
            if not self.analysis.on:
                self.analysis.toggle()
        self.analysis.follow(self.player)

    def step(self, plies: int) -> None:
        """Show the position so many plies further on in the line shown, or back."""
        self.session.view(self.session.viewed + plies)

    def _quiet(self) -> None:
        self._armed = None
        self._notice = ("", "quiet", 0.0)

    def _sit(self) -> None:
        """Let a person play both sides, or against the player the side at the lower edge."""
        session = self.session
        if len(session.humans) == 2:
            session.sit({session.bottom})
            self.say(say("notice.against", side=side_name(session.bottom), player=self.side(1 - session.bottom)[0]))
        else:
            session.sit(HUMANS["both"])
            self.say(say("notice.both"))

    def _next_level(self) -> None:
        at = LEVELS.index(self.level) if self.level else -1
        level = LEVELS[(at + 1) % len(LEVELS)]
        self._set_level(level)
        settings = ", ".join(f"{name} {value}" for name, value in Spec.parse(level.spec).options)
        self.say(say("notice.level", level=level_name(level), settings=settings))
        if self.error is not None or not self.thinking:
            self._asked, self.error = -1, None
            self._ask()

    def _offer_draw(self) -> None:
        session = self.session
        session.offer_draw()
        if session.ending is None:
            self.say(say("notice.offer_next" if session.table.awaits_person else "notice.offer_now"))

    def _paste(self) -> None:
        text = self.clipboard.get()
        if not text.strip():
            self.say(say("notice.no_text"), "alert")
            return
        self.files.paste(text)

    def copy_as(self, kind: int) -> None:
        """Copy the position shown or the game as one of `gui.files.TEXTS`."""
        name = TEXTS[kind]
        try:
            self.clipboard.put(as_text(self.session, self.files.game(), name))
        except ValueError as error:
            self.say(describe(error), "alert")
            return
        self.say(say("notice.copied", what=say(f"text.{name}")), "good")

    def _tell_hint(self) -> None:
        move, board = self.analysis.hint, self.session.shown
        if move is not None and not self.analysis.hinting and not self.analysis.hint_told:
            self.analysis.hint_told = True
            self.say(say("notice.hint", move=self.session.scribe.style.move(board, move)), "good")

    def _copy_picture(self) -> None:
        try:
            copied = picture.copy(self.session)
        except (OSError, subprocess.SubprocessError) as error:
            self.say(say("notice.not_saved", reason=describe(error)), "alert")
            return
        self.say(say("notice.picture_copied" if copied else "notice.no_picture"), "good" if copied else "alert")

    def save_picture(self, path: Path) -> None:
        """Write a picture of the position shown to a file, PNG or SVG."""
        try:
            picture.save(self.session, path)
        except (OSError, ValueError) as error:
            self.say(say("notice.not_saved", reason=describe(error)), "alert")
            return
        self.say(say("notice.saved", path=path), "good")
