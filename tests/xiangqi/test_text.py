"""Boards as text."""

from __future__ import annotations

import re
import unicodedata

import pytest

from xiangqi import BLACK, NULL_MOVE, RED, Board, Move


def columns(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def bracketed(board: Board, **options) -> set[str]:
    """Return the squares that stand in brackets, read by the names beside and below the board."""
    lines = board.unicode(pieces="letters", **options).splitlines()
    files = {lines[-1].index(file): file for file in "abcdefghi"}
    return {files[at.start()] + line[0] for line in lines[:-1:2] for at in re.finditer(r"(?<=\[)[A-Za-z+](?=\])", line)}


class TestUnicode:
    def test_pieces(self):
        lines = Board().unicode(coordinates=None).splitlines()
        assert len(lines) == 19
        assert lines[0].strip() == "車－馬－象－士－將－士－象－馬－車"
        assert lines[18].strip() == "俥－傌－相－仕－帥－仕－相－傌－俥"
        assert Board().unicode(pieces="simplified", coordinates=None).splitlines()[18].strip()[0] == "车"
        assert Board().unicode(pieces="letters", coordinates=None).splitlines()[4].strip()[4] == "c"

    @pytest.mark.parametrize("coordinates", ["iccs", "files", None])
    @pytest.mark.parametrize("moves", ["", "h2e2", "a3a4", "a0a1 i9i8"])
    def test_lines_are_equally_wide_and_characters_of_unambiguous_width(self, coordinates, moves):
        text = Board.from_moves(moves).unicode(coordinates=coordinates)
        # Brackets may reach into the margin at the right, which is otherwise left out.
        assert len({columns(line.rstrip("　").removesuffix("］")) for line in text.splitlines()}) == 1
        assert not any(unicodedata.east_asian_width(char) == "A" for char in text)

    def test_the_last_move_is_bracketed(self):
        board = Board.from_moves("h2e2")
        text = board.unicode()
        assert "［炮］" in text and "［＋］" in text
        assert "［" not in board.unicode(last_move=NULL_MOVE)
        assert "--[R]--" not in board.unicode(pieces="letters", last_move=Move.from_iccs("a0a1"))
        assert "[R]--" in board.unicode(pieces="letters", last_move=Move.from_iccs("a0a1"))

    @pytest.mark.parametrize("orientation", [RED, BLACK])
    @pytest.mark.parametrize("iccs", ["h2e2", "a0a1", "i3i4"])
    def test_the_brackets_stand_about_both_squares_of_the_move(self, orientation, iccs):
        assert bracketed(Board.from_moves(iccs), orientation=orientation) == {iccs[:2], iccs[2:]}

    def test_turned_by_180_degrees(self):
        board = Board.from_moves("h2e2 h9g7")
        red = board.unicode(pieces="letters", coordinates=None, last_move=NULL_MOVE)
        black = board.unicode(pieces="letters", coordinates=None, last_move=NULL_MOVE, orientation=BLACK)
        points = [re.findall("[A-Za-z+]", text) for text in (red, black)]
        assert points[0] == points[1][::-1]
        assert len(points[0]) == 90

    def test_coordinates(self):
        lines = Board().unicode(pieces="letters").splitlines()
        assert [line[0] for line in lines[:-1:2]] == list("9876543210")
        assert lines[-1].split() == list("abcdefghi")
        turned = Board().unicode(orientation=BLACK).splitlines()
        assert [line[0] for line in turned[:-1:2]] == list("0123456789")
        assert turned[-1].split() == list("ｉｈｇｆｅｄｃｂａ")
        turned = Board().unicode(orientation=BLACK, pieces="letters").splitlines()
        assert turned[-1].split() == list("ihgfedcba")

    @pytest.mark.parametrize("orientation", [RED, BLACK])
    def test_each_side_counts_the_files_from_its_own_right_at_its_own_edge(self, orientation):
        wide = Board().unicode(coordinates="files", orientation=orientation).splitlines()
        narrow = Board().unicode(coordinates="files", orientation=orientation, pieces="letters").splitlines()
        ends = [[line.split() for line in (lines[0], lines[-1])] for lines in (wide, narrow)]
        assert len(wide) == len(narrow) == 21
        if orientation == RED:
            assert ends == [
                [list("１２３４５６７８９"), list("九八七六五四三二一")],
                [list("123456789"), list("987654321")],
            ]
        else:
            assert ends == [
                [list("一二三四五六七八九"), list("９８７６５４３２１")],
                [list("123456789"), list("987654321")],
            ]
        assert [at for at, char in enumerate(narrow[0]) if char != " "] == [
            at for at, char in enumerate(narrow[1]) if char != "-" and char != " "
        ]

    def test_colour_changes_no_character(self):
        board = Board("3k5/9/9/9/9/9/9/9/9/3RK4 b")
        colored = board.unicode(color=True)
        assert colored.count("\x1b[0m") == 19
        assert [line.rstrip() for line in plain(colored).splitlines()] == board.unicode().splitlines()

    def test_colour_shows_check_and_last_move(self):
        def grounds(board: Board) -> set[str]:
            return set(re.findall(r"\x1b\[(48;5;\d+)", board.unicode(color=True)))

        assert len(grounds(Board())) == 1
        assert len(grounds(Board.from_moves("h2e2"))) == 2
        assert len(grounds(Board("3k5/9/9/9/9/9/9/9/9/3RK4 b"))) == 2
        assert grounds(Board.from_moves("h2e2")) != grounds(Board("3k5/9/9/9/9/9/9/9/9/3RK4 b"))

    def test_the_pieces_are_in_their_sides_colours(self):
        cells = re.findall(r"\x1b\[[\d;]*;38;5;(\d+)m([A-Za-z])(?=\x1b)", Board().unicode(color=True, pieces="letters"))
        assert len(cells) == 32
        assert {ink for ink, letter in cells if letter.isupper()} == {"124"}  # red
        assert {ink for ink, letter in cells if letter.islower()} == {"16"}  # black

    @pytest.mark.parametrize("orientation", [RED, BLACK])
    def test_red_is_the_ground_of_the_king_in_check_and_green_that_of_the_last_move(self, orientation):
        board = Board.from_moves("e2e3", fen="4k4/9/9/9/9/9/9/4R4/9/3K5 w")
        lines = board.unicode(color=True, pieces="letters", coordinates=None, orientation=orientation).splitlines()
        found = []
        for line in lines[::2]:
            cells = re.findall(r"\x1b\[48;5;(\d+);[\d;]*m([A-Za-z+])(?=\x1b)", line)
            assert len(cells) == 9
            found += cells
        shown = {"king": ("210", "k"), "rook": ("150", "R"), "empty": ("150", "+")}
        places = {key: [at for at, cell in enumerate(found) if cell == value] for key, value in shown.items()}
        expected = {"king": 4, "rook": 6 * 9 + 4, "empty": 7 * 9 + 4}
        assert places == {key: [at if orientation == RED else 89 - at] for key, at in expected.items()}
        assert {ground for ground, _ in found} == {"210", "150", "222"}

    @pytest.mark.parametrize("options", [{"orientation": 2}, {"pieces": "runes"}, {"coordinates": "chess"}])
    def test_unknown_options(self, options):
        with pytest.raises(ValueError, match=next(iter(options))):
            Board().unicode(**options)
