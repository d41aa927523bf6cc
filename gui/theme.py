"""Colours, text and the shapes that the window is drawn with.

Shapes are computed from distance fields, so their edges are smooth at every size. All are cached.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal

import numpy as np
import pygame
from numpy.typing import NDArray

from gui import fonts, piece_pictures
from gui.palettes import THEMES, Rgb

current = "rosewood"
"""The name of the current theme. Its colours are attributes of this module: ``theme.GOLD``."""

Pieces = Literal["characters", "letters", "both", "pictures"]
pieces: Pieces = "characters"
"""What is written on the pieces."""

Array = NDArray[np.floating]


def __getattr__(name: str) -> Rgb:
    """Return a colour of the current theme by its name in capitals."""
    if name.isupper() and hasattr(palette := THEMES[current], name.lower()):
        color: Rgb = getattr(palette, name.lower())
        return color
    raise AttributeError(f"no colour {name}")


def use(name: str) -> None:
    """Make a theme the current one. Raises ``KeyError``."""
    global current
    THEMES[name]
    if name != current:
        current = name
        for cached in (wood_texture, piece):
            cached.cache_clear()


def write_on_pieces(style: Pieces) -> None:
    """Change what is written on the pieces."""
    global pieces
    if style != pieces:
        pieces = style
        piece.cache_clear()
        piece_pictures.load.cache_clear()


@lru_cache(maxsize=64)
def font(name: str, size: int) -> pygame.font.Font:
    """Return a bundled font; each size is opened once."""
    return fonts.load(name, size)


def text(string: str, size: int, color: Rgb | None = None, name: str = fonts.UI) -> pygame.Surface:
    """Return a rendered line of text; characters missing from the font become boxes."""
    return _text(string, size, color or THEMES[current].text, name)


@lru_cache(maxsize=2048)
def _text(string: str, size: int, color: Rgb, name: str) -> pygame.Surface:
    opened = font(name, size)
    shown = string.translate(_BLANKS)
    missing = {c for c, found in zip(shown, opened.metrics(shown), strict=False) if found is None}
    surface = opened.render("".join("□" if c in missing or ord(c) > 0xFFFF else c for c in shown), True, color)
    if (name, size) == DOTLESS:
        for at in (n for n, c in enumerate(shown) if c == "!"):
            x, across = opened.size(shown[:at])[0], opened.size("!")[0]
            surface.fill((*color, 0), (x, opened.get_ascent() - 3, across, 1))
    return surface


DOTLESS = fonts.UI, 11
"""The font and the size at which hinting joins the dot of ``!`` to its stem, so that ``?!`` reads as ``?I``."""
_BLANKS = dict.fromkeys([*range(32), 127], " ")


@lru_cache(maxsize=8192)
def width(string: str, size: int) -> int:
    """Return how wide a line of text is."""
    return font(fonts.UI, size).size(string)[0]


_width = width
"""For functions that have a parameter of that name."""


def height(size: int) -> int:
    """Return the height of a line of text."""
    return font(fonts.UI, size).get_height()


def fit(string: str, size: int, width: int) -> str:
    """Shorten a line with an ellipsis until it is at most ``width`` pixels wide."""
    if _width(string, size) <= width:
        return string
    while string and _width(string + "...", size) > width:
        string = string[:-1]
    return string.rstrip() + "..."


def wrap(string: str, size: int, width: int, lines: int = 1000) -> list[str]:
    """Break a text into at most ``lines`` lines of ``width`` pixels; the rest is replaced by an ellipsis.

    Lines end at spaces, and at any Chinese character. A word that is longer than a line is broken.
    """
    found: list[str] = []
    words = [piece for word in split(string) for piece in _broken(word, size, width)]
    while words and len(found) < lines - 1:
        count = 1
        while count < len(words) and _width("".join(words[: count + 1]).rstrip(), size) <= width:
            count += 1
        found.append(fit("".join(words[:count]).rstrip(), size, width))
        words = words[count:]
    return [*found, fit("".join(words).rstrip(), size, width)] if words else found


def _broken(word: str, size: int, width: int) -> list[str]:
    """Break a word into pieces that are no longer than a line."""
    pieces = [word]
    while len(pieces[-1]) > 1 and _width(pieces[-1].rstrip(), size) > width:
        whole, count = pieces.pop(), 1
        while _width(whole[: count + 1], size) <= width:
            count += 1
        pieces += [whole[:count], whole[count:]]
    return pieces


def split(string: str) -> list[str]:
    """Split a text where a line may end, with the spaces at the ends of the parts.

    Chinese lines neither begin with a mark that closes nor end with one that opens, and a move is not broken.

    >>> split("End returns. 走一着即为变着。")
    ['End ', 'returns. ', '走', '一', '着', '即', '为', '变', '着。']
    >>> split("走馬２進３，炮二平五")
    ['走', '馬２進３，', '炮二平五']
    """
    return _WORDS.findall(string.strip())


def split_all(string: str) -> list[str]:
    """Split a text like `split`, without losing spaces at its ends: the parts make up the whole."""
    return re.findall(rf"{_PART}|\s+", string)


_MOVE = r"[\u4e00-\u9fff][\u4e00-\u9fff\d][进進退平][一二三四五六七八九\d]"
_PART = rf"[（《「『【〔“‘]*(?:{_MOVE}|[\u2e80-\uffef]|[^\s\u2e80-\uffef]+)[，。、；：？！）》」』】〕”’…]*\s*"
_WORDS = re.compile(_PART)


def grid(width: int, height: int) -> tuple[Array, Array]:
    """Return x and y of the pixel centres of a surface, relative to its centre, each ``(width, height)``."""
    x = np.arange(width, dtype=np.float32) - (width - 1) / 2
    y = np.arange(height, dtype=np.float32) - (height - 1) / 2
    return np.broadcast_to(x[:, None], (width, height)), np.broadcast_to(y[None, :], (width, height))


def paint(color: Array | Rgb, alpha: Array) -> pygame.Surface:
    """Make a surface of colours ``(w, h, 3)`` (or one colour), 0 to 255, and coverage ``(w, h)``, 0 to 1."""
    surface = pygame.Surface(alpha.shape, pygame.SRCALPHA)
    pixels = pygame.surfarray.pixels3d(surface)
    pixels[:] = np.clip(np.asarray(color, dtype=np.float32), 0, 255).astype(np.uint8)
    del pixels  # the surface is locked while its pixels are referenced
    opacity = pygame.surfarray.pixels_alpha(surface)
    opacity[:] = (np.clip(alpha, 0, 1) * 255 + 0.5).astype(np.uint8)
    del opacity
    return surface


@lru_cache(maxsize=256)
def disc(radius: float, color: Rgb, opacity: float = 1.0) -> pygame.Surface:
    """Return a filled circle."""
    size = 2 * int(np.ceil(radius)) + 2
    x, y = grid(size, size)
    return paint(color, opacity * np.clip(radius - np.hypot(x, y) + 0.5, 0, 1))


@lru_cache(maxsize=256)
def ring(radius: float, width: float, color: Rgb, opacity: float = 1.0) -> pygame.Surface:
    """Return a circle's outline, ``width`` wide around ``radius``."""
    size = 2 * int(np.ceil(radius + width)) + 2
    x, y = grid(size, size)
    return paint(color, opacity * np.clip(width / 2 - np.abs(np.hypot(x, y) - radius) + 0.5, 0, 1))


@lru_cache(maxsize=256)
def glow(radius: float, color: Rgb, opacity: float) -> pygame.Surface:
    """Return a soft spot that fades out towards ``radius``, for shadows and glows."""
    size = 2 * int(np.ceil(radius))
    x, y = grid(size, size)
    return paint(color, opacity * np.clip(1.6 * (1 - np.hypot(x, y) / radius), 0, 1) ** 1.7)


@lru_cache(maxsize=512)
def box(width: int, height: int, radius: float, color: Rgb, opacity: float = 1.0) -> pygame.Surface:
    """Return a filled rectangle with round corners."""
    x, y = grid(width, height)
    return paint(color, opacity * np.clip(0.5 - _box_distance(x, y, width, height, radius), 0, 1))


@lru_cache(maxsize=64)
def box_shadow(width: int, height: int, radius: float, blur: int, opacity: float) -> pygame.Surface:
    """Return the soft shadow of a box; it is ``blur`` pixels larger on each side."""
    x, y = grid(width + 2 * blur, height + 2 * blur)
    away = _box_distance(x, y, width, height, radius)
    return paint((0, 0, 0), opacity * np.clip(1 - (away + blur / 3) / (1.3 * blur), 0, 1) ** 2)


def _box_distance(x: Array, y: Array, width: int, height: int, radius: float) -> Array:
    dx, dy = np.abs(x) - (width / 2 - radius), np.abs(y) - (height / 2 - radius)
    outside = np.hypot(np.maximum(dx, 0), np.maximum(dy, 0))
    distance: Array = outside + np.minimum(np.maximum(dx, dy), 0) - radius
    return distance


@lru_cache(maxsize=1)
def wood_texture() -> pygame.Surface:
    """Return a texture of light wood with horizontal grain, for scaling."""
    width, height = 640, 704
    rng = np.random.default_rng(9)
    shade = np.zeros((width, height), np.float32)
    # Fibres: noise stretched along the grain, in three thicknesses.
    for across, along, strength in ((704, 10, 7.0), (240, 6, 7.0), (60, 4, 8.0)):
        noise = rng.standard_normal((along, across)).astype(np.float32)
        shade += strength * _stretch(noise, width, height)
    # Growth rings: slow waves across the grain, bent a little along it.
    bend = _stretch(rng.standard_normal((5, 6)).astype(np.float32), width, height)
    y = np.linspace(0, 1, height, dtype=np.float32)[None, :]
    shade += 5.0 * np.sin(2 * np.pi * (9 * y + 0.55 * bend))
    mix = np.clip(0.32 + shade / 60, 0, 1)[:, :, None]
    palette = THEMES[current]
    light, dark = np.array(palette.wood, np.float32), np.array(palette.wood_dark, np.float32)
    return paint(light * (1 - mix) + dark * mix, np.ones((width, height), np.float32))


def _stretch(noise: Array, width: int, height: int) -> Array:
    """Enlarge noise ``(a, b)`` to ``(width, height)`` by linear interpolation."""
    for axis, size in ((0, width), (1, height)):
        at = np.linspace(0, noise.shape[axis] - 1, size)
        low = np.minimum(at.astype(int), noise.shape[axis] - 2)
        part = (at - low).astype(np.float32)
        part = part[:, None] if axis == 0 else part[None, :]
        noise = np.take(noise, low, axis) * (1 - part) + np.take(noise, low + 1, axis) * part
    return noise


@lru_cache(maxsize=256)
def arrow(dx: int, dy: int, cell: int, color: Rgb, weight: float) -> pygame.Surface:
    """Return an arrow over ``(dx, dy)`` pixels, centred; it begins and ends a little inside the two points."""
    scale = 2 if cell < 100 else 1  # drawn larger and scaled down, which smooths its edges
    margin, length = cell // 2, float(np.hypot(dx, dy))
    along, across = np.array([dx, dy]) / length, np.array([-dy, dx]) / length
    thick, head = cell * (0.045 + 0.045 * weight), cell * (0.14 + 0.07 * weight)
    size = np.array([abs(dx) + 2 * margin, abs(dy) + 2 * margin])
    start = size / 2 - np.array([dx, dy]) / 2 + along * cell * 0.28
    tip = size / 2 + np.array([dx, dy]) / 2 - along * cell * 0.1
    neck = tip - along * head * 1.6
    outline = [start + across * thick * 0.7, neck + across * thick, neck + across * head, tip]
    outline += [neck - across * head, neck - across * thick, start - across * thick * 0.7]
    surface = pygame.Surface((size * scale).tolist(), pygame.SRCALPHA)
    surface.fill((*color, 0))
    pygame.draw.polygon(surface, (*color, round(105 + 110 * weight)), [(p * scale).tolist() for p in outline])
    return pygame.transform.smoothscale(surface, size.tolist()) if scale > 1 else surface


GLYPHS = {True: " 帥仕相傌俥炮兵 將士象馬車砲卒", False: " 帅仕相马车炮兵 将士象马车炮卒"}
"""The character on a piece by its cell code, ``color * 8 + type``; traditional and simplified."""
LETTERS = " KAEHRCP"
"""The letter of a piece by its type, that of WXF notation."""


def glyph(code: int, traditional: bool = True) -> str:
    """Return what names a piece: its character, or its letter where pieces have letters only."""
    return LETTERS[code & 7] if pieces == "letters" else GLYPHS[traditional][code]


@lru_cache(maxsize=128)
def piece(code: int, diameter: int, traditional: bool = True) -> pygame.Surface:
    """Return a piece: a wooden disc, lit from the upper left, with its engraved character, letter or both.

    Or it is the person's own picture, if there is one.
    """
    if pieces == "pictures" and (pictures := piece_pictures.load(piece_pictures.folder())):
        return piece_pictures.drawn(pictures[code], diameter)
    scale = 3  # drawn larger and scaled down, which smooths ring and character
    size = diameter * scale
    radius = size / 2 - scale
    x, y = grid(size, size)
    away = np.hypot(x, y) / radius
    towards_light = -(x + 1.3 * y) / (1.64 * radius)
    blend = np.clip(away, 0, 1)[:, :, None] ** 2
    palette = THEMES[current]
    face = np.array(palette.disc, np.float32) * (1 - blend) + np.array(palette.disc_edge, np.float32) * blend
    rim = np.clip((away - 0.86) / 0.14, 0, 1)
    light = 10 * towards_light + 62 * rim * towards_light - 16 * rim
    # A groove between rim and face, lit on its far side.
    light -= 30 * towards_light * np.exp(-(((away - 0.87) / 0.018) ** 2))
    surface = paint(face + light[:, :, None], np.clip((1 - away) * radius + 0.5, 0, 1))

    ink = palette.ink_red if code < 8 else palette.ink_black
    circle = ring(radius * 0.755, radius * 0.035, ink, 0.9)
    surface.blit(circle, circle.get_rect(center=surface.get_rect().center))
    letter, character = LETTERS[code & 7], GLYPHS[traditional][code]
    marks = {
        "characters": [(fonts.KAI, character, 1.2, 0.0)],
        "letters": [(fonts.LETTERS, letter, 1.04, 0.0)],
        "both": [(fonts.KAI, character, 0.98, -0.14), (fonts.LETTERS, letter, 0.36, 0.5)],
    }
    for name, string, height, down in marks.get(pieces, marks["characters"]):
        _engrave(surface, font(name, round(radius * height)), string, ink, down * radius, scale)
    return pygame.transform.smoothscale(surface, (diameter, diameter))


def _engrave(surface: pygame.Surface, opened: pygame.font.Font, string: str, ink: Rgb, down: float, edge: int) -> None:
    """Write a mark in the middle of a piece, so far below it, with light on its lower right edges."""
    center, thick = surface.get_width() / 2, surface.get_width() / 2 * 0.014
    for color, shift in (((255, 246, 222), edge), (ink, 0)):
        mark = opened.render(string, True, color)
        body = mark.get_bounding_rect()
        x, y = center - body.centerx + shift * 0.6, center + down - body.centery + shift * 0.8
        for dx, dy in ((0, 0), (thick, 0), (0, thick), (thick, thick)):  # heavier
            surface.blit(mark, (x + dx - thick / 2, y + dy - thick / 2))
