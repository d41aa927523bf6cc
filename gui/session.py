"""One game at the board: the position, who plays which side, and what a person may do to it now.

Nothing here knows of windows, threads or models, so all of it is tested without a display.

>>> from xiangqi import parse_square
>>> session = Session()
>>> session.press(parse_square("h2"))          # pick up the cannon
>>> session.press(parse_square("e2"))          # put it down
Move.from_iccs('h2e2')
>>> session.texts
['炮二平五']
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xiangqi import BLACK, RED, STARTING_FEN, Board, Color, IllegalMoveError, InvalidFenError, Move, Square

if TYPE_CHECKING:
    from xiangqi.game import Game

COLOR_NAMES = ("Red", "Black")
HUMAN = "Human"
"""What game records call a person at the board."""

HUMANS: dict[str, frozenset[Color]] = {
    "red": frozenset({RED}),
    "black": frozenset({BLACK}),
    "both": frozenset({RED, BLACK}),
    "none": frozenset(),
}
"""Who sits at the board, by name: a person with red or black, two persons, or nobody (the player plays itself)."""


_LOST_BY = {
    "checkmate": "{winner} wins by checkmate",
    "stalemate": "{winner} wins: {loser} has no legal move",
    "perpetual check": "{winner} wins: {loser} checked perpetually",
    "perpetual chase": "{winner} wins: {loser} chased perpetually",
    "resignation": "{winner} wins: {loser} resigned",
}


@dataclass(frozen=True)
class Ending:
    """How a game at the board ended: by a ruling of ``xiangqi.rulings``, or because a side resigned or both agreed.

    >>> Ending(RED, "resignation").text, Ending(None, "repetition").text
    ('Red wins: Black resigned', 'Draw: repetition')
    >>> Ending(None, "draw agreed").text
    'Draw agreed'
    """

    winner: Color | None
    reason: str
    evidence: tuple[str, ...] = ()
    """What the reason rests on, a sentence each."""

    @property
    def result(self) -> str:
        """The result as PGN writes it."""
        return "1/2-1/2" if self.winner is None else ("1-0", "0-1")[self.winner]

    @property
    def text(self) -> str:
        """The ending in words."""
        if self.winner is None:
            return "Draw agreed" if self.reason == "draw agreed" else f"Draw: {self.reason}"
        winner, loser = COLOR_NAMES[self.winner], COLOR_NAMES[1 - self.winner]
        return _LOST_BY.get(self.reason, "{winner} wins: " + self.reason).format(winner=winner, loser=loser)


def playable(fen: str) -> Board:
    """Set up a position to play from. Raises ``InvalidFenError`` if it could never arise in a game.

    >>> playable("4k4/9/9/9/9/9/9/9/9/4K4 w")
    Traceback (most recent call last):
    ...
    xiangqi.fen.InvalidFenError: cannot play from this position: kings facing, opposite check
    """
    board = Board(fen.strip())
    if not board.is_valid():
        faults = ", ".join(flag.name.lower().replace("_", " ") for flag in board.status() if flag.name)
        raise InvalidFenError(f"cannot play from this position: {faults}")
    return board


class Session:
    """A game in progress, the ply that is looked at, and the piece in hand.

    ``humans`` is the set of sides that persons play. Raises ``InvalidFenError`` for a position that cannot be played.
    """

    def __init__(self, fen: str = STARTING_FEN, humans: Iterable[Color] = (RED,), traditional: bool = True) -> None:
        self.humans = frozenset(humans)
        self.bottom: Color = BLACK if self.humans == {BLACK} else RED
        """The side at the lower edge of the board."""
        self.traditional = traditional
        self.generation = 0
        """Grows with every change of the game, so that an answer to an earlier position is known to be stale."""
        self.number = 0
        """Grows with every game."""
        self._start(playable(fen))

    @classmethod
    def going_on(cls, game: Game) -> Session | None:
        """Return a session that goes on from the end of a game's main line, its persons where they sat.

        ``None`` for a game that is over or has no person. Raises ``InvalidFenError`` or ``IllegalMoveError``.
        """
        humans = [color for color, name in enumerate(COLOR_NAMES) if game.headers.get(name) == HUMAN]
        if not humans or game.result != "*":
            return None
        session = cls(humans=humans)
        session.resume(game)
        return session if session.outcome is None else None

    def _start(self, board: Board) -> None:
        self.number += 1
        self.board = board
        """The position at the end of the game, with all moves in its history."""
        self.start_fen = board.fen()
        self.offer: Color | None = None
        """The side that has offered a draw; the other accepts, or declines by moving."""
        self._declared: Ending | None = None
        """What the sides, not the rules, have made of the game: a resignation or an agreement."""
        self.texts: list[str] = []
        """The moves of the game in Chinese notation."""
        self._changed()

    def _changed(self) -> None:
        self.generation += 1
        self.viewed = self.board.ply
        self._shown = self.board
        self.selected: Square | None = None
        self._dropped_by_click = False
        ruling = self.board.outcome()
        self.outcome: Ending | None = self._declared
        """How the game has ended, or ``None`` while it goes on."""
        if self.outcome is None and ruling is not None:
            self.outcome = Ending(ruling.winner, ruling.reason, ruling.evidence)

    # --- What is so ---------------------------------------------------------------------------------------------------

    @property
    def live(self) -> bool:
        """Whether the end of the game is looked at, not an earlier position."""
        return self.viewed == self.board.ply

    @property
    def shown(self) -> Board:
        """The position that is looked at."""
        return self._shown

    @property
    def last_move(self) -> Move | None:
        """The move that led to the position looked at."""
        return self._shown.peek() if self._shown.ply else None

    @property
    def checked_king(self) -> Square | None:
        """The square of the king in check in the position looked at."""
        return self._shown.king(self._shown.turn) if self._shown.is_check() else None

    @property
    def targets(self) -> list[Square]:
        """Where the piece in hand may go."""
        return [move.to_square for move in self.board.legal_moves if move.from_square == self.selected]

    @property
    def awaits_player(self) -> bool:
        """Whether the next move is the player's and not a person's."""
        return self.outcome is None and self.board.turn not in self.humans

    @property
    def awaits_human(self) -> bool:
        """Whether a person may move now."""
        return self.outcome is None and self.live and self.board.turn in self.humans

    @property
    def can_undo(self) -> bool:
        """Whether there is a move (or a resignation, or an agreement) of a person to take back."""
        return self._declared is not None or self._plies_to_undo() > 0

    def captured(self, color: Color) -> list[int]:
        """Return the cell codes of the pieces of ``color`` taken so far in the position looked at, strongest first."""
        lost = [code for code in Board(self.start_fen).cells.tolist() if code and code // 8 == color]
        for code in self._shown.cells.tolist():
            if code in lost:
                lost.remove(code)
        return sorted(lost, key=lambda code: "5643271".index(str(code & 7)))

    # --- What a person does -------------------------------------------------------------------------------------------

    def press(self, square: Square | None) -> Move | None:
        """Press on a square: pick up a piece, or play the one in hand there and return the move."""
        if not self.awaits_human or square is None:
            self.selected = None
            return None
        if square in self.targets:
            return self._play_selected(square)
        piece = self.board.piece_at(square)
        self._dropped_by_click = square == self.selected
        self.selected = square if piece is not None and piece.color == self.board.turn else None
        return None

    def release(self, square: Square | None) -> Move | None:
        """Let go over a square: end a drag, or leave the piece in hand for a second click."""
        if self.selected is None:
            return None
        if square is not None and square in self.targets:
            return self._play_selected(square)
        if square == self.selected and self._dropped_by_click:
            self.selected = None
        return None

    def _play_selected(self, square: Square) -> Move:
        assert self.selected is not None
        move = Move(self.selected, square)
        self.play(move)
        return move

    def play(self, move: Move) -> None:
        """Play a legal move of either side at the end of the game. Raises ``IllegalMoveError``.

        A draw that the other side has offered is declined by that.
        """
        if self.outcome is not None:
            raise IllegalMoveError(f"{move.iccs} comes after the end of the game")
        text = self.board.chinese(self.board.parse_iccs(move.iccs), self.traditional)
        if self.offer == 1 - self.board.turn:
            self.offer = None
        self.board.push(move)
        self.texts.append(text)
        self._changed()

    def undo(self) -> None:
        """Take back a resignation or an agreement, or the last move of a person and whatever has answered it."""
        self.offer = None
        if self._declared is not None:
            self._declared = None
        else:
            for _ in range(self._plies_to_undo()):
                self.board.pop()
                self.texts.pop()
        self._changed()

    def _plies_to_undo(self) -> int:
        """Count the plies back to the latest one played by a person; nobody's game gives back single plies."""
        if not self.humans:
            return min(1, self.board.ply)
        turn = self.board.turn
        for plies in range(1, min(2, self.board.ply) + 1):
            turn ^= 1
            if turn in self.humans:
                return plies
        return 0

    def new(self, fen: str = STARTING_FEN) -> None:
        """Start another game. Raises ``InvalidFenError`` and then leaves this one as it is."""
        self._start(playable(fen))

    def resume(self, game: Game) -> None:
        """Go on from the end of a recorded game's main line. Raises ``InvalidFenError`` or ``IllegalMoveError``."""
        board = playable(game.fen)
        moves = game.moves()
        for move in moves:
            board.push(board.parse_iccs(move.iccs))
        self._start(board.root())
        for move in moves:
            if self.outcome is None:
                self.play(move)

    @property
    def person(self) -> Color | None:
        """The side of the person at the board; of two, the one to move."""
        if not self.humans:
            return None
        return self.board.turn if self.board.turn in self.humans else 1 - self.board.turn

    def resign(self) -> None:
        """Give the game up for the person at the board."""
        if self.outcome is None and (side := self.person) is not None:
            self._declare(Ending(1 - side, "resignation"))

    def offer_draw(self) -> None:
        """Offer a draw for the person at the board, or accept the one that is offered."""
        if self.outcome is None and (side := self.person) is not None:
            if self.offer == 1 - side:
                self._declare(Ending(None, "draw agreed"))
            else:
                self.offer = side

    def player_resigns(self) -> None:
        """Let the player, whose turn it is, give the game up."""
        self._declare(Ending(1 - self.board.turn, "resignation"))

    def player_moves(self, move: Move, offers_draw: bool) -> None:
        """Let the player move and offer a draw, or accept the one that is offered. Raises ``IllegalMoveError``."""
        side = self.board.turn
        if offers_draw and self.offer == 1 - side:
            self._declare(Ending(None, "draw agreed"))
            return
        self.play(move)
        if offers_draw and self.outcome is None:
            self.offer = side

    def _declare(self, ending: Ending) -> None:
        self._declared = ending
        self._changed()

    def swap(self) -> None:
        """Exchange sides with the player, in the middle of the game, and turn the board with them."""
        if len(self.humans) == 1:
            self.humans = frozenset({RED, BLACK}) - self.humans
            (self.bottom,) = self.humans
            self._changed()

    def flip(self) -> None:
        """Turn the board by 180 degrees."""
        self.bottom ^= 1

    def view(self, ply: int) -> None:
        """Look at the position after ``ply`` moves, as far as there are any."""
        self.viewed = max(0, min(ply, self.board.ply))
        self.selected = None
        if self.live:
            self._shown = self.board
        else:
            self._shown = self.board.copy()
            while self._shown.ply > self.viewed:
                self._shown.pop()

    def set_traditional(self, traditional: bool) -> None:
        """Write moves in traditional or simplified characters."""
        self.traditional = traditional
        board = self.board.root()
        for ply, move in enumerate(self.board.move_stack):
            self.texts[ply] = board.chinese(move, traditional)
            board.push(move)

    # --- The record ---------------------------------------------------------------------------------------------------

    def game(self, player_name: str) -> Game:
        """Return the game with its headers, ready to be written."""
        from xiangqi.game import Game

        outcome = self.outcome
        headers = {
            "Game": "Chinese Chess",
            "Event": "Casual game",
            "Date": datetime.date.today().strftime("%Y.%m.%d"),
            "Red": HUMAN if RED in self.humans else player_name,
            "Black": HUMAN if BLACK in self.humans else player_name,
            "Result": outcome.result if outcome else "*",
        }
        if outcome is not None:
            headers["Termination"] = outcome.reason
        game = Game(headers, self.start_fen)
        game.add_main_line(self.board.move_stack)
        return game
