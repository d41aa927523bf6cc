"""Write ``xiangqi/glyphs.py``: the outlines of the characters of ``kai.ttf`` that an SVG board draws.

Run in the root of the repository: ``python gui/fonts/make_glyphs.py``. Needs fonttools.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from fontTools.pens.basePen import BasePen
from fontTools.ttLib import TTFont

CHARACTERS = "帥仕相傌俥炮兵將士象馬車砲卒帅马车将楚河漢汉界一二三四五六七八九"
UNITS = 400  # a side of the square that a character fills
TOLERANCE = 0.8  # units that a straight line may stray from the outline; a tenth of a pixel on most boards

Point = tuple[float, float]

HEADER = '''\
"""Outlines of the characters on pieces and board, so that a picture looks the same with any fonts or none.

Cut from TW-Kai 98.1 by ``gui/fonts/make_glyphs.py``. Attribution: National Development Council, Taiwan, 2015, CNS11643
Chinese Standard Interchange Code, TW-Kai; Open Government Data License 1.0 (``gui/fonts/LICENSE-kai.txt``).
"""

# ruff: noqa: E501

from types import MappingProxyType
from typing import Final

GLYPHS: Final = MappingProxyType(
    {
'''


class Outline(BasePen):
    """Collects contours as polygons, curves cut in eight."""

    def __init__(self, glyphs: object) -> None:
        super().__init__(glyphs)
        self.contours: list[list[Point]] = []

    def _moveTo(self, point: Point) -> None:  # noqa: N802
        self.contours.append([point])

    def _lineTo(self, point: Point) -> None:  # noqa: N802
        self.contours[-1].append(point)

    def _qCurveToOne(self, control: Point, end: Point) -> None:  # noqa: N802
        start = self.contours[-1][-1]
        for step in range(1, 9):
            t = step / 8
            weights = ((1 - t) ** 2, 2 * t * (1 - t), t**2)
            x, y = (sum(w * p[i] for w, p in zip(weights, (start, control, end), strict=True)) for i in (0, 1))
            self.contours[-1].append((x, y))


def simplify(points: list[Point]) -> list[Point]:
    """Leave out the points that the lines between the others nearly pass through (Douglas and Peucker, 1973)."""
    (ax, ay), (bx, by) = points[0], points[-1]
    length = ((bx - ax) ** 2 + (by - ay) ** 2) ** 0.5
    farthest, split = 0.0, 0
    for i, (x, y) in enumerate(points[1:-1], 1):
        if length:
            away = abs((bx - ax) * (y - ay) - (by - ay) * (x - ax)) / length
        else:
            away = ((x - ax) ** 2 + (y - ay) ** 2) ** 0.5
        if away > farthest:
            farthest, split = away, i
    if farthest <= TOLERANCE:
        return [points[0], points[-1]]
    return simplify(points[: split + 1])[:-1] + simplify(points[split:])


def path(contours: list[list[Point]]) -> str:
    """Return closed polygons as an SVG path with whole, mostly relative coordinates."""
    text = ""
    for contour in contours:
        corners = [(round(x), round(y)) for x, y in simplify([*contour, contour[0]])[:-1]]
        steps = [(x - u, y - v) for (u, v), (x, y) in pairwise(corners)]
        text += "M{} {}l".format(*corners[0]) + " ".join(f"{x} {y}" for x, y in steps).replace(" -", "-") + "z"
    return text


def main() -> None:
    here = Path(__file__).parent
    font = TTFont(here / "kai.ttf")
    scale = UNITS / font["head"].unitsPerEm
    middle = (font["hhea"].ascent + font["hhea"].descent) / 2
    glyphs, names = font.getGlyphSet(), font.getBestCmap()
    lines = []
    for character in CHARACTERS:
        glyph = glyphs[names[ord(character)]]
        outline = Outline(glyphs)
        glyph.draw(outline)
        contours = [
            [((x - glyph.width / 2) * scale, (middle - y) * scale) for x, y in contour] for contour in outline.contours
        ]
        lines.append(f'        "{character}": "{path(contours)}",\n')
    target = here.parents[1] / "xiangqi" / "glyphs.py"
    footer = f'"""SVG path by character, in a square of {UNITS} units about the origin."""\n'
    target.write_text(HEADER + "".join(lines) + "    }\n)\n" + footer, encoding="utf-8")


if __name__ == "__main__":
    main()
