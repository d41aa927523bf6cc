"""The dialog of an engine: its command is typed and shown once more, then it is started, and its options are listed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import pygame
from pygame import Rect

from gui import theme
from gui.engines import (
    add_engine,
    command_words,
    engine_spec,
    engines,
    is_settable,
    options_of,
    typed_options,
    typed_protocol,
    with_options,
)
from gui.layout import Layout
from gui.processes.probing import NotProbed, Probed
from gui.sheets.dialogs import Dialog
from gui.sheets.option_list import OptionList
from gui.sheets.text_field import TextField
from gui.strings import say, translated
from gui.widgets import Position, write
from lm import UserError
from lm.players.specs import Spec

if TYPE_CHECKING:
    from gui.controller import Controller
    from gui.palettes import Rgb


class EngineDialog(Dialog):
    """Adds an engine, or changes one that was added (``before``). ``done`` is called with what is kept.

    The command is shown once more before it may run; that of an engine that was added has been.
    """

    FIELDS: Final = ("engine.command", "engine.name", "engine.options")

    def __init__(self, controller: Controller, done: Callable[[Spec], None], before: Spec | None = None) -> None:
        super().__init__(say("engine.title") if before is None else before.name)
        self._controller, self._done, self._before = controller, done, before
        self._prober = controller.prober
        texts = ["", "", ""]
        if before is not None:
            command = dict(before.options).get("cmd", before.value or "")
            texts = [command, before.name, typed_options(before)]
        self.fields = [TextField(text, controller.clipboard.get) for text in texts]
        self.focus = 0 if before is None else 2
        self.note, self.tone = say("engine.help" if before is None else "engine.start"), theme.FAINT
        self._confirmed = texts[0]
        """The command that has been shown."""
        self._spec: Spec | None = None
        """The engine that is started."""
        self._asked = 0
        """The number of the report that is awaited, 0 for none."""
        self.options: OptionList | None = None
        """The options, once they are known."""

    # --- Starting it --------------------------------------------------------------------------------------------------

    def _finish(self) -> None:
        if self.options is not None:
            self._keep(self.options)
            return
        if self._asked:
            return
        command, name, options = (field.value.strip() for field in self.fields)
        try:
            self._spec, protocol = engine_spec(name, command, options), typed_protocol(options)
        except UserError as error:
            self._tell(translated(str(error)), theme.ALARM)
            return
        if self._is_taken(self._spec.name):
            self._tell(say("engine.taken", name=self._spec.name), theme.ALARM)
            return
        if command != self._confirmed:
            self._confirmed = command
            self._tell(say("engine.confirm", command=command), theme.GOLD)
            return
        self._asked = self._prober.ask(command_words(command), protocol, dict(self._spec.options).get("folder"))
        self._tell(say("engine.starting", name=self._spec.name), theme.GOLD)

    def _is_taken(self, name: str) -> bool:
        """Whether another engine has a name: it would be lost."""
        own = None if self._before is None else self._before.name
        return any(other == name != own for other, _ in engines(self._controller.settings))

    def _tell(self, note: str, tone: Rgb) -> None:
        self.note, self.tone = note, tone

    def _stop(self) -> None:
        """Start it no more: what was typed has changed."""
        if self._asked:
            self._asked = 0
            self._prober.stop()
            self._tell(say("engine.help"), theme.FAINT)

    def leave(self) -> None:
        self._asked = 0
        self._prober.stop()

    def _follow(self) -> None:
        """Take in what the prober has found."""
        while (report := self._prober.poll()) is not None:
            if report.number == self._asked:
                self._asked = 0
                if isinstance(report, NotProbed):
                    self._tell(self._why_not(report), theme.ALARM)
                else:
                    self._list(report)

    def _why_not(self, report: NotProbed) -> str:
        assert self._spec is not None
        if not report.reason:
            protocol = typed_protocol(self.fields[2].value)
            spoken = say("engine.either") if protocol is None else protocol.upper()
            return say("engine.silent", name=self._spec.name, protocol=spoken, seconds=f"{self._prober.patience:g}")
        reason = translated(report.reason)
        reason = reason[:1].upper() + reason[1:]
        return say("engine.said", fault=reason, said=report.stderr) if report.stderr else reason

    def _list(self, report: Probed) -> None:
        """List the options, if what was typed of them is right."""
        assert self._spec is not None
        try:
            values = options_of(self._spec, report.options)
        except UserError as error:
            self.focus = 2
            self._tell(str(error), theme.ALARM)
            return
        self._spec = replace(self._spec, kind=report.protocol)
        options = [option for option in report.options if is_settable(option)]
        self.options = OptionList(options, values, self._controller.clipboard.get)
        self.title = say("engine.options_of", name=self._spec.name)

    def _keep(self, options: OptionList) -> None:
        """Keep it with the options chosen, unless one that is being typed is wrong."""
        if not options.commit():
            return
        assert self._spec is not None
        spec = with_options(self._spec, options.values)
        add_engine(self._controller.settings, spec, self._before.name if self._before is not None else "")
        if self._before is not None:
            self._controller.opponents.exchange(self._before, spec)
        self.closed = True
        self._done(spec)

    # --- Keys and pointer ---------------------------------------------------------------------------------------------

    def typed_in(self) -> TextField:
        return self.fields[self.focus] if self.options is None else self.options.field

    def text(self, event: pygame.Event) -> None:
        if self.options is not None:
            self.options.text(event)
            return
        super().text(event)
        self._stop()

    def key(self, name: str) -> None:
        if self.options is not None:
            if not self.options.key(name) and name == "enter":
                self._finish()
        elif name in ("tab", "down", "shift+tab", "up"):
            self.focus = (self.focus + (1 if name in ("tab", "down") else -1)) % len(self.fields)
        elif name == "enter":
            self._finish()
        else:
            field = self.fields[self.focus]
            before = field.value
            field.key(name)
            if field.value != before:
                self._stop()

    def escape(self) -> bool:
        return self.options is not None and self.options.escape()

    def press(self, layout: Layout, position: Position) -> None:
        """Handle a press anywhere; one outside does not take the options away, which may be changed."""
        if self.options is None or self.frame(layout).collidepoint(position):
            super().press(layout, position)

    def press_body(self, layout: Layout, room: Rect, position: Position) -> None:
        if self.options is not None:
            self.options.press(layout, room, position)
            return
        for n, rect in enumerate(self.places(layout, room)):
            if rect.collidepoint(position):
                self.focus = n

    def wheel(self, layout: Layout, lines: float) -> None:
        if self.options is not None:
            self.options.wheel(layout, self._body(layout, self.room(layout)), lines)

    # --- Drawing ------------------------------------------------------------------------------------------------------

    def ok(self) -> tuple[str, str]:
        if self.options is None:
            return super().ok()
        return say("engine.keep"), "Enter" if self.options.chosen is None else ""

    def body_size(self, layout: Layout) -> tuple[int, int]:
        if self.options is not None:
            return self.options.size(layout)
        return layout.px(620), layout.px(3 * 44) + 4 * theme.height(layout.text(13))

    @staticmethod
    def places(layout: Layout, room: Rect) -> list[Rect]:
        """Return the places of the fields."""
        label = layout.px(100)
        return [
            Rect(room.x + label, room.y + n * layout.px(44), room.width - label, layout.px(34))
            for n in range(len(EngineDialog.FIELDS))
        ]

    def draw(self, screen: pygame.Surface, layout: Layout, pointer: Position, now: float) -> None:
        self._follow()
        super().draw(screen, layout, pointer, now)

    def draw_body(self, screen: pygame.Surface, layout: Layout, room: Rect, pointer: Position, now: float) -> None:
        if self.options is not None:
            self.options.draw(screen, layout, room, pointer)
            return
        for n, rect in enumerate(self.places(layout, room)):
            label = Rect(room.x, rect.y, rect.x - room.x - layout.px(6), rect.height)
            ink = theme.GOLD if n == self.focus else theme.TEXT
            write(screen, say(self.FIELDS[n]), layout.text(14), label, ink)
            self.fields[n].draw(screen, layout, rect, say(f"{self.FIELDS[n]}.hint"), n == self.focus)
        size, top = layout.text(13), room.y + layout.px(3 * 44)
        for line in theme.wrap(self.note, size, room.width, 4):
            write(screen, line, size, Rect(room.x, top, room.width, theme.height(size)), self.tone)
            top += theme.height(size)
