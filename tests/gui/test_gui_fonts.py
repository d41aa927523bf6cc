import ast
from importlib.resources import files

import pytest
from fontTools.ttLib import TTFont

import gui
from gui import fonts, theme
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
    return found - {"\n"}


class TestFonts:
    def test_files_hold_what_is_declared(self):
        assert set(fonts.KAI_CHARACTERS) - characters(fonts.KAI) == set()

    def test_names_and_comments_in_either_script_can_be_written(self):
        codes = [bytes([high, low]) for high in range(0xB0, 0xF8) for low in range(0xA1, 0xFF)]
        common = "".join(code.decode("gb2312", "ignore") for code in codes)
        assert len(common) == 6763
        assert set(common + "胡榮華楊官璘許銀川趙國榮吕钦，。、《》！？ÄÖÜéñ") <= characters(fonts.UI)

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

    @pytest.mark.parametrize("name", ["LICENSE-kai.txt", "LICENSE-ui.txt"])
    def test_licences_come_with_the_fonts(self, name):
        text = (files(fonts) / name).read_text("utf-8")
        assert "National Development Council" in text or "Apache License" in text
