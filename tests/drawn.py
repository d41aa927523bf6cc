"""What a window draws, text by text: which, where, cut off or not."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field

import pygame
from fontTools.ttLib import TTFont
from pygame import Rect

from gui import fonts, theme, widgets


@dataclass(frozen=True)
class Text:
    """A text on the screen."""

    string: str
    font: str
    rect: Rect
    """Around its ink."""
    clip: Rect
    """The part of the screen that could be drawn on."""


class Screen(pygame.Surface):
    """A screen that takes note of the texts drawn on it, and of those that had no room."""

    def __init__(self, size):
        pygame.Surface.__init__(self, size, depth=32)
        self.texts, self.shortened, self.too_high, self.covered = [], [], [], []
        self._labels = {}

    def clear(self):
        for noted in (self.texts, self.shortened, self.too_high, self.covered):
            noted.clear()

    def fill(self, color, rect=None, special_flags=0):
        if special_flags == pygame.BLEND_RGB_MULT:  # a sheet is laid over the rest
            self.clear()
        else:
            self._look_under(Rect(rect) if rect is not None else self.get_rect())
        return super().fill(color, rect, special_flags)

    def blit(self, source, dest=(0, 0), area=None, special_flags=0):
        label = self._labels.get(id(source))
        if label is not None and label[0] is source:
            _, string, name = label
            at = Rect(dest) if not isinstance(dest, tuple) or len(dest) != 2 else Rect(dest, (0, 0))
            self.texts.append(Text(string, name, source.get_bounding_rect().move(at.topleft), self.get_clip()))
        else:
            corner = Rect(dest).topleft if len(dest) == 4 else dest
            self._look_under(Rect(corner, source.get_size() if area is None else Rect(area).size))
        return super().blit(source, dest, area, special_flags)

    def _look_under(self, rect):
        """Take note of texts that are covered by something wider than a cursor, and not by the edge of a glow only."""
        rect = rect.clip(self.get_clip())
        for n in rect.collidelistall([text.rect for text in self.texts]):
            ink = self.texts[n].rect.clip(self.texts[n].clip)
            hidden = rect.clip(ink)
            if hidden.width > 6 and hidden.height > 0.4 * ink.height:
                self.covered.append((self.texts[n].string, tuple(rect)))

    def watch(self, monkeypatch):
        """Take note of all texts from now on."""
        text, fit, write = theme.text, theme.fit, widgets.write

        def noted_text(string, size, color=None, name=fonts.UI):
            label = text(string, size, color, name)
            if string.strip():
                self._labels[id(label)] = label, string, name
            return label

        def noted_fit(string, size, width):
            shown = fit(string, size, width)
            if shown != string:
                self.shortened.append((string, shown))
            return shown

        def noted_write(screen, string, size, rect, *args, **options):
            place = write(screen, string, size, rect, *args, **options)
            if screen is self and string.strip() and self.texts and self.texts[-1].rect.height > rect.height + 1:
                self.too_high.append((string, tuple(rect)))
            return place

        monkeypatch.setattr(theme, "text", noted_text)
        monkeypatch.setattr(theme, "fit", noted_fit)
        for name, module in list(sys.modules.items()):
            if name.startswith("gui.") and getattr(module, "write", None) is write:
                monkeypatch.setattr(module, "write", noted_write)


class Window:
    """A window that is nothing but its screen, which may have more pixels than the desktop counts."""

    def __init__(self, size, density=1):
        self.size = size
        self.screen = Screen([density * side for side in size])

    def get_surface(self):
        return self.screen

    def flip(self):
        pass


@dataclass
class Faults:
    """What is wrong with what was drawn, a line each."""

    screen: Screen
    found: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, screen, shortened=()):
        """Return the faults; texts that contain one of ``shortened`` may be cut off with an ellipsis."""
        faults = cls(screen)
        for string, shown in screen.shortened:
            if not any(part in string for part in shortened):
                faults.found.append(f"cut off: {string!r} as {shown!r}")
        faults.found += [f"higher than its row: {string!r} in {rect}" for string, rect in screen.too_high]
        faults.found += [f"covered: {string!r} by {rect}" for string, rect in screen.covered]
        for text in screen.texts:
            faults._look_at(text)
        faults._look_for_overlaps()
        return faults.found

    def _look_at(self, text):
        if missing := {c for c in text.string if c not in characters(text.font)}:
            self.found.append(f"no glyph for {''.join(missing)!r} in {text.string!r}")
        whole, part = self.screen.get_rect(), text.rect.clip(text.clip)
        if not whole.contains(text.rect) and text.clip == whole:
            self.found.append(f"beyond the window: {text.string!r} at {text.rect}")
        elif part.height and part.width < text.rect.width:
            self.found.append(f"clipped: {text.string!r} at {text.rect} by {text.clip}")

    def _look_for_overlaps(self):
        seen = [(text, text.rect.clip(text.clip)) for text in self.screen.texts]
        for n, (text, rect) in enumerate(seen):
            for other, rest in seen[n + 1 :]:
                common = rect.clip(rest)
                if common.width > 1 and common.height > 1:
                    self.found.append(f"overlap: {text.string!r} at {rect} and {other.string!r} at {rest}")


_characters: dict[str, set[str]] = {}


def characters(name):
    """Return the characters that a bundled font has."""
    if name not in _characters:
        with (fonts.files(fonts) / name).open("rb") as file:
            _characters[name] = set(map(chr, TTFont(file).getBestCmap()))
    return _characters[name]
