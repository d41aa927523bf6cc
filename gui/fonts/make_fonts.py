"""Cut the bundled fonts out of the full ones: ``python gui/fonts/make_fonts.py``.

Needs fontTools and Debian's ``fonts-wqy-microhei`` and ``fonts-cns11643-kai``, or the same files elsewhere:
``make_fonts.py WQY.ttc TW-KAI.ttf``.
"""

import sys
from pathlib import Path

from fontTools import subset

from gui.fonts import KAI, KAI_CHARACTERS, UI, UI_RANGES

SOURCES = {
    UI: "/usr/share/fonts/truetype/wqy/wqy-microhei.ttc",
    KAI: "/usr/share/fonts/truetype/cns11643/TW-Kai-98_1.ttf",
}


def main() -> None:
    sources = dict(zip(SOURCES, sys.argv[1:], strict=True)) if len(sys.argv) > 1 else SOURCES
    for name, source in sources.items():
        options = subset.Options(
            font_number=0, layout_features=["kern"], name_IDs=[0, 1, 2, 4, 5, 13, 14], hinting=False
        )
        font = subset.load_font(source, options)
        subsetter = subset.Subsetter(options)
        if name == KAI:
            subsetter.populate(text=KAI_CHARACTERS)
        else:
            subsetter.populate(unicodes=[c for low, high in UI_RANGES for c in range(low, high + 1)])
        subsetter.subset(font)
        target = Path(__file__).with_name(name)
        subset.save_font(font, str(target), options)
        print(f"{target}: {len(font.getBestCmap())} characters, {target.stat().st_size} bytes")


if __name__ == "__main__":
    main()
