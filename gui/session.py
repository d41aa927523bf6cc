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

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final

from gui.notation import Scribe, Style
from lm.matches.clocks import NO_CLOCKS, Clocks
from lm.matches.table import HUMANS, PERSON, SIDES, Ending, Seat, Table
from lm.players.player import Choice
from xiangqi import BLACK, NULL_MOVE, RED, STARTING_FEN, Board, Color, Move, Square
from xiangqi.cursor import Cursor, branch_of
from xiangqi.game import ChildNode

if TYPE_CHECKING:
    from lm.players.specs import Spec
    from xiangqi.game import Game, GameNode
    from xiangqi.tags import Drawn

PERSONS: Final = "Persons"
LINE: Final = "Line"
CLOCKS: Final = "Clocks"
SAVED: Final = "Saved"
SEATS: Final = ("RedSeat", "BlackSeat")
"""Headers of the kept game: the sides that persons play, the moves of the game in a tree with variations, the time
controls, that a file has it all, and the specs of the players."""


class Session:
    """A game in progress, its tree, the position shown, and the selected piece.

    The game stands at one node of the tree, and another may be shown. A person may try moves anywhere: they become
    variations, and the game stays where it is, unless persons play both sides. ``humans`` are the sides that persons
    play. Raises ``InvalidFenError`` for a position that cannot be played.
    """

    def __init__(self, fen: str = STARTING_FEN, humans: Iterable[Color] = (RED,)) -> None:
        humans = frozenset(humans)
        self.bottom: Color = BLACK if humans == {BLACK} else RED
        """The side at the lower edge of the board."""
        self.scribe = Scribe(Style())
        self.generation = 0
        """Incremented by every change of the game, so that an answer to an earlier position is recognised as stale."""
        self.revision = 0
        """Incremented by every change of the game or its tree."""
        self.number = 0
        """Number of the game, incremented by each new one."""
        self.selected: Square | None = None
        """The square of the piece in hand."""
        self.elapsed: Callable[[], float] = lambda: 0.0
        """Returns the seconds that the side to move has thought, for its clock."""
        self.before_next: Callable[[], None] = lambda: None
        """Called when another game is about to take the place of this one."""
        self.seats: tuple[str, str] = ("", "")
        """The specs of Red's and Black's player when the game was kept; empty for a person or one unknown."""
        self._dropped_by_click = False
        self._start(Table(fen, _seats(humans)))

    @classmethod
    def going_on(cls, game: Game) -> Session | None:
        """Return a session that resumes a kept game where it stood, with persons on the same sides.

        Clocks go on with the time that they had left. Returns ``None`` for a game that is over, or of two players
        unless it says which. Raises ``InvalidFenError``, ``IllegalMoveError``, or ``UserError`` for clocks that cannot
        be read.
        """
        named = [color for color, name in enumerate(SIDES) if game.headers.get(name) == PERSON.name]
        humans = HUMANS.get(game.headers.pop(PERSONS, ""), frozenset(named))
        moves = game.headers.pop(LINE, None)
        clocks = Clocks.parse(game.headers.pop(CLOCKS, "-"))
        red, black = (game.headers.pop(name, "") for name in SEATS)
        if not (humans or (red and black)) or "Termination" in game.headers or (moves is None and game.result != "*"):
            return None
        node: GameNode | None = None if moves is None else game
        for iccs in (moves or "").split():
            node = node and node.variation(Move.from_iccs(iccs))
        casual = game.headers.get("Event") == CASUAL
        if casual:  # whoever sits there is named when it is written
            for name in SIDES:
                game.headers.pop(name, None)
        session = cls(humans=humans)
        session.seats = red, black
        session._start(Table.resume(game, session.table.seats, node, clocks), casual, _end_of(game))
        return session if session.ending is None else None

    def _start(self, table: Table, played_here: bool = True, recorded_end: GameNode | None = None) -> None:
        self.before_next()
        self.played_here = played_here
        """Whether the game began at this board; else it was brought from elsewhere."""
        self._recorded_end = recorded_end
        self.number += 1
        self.table = table
        """The table, always where the game stands."""
        self.cursor = Cursor(table.game)
        self.scribe.forget()
        self._changed()

    def _changed(self, follow: bool = True) -> None:
        """Take note of a change of the game, and show where it stands if ``follow``."""
        self.generation += 1
        self._touched()
        if follow:
            self.show(self.table.node)
        else:
            self.cursor.refresh()

    def _touched(self) -> None:
        self.revision += 1

    # --- State --------------------------------------------------------------------------------------------------------

    @property
    def board(self) -> Board:
        """The position where the game stands, with all moves in its history."""
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
    def recorded_result(self) -> str | None:
        """The result in the record of a game, where the game stands at its end; ``None`` elsewhere."""
        return self.table.game.result if self.table.node is self._recorded_end else None

    @property
    def over(self) -> bool:
        """Whether nobody is to move where the game stands."""
        return self.ending is not None or self.recorded_result is not None

    @property
    def node(self) -> GameNode:
        """The node shown."""
        return self.cursor.node

    @property
    def viewed(self) -> int:
        """Number of moves that led to the position shown."""
        return self.cursor.node.ply

    @property
    def live(self) -> bool:
        """Whether the position shown is the one where the game stands."""
        return self.cursor.node is self.table.node

    @property
    def in_game(self) -> bool:
        """Whether the position shown has been reached in the game as it stands."""
        return self.table.goes_through(self.cursor.node)

    @property
    def shown(self) -> Board:
        """The position shown."""
        return self.board if self.live else self.cursor.board

    @property
    def to_move(self) -> Color | None:
        """The side to move in the position shown; ``None`` where the game is over."""
        return None if self.live and self.over else self.shown.turn

    @property
    def last_move(self) -> Move | None:
        """The move that led to the position shown."""
        move = self.cursor.node.move
        return None if move is NULL_MOVE else move

    @property
    def checked_king(self) -> Square | None:
        """The square of the king in check in the position shown."""
        return self.shown.king(self.shown.turn) if self.shown.is_check() else None

    @property
    def targets(self) -> list[Square]:
        """The target squares of the selected piece."""
        return [move.to_square for move in self.shown.legal_moves if move.from_square == self.selected]

    @property
    def awaits_player(self) -> bool:
        """Whether the player is to move."""
        return self.table.awaits_player

    @property
    def awaits_human(self) -> bool:
        """Whether a person can play or try a move in the position shown."""
        return not self.live or not self.table.awaits_player

    @property
    def can_undo(self) -> bool:
        """Whether there is a move, resignation or agreement of a person to take back."""
        return self.table.can_undo and self.recorded_result is None

    @property
    def can_redo(self) -> bool:
        """Whether a move was taken back and no other has been played."""
        return self.table.can_redo

    @property
    def texts(self) -> list[str]:
        """The moves of the game as it stands, in the notation chosen."""
        return self.scribe.line(self.table.node.line())

    @property
    def traditional(self) -> bool:
        """Whether moves and pieces are written in traditional characters."""
        return self.scribe.style.traditional

    def captured(self, color: Color) -> list[int]:
        """Return the cell codes of the pieces of ``color`` captured up to the position shown, strongest first."""
        lost = [code for code in Board(self.start_fen).cells.tolist() if code and code // 8 == color]
        for code in self.shown.cells.tolist():
            if code in lost:
                lost.remove(code)
        return sorted(lost, key=lambda code: "5643271".index(str(code & 7)))

    # --- Moves --------------------------------------------------------------------------------------------------------

    def press(self, square: Square | None) -> Move | None:
        """Press on a square: select a piece there, or move the selected piece there and return the move."""
        if not self.awaits_human or square is None:
            self.selected = None
            return None
        if square in self.targets:
            return self._play_selected(square)
        piece = self.shown.piece_at(square)
        self._dropped_by_click = square == self.selected
        self.selected = square if piece is not None and piece.color == self.shown.turn else None
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
        if self.live and self.table.awaits_person:
            self.play(move)
        else:
            self.explore([move])
        return move

    def play(self, move: Move) -> None:
        """Play a legal move of either side where the game stands. Raises ``IllegalMoveError``.

        This declines a draw that the other side has offered.
        """
        self.answer(Choice(move))

    def answer(self, choice: Choice) -> None:
        """Carry out a player's choice for the side to move: move, offer or accept a draw with the move, or resign.

        Who looks at another position goes on looking at it. Raises ``IllegalMoveError``.
        """
        live = self.live
        self.table.answer(choice, self.elapsed())
        if choice.move is not None and isinstance(node := self.table.node, ChildNode):
            node.promote_to_main()
        self._changed(follow=live)

    def explore(self, moves: Iterable[Move]) -> None:
        """Try legal moves in the position shown: show where they lead, as a variation if they are new."""
        node = self.cursor.node
        for move in moves:
            node = node.variation(move) or node.add_variation(move)
        if self.humans == HUMANS["both"]:
            self.table.play_from(node)
            self._changed()
        else:
            self._touched()
            self.show(node)

    def play_from_here(self) -> None:
        """Go on with the game from the position shown."""
        if not self.live:
            node = self.cursor.node
            self.table.play_from(node)
            while isinstance(node, ChildNode):
                node.promote_to_main()
                node = node.parent
            self._changed()

    def undo(self) -> None:
        """Take back a resignation or an agreement, or a person's last move and the reply to it."""
        self.table.undo()
        self._changed()

    def redo(self) -> None:
        """Play the moves again that were last taken back."""
        self.table.redo()
        self._changed()

    def new(self, fen: str = STARTING_FEN) -> None:
        """Start another game. If it raises ``InvalidFenError``, the current game is unchanged."""
        self._start(Table(fen, self.table.seats, clocks=self.table.clocks))

    def begin(self, fen: str, humans: Iterable[Color], clocks: Clocks = NO_CLOCKS) -> None:
        """Start a game with persons on these sides, and clocks. Raises like `new`."""
        humans = frozenset(humans)
        self._start(Table(fen, _seats(humans), clocks=clocks))
        self.bottom = BLACK if humans == {BLACK} else RED

    def forfeit(self, color: Color) -> None:
        """End the game as lost on time for a side."""
        live = self.live
        self.table.forfeit(color)
        self._changed(follow=live)

    def study(self, game: Game) -> None:
        """Lay a recorded game open at its beginning; persons play both sides.

        Raises ``InvalidFenError`` or ``IllegalMoveError``.
        """
        table = Table.resume(game, _seats(HUMANS["both"]))
        self._start(table, played_here=False, recorded_end=_end_of(game))
        self.view(0)

    def resign(self) -> None:
        """Resign for the person at the board."""
        if not self.over and self.person is not None:
            self.table.resign(self.person)
            self._changed()

    def offer_draw(self) -> None:
        """Offer a draw for the person at the board, or accept the other side's offer."""
        if not self.over and self.person is not None:
            self.table.offer_draw(self.person)
            if self.ending is not None:
                self._changed()

    def swap(self) -> None:
        """Exchange sides with the player in mid-game, and turn the board."""
        if len(self.humans) == 1:
            self.table.swap()
            (self.bottom,) = self.humans
            self._changed()

    def sit(self, humans: Iterable[Color]) -> None:
        """Let persons play these sides, and the player the others."""
        self.table.seats = _seats(frozenset(humans))
        self._changed(follow=self.live)

    # --- Looking ------------------------------------------------------------------------------------------------------

    def flip(self) -> None:
        """Turn the board by 180 degrees."""
        self.bottom ^= 1

    def show(self, node: GameNode) -> None:
        """Show the position of a node."""
        self.cursor.go(node)
        self.selected = None
        self._dropped_by_click = False

    def view(self, ply: int) -> None:
        """Show the position after ``ply`` moves of the line shown, or its nearer end."""
        self.cursor.to_ply(ply)
        self.show(self.cursor.node)

    def view_last(self) -> None:
        """Show where the game stands if that lies ahead, else the end of the line shown."""
        if self.in_game and not self.live:
            self.show(self.table.node)
        else:
            self.view(len(self.cursor.line))

    def view_branch(self, step: int) -> None:
        """Show the move so many variations below in place of the one that led here."""
        self.cursor.to_branch(step)
        self.show(self.cursor.node)

    # --- The tree -----------------------------------------------------------------------------------------------------

    @property
    def branch(self) -> ChildNode | None:
        """The first move of the variation shown, or ``None`` where there is but one line."""
        return branch_of(self.cursor.node)

    def move_branch(self, step: int) -> None:
        """Move the variation shown one place up (-1) or down (1) among those in its place."""
        if (branch := self.branch) is not None:
            if step < 0:
                branch.promote()
            else:
                branch.demote()
            self._touched()

    def make_main(self) -> None:
        """Make the line shown the main line."""
        node = self.cursor.node
        while isinstance(node, ChildNode):
            node.promote_to_main()
            node = node.parent
        self._touched()

    @property
    def can_delete(self) -> bool:
        """Whether the move shown can be deleted: the game does not go through it."""
        return not self.in_game

    def delete(self) -> None:
        """Delete the move shown with all that follows. Raises ``ValueError`` if the game goes through it."""
        node = self.cursor.node
        if not isinstance(node, ChildNode):
            raise ValueError("the start cannot be deleted")
        self.table.delete(node)
        self._touched()
        self.show(node.parent)

    def set_comment(self, node: GameNode, text: str) -> None:
        """Replace the comment at a node, but for the tags in it."""
        node.remark = text
        self._touched()

    def draw(self, drawn: Drawn) -> None:
        """Draw an arrow or a circle on the position shown, or remove it if it is there in the same colour."""
        node = self.cursor.node
        others = [one for one in node.drawn if (one.start, one.end) != (drawn.start, drawn.end)]
        node.drawn = others if drawn in node.drawn else [*others, drawn]
        self._touched()

    def erase(self) -> None:
        """Remove all arrows and circles from the position shown."""
        self.cursor.node.drawn = []
        self._touched()

    def toggle_mark(self, glyph: int) -> None:
        """Set an annotation glyph (1 to 6: ! ? !! ?? !? ?!) of the move shown, in place of another, or remove it."""
        node = self.cursor.node
        others = {other for other in node.nags if not 1 <= other <= 6}
        node.nags = others if glyph in node.nags else others | {glyph}
        self._touched()

    # --- The record ---------------------------------------------------------------------------------------------------

    def game(self, *players: str) -> Game:
        """Return the game and its tree with its headers, ready for writing.

        ``players`` are the names of Red's and Black's player; those of sides that persons play are not used.
        """
        if not self.played_here and self.humans == HUMANS["both"]:  # of a record, only what it says itself is known
            return self.table.record(UNKNOWN, whole_tree=True)
        names = {SIDES[color]: players[color] for color in (RED, BLACK) if color not in self.humans}
        return self.table.record({"Event": CASUAL, **names}, whole_tree=True)

    def kept(self, *players: str, saved: bool = False, seats: Sequence[Spec | None] = (None, None)) -> Game:
        """Return the game with headers that tell `going_on` where it stands, and whether a file has it all.

        ``players`` are as for `game`; ``seats`` are Red's and Black's players, ``None`` for a person.
        """
        game = self.game(*players)
        if saved:
            game.headers[SAVED] = "yes"
        game.headers[PERSONS] = next(name for name, sides in HUMANS.items() if sides == self.humans)
        game.headers |= {name: str(spec) for name, spec in zip(SEATS, seats, strict=True) if spec is not None}
        if self.table.clocks:
            game.headers[CLOCKS] = str(self.table.clocks)
        game.headers[LINE] = " ".join(move.iccs for move in self.board.move_stack)
        return game


CASUAL: Final = "Casual game"
"""The event of a game that began at the board."""
UNKNOWN: Final = {"Event": "?", "Date": "????.??.??", **dict.fromkeys(SIDES, "?")}
"""The headers of a record that has none."""


def _end_of(game: Game) -> GameNode | None:
    """Return where a record says that the game ended; ``None`` if it does not, or could not be read so far."""
    return game.end() if game.variations and game.result != "*" and not game.errors else None


def _seats(humans: frozenset[Color]) -> tuple[Seat, Seat]:
    red, black = (PERSON if color in humans else Seat("?") for color in (RED, BLACK))
    return red, black
