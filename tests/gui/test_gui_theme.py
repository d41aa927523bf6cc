import re
from dataclasses import fields
from importlib.resources import files

import pygame
import pytest

import gui
from gui import picture, piece_pictures, theme
from gui.board_view import BoardView, Marks
from gui.layout import SMALLEST_TEXT, arrange
from gui.palettes import THEMES, Palette
from gui.session import Session

NAMES = {color.name.upper() for color in fields(Palette)}


def contrast(a, b):
    """Return the contrast of two colours as WCAG defines it, 1 to 21."""

    def light(color):
        parts = [c / 255 for c in color]
        r, g, b = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    high, low = sorted((light(a), light(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.fixture(autouse=True)
def put_back():
    yield
    theme.use("rosewood")
    theme.write_on_pieces("characters")


class TestThemes:
    def test_every_colour_that_the_sources_use_exists(self):
        used = set()
        for path in [*files(gui).iterdir(), *(files(gui) / "views").iterdir()]:
            if path.name.endswith(".py"):
                used |= set(re.findall(r"\btheme\.([A-Z_]{3,})\b", path.read_text("utf-8")))
        assert used - NAMES - {"GLYPHS", "LETTERS", "OFF"} == set()

    def test_an_unknown_colour_or_theme_is_an_error(self):
        with pytest.raises(AttributeError):
            _ = theme.MAUVE
        with pytest.raises(KeyError):
            theme.use("mauve")

    @pytest.mark.parametrize("name", THEMES)
    def test_texts_can_be_read_on_what_they_are_written_on(self, name):
        theme.use(name)
        grounds = theme.PANEL, theme.BACKGROUND, theme.RAISED, theme.HOVER, theme.BANNER
        assert min(contrast(theme.TEXT, ground) for ground in grounds) > 7
        for ink in (theme.FAINT, theme.GOLD, theme.JADE, theme.ALARM, theme.NOTE, theme.CAPTURED_RED):
            assert min(contrast(ink, ground) for ground in (theme.PANEL, theme.BACKGROUND)) > 4.0, ink
        for ground in (theme.PANEL, theme.BACKGROUND):  # what cannot be done is read, but does not ask to be
            assert 2.2 < contrast(theme.OFF, ground) < contrast(theme.FAINT, ground) - 1
        assert contrast(theme.ON_GOLD, theme.GOLD) > 4.5
        assert contrast(theme.ON_WARNING, theme.WARNING) > 4.5
        assert contrast(theme.LINE, theme.WOOD_DARK) > 3.0
        for ink, bar in ((theme.ON_WARNING, theme.WIN), (theme.LOSS, theme.DRAW), (theme.ON_WARNING, theme.LOSS)):
            assert contrast(ink, bar) > 3.5
        for ink in (theme.INK_RED, theme.INK_BLACK):
            assert contrast(ink, theme.DISC) > 4.5

    def test_another_theme_draws_other_pieces(self):
        before = pygame.image.tobytes(theme.piece(1, 60), "RGB")
        theme.use("jade")
        assert pygame.image.tobytes(theme.piece(1, 60), "RGB") != before


class TestPieces:
    def test_characters_letters_and_both_differ(self):
        pictures = set()
        for style in ("characters", "letters", "both"):
            theme.write_on_pieces(style)
            pictures.add(pygame.image.tobytes(theme.piece(4, 60), "RGB"))
        assert len(pictures) == 3

    def test_letters_are_those_of_wxf(self):
        theme.write_on_pieces("letters")
        assert "".join(theme.glyph(code) for code in range(1, 8)) == "KAEHRCP"
        assert theme.glyph(13) == theme.glyph(5) == "R"
        theme.write_on_pieces("both")
        assert theme.glyph(13) == "車"

    def test_a_picture_shows_the_pieces_as_the_board_does(self):
        session = Session()
        before = picture.as_svg(session)
        theme.write_on_pieces("letters")
        assert ">R<" not in before
        assert picture.as_svg(session) != before
        assert picture.as_svg(session).count(">R<") == 2

    def test_the_river_is_written_in_the_script_of_the_pieces(self):
        layout, pictures = arrange(800, 600, 6, 6), []
        for traditional in (True, False):
            view, screen = BoardView(traditional=traditional), pygame.Surface((800, 600), depth=32)
            view.draw(screen, layout, 0, Marks(), 0.0)
            pictures.append(pygame.image.tobytes(screen, "RGB"))
        assert pictures[0] != pictures[1]


class TestTexts:
    @pytest.mark.parametrize("size", range(SMALLEST_TEXT, 30))
    def test_a_mark_of_exclamation_has_its_dot(self, size):
        alpha = pygame.surfarray.array_alpha(theme.text("炮二平五?!", size, (255, 255, 255)))
        start = theme.width("炮二平五?", size)
        rows = alpha[start:].max(axis=0) > 60
        first, *_, last = rows.nonzero()[0]
        assert not rows[first:last].all()

    def test_a_word_that_is_longer_than_a_line_is_broken_and_nothing_is_lost(self):
        fen = "rnbakabnr/9/1c5c1/p1p1p1p1p/9/9/P1P1P1P1P/1C5C1/9/RNBAKABNR"
        lines = theme.wrap(f"in {fen} it is red's turn", 14, 120)
        assert "".join(lines).replace(" ", "") == f"in{fen}itisred'sturn"
        assert max(theme.width(line, 14) for line in lines) <= 120

    def test_the_last_line_says_that_there_is_more(self):
        assert theme.wrap("a b " * 100, 14, 120, 2)[-1].endswith("...")

    def test_no_room_at_all_is_not_fatal(self):
        assert len(theme.wrap("ab", 14, 1)) == 2


class TestPictures:
    @pytest.fixture
    def folder(self, tmp_path, monkeypatch):
        pygame.display.init()
        monkeypatch.setattr(piece_pictures, "folder", lambda: tmp_path)
        yield tmp_path
        theme.write_on_pieces("characters")

    def fill(self, folder):
        for n, name in enumerate(["RK", "RA", "RB", "RN", "RR", "RC", "RP", "BK", "BA", "BB", "BN", "BR", "BC", "BP"]):
            picture = pygame.Surface((40, 30))
            picture.fill((10 * n, 200, 0))
            pygame.image.save(picture, str(folder / f"{name}.{'BMP' if n % 2 else 'png'}"))

    def test_pieces_are_the_pictures_of_the_folder(self, folder):
        self.fill(folder)
        theme.write_on_pieces("pictures")
        for code, n in ((1, 0), (2, 1), (8 + 1, 7), (8 + 7, 13)):
            surface = theme.piece(code, 60)
            assert surface.get_size() == (60, 60)
            assert tuple(surface.get_at((30, 30)))[:3] == (10 * n, 200, 0)
            assert surface.get_at((30, 2)).a == 0  # in its own proportions

    @pytest.mark.parametrize("missing", [True, False])
    def test_without_all_of_them_characters_stay(self, folder, missing):
        self.fill(folder)
        (folder / "RP.png").unlink() if missing else (folder / "RP.png").write_bytes(b"no picture")
        plain = pygame.surfarray.array3d(theme.piece(1, 60))
        theme.write_on_pieces("pictures")
        assert (pygame.surfarray.array3d(theme.piece(1, 60)) == plain).all()
