"""The dialog of a new game: who plays, from where, with which clocks; and the list of other opponents."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

import pygame
from pygame import Rect

from gui import theme
from gui.actions import Action
from gui.actions.game import choose_opponent
from gui.engines import remove_engine
from gui.layout import Layout
from gui.new_game import (
    CLOCKS,
    Candidate,
    Setup,
    candidates,
    parse_clocks,
    starts,
)
from gui.palettes import Rgb
from gui.sheets.dialogs import Dialog
from gui.sheets.games import ChoiceSheet
from gui.sheets.row_list import RowList
from gui.sheets.text_field import TextField
from gui.strings import say
from gui.widgets import Position, box, write
from lm import UserError
from lm.players.levels import DEFAULT_LEVEL, LEVELS
from lm.players.specs import Spec
from xiangqi import BLACK, STARTING_FEN

if TYPE_CHECKING:
    from gui.controller import Controller
    from gui.session import Session

FIELDS: Final = ("clock", "clock_black")
"""The settings that keep what was typed as Red's and Black's clock."""
LISTS: Final = ("side.red", "side.black", "new.start")
"""The titles of the three lists."""
USUAL: Final = 1 + LEVELS.index(DEFAULT_LEVEL)
"""The candidate who sits where no other is known: after the person come the levels."""


class NewGameDialog(Dialog):
    """Who plays, from which position, with which clocks. ``done`` is called with that.

    ``more`` is called to add an engine, or with one to change its options.
    """

    def __init__(
        self, controller: Controller, done: Callable[[Setup], None], more: Callable[[Spec | None], None]
    ) -> None:
        super().__init__(say("new.title"))
        self._controller, self._done, self._more = controller, done, more
        self.candidates = candidates(controller.settings)
        self.starts = starts(controller.session.shown, controller.session.start_fen)
        self.lists = RowList(), RowList(), RowList()
        self.focus = 1
        """The list that the arrow keys are for; after the lists come the fields."""
        self.fields = [TextField(controller.settings.get(name, ""), controller.clipboard.get) for name in FIELDS]
        self.note = ""
        self._settings = controller.settings
        self._adding = 1
        """The list where an engine was asked for."""
        self._removing: Candidate | None = None
        """The engine that goes if that is asked for once more."""
        self._pointer: Position = -1, -1
        """Where the pointer was when the dialog was last drawn."""
        self._at: tuple[int, object] = -1, None
        """The number of the game behind the dialog, and the node of it that is shown."""
        self._usual = -1, -1
        """Who was proposed for each side."""
        self._follow()

    def _follow(self) -> None:
        """Propose what suits the game behind the dialog: it goes on, and one that was pasted may come only now."""
        controller, session = self._controller, self._controller.session
        number, node = self._at
        if self.note == say("new.reading") and not controller.files.awaited:
            self.note = ""
        if (number, node) == (session.number, session.node):
            return
        self._at = session.number, session.node
        name, fen = self.starts[self.lists[2].chosen]
        self.starts = starts(session.shown, session.start_fen)
        if number == session.number:  # the game has gone on
            ranks = [(start[1] == fen, start[0] == name) for start in self.starts]
            self.lists[2].reset(len(self.starts), ranks.index(max(ranks)))
            return
        self.note = say("new.unsaved") if controller.files.unsaved else ""
        self.lists[2].reset(len(self.starts), self._start(session))
        seats = self._seat(controller, 0), self._seat(controller, 1)
        for rows, before, seat in zip(self.lists[:2], self._usual, seats, strict=True):
            if before in (-1, rows.chosen):  # else someone has been chosen
                rows.reset(len(self.candidates) + 1, seat)
        self._usual = seats

    def _start(self, session: Session) -> int:
        """Return the position shown of a game from elsewhere, or where the game at the board began."""
        wanted = session.start_fen if session.played_here else session.shown.fen()
        return next((n for n, (_, fen) in enumerate(self.starts) if fen == wanted), 0)

    def _seat(self, controller: Controller, color: int) -> int:
        """Return who sits there now; in a position to play on from, the person has the side to move."""
        session = controller.session
        studied = len(session.humans) == 2 and not (session.played_here and session.start_fen == STARTING_FEN)
        if color == session.shown.turn if studied else color in session.humans:
            return 0
        spec = controller.opponents.player_at(color)
        return next((n for n, each in enumerate(self.candidates) if each.spec == spec), USUAL)

    # --- Engines ------------------------------------------------------------------------------------------------------

    def _ask_for(self, which: int, engine: Candidate | None = None) -> None:
        """Ask for another engine in a list, or for the options of one."""
        self._adding = which
        self._more(engine.spec if engine is not None else None)

    def with_engine(self, spec: Spec) -> NewGameDialog:
        """Let an engine that was added or changed sit where it was asked for; returns the dialog, to be shown again."""
        self._list_again()
        at = next((n for n, each in enumerate(self.candidates) if each.spec == spec), USUAL)
        self.lists[self._adding].reset(len(self.candidates) + 1, at)
        return self

    def _remove(self, candidate: Candidate, asked_before: bool) -> None:
        """Remove an engine when that is asked for the second time."""
        if not asked_before:
            self._removing, self.note = candidate, say("new.remove", name=candidate.label)
            return
        remove_engine(self._settings, candidate.label)
        self.note = say("new.removed", name=candidate.label)
        self._list_again()

    def _list_again(self) -> None:
        """List the candidates anew; who was chosen stays so, if still there."""
        chosen = [
            self.candidates[rows.chosen] if rows.chosen < len(self.candidates) else None for rows in self.lists[:2]
        ]
        self.candidates = candidates(self._settings)
        names = [each.label if each.added else None for each in self.candidates]
        for rows, one in zip(self.lists[:2], chosen, strict=True):
            at = self.candidates.index(one) if one in self.candidates else USUAL
            if one is not None and one.added and one.label in names:  # its options may have changed
                at = names.index(one.label)
            rows.reset(len(self.candidates) + 1, at)

    def _engine(self, index: int) -> Candidate | None:
        """Return the engine at a row, or ``None`` where there is another row."""
        candidate = self.candidates[index] if index < len(self.candidates) else None
        return candidate if candidate is not None and candidate.added else None

    # --- Keys and pointer ---------------------------------------------------------------------------------------------

    @property
    def field(self) -> TextField:
        """The field that is typed in: Red's unless Black's was chosen."""
        return self.fields[max(0, self.focus - len(self.lists))]

    def typed_in(self) -> TextField:
        return self.field

    def text(self, event: pygame.Event) -> None:
        super().text(event)
        self.note = ""

    def key(self, name: str) -> None:
        self._follow()
        lists = len(self.lists)
        removing, self._removing = self._removing, None
        if self.focus < lists and self.lists[self.focus].key(name):
            return
        engine = self._engine(self.lists[self.focus].chosen) if self.focus < 2 else None
        if name == "delete" and engine is not None:
            self._remove(engine, engine is removing)
            return
        if name in ("tab", "shift+tab"):
            self.focus = (self.focus + (1 if name == "tab" else -1)) % (lists + len(self.fields))
        elif name in ("left", "right") and self.focus < lists:
            self.focus = (self.focus + (1 if name == "right" else -1)) % lists
        elif name == "enter":
            self._finish()
        elif name == Action.ADD_ENGINE.shortcut.lower():
            self._ask_for(min(self.focus, 1), engine)
        else:
            self.field.key(name)

    def press_body(self, layout: Layout, room: Rect, position: Position) -> None:
        areas, chips, fields = self.places(layout, room)
        removing, self._removing = self._removing, None
        for n, area in enumerate(areas):
            if (index := self.lists[n].at(layout, area, position)) is not None:
                self.focus = n
                engine, sign = self._engine(index) if n < 2 else None, self._sign(layout)
                if engine is not None and position[0] >= area.right - sign:
                    self._remove(engine, engine is removing)
                    return
                self.lists[n].chosen = index
                if n < 2 and (index == len(self.candidates) or (engine and position[0] >= area.right - 2 * sign)):
                    self._ask_for(n, engine)
        for text, rect in zip(CLOCKS, chips, strict=True):
            if rect.collidepoint(position):
                for field, value in zip(self.fields, (text, ""), strict=True):
                    field.value, field.at = value, len(value)
                self.note = ""
        for n, rect in enumerate(fields, len(areas)):
            if rect.collidepoint(position):
                self.focus = n

    def wheel(self, layout: Layout, lines: float) -> None:
        areas, _, _ = self.places(layout, self._body(layout, self.room(layout)))
        n = next((n for n, area in enumerate(areas) if area.collidepoint(self._pointer)), self.focus)
        if n < len(self.lists):
            self.lists[n].wheel(layout, areas[n], lines)

    def _finish(self) -> None:
        for n, rows in enumerate(self.lists[:2]):
            if rows.chosen == len(self.candidates):
                self._ask_for(n)
                return
        if any(each.lacks for each in self._chosen()):  # which the dialog says
            return
        if self._controller.files.awaited and self.note != say("new.reading"):
            self.note = say("new.reading")
            return
        try:
            clocks = parse_clocks(*(field.value for field in self.fields))
        except UserError as error:
            self.note = str(error)
            return
        for name, field in zip(FIELDS, self.fields, strict=True):
            self._settings.set(name, field.value)
        red, black = (each.spec for each in self._chosen())
        self.closed = True
        self._done(Setup((red, black), self.starts[self.lists[2].chosen][1], clocks))

    def _chosen(self) -> list[Candidate]:
        """Return who is chosen for Red and for Black, as far as they are there already."""
        return [self.candidates[rows.chosen] for rows in self.lists[:2] if rows.chosen < len(self.candidates)]

    # --- Drawing ------------------------------------------------------------------------------------------------------

    @staticmethod
    def _sign(layout: Layout) -> int:
        """Return how wide each of the two places at the right end of an engine's row is: its options, and the ×."""
        return layout.px(34)

    def body_size(self, layout: Layout) -> tuple[int, int]:
        return layout.px(760), layout.px(30) + 13 * RowList.row(layout) + layout.px(84)

    def places(self, layout: Layout, room: Rect) -> tuple[list[Rect], list[Rect], list[Rect]]:
        """Return the places of the lists, of the clocks that are offered, and of Red's and Black's field for others."""
        gap, row = layout.px(10), layout.px(30)
        width = (room.width - 2 * gap) // 3
        height = room.height - row - layout.px(84)
        lists = [Rect(room.x + n * (width + gap), room.y + row, width, height) for n in range(3)]
        top = room.y + row + height + layout.px(14)
        line, label, narrow = layout.px(32), layout.px(52), layout.px(5)
        fields = [Rect(area.x + label, top, area.width - label, line) for area in lists[:2]]
        chip = (lists[2].width - 3 * narrow) // 4
        chips = [Rect(lists[2].x + n * (chip + narrow), top, chip, line) for n in range(4)]
        return lists, chips, fields

    def draw_body(self, screen: pygame.Surface, layout: Layout, room: Rect, pointer: Position, now: float) -> None:
        self._follow()
        self._pointer = pointer
        areas, chips, fields = self.places(layout, room)
        row, size = layout.px(30), layout.text(14)
        for n, area in enumerate(areas):
            ink = theme.GOLD if n == self.focus else theme.TEXT
            write(screen, say(LISTS[n]), size, Rect(area.x, area.y - row, area.width, row), ink)
            if n < 2:
                elo = Rect(area.x, area.y - row, area.width - layout.px(12), row)
                write(screen, say("new.elo"), layout.text(12), elo, theme.FAINT, "right")
            self.lists[n].draw(screen, layout, area, pointer, partial(self._draw_row, screen, layout, n))
        for n, (rect, hint) in enumerate(zip(fields, ("new.clock_hint", "new.clock_same"), strict=True)):
            label = Rect(areas[n].x, rect.y, rect.x - areas[n].x - layout.px(4), rect.height)
            focused = self.fields[n] is self.field
            write(screen, say("new.clock"), size, label, theme.GOLD if n + len(areas) == self.focus else theme.TEXT)
            self.fields[n].draw(screen, layout, rect, say(hint), focused)
        values = [field.value.strip() for field in self.fields]
        for text, rect in zip(CLOCKS, chips, strict=True):
            chosen = values in ([text, ""], [text, text])
            face = theme.GOLD if chosen else theme.HOVER if rect.collidepoint(pointer) else theme.RAISED
            box(screen, rect, face, layout.px(7))
            ink = theme.ON_GOLD if chosen else theme.TEXT
            write(screen, text or say("new.untimed"), layout.text(13), rect, ink, "center")
        below = Rect(room.x, chips[0].bottom, room.width, room.bottom - chips[0].bottom)
        text, ink = self._told()
        lines = theme.wrap(text, layout.text(12), below.width, 2)
        for n, line in enumerate(lines):
            rect = Rect(below.x, below.y + n * below.height // len(lines), below.width, below.height // len(lines))
            write(screen, line, layout.text(12), rect, ink)

    def _told(self) -> tuple[str, Rgb]:
        """Return what is said below the lists, and its colour: what matters most comes first."""
        chosen = self._chosen()
        if lacks := next((each.lacks for each in chosen if each.lacks), ""):
            return lacks, theme.GOLD
        if note := self.note or (say("status.reading") if self._controller.files.awaited else ""):
            return note, theme.GOLD
        if self.focus < 2 and self._engine(self.lists[self.focus].chosen) is not None:
            return say("new.engine_help", key=Action.ADD_ENGINE.shortcut), theme.FAINT
        return next((each.about for each in chosen if each.about), say("new.clock_help")), theme.FAINT

    def _draw_row(
        self, screen: pygame.Surface, layout: Layout, which: int, index: int, rect: Rect, chosen: bool
    ) -> None:
        label, detail, ink = say("new.add_engine"), "", theme.GOLD
        if which == 2:
            label, ink = self.starts[index][0], theme.TEXT
        elif index < len(self.candidates):
            label, detail = self.candidates[index].label, self.candidates[index].detail
            ink = theme.FAINT if self.candidates[index].lacks else theme.TEXT
            if self.candidates[index].added:
                size, sign = layout.text(12), self._sign(layout)
                write(screen, "×", size, rect, theme.FAINT, "right")
                rect.width -= sign
                write(screen, "…", size, rect, theme.FAINT, "right")
                rect.width -= sign
                fits = theme.width(f"{label}  {detail}", layout.text(14)) <= rect.width
                detail = detail if fits else ""
        right = write(screen, detail, layout.text(12), rect, theme.FAINT, "right").left if detail else rect.right
        write(screen, label, layout.text(14), Rect(rect.x, rect.y, right - rect.x, rect.height), ink)


def opponent_sheet(controller: Controller) -> ChoiceSheet:
    """Return the list of those who may go on in place of the opponent."""
    opponents, listed = controller.opponents, candidates(controller.settings)[1:]
    now = opponents.player_at(BLACK) if opponents.level is None else Spec("level", opponents.level.name)
    at = next((n for n, each in enumerate(listed) if each.spec == now), 0)
    names = [f"{each.label}  {each.detail}" for each in listed]
    return ChoiceSheet(say("level.title"), names, lambda n: choose_opponent(controller, listed[n]), at)
