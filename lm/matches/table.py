"""A game between two seats: the side to move, the possible actions, and the ending.

The window, the terminal and matches all play their games at such a table.

>>> table = Table(seats=(PERSON, Seat("lm")))
>>> table.push(Move.from_iccs("h2e2"))
>>> table.offer_draw(RED)
>>> table.accept_draw(BLACK)
>>> table.ending.text, table.record().headers["Termination"]
('Draw agreed', 'draw agreed')
"""

from __future__ import annotations

import copy
import datetime
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from lm.matches.clocks import NO_CLOCKS, Clock, Clocks
from lm.players.player import Choice
from xiangqi import BLACK, NULL_MOVE, RED, STARTING_FEN, Board, Color, IllegalMoveError, InvalidFenError, Move
from xiangqi.engine import Limit
from xiangqi.game import ChildNode, Game, GameNode
from xiangqi.rulings import Rules
from xiangqi.status import FAULTS

SIDES: Final = ("Red", "Black")
HUMANS: Final[dict[str, frozenset[Color]]] = {
    "red": frozenset({RED}),
    "black": frozenset({BLACK}),
    "both": frozenset({RED, BLACK}),
    "none": frozenset(),
}
"""The sides that persons play, by name: one, both, or none (a player plays itself)."""

_LOST_BY: Final = {
    "checkmate": "{winner} wins by checkmate",
    "stalemate": "{winner} wins: {loser} has no legal move",
    "perpetual check": "{winner} wins: {loser} checked perpetually",
    "perpetual chase": "{winner} wins: {loser} chased perpetually",
    "resignation": "{winner} wins: {loser} resigned",
    "time forfeit": "{winner} wins: {loser} ran out of time",
    "crash": "{winner} wins: {loser}'s player failed",
    "stall": "{winner} wins: {loser}'s player did not answer",
    "illegal move": "{winner} wins: {loser}'s player named an illegal move",
    "no move": "{winner} wins: {loser}'s player named no move",
    "adjudication": "{winner} wins by adjudication",
}


@dataclass(frozen=True)
class Ending:
    """How a game ended.

    >>> Ending(RED, "resignation").text, Ending(None, "repetition").text
    ('Red wins: Black resigned', 'Draw: repetition')
    """

    winner: Color | None
    """``RED``, ``BLACK``, or ``None`` for a draw."""
    reason: str
    """A reason of `xiangqi.rulings.Outcome`, ``resignation``, ``draw agreed``, ``time forfeit``, ``ply limit``,
    ``adjudication`` by score, or how a player failed (`lm.players.player.Failure`)."""
    evidence: tuple[str, ...] = ()
    """The facts behind a ruling, one sentence each."""

    @property
    def result(self) -> str:
        """The result as PGN writes it."""
        return "1/2-1/2" if self.winner is None else ("1-0", "0-1")[self.winner]

    @property
    def text(self) -> str:
        """The ending in words."""
        if self.winner is None:
            return "Draw agreed" if self.reason == "draw agreed" else f"Draw: {self.reason}"
        winner, loser = SIDES[self.winner], SIDES[1 - self.winner]
        return _LOST_BY.get(self.reason, "{winner} wins: " + self.reason).format(winner=winner, loser=loser)


@dataclass(frozen=True)
class Seat:
    """One side of a table: a person or a player."""

    name: str
    """The name in records."""
    is_person: bool = False


PERSON: Final = Seat("Human", is_person=True)


def playable(fen: str) -> Board:
    """Set up a position to play from. Raises ``InvalidFenError`` if it cannot arise in a game.

    >>> playable("4k4/9/9/9/9/9/9/9/9/4K4 w")  # doctest: +NORMALIZE_WHITESPACE
    Traceback (most recent call last):
    ...
    xiangqi.fen.InvalidFenError: cannot play from this position: the kings face each other; the side that is not to move
    is in check
    """
    board = Board(fen.strip())
    if not board.is_valid():
        faults = "; ".join(FAULTS[flag] for flag in board.status())
        raise InvalidFenError(f"cannot play from this position: {faults}")
    return board


class Table:
    """A game in progress: a `Game`, whose tree also keeps the moves taken back, and its current node.

    ``seats`` are Red's and Black's. ``opening`` is played first, without adjudication, before the clocks start. A side
    that exceeds its time by more than ``margin`` seconds loses. A game that reaches ``max_plies`` is drawn. Raises
    ``InvalidFenError``, and ``IllegalMoveError`` for an opening that cannot be played.
    """

    def __init__(
        self,
        fen: str = STARTING_FEN,
        seats: tuple[Seat, Seat] = (PERSON, PERSON),
        opening: Iterable[Move] = (),
        *,
        rules: Rules = "computer",
        max_plies: int | None = None,
        clocks: Clocks = NO_CLOCKS,
        margin: float = 0.0,
    ) -> None:
        self.board = playable(fen)
        """The current position, with the moves that led to it."""
        self.seats = seats
        self.rules, self.max_plies, self.clocks, self.margin = rules, max_plies, clocks, margin
        self.game = Game(fen=self.board.fen())
        self.node: GameNode = self.game
        self.offer: Color | None = None
        """The side that offers a draw, until the other side answers or moves."""
        self.ending: Ending | None = None
        """How the game has ended, or ``None`` while it goes on."""
        self._undone: list[ChildNode] = []
        self._clocks: dict[GameNode, tuple[Clock | None, Clock | None]] = {self.node: clocks.start()}
        for move in opening:
            self._advance(self._checked(move), clocks.start())
        self.ending = self._adjudicate()

    @classmethod
    def resume(
        cls,
        game: Game,
        seats: tuple[Seat, Seat] = (PERSON, PERSON),
        node: GameNode | None = None,
        clocks: Clocks = NO_CLOCKS,
    ) -> Table:
        """Return a table where a recorded game goes on, with its whole tree, which is not copied.

        It goes on at ``node``, by default at the end of its main line or where the rules end it before, with the time
        that the record says was left on the ``clocks``. Raises ``InvalidFenError``, and ``IllegalMoveError`` for a move
        on the way that cannot be played.
        """
        table = cls(game.fen, seats, clocks=clocks)
        (left,) = table._clocks.values()
        table.game = table.node = game
        table._clocks = {game: left}
        for step in list(game.main_line()) if node is None else node.line():
            if table.ending is not None and node is None:
                break
            if step.move is not NULL_MOVE:
                table.board.parse_iccs(step.move.iccs)
            left = clocks.recorded(table.turn, left, step.clock)
            table._advance(step.move, left)
            table.ending = table._adjudicate()
        return table

    # --- State --------------------------------------------------------------------------------------------------------

    @property
    def turn(self) -> Color:
        """The side to move."""
        return self.board.turn

    @property
    def persons(self) -> frozenset[Color]:
        """The sides that persons play."""
        return frozenset(color for color in (RED, BLACK) if self.seats[color].is_person)

    @property
    def person(self) -> Color | None:
        """The side of the person at the table; if there are two, the one to move."""
        if not self.persons:
            return None
        return self.turn if self.turn in self.persons else 1 - self.turn

    @property
    def awaits_person(self) -> bool:
        """Whether a person is to move."""
        return self.ending is None and self.turn in self.persons

    @property
    def awaits_player(self) -> bool:
        """Whether a player is to move."""
        return self.ending is None and self.turn not in self.persons

    def time_left(self, color: Color) -> float | None:
        """Return a side's seconds at the start of the current ply; ``None`` if it has no clock."""
        clock = self._clocks[self.node][color]
        return None if clock is None else clock.left

    def limit(self) -> Limit | None:
        """Return the clocks as a limit for the side to move; ``None`` if it has no clock."""
        return self.clocks.limit(self.turn, self._clocks[self.node])

    # --- Actions ------------------------------------------------------------------------------------------------------

    def push(self, move: Move, seconds: float = 0.0) -> None:
        """Play a legal move of the side to move, which took ``seconds``.

        This declines a draw that the other side has offered. If the side's time is exceeded, the move is not played and
        the side loses. Raises ``IllegalMoveError``.
        """
        if self._play(self._checked(move), seconds):
            self.ending = self._adjudicate()
            self._undone.clear()

    def answer(self, choice: Choice, seconds: float = 0.0) -> None:
        """Carry out a player's choice: move, offer or accept a draw with the move, or resign.

        If it raises ``IllegalMoveError``, nothing has changed.
        """
        mover = self.turn
        if choice.move is None:
            self.resign(mover)
            return
        agrees = choice.draw and self.offer == 1 - mover
        self.push(choice.move, seconds)
        if self.ending is None and agrees:
            self.ending = Ending(None, "draw agreed")
        elif self.ending is None and choice.draw:
            self.offer = mover

    def offer_draw(self, color: Color) -> None:
        """Offer a draw, or accept the other side's offer. An offer stands until the other side moves."""
        if self.ending is None and self.offer == 1 - color:
            self.ending, self.offer = Ending(None, "draw agreed"), None
        elif self.ending is None:
            self.offer = color

    def accept_draw(self, color: Color) -> None:
        """Accept the other side's offer of a draw; does nothing if there is none."""
        if self.offer == 1 - color:
            self.offer_draw(color)

    def decline_draw(self) -> None:
        """Decline the offer of a draw."""
        self.offer = None

    def resign(self, color: Color) -> None:
        """Resign for a side."""
        if self.ending is None:
            self.ending = Ending(1 - color, "resignation")

    def forfeit(self, color: Color, reason: str = "time forfeit") -> None:
        """End the game as lost for a side, on time or because its player failed."""
        if self.ending is None:
            self.ending = Ending(1 - color, reason)

    def adjudicate(self, ending: Ending) -> None:
        """End the game as a referee decides, who is none of the players."""
        if self.ending is None:
            self.ending = ending

    def swap(self) -> None:
        """Exchange the seats of the two sides; everyone keeps the time that is left, and the time control."""
        red, black = self.seats
        self.seats = black, red
        if not self.clocks:
            return
        self.clocks = self.clocks.swapped()
        self._clocks = {node: (black, red) for node, (red, black) in self._clocks.items()}
        for node in self.node.line()[-2:]:  # where a record says what each side had left
            clock = self._clocks[self.node][1 - node.turn]
            node.clock = None if clock is None else clock.left

    # --- The tree -----------------------------------------------------------------------------------------------------

    def play_from(self, node: GameNode) -> None:
        """Go on with the game from another position of its tree, with the clocks that it was reached with, if any."""
        self.board, self.node, self.offer = node.board(), node, None
        self._undone.clear()
        before: GameNode = self.game
        for step in node.line():  # any of them can be gone back to
            self._clocks.setdefault(step, self._clocks[before])
            before = step
        self.ending = self._adjudicate()

    def goes_through(self, node: GameNode) -> bool:
        """Whether a position has been reached in the game as it stands now."""
        return node is self.game or node in self.node.line()

    def delete(self, node: ChildNode) -> None:
        """Remove a move, and all that follows, from the tree. Raises ``ValueError`` if the game goes through it."""
        if self.goes_through(node):
            raise ValueError("the game goes through this move")
        node.delete()
        if any(node in undone.line() for undone in self._undone):
            self._undone.clear()

    # --- Taking back --------------------------------------------------------------------------------------------------

    @property
    def can_undo(self) -> bool:
        """Whether `undo` has something to take back."""
        return self._only_agreed() or self._plies_back() > 0

    def undo(self) -> None:
        """Take back an ending that no move caused, or else a person's last move and the reply to it.

        Without persons, take back one ply. Clocks are restored too. Raises ``ValueError`` if there is nothing to take
        back.
        """
        if not self.can_undo:
            raise ValueError("there is no move of yours to take back")
        self.offer = None
        for _ in range(0 if self._only_agreed() else self._plies_back()):
            assert isinstance(self.node, ChildNode)
            self._undone.append(self.node)
            self.node = self.node.parent
            self.board.pop()
        self.ending = self._adjudicate()

    @property
    def can_redo(self) -> bool:
        """Whether a move was taken back and no other has been played."""
        return bool(self._undone)

    def redo(self) -> None:
        """Replay the moves last taken back, up to a person's turn. Raises ``ValueError`` if there are none."""
        if not self._undone:
            raise ValueError("there is no move to play again")
        self.offer = None
        while self._undone:
            self.node = self._undone.pop()
            self.board.push(self.node.move)
            if not self.persons or self.turn in self.persons:
                break
        self.ending = self._adjudicate()

    def _only_agreed(self) -> bool:
        """Whether the game ended other than by a move or by the player's resignation."""
        if self.ending is None or self._adjudicate() is not None:
            return False
        winner = self.ending.winner
        return winner is None or not self.persons or 1 - winner in self.persons

    def _plies_back(self) -> int:
        """Return the number of plies back to a person's last one, including it."""
        if not self.persons:
            return min(1, self.board.ply)
        back = (plies for plies in (1, 2) if plies <= self.board.ply and (self.turn + plies) % 2 in self.persons)
        return next(back, 0)

    # --- The record ---------------------------------------------------------------------------------------------------

    def record(self, headers: Mapping[str, str] | None = None, whole_tree: bool = False) -> Game:
        """Return the game as played, with the moves taken back as variations, ready for writing.

        ``headers`` are added to those for the players, the date and the ending. With ``whole_tree`` the tree is written
        as it is, even where its main line is another one than the game's or goes on after its end.
        """
        game = copy.deepcopy(self.game)
        if not whole_tree:
            node: GameNode = game
            for move in self.board.move_stack:
                node = next(child for child in node.variations if child.move is move)
                node.promote_to_main()
            node.variations.clear()
        today = f"{datetime.date.today():%Y.%m.%d}"
        named = {"Red": self.seats[RED].name, "Black": self.seats[BLACK].name, **self.clocks.headers}
        unnamed = {"Game": "Chinese Chess", "Event": "?", "Site": "?", "Date": today, "Round": "?"}
        game.headers = unnamed | named | dict(headers or {}) | game.headers  # those of a game resumed come before ours
        result = self.ending.result if self.ending else game.headers.get("Result", "*")
        game.headers |= {"Result": result, "Format": "ICCS"}
        if self.ending is not None:
            game.headers["Termination"] = self.ending.reason
        game.headers["PlyCount"] = str(sum(1 for _ in game.main_line()))
        return game

    # --- The rules ----------------------------------------------------------------------------------------------------

    def _adjudicate(self) -> Ending | None:
        if outcome := self.board.outcome(self.rules):
            return Ending(outcome.winner, outcome.reason, outcome.evidence)
        if self.max_plies is not None and self.board.ply >= self.max_plies:
            return Ending(None, "ply limit")
        return None

    def _checked(self, move: Move) -> Move:
        if self.ending is not None:
            raise IllegalMoveError(f"{move.iccs} comes after the end of the game")
        if move is NULL_MOVE:
            raise IllegalMoveError("passing is not allowed")
        return self.board.parse_iccs(move.iccs)

    def _play(self, move: Move, seconds: float) -> bool:
        """Play a move if the side's time allows; return whether it does."""
        mover, control = self.turn, self.clocks[self.turn]
        red, black = clocks = self._clocks[self.node]
        clock = clocks[mover]
        if control is not None and clock is not None:
            clock = control.after(clock, seconds, self.margin)
            if clock is None:
                self.forfeit(mover)
                return False
        self._advance(move, (clock, black) if mover == RED else (red, clock))
        if control is not None and clock is not None and not control.per_move:
            self.node.clock = clock.left
        if self.offer == 1 - mover:
            self.offer = None
        return True

    def _advance(self, move: Move, clocks: tuple[Clock | None, Clock | None]) -> None:
        self.node = self.node.variation(move) or self.node.add_variation(move)
        self.board.push(move)
        self._clocks[self.node] = clocks
