"""The colours of the themes. `gui.theme.use` makes one of them the current colours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

Rgb = tuple[int, int, int]


@dataclass(frozen=True)
class Palette:
    """The colours of a theme; `gui.theme` has each by its name in capitals."""

    # The window
    background: Rgb
    """Behind the board, and under lists."""
    panel: Rgb
    raised: Rgb
    hover: Rgb
    edge: Rgb
    """Thin lines."""
    text: Rgb
    faint: Rgb
    gold: Rgb
    """What is chosen, and titles."""
    on_gold: Rgb
    jade: Rgb
    alarm: Rgb
    warning: Rgb
    """A button that asks whether it is meant, and errors."""
    on_warning: Rgb
    captured_red: Rgb
    note: Rgb
    """Comments."""
    banner: Rgb
    # Thoughts
    people: Rgb
    """The arrows of what people would play; those of the best moves are `best`."""
    best: Rgb
    speaks_for: Rgb
    speaks_against: Rgb
    """Glows of the pieces that speak for a move, and of those against it; told apart by every eye."""
    win: Rgb
    """Red's part of the evaluation bar and of the curve; between it and Black's `loss` is that of a draw."""
    draw: Rgb
    loss: Rgb
    # The board
    wood: Rgb
    wood_dark: Rgb
    frame: Rgb
    line: Rgb
    corner: Rgb
    """The corners around the squares of the last move."""
    target: Rgb
    disc: Rgb
    """The pieces: their face, and its edge."""
    disc_edge: Rgb
    ink_red: Rgb
    ink_black: Rgb

    @property
    def off(self) -> Rgb:
        """The text of what cannot be done, and what a field says while it is empty: between lines and faint text."""
        red, green, blue = ((a + b) // 2 for a, b in zip(self.edge, self.faint, strict=True))
        return red, green, blue


ROSEWOOD: Final = Palette(
    background=(38, 34, 31),
    panel=(49, 44, 40),
    raised=(66, 59, 53),
    hover=(82, 73, 65),
    edge=(84, 75, 67),
    text=(240, 231, 216),
    faint=(166, 153, 137),
    gold=(226, 178, 92),
    on_gold=(48, 32, 16),
    jade=(98, 170, 124),
    alarm=(232, 106, 86),
    warning=(128, 48, 38),
    on_warning=(255, 236, 224),
    captured_red=(236, 128, 108),
    note=(176, 196, 170),
    banner=(44, 36, 30),
    people=(206, 70, 158),
    best=(48, 120, 216),
    speaks_for=(28, 132, 255),
    speaks_against=(255, 96, 20),
    win=(206, 74, 56),
    draw=(188, 172, 148),
    loss=(20, 18, 18),
    wood=(224, 184, 128),
    wood_dark=(196, 150, 94),
    frame=(112, 72, 40),
    line=(92, 56, 28),
    corner=(34, 104, 92),
    target=(52, 120, 82),
    disc=(247, 229, 190),
    disc_edge=(226, 190, 134),
    ink_red=(172, 34, 26),
    ink_black=(32, 30, 30),
)
PAPER: Final = Palette(
    background=(232, 225, 211),
    panel=(247, 243, 234),
    raised=(231, 223, 207),
    hover=(217, 206, 184),
    edge=(186, 173, 150),
    text=(48, 41, 34),
    faint=(112, 99, 82),
    gold=(152, 92, 22),
    on_gold=(255, 250, 238),
    jade=(30, 112, 72),
    alarm=(182, 46, 30),
    warning=(166, 52, 38),
    on_warning=(255, 244, 236),
    captured_red=(182, 46, 34),
    note=(60, 94, 58),
    banner=(252, 249, 241),
    people=(190, 48, 140),
    best=(36, 104, 200),
    speaks_for=(28, 120, 240),
    speaks_against=(244, 92, 20),
    win=(196, 62, 46),
    draw=(206, 194, 172),
    loss=(58, 54, 52),
    wood=(243, 234, 213),
    wood_dark=(229, 215, 186),
    frame=(134, 98, 62),
    line=(88, 70, 54),
    corner=(20, 98, 120),
    target=(38, 120, 84),
    disc=(255, 250, 238),
    disc_edge=(233, 219, 192),
    ink_red=(184, 30, 26),
    ink_black=(30, 36, 44),
)
JADE: Final = Palette(
    background=(22, 31, 33),
    panel=(30, 42, 44),
    raised=(43, 59, 61),
    hover=(57, 77, 79),
    edge=(66, 86, 88),
    text=(226, 236, 231),
    faint=(142, 164, 160),
    gold=(214, 190, 118),
    on_gold=(30, 34, 24),
    jade=(104, 190, 150),
    alarm=(240, 120, 100),
    warning=(134, 52, 48),
    on_warning=(255, 236, 228),
    captured_red=(240, 136, 118),
    note=(164, 200, 184),
    banner=(24, 38, 40),
    people=(216, 84, 164),
    best=(40, 108, 214),
    speaks_for=(24, 112, 255),
    speaks_against=(255, 100, 24),
    win=(206, 78, 62),
    draw=(164, 178, 168),
    loss=(14, 18, 20),
    wood=(158, 190, 168),
    wood_dark=(126, 164, 142),
    frame=(52, 84, 76),
    line=(34, 62, 56),
    corner=(126, 62, 20),
    target=(30, 96, 78),
    disc=(246, 242, 226),
    disc_edge=(222, 214, 186),
    ink_red=(176, 32, 30),
    ink_black=(24, 40, 42),
)
DRAWN: Final[dict[str, Rgb]] = {"G": (24, 138, 62), "R": (208, 36, 36), "Y": (236, 186, 24), "B": (30, 104, 204)}
"""The colours of arrows and circles that a person draws, by their letters in files; the same in all themes."""
THEMES: Final = {"rosewood": ROSEWOOD, "paper": PAPER, "jade": JADE}
"""The themes by their names."""
