"""Cut the bundled fonts out of the full ones: ``python gui/fonts/make_fonts.py [FOLDER]``.

Needs fontTools and Debian's ``fonts-wqy-microhei``, ``fonts-droid-fallback``, ``fonts-dejavu`` and
``fonts-cns11643-kai``, installed, or unpacked in a folder.
"""

import sys
from pathlib import Path

from fontTools import subset
from fontTools.pens.filterPen import DecomposingFilterPen
from fontTools.pens.transformPen import TransformPen
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.ttLib import TTFont

from gui.fonts import KAI, KAI_CHARACTERS, LETTER_CHARACTERS, LETTERS, UI, UI_RANGES

WQY = "usr/share/fonts/truetype/wqy/wqy-microhei.ttc"
DROID = "usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf"
DEJAVU = "usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"
SERIF = "usr/share/fonts/truetype/dejavu/DejaVuSerifCondensed-Bold.ttf"
TW_KAI = "usr/share/fonts/truetype/cns11643/TW-Kai-98_1.ttf"


def find(name: str) -> Path:
    """Return the path of a font in the folder given, or installed."""
    folders = [*map(Path, sys.argv[1:]), Path("/")]
    return next(path for folder in folders if (path := folder / name).is_file())


def cut(name: str, characters: set[int]) -> TTFont:
    """Return a font with these characters, as far as it has them."""
    options = subset.Options(font_number=0, layout_features=["kern"], name_IDs=[0, 1, 2, 4, 5, 13, 14], hinting=False)
    options.glyph_names = True
    options.drop_tables += ["vhea", "vmtx"]
    font = subset.load_font(find(name), options)
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=characters)
    subsetter.subset(font)
    return font


def add(font: TTFont, other: TTFont) -> None:
    """Add the characters of another font that a font does not have, scaled to its units."""
    scale = font["head"].unitsPerEm / other["head"].unitsPerEm
    there, glyphs, widths = font.getBestCmap(), other.getGlyphSet(), other["hmtx"].metrics
    for code, name in other.getBestCmap().items():
        if code in there:
            continue
        new, pen = f"added{code:04X}", TTGlyphPen(None)
        glyphs[name].draw(DecomposingFilterPen(TransformPen(pen, (scale, 0, 0, scale, 0, 0)), glyphs))
        font["glyf"][new] = glyph = pen.glyph(round=round)
        glyph.recalcBounds(font["glyf"])
        font["hmtx"].metrics[new] = (round(widths[name][0] * scale), getattr(glyph, "xMin", 0))
        for table in font["cmap"].tables:
            if table.isUnicode():
                table.cmap[code] = new
    font.setGlyphOrder(font["glyf"].glyphOrder)


def main() -> None:
    ui = {code for low, high in UI_RANGES for code in range(low, high + 1)}
    fonts = {UI: cut(WQY, ui), KAI: cut(TW_KAI, set(map(ord, KAI_CHARACTERS)))}
    fonts[LETTERS] = cut(SERIF, set(map(ord, LETTER_CHARACTERS)))
    for other in (DROID, DEJAVU):
        add(fonts[UI], cut(other, ui - set(fonts[UI].getBestCmap())))
    for name, font in fonts.items():
        font["post"].formatType = 3.0  # glyphs need no names
        target = Path(__file__).with_name(name)
        font.save(target)
        print(f"{target}: {len(font.getBestCmap())} characters, {target.stat().st_size} bytes")


if __name__ == "__main__":
    main()
