import ast
from importlib.resources import files

import pytest
import zstandard
from fontTools.ttLib import TTFont

import gui
from gui import fonts, theme
from lm import data_path
from xiangqi import Board


def characters(name):
    with (files(fonts) / name).open("rb") as file:
        return set(map(chr, TTFont(file).getBestCmap()))


def string_characters():
    """Return every character that the sources of the board write in a string, docstrings left aside."""
    found = set()
    for path in [*files(gui).iterdir(), *(files(gui) / "views").iterdir()]:
        if path.name.endswith(".py"):
            tree = ast.parse(path.read_text("utf-8"))
            docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
            for node in ast.walk(tree):
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
                    found |= set(node.value)
    return found - set("\n")


class TestFonts:
    def test_files_hold_what_is_declared(self):
        assert set(fonts.KAI_CHARACTERS) - characters(fonts.KAI) == set()
        assert set(fonts.LETTER_CHARACTERS) == characters(fonts.LETTERS) == set(theme.LETTERS.strip())

    def test_names_and_comments_in_either_script_can_be_written(self):
        codes = [bytes([high, low]) for high in range(0xB0, 0xF8) for low in range(0xA1, 0xFF)]
        common = "".join(code.decode("gb2312", "ignore") for code in codes)
        assert len(common) == 6763
        assert set(common + "胡榮華楊官璘許銀川趙國榮吕钦，。、《》！？ÄÖÜéñ") <= characters(fonts.UI)

    def test_names_of_other_countries_can_be_written(self):
        names = "Lại Lý Huynh, Nguyễn Thành Bảo, Андрей Ждан, 김동학, Uwe Frischmuth, 所司和晴, Étienne, Τάσος"
        assert set(names) <= characters(fonts.UI)

    def test_nearly_all_han_characters_of_the_basic_plane_can_be_written(self):
        there = characters(fonts.UI)
        blocks = {"unified": (0x4E00, 0x9FA5), "extension A": (0x3400, 0x4DB5)}
        missing = {name: sum(chr(c) not in there for c in range(low, high + 1)) for name, (low, high) in blocks.items()}
        assert missing == {"unified": 0, "extension A": 0}

    def test_every_character_of_the_shipped_headers_is_there(self):
        found = set()
        for path in sorted(data_path("games").glob("*.pgn.zst")):
            with zstandard.open(path, "rt", encoding="utf-8") as lines:
                for line in lines:
                    if line.startswith("["):
                        found.update(line.rstrip("\n"))
        assert len(found) > 1500
        assert {c for c in found if c.isprintable()} - characters(fonts.UI) == set()

    def test_every_character_that_the_sources_write_is_there(self):
        assert string_characters() - characters(fonts.UI) - characters(fonts.KAI) == set()

    def test_every_piece_has_its_character(self):
        pieces = {glyph for glyphs in theme.GLYPHS.values() for glyph in glyphs}
        assert pieces <= characters(fonts.KAI)
        assert pieces <= characters(fonts.UI)  # captured pieces are named beside the board

    @pytest.mark.parametrize("traditional", [True, False])
    def test_every_move_can_be_written(self, traditional):
        written = set()
        for fen in (
            None,
            "3ak4/4a4/9/P3P4/P3P4/P3P4/9/9/9/4K4 w",
            "4k4/9/9/9/p3p4/p3p4/p8/9/4A4/3AK4 b",
            "3k5/9/2P6/2P6/2P1P4/4P4/9/R8/R8/4K4 w",
        ):
            board = Board(fen) if fen else Board()
            for _ in range(2):
                written.update(*(board.chinese(move, traditional) for move in board.legal_moves))
                board.push(board.legal_moves[0])
        assert len(written) > 20
        assert written <= characters(fonts.UI)

    def test_text_without_a_glyph_becomes_a_box_and_not_an_error(self):
        assert theme.text("\U0001f600 \ue000 x", 14).get_width() > 0

    @pytest.mark.parametrize("name", ["LICENSE-kai.txt", "LICENSE-ui.txt", "LICENSE-letters.txt"])
    def test_licences_come_with_the_fonts(self, name):
        text = (files(fonts) / name).read_text("utf-8")
        assert "National Development Council" in text or "Apache License" in text or "Bitstream" in text
