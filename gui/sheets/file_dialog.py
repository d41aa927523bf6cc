"""The dialog that asks for a file: a path that is typed, a folder whose files are listed, and the files used last."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

import pygame
from pygame import Rect

from gui import theme
from gui.errors import describe
from gui.layout import Layout
from gui.palettes import Rgb
from gui.sheets.dialogs import Dialog
from gui.sheets.row_list import RowList
from gui.sheets.text_field import TextField
from gui.strings import say, translated
from gui.widgets import Position, box, draw_hint, write

MOST: Final = 5000
"""So many entries of a folder are listed."""
SUFFIXES: Final = (
    ".pgn",
    ".xqf",
    ".cbl",
    ".cbr",
    ".cbf",
    ".ubb",
    ".dhtmlxq",
    ".jsonl",
    ".json",
    ".mxq",
    ".sg",
    ".wxf",
    ".txt",
)
"""Suffixes of files that may hold games; other files are listed below them, since a name proves nothing."""


class FileDialog(Dialog):
    """Asks for a file to open. ``done`` is called with its path; ``recent`` are offered beside the folder.

    Files that ``hides`` tells are not listed.
    """

    def __init__(
        self,
        title: str,
        folder: Path,
        done: Callable[[Path], None],
        recent: Iterable[Path] = (),
        paste: Callable[[], str] = lambda: "",
        hides: Callable[[Path], bool] = lambda path: False,
    ) -> None:
        super().__init__(title)
        self._hides = hides
        self.field = TextField("", paste)
        self.folder = folder
        self.rows, self.recents = RowList(), RowList()
        self.recent = list(recent)
        self.recents.reset(len(self.recent))
        self.note = ""
        """What is wrong with what was entered."""
        self._done = done
        self._all: list[tuple[str, bool]] = []
        self.shown: list[tuple[str, bool]] = []
        """The entries that are listed: names, and whether they are folders."""
        self.enter(folder)

    # --- The folder ---------------------------------------------------------------------------------------------------

    def enter(self, folder: Path) -> None:
        """List a folder; if that fails, say why and list the one before."""
        try:
            with os.scandir(folder) as found:
                entries = [(entry.name, entry.is_dir()) for entry, _ in zip(found, range(MOST), strict=False)]
        except OSError as error:
            self.note = translated(describe(error))
            return
        visible = [entry for entry in entries if not entry[0].startswith(".") and not self._hides(folder / entry[0])]
        self.folder, self.note = folder.absolute(), ""
        self._all = [("..", True)] if self.folder.parent != self.folder else []
        self._all += sorted(visible, key=lambda entry: (not entry[1], not _suits(entry[0]), entry[0].lower()))
        self.field.value, self.field.at = "", 0
        self._filter()

    def _filter(self) -> None:
        words = self.field.value.lower().strip()
        plain = words and not any(mark in words for mark in ("/", "\\", "~"))
        self.shown = [entry for entry in self._all if not plain or words in entry[0].lower()]
        self.rows.reset(len(self.shown))

    def typed(self) -> Path | None:
        """Return the path that is typed, from the folder listed; ``None`` if nothing is."""
        text = self.field.value.strip().strip("\"'")
        if text.startswith("file://"):
            text = text.removeprefix("file://")
        return self.folder / os.path.expanduser(text) if text else None

    # --- Keys and pointer ---------------------------------------------------------------------------------------------

    def typed_in(self) -> TextField:
        return self.field

    def text(self, event: pygame.Event) -> None:
        super().text(event)
        self._edited()

    def key(self, name: str) -> None:
        if self.rows.key(name):
            self._chosen(self.rows.chosen)
        elif name == "enter":
            self._finish()
        elif self.field.key(name) and name in ("backspace", "delete", "ctrl+v"):
            self._edited()

    def _edited(self) -> None:
        self.note = ""
        self._filter()
        if self.field.value.endswith("/") and (path := self.typed()) is not None and path.is_dir():
            self._take(path)

    def _chosen(self, index: int) -> None:
        """Take note that a row is chosen."""

    def press_body(self, layout: Layout, room: Rect, position: Position) -> None:
        _, recents, rows = self.places(layout, room)
        if (index := self.recents.at(layout, recents, position)) is not None:
            self._take(self.recent[index])
        elif (index := self.rows.at(layout, rows, position)) is not None:
            again, self.rows.chosen = index == self.rows.chosen, index
            if self.shown[index][1]:
                self._go_to(index)
            elif again:
                self._finish()
            else:
                self._chosen(index)

    def wheel(self, layout: Layout, lines: float) -> None:
        _, _, rows = self.places(layout, self._body(layout, self.room(layout)))
        self.rows.wheel(layout, rows, lines)

    def _finish(self) -> None:
        if self.rows.chosen >= 0:
            self._go_to(self.rows.chosen)
        elif (path := self.typed()) is not None:
            self._take(self._meant(path))

    def _meant(self, path: Path) -> Path:
        """Return the only file listed if what is typed is part of its name."""
        return self.folder / self.shown[0][0] if len(self.shown) == 1 and not path.exists() else path

    def _go_to(self, index: int) -> None:
        name, is_folder = self.shown[index]
        path = self.folder.parent if name == ".." else self.folder / name
        if is_folder:
            self.enter(path)
        else:
            self._take(path)

    def _take(self, path: Path) -> None:
        """Enter a folder, or finish with a file."""
        if path.is_dir():
            self.enter(path)
        elif path.exists():
            self.closed = True
            self._done(path)
        else:
            self.note = say("file.missing", name=path.name)

    # --- Drawing ------------------------------------------------------------------------------------------------------

    def body_size(self, layout: Layout) -> tuple[int, int]:
        return layout.px(760), layout.px(440)

    def _top(self, layout: Layout) -> int:
        """Return the height of what stands above the lists."""
        return layout.px(34) + self._line(layout)

    @staticmethod
    def _line(layout: Layout) -> int:
        return theme.height(layout.text(13)) + layout.px(10)

    def places(self, layout: Layout, room: Rect) -> tuple[Rect, Rect, Rect]:
        """Return the rectangles of the field, of the files used last and of the folder's list."""
        gap = layout.px(10)
        field = Rect(room.x, room.y, room.width, layout.px(34))
        top = room.y + self._top(layout)
        height = room.bottom - self._line(layout) - top
        left = room.width * 3 // 10 if self.recent else -gap
        recents = Rect(room.x, top, max(0, left), height)
        return field, recents, Rect(room.x + left + gap, top, room.width - left - gap, height)

    def draw_body(self, screen: pygame.Surface, layout: Layout, room: Rect, pointer: Position, now: float) -> None:
        field, recents, rows = self.places(layout, room)
        self.field.draw(screen, layout, field, say("file.hint"))
        line, size = self._line(layout), layout.text(13)
        if self.recent:
            write(screen, say("file.recent"), size, Rect(recents.x, recents.y - line, recents.width, line), theme.GOLD)
            self.recents.draw(
                screen,
                layout,
                recents,
                pointer,
                lambda index, rect, _: _write_name(screen, layout, self.recent[index].name, rect, theme.TEXT),
            )
        place = _shortened(str(self.folder), size, rows.width)
        write(screen, place, size, Rect(rows.x, rows.y - line, rows.width, line), theme.GOLD)
        self.rows.draw(
            screen, layout, rows, pointer, lambda index, rect, _: self._draw_entry(screen, layout, index, rect)
        )
        if not self.shown:
            draw_hint(screen, layout, rows, say("file.nothing"))
        if self.note:
            write(screen, self.note, size, Rect(room.x, room.bottom - line, room.width, line), theme.ALARM)

    def _draw_entry(self, screen: pygame.Surface, layout: Layout, index: int, rect: Rect) -> None:
        name, is_folder = self.shown[index]
        ink = theme.GOLD if is_folder else theme.TEXT if _suits(name) else theme.FAINT
        _write_name(screen, layout, f"{name}/" if is_folder else name, rect, ink)


class SaveDialog(FileDialog):
    """Asks for a file to write, and how. ``kinds`` are names and suffixes; ``done`` gets one's index too."""

    def __init__(
        self,
        title: str,
        folder: Path,
        kinds: Sequence[tuple[str, str]],
        name: str,
        done: Callable[[Path, int], None],
        kind: int = 0,
        paste: Callable[[], str] = lambda: "",
        hides: Callable[[Path], bool] = lambda path: False,
    ) -> None:
        super().__init__(title, folder, lambda path: done(path, self.kind), (), paste, hides)
        self.kinds, self.kind = kinds, kind
        self._replaces: Path | None = None
        """The file whose replacement has been asked for."""
        self._name(name)

    def _name(self, name: str) -> None:
        self.field.value, self.field.at = name, len(name)
        self.note, self._replaces = "", None

    def choose(self, kind: int) -> None:
        """Choose how to write; the name gets its suffix."""
        self.kind = kind
        path = Path(self.field.value)
        if self.field.value:
            known = path.suffix.lower() in {suffix for _, suffix in self.kinds}
            self._name(f"{path.with_suffix('') if known else path}{self.kinds[kind][1]}")

    def enter(self, folder: Path) -> None:
        name = self.field.value
        super().enter(folder)
        self._name(name)

    def _filter(self) -> None:
        self.shown = self._all
        self.rows.reset(len(self.shown))

    def _edited(self) -> None:
        super()._edited()
        self._replaces = None
        suffix = Path(self.field.value).suffix.lower()
        if suffix != self.kinds[self.kind][1]:
            self.kind = next((n for n, (_, other) in enumerate(self.kinds) if other == suffix), self.kind)

    def _meant(self, path: Path) -> Path:
        return path

    def _chosen(self, index: int) -> None:
        name, is_folder = self.shown[index]
        if not is_folder:
            self._name(name)
            self._edited()
            self.rows.chosen = -1

    def _take(self, path: Path) -> None:
        suffix = self.kinds[self.kind][1]
        if path.is_dir():
            self.field.value = ""
            self.enter(path)
        elif path.suffix.lower() not in {known for _, known in self.kinds}:
            self._take(path.with_name(path.name + suffix))
        elif path.exists() and path != self._replaces:
            self._replaces, self.note = path, say("file.exists", name=path.name)
        elif not path.parent.is_dir():
            self.note = say("file.no_folder", name=path.parent)
        else:
            self.closed = True
            self._done(path)

    def press_body(self, layout: Layout, room: Rect, position: Position) -> None:
        for kind, rect in enumerate(self.kind_places(layout, room)):
            if rect.collidepoint(position):
                self.choose(kind)
        super().press_body(layout, room, position)

    def _top(self, layout: Layout) -> int:
        return super()._top(layout) + layout.px(38)

    def kind_places(self, layout: Layout, room: Rect) -> list[Rect]:
        """Return the places of the buttons that choose how to write."""
        gap, count = layout.px(6), len(self.kinds)
        width = min(layout.px(130), (room.width - gap * (count - 1)) // count)
        top = room.y + layout.px(42)
        return [Rect(room.x + n * (width + gap), top, width, layout.px(28)) for n in range(count)]

    def draw_body(self, screen: pygame.Surface, layout: Layout, room: Rect, pointer: Position, now: float) -> None:
        super().draw_body(screen, layout, room, pointer, now)
        for kind, rect in enumerate(self.kind_places(layout, room)):
            chosen = kind == self.kind
            face = theme.GOLD if chosen else theme.HOVER if rect.collidepoint(pointer) else theme.RAISED
            box(screen, rect, face, layout.px(7))
            ink = theme.ON_GOLD if chosen else theme.TEXT
            write(screen, self.kinds[kind][0], layout.text(12), rect.inflate(-layout.px(6), 0), ink, "center")


def _suits(name: str) -> bool:
    return name.lower().removesuffix(".gz").removesuffix(".zst").endswith(SUFFIXES)


def _shortened(path: str, size: int, width: int) -> str:
    """Leave out the beginning of a path that is too long, since its end says more."""
    if theme.width(path, size) <= width:
        return path
    while path and theme.width(f"...{path}", size) > width:
        path = path[1:]
    return f"...{path}"


def _write_name(screen: pygame.Surface, layout: Layout, name: str, rect: Rect, ink: Rgb) -> None:
    """Write a file's name without its middle if it is too long: its end has number and suffix."""
    size = layout.text(14)
    if theme.width(name, size) > rect.width:
        head, tail = name[: len(name) // 2], name[len(name) // 2 :]
        while head and theme.width(f"{head}...{tail}", size) > rect.width:
            head, tail = head[:-1], tail[1:] if len(tail) > 8 else tail
        name = f"{head}...{tail}"
    write(screen, name, size, rect, ink)
