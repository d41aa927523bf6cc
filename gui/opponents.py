"""Who sits opposite: the players that are asked for moves, their levels, and what they answer."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from gui.names import OF_2020, level_name, side_name
from gui.processes.player import Chosen, Failed, Loaded, Request
from gui.session import Session
from gui.strings import say
from lm.matches.table import PERSON, SIDES
from lm.players.levels import DEFAULT_LEVEL, LEVELS, Level, find_level
from lm.players.specs import Spec
from xiangqi import RED, Color

if TYPE_CHECKING:
    from gui.processes.worker import Worker
    from lm.players.player import Choice
    from xiangqi import Board

ENGINES = ("uci", "ucci", "file")
"""Kinds of players that are told the clocks; the others have a level that does not depend on time."""
PACE = 0.45
"""Minimum seconds before an answer is played, so that the person can follow."""


class Opponents:
    """The person's opponent, or two players against each other. Raises ``UserError`` for the spec of no player."""

    def __init__(self, session: Session, worker: Worker, spec: str) -> None:
        self.session, self._worker = session, worker
        self.red_player: Spec | None = None
        """Red's player where two players play each other; the other one is `player`."""
        self.player = Spec.parse(spec)
        """The spec of the person's opponent."""
        levels = {Spec.parse(level.spec).kind for level in LEVELS}
        self._base = self.player if self.player.kind in levels else Spec.parse("lm")
        """What the levels take their model from."""
        self.level: Level | None = None
        """The level chosen; ``None`` if the player is none or its strength was given explicitly."""
        if self.player.kind == "level":
            self.level = find_level(self.player.value or "")
            self.player = Spec.parse(self.level.spec)
        elif self.player.kind == Spec.parse(DEFAULT_LEVEL.spec).kind and "temperature" not in dict(self.player.options):
            self.level, self.player = DEFAULT_LEVEL, self.player.at(DEFAULT_LEVEL)
        self.paused = False
        """Whether two players that play each other make no further move."""
        self._error: tuple[int, str | None] = -1, None
        """The generation of the last failure, and what it was."""
        self.error_dismissed = False
        """Whether the person has seen enough of the error."""
        self.loaded: str | None = None
        """The spec of the player loaded last."""
        self._names: dict[str, str] = {}
        """The names of the players loaded."""
        self.player_name = self.player.kind
        self._asked = -1
        """The generation of the last request for a move."""
        self._asked_spec = ""
        """The player that was asked."""
        self._unanswered = False
        self._answer_at = 0.0
        self._held: Chosen | None = None
        """An answer that has come before its time."""
        if len(session.humans) < 2:
            self._ask()

    # --- Who it is ----------------------------------------------------------------------------------------------------

    @property
    def spec(self) -> str:
        """The spec of the player that is asked, as text."""
        return str(self._spec_of(self.session.board.turn))

    @property
    def is_loaded(self) -> bool:
        """Whether the player to move is loaded: the one that was asked, even if another is to play from then on."""
        spec = self._asked_spec if self._asked == self.session.generation else self.spec
        return spec == self.loaded or (self.red_player is not None and spec in self._names)

    @property
    def error(self) -> str | None:
        """Why the player cannot answer, in one line; it is forgotten with the next change of the game."""
        generation, message = self._error
        return message if generation == self.session.generation else None

    @error.setter
    def error(self, message: str | None) -> None:
        self._error, self.error_dismissed = (self.session.generation, message), False

    @property
    def thinking(self) -> bool:
        """Whether the player has been asked for a move and has not answered."""
        return self.session.awaits_player and self.error is None and not self.waiting

    @property
    def waiting(self) -> bool:
        """Whether no player thinks as the game is paused; a move that one thinks about is finished first."""
        session = self.session
        paused = self.paused and not session.humans and session.awaits_player
        return paused and (self._asked != session.generation or self.error is not None)

    def name(self, color: Color) -> str:
        """Return the name of the player that sits at a side, or would sit there in place of a person: its level's."""
        spec = self._spec_of(color)
        level = self.level if spec == self.player else self._level_of(spec)
        if level is not None:
            return level_name(level)
        if spec == OF_2020:
            return say("player.of_2020")
        return self.player_name if spec == self.player else self._names.get(str(spec), spec.name)

    def seat(self, color: Color) -> Spec | None:
        """Return who sits at a side, as the new-game dialog names it; ``None`` for a person."""
        return None if color in self.session.humans else self.player_at(color)

    def player_at(self, color: Color) -> Spec:
        """Return the player of a side as the new-game dialog names it, even where a person has the side."""
        spec = self._spec_of(color)
        level = self._level_of(spec)
        return spec if level is None else Spec("level", level.name)

    def side(self, color: Color) -> tuple[str, str]:
        """Return who plays a side, and the side's name."""
        if len(self.session.humans) == 2:
            named = self.session.table.game.headers.get(SIDES[color], "").strip("?. ")
            return say("player.person") if named in ("", PERSON.name) else named, side_name(color)
        if color in self.session.humans:
            return say("player.you"), side_name(color)
        return self.name(color), side_name(color)

    def _level_of(self, spec: Spec) -> Level | None:
        return next((level for level in LEVELS if self._base.at(level) == spec), None)

    def _spec_of(self, color: Color) -> Spec:
        return self.red_player if self._two and color == RED and self.red_player else self.player

    @property
    def _two(self) -> bool:
        """Whether two players play each other."""
        return self.red_player is not None and not self.session.humans

    # --- Choosing another ---------------------------------------------------------------------------------------------

    def seat_players(self, red: Spec | None, black: Spec | None) -> None:
        """Take the players of a new game; ``None`` is a person. With two persons the opponent stays."""
        if (spec := black or red) is not None:
            self.level, self.player = self._resolved(spec)
            self.player_name = self._names.get(str(self.player), self.player.name)
        self.red_player = self._resolved(red)[1] if red and black else None
        self.paused = False

    def choose(self, spec: Spec) -> None:
        """Take another opponent, a level or any player, from its next move on.

        Where two players play each other it is Black, or Red if that one has failed.
        """
        if self._two and self.error is not None and self.session.board.turn == RED:
            self.red_player = self._resolved(spec)[1]
        else:
            self.level, self.player = self._resolved(spec)
            self.player_name = self._names.get(str(self.player), self.player.name)
        if not self.thinking:
            self.try_again()

    def exchange(self, before: Spec, after: Spec) -> None:
        """Let an engine whose options were changed go on with them, where it plays."""
        if self.red_player == before:
            self.red_player = after
            if not self.thinking:
                self.try_again()
        if self.player == before:
            self.choose(after)

    def ask_again(self) -> None:
        """Let the next `follow` ask for a move, even where that failed."""
        self._asked, self.error = -1, None

    def try_again(self) -> None:
        """Load the player if that failed, and let the next `follow` ask it for a move if it is its turn."""
        self.ask_again()
        self._ask()

    def _resolved(self, spec: Spec) -> tuple[Level | None, Spec]:
        """Return the level that a spec names, if any, and the player."""
        if spec.kind != "level":
            return None, spec
        level = find_level(spec.value or "")
        return level, self._base.at(level)

    # --- Asking -------------------------------------------------------------------------------------------------------

    def follow(self, now: float) -> None:
        """Ask for a move if it is a player's turn; ``now`` is in seconds."""
        session = self.session
        if self.waiting:
            return
        if session.awaits_player:
            if self._asked != session.generation:
                self._asked, self._unanswered, self.error = session.generation, True, None
                self._asked_spec = self.spec
                self._answer_at = now if session.table.clocks else now + PACE
                self._ask(session.board.copy())
        elif self._unanswered:  # a move was taken back, so the answer is no longer needed
            self._unanswered = False
            self._ask()

    def take(self, report: Loaded | Chosen | Failed) -> None:
        """Take in a report of the player's process; those on an earlier position are ignored."""
        if isinstance(report, Loaded):
            self.loaded = report.spec
            self._names[report.spec] = report.name
            if report.spec == str(self.player):
                self.player_name = report.name
        elif report.generation != self.session.generation:
            pass
        elif isinstance(report, Failed):
            self.error, self._unanswered = report.message, False
        else:
            self._held = report

    def answer(self, now: float) -> Choice | None:
        """Return the answer that is due, once."""
        held = self._held
        if held is not None and held.generation != self.session.generation:
            held = self._held = None
        if held is None or now < self._answer_at:
            return None
        self._held, self._unanswered = None, False
        return held.choice

    @property
    def due(self) -> float:
        """When the next answer is due, in seconds; infinite if none has come."""
        return math.inf if self._held is None else self._answer_at

    def _ask(self, board: Board | None = None) -> None:
        session = self.session
        limit = session.table.limit() if self._spec_of(session.board.turn).kind in ENGINES else None
        beside = str(self._spec_of(1 - session.board.turn)) if self._two else ""
        self._worker.ask(Request(self.spec, session.generation, session.number, board, limit, beside))
