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

from collections.abc import Iterable
from typing import TYPE_CHECKING

from lm.matches.table import PERSON, SIDES, Ending, Seat, Table
from lm.players.player import Choice
from xiangqi import BLACK, RED, STARTING_FEN, Board, Color, Move, Square

if TYPE_CHECKING:
    from xiangqi.game import Game


class Session:
    """A game in progress, the ply that is looked at, and the piece in hand.

    ``humans`` is the set of sides that persons play. Raises ``InvalidFenError`` for a position that cannot be played.
    """

    def __init__(self, fen: str = STARTING_FEN, humans: Iterable[Color] = (RED,), traditional: bool = True) -> None:
        humans = frozenset(humans)
        self.bottom: Color = BLACK if humans == {BLACK} else RED
        """The side at the lower edge of the board."""
        self.traditional = traditional
        self.generation = 0
        """Grows with every change of the game, so that an answer to an earlier position is known to be stale."""
        self.number = 0
        """Grows with every game."""
        red, black = (PERSON if color in humans else Seat("?") for color in (RED, BLACK))
        self._start(Table(fen, (red, black)))

    @classmethod
    def going_on(cls, game: Game) -> Session | None:
        """Return a session that goes on from the end of a game's main line, its persons where they sat.

        ``None`` for a game that is over or has no person. Raises ``InvalidFenError`` or ``IllegalMoveError``.
        """
        humans = [color for color, name in enumerate(SIDES) if game.headers.get(name) == PERSON.name]
        if not humans or game.result != "*":
            return None
        session = cls(humans=humans)
        session.resume(game)
        return session if session.ending is None else None

    def _start(self, table: Table) -> None:
        self.number += 1
        self.table = table
        """The game, at its end."""
        self.texts: list[str] = []
        """The moves of the game in Chinese notation."""
        self.set_traditional(self.traditional)
        self._changed()

    def _changed(self) -> None:
        self.generation += 1
        self.viewed = self.board.ply
        self._shown = self.board
        self.selected: Square | None = None
        self._dropped_by_click = False

    # --- What is so ---------------------------------------------------------------------------------------------------

    @property
    def board(self) -> Board:
        """The position at the end of the game, with all moves in its history."""
        return self.table.board

    @property
    def start_fen(self) -> str:
        """The position that the game began with."""
        return self.table.game.fen

    @property
    def humans(self) -> frozenset[Color]:
        """The sides that persons play."""
        return self.table.persons

    @property
    def person(self) -> Color | None:
        """The side of the person at the board; of two, the one to move."""
        return self.table.person

    @property
    def offer(self) -> Color | None:
        """The side that has offered a draw; the other accepts, or declines by moving."""
        return self.table.offer

    @property
    def ending(self) -> Ending | None:
        """How the game has ended, or ``None`` while it goes on."""
        return self.table.ending

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
        return self.table.awaits_player

    @property
    def awaits_human(self) -> bool:
        """Whether a person may move now."""
        return self.table.awaits_person and self.live

    @property
    def can_undo(self) -> bool:
        """Whether there is a move (or a resignation, or an agreement) of a person to take back."""
        return self.table.can_undo

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
        self.answer(Choice(move))

    def answer(self, choice: Choice) -> None:
        """Let the side to move do what a player has chosen: move, offer or accept a draw with the move, or resign.

        Raises ``IllegalMoveError``.
        """
        before = self.board.copy(stack=False)
        self.table.answer(choice)
        if choice.move is not None and self.board.ply > len(self.texts):
            self.texts.append(before.chinese(choice.move, self.traditional))
        self._changed()

    def undo(self) -> None:
        """Take back a resignation or an agreement, or the last move of a person and whatever has answered it."""
        self.table.undo()
        del self.texts[self.board.ply :]
        self._changed()

    def new(self, fen: str = STARTING_FEN) -> None:
        """Start another game. Raises ``InvalidFenError`` and then leaves this one as it is."""
        self._start(Table(fen, self.table.seats))

    def resume(self, game: Game) -> None:
        """Go on from the end of a recorded game's main line. Raises ``InvalidFenError`` or ``IllegalMoveError``."""
        table = Table(game.fen, self.table.seats)
        for move in game.moves():
            if table.ending is None:
                table.push(move)
        self._start(table)

    def resign(self) -> None:
        """Give the game up for the person at the board."""
        if self.ending is None and self.person is not None:
            self.table.resign(self.person)
            self._changed()

    def offer_draw(self) -> None:
        """Offer a draw for the person at the board, or accept the one that is offered."""
        if self.ending is None and self.person is not None:
            self.table.offer_draw(self.person)
            if self.ending is not None:
                self._changed()

    def swap(self) -> None:
        """Exchange sides with the player, in the middle of the game, and turn the board with them."""
        if len(self.humans) == 1:
            self.table.swap()
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
        self.texts.clear()
        board = self.board.root()
        for move in self.board.move_stack:
            self.texts.append(board.chinese(move, traditional))
            board.push(move)

    # --- The record ---------------------------------------------------------------------------------------------------

    def game(self, player_name: str) -> Game:
        """Return the game with its headers, ready to be written."""
        names = {SIDES[color]: player_name for color in (RED, BLACK) if color not in self.humans}
        return self.table.record({"Event": "Casual game", **names})
