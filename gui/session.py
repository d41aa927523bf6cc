"""One game at the board: the position, who plays which side, and a person's possible actions.

It uses no windows, threads or models, so it can be tested without a display.

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
    """A game in progress, the ply shown, and the selected piece.

    ``humans`` are the sides that persons play. Raises ``InvalidFenError`` for a position that cannot be played.
    """

    def __init__(self, fen: str = STARTING_FEN, humans: Iterable[Color] = (RED,), traditional: bool = True) -> None:
        humans = frozenset(humans)
        self.bottom: Color = BLACK if humans == {BLACK} else RED
        """The side at the lower edge of the board."""
        self.traditional = traditional
        self.generation = 0
        """Incremented by every change of the game, so that an answer to an earlier position is recognised as stale."""
        self.number = 0
        """Number of the game, incremented by each new one."""
        red, black = (PERSON if color in humans else Seat("?") for color in (RED, BLACK))
        self._start(Table(fen, (red, black)))

    @classmethod
    def going_on(cls, game: Game) -> Session | None:
        """Return a session that resumes a game at the end of its main line, with persons on the same sides.

        Returns ``None`` for a game that is over or has no person. Raises ``InvalidFenError`` or ``IllegalMoveError``.
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
        """The table, always at the end of the game."""
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

    # --- State --------------------------------------------------------------------------------------------------------

    @property
    def board(self) -> Board:
        """The position at the end of the game, with all moves in its history."""
        return self.table.board

    @property
    def start_fen(self) -> str:
        """The starting position of the game."""
        return self.table.game.fen

    @property
    def humans(self) -> frozenset[Color]:
        """The sides that persons play."""
        return self.table.persons

    @property
    def person(self) -> Color | None:
        """The side of the person at the board; if there are two, the one to move."""
        return self.table.person

    @property
    def offer(self) -> Color | None:
        """The side that has offered a draw. The other side accepts it, or declines it by moving."""
        return self.table.offer

    @property
    def ending(self) -> Ending | None:
        """How the game has ended, or ``None`` while it goes on."""
        return self.table.ending

    @property
    def live(self) -> bool:
        """Whether the position shown is the last of the game, not an earlier one."""
        return self.viewed == self.board.ply

    @property
    def shown(self) -> Board:
        """The position shown."""
        return self._shown

    @property
    def last_move(self) -> Move | None:
        """The move that led to the position shown."""
        return self._shown.peek() if self._shown.ply else None

    @property
    def checked_king(self) -> Square | None:
        """The square of the king in check in the position shown."""
        return self._shown.king(self._shown.turn) if self._shown.is_check() else None

    @property
    def targets(self) -> list[Square]:
        """The target squares of the selected piece."""
        return [move.to_square for move in self.board.legal_moves if move.from_square == self.selected]

    @property
    def awaits_player(self) -> bool:
        """Whether the player is to move."""
        return self.table.awaits_player

    @property
    def awaits_human(self) -> bool:
        """Whether a person is to move."""
        return self.table.awaits_person and self.live

    @property
    def can_undo(self) -> bool:
        """Whether there is a move, resignation or agreement of a person to take back."""
        return self.table.can_undo

    def captured(self, color: Color) -> list[int]:
        """Return the cell codes of the pieces of ``color`` captured up to the position shown, strongest first."""
        lost = [code for code in Board(self.start_fen).cells.tolist() if code and code // 8 == color]
        for code in self._shown.cells.tolist():
            if code in lost:
                lost.remove(code)
        return sorted(lost, key=lambda code: "5643271".index(str(code & 7)))

    # --- Actions ------------------------------------------------------------------------------------------------------

    def press(self, square: Square | None) -> Move | None:
        """Press on a square: select a piece there, or move the selected piece there and return the move."""
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
        """Release over a square: end a drag and return its move, or keep the piece selected for a second click."""
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

        This declines a draw that the other side has offered.
        """
        self.answer(Choice(move))

    def answer(self, choice: Choice) -> None:
        """Carry out a player's choice for the side to move: move, offer or accept a draw with the move, or resign.

        Raises ``IllegalMoveError``.
        """
        before = self.board.copy(stack=False)
        self.table.answer(choice)
        if choice.move is not None and self.board.ply > len(self.texts):
            self.texts.append(before.chinese(choice.move, self.traditional))
        self._changed()

    def undo(self) -> None:
        """Take back a resignation or an agreement, or a person's last move and the reply to it."""
        self.table.undo()
        del self.texts[self.board.ply :]
        self._changed()

    def new(self, fen: str = STARTING_FEN) -> None:
        """Start another game. If it raises ``InvalidFenError``, the current game is unchanged."""
        self._start(Table(fen, self.table.seats))

    def resume(self, game: Game) -> None:
        """Resume a recorded game at the end of its main line. Raises ``InvalidFenError`` or ``IllegalMoveError``."""
        table = Table(game.fen, self.table.seats)
        for move in game.moves():
            if table.ending is None:
                table.push(move)
        self._start(table)

    def resign(self) -> None:
        """Resign for the person at the board."""
        if self.ending is None and self.person is not None:
            self.table.resign(self.person)
            self._changed()

    def offer_draw(self) -> None:
        """Offer a draw for the person at the board, or accept the other side's offer."""
        if self.ending is None and self.person is not None:
            self.table.offer_draw(self.person)
            if self.ending is not None:
                self._changed()

    def swap(self) -> None:
        """Exchange sides with the player in mid-game, and turn the board."""
        if len(self.humans) == 1:
            self.table.swap()
            (self.bottom,) = self.humans
            self._changed()

    def flip(self) -> None:
        """Turn the board by 180 degrees."""
        self.bottom ^= 1

    def view(self, ply: int) -> None:
        """Show the position after ``ply`` moves; the number is limited to those of the game."""
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
        """Return the game with its headers, ready for writing."""
        names = {SIDES[color]: player_name for color in (RED, BLACK) if color not in self.humans}
        return self.table.record({"Event": "Casual game", **names})
