"""Boards as pictures."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from xiangqi import BLACK, NULL_MOVE, PIECES, RED, Board, Move, parse_square, rotate_square, square_name, svg
from xiangqi.glyphs import GLYPHS

H2E2 = Move.from_iccs("h2e2")


def parse(text: str) -> ElementTree.Element:
    return ElementTree.fromstring(text)


def having(root: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    """Return the elements of a class."""
    return [element for element in root.iter() if name in element.get("class", "").split()]


def point(element: ElementTree.Element) -> str:
    """Return which square of a board with Red at the bottom an element is drawn on."""
    if (x := element.get("cx")) is not None:
        y = element.get("cy")
    else:
        x, y = re.match(r"translate\((\S+) (\S+)\)", element.get("transform")).groups()
    file, rank = int(x) / 60, 9 - int(y) / 60
    return square_name(int(rank) * 9 + int(file))


def placed(root: ElementTree.Element) -> dict[str, str]:
    return {point(element): element.get("class") for element in having(root, "piece")}


def texts(root: ElementTree.Element) -> list[str]:
    return [element.text for element in root.iter() if element.tag.endswith("text")]


class TestPieces:
    def test_each_stands_on_its_point(self):
        pieces = placed(parse(svg.board(Board())))
        assert len(pieces) == 32
        assert pieces["h2"] == "piece red cannon"
        assert pieces["e9"] == "piece black king"

    def test_seen_by_black_the_board_is_turned(self):
        board = Board.from_moves("h2e2 h9g7")
        red, black = (placed(parse(svg.board(board, orientation=side))) for side in (RED, BLACK))
        assert black == {square_name(rotate_square(parse_square(sq))): piece for sq, piece in red.items()}

    def test_every_character_has_an_outline(self):
        characters = {piece.chinese(traditional) for piece in PIECES if piece for traditional in (False, True)}
        assert characters <= GLYPHS.keys()

    @pytest.mark.parametrize("pieces", ["traditional", "simplified"])
    def test_characters_are_outlines_that_the_picture_brings(self, pieces):
        root = parse(svg.board(Board(), pieces=pieces))
        brought = {element.get("id") for element in root.iter() if element.get("d") and element.get("id")}
        drawn = {element.get("href")[1:] for element in root.iter() if element.tag.endswith("use")}
        assert drawn == brought
        assert len(drawn) == (14 if pieces == "traditional" else 11)

    def test_letters(self):
        letters = texts(parse(svg.board(Board(), pieces="letters", coordinates=None)))
        assert "".join(sorted(letters)) == "".join(sorted("RNBAKABNRCCPPPPP" + "rnbakabnrccppppp"))


class TestLastMove:
    def test_by_default_the_move_played_last(self):
        assert len(having(parse(svg.board(Board.from_moves("h2e2"))), "last-move")) == 2
        assert not having(parse(svg.board(Board())), "last-move")

    def test_given_or_left_out(self):
        board = Board.from_moves("b2e2")
        given = [element.get("d") for element in having(parse(svg.board(board, last_move=H2E2)), "last-move")]
        assert given == [
            element.get("d") for element in having(parse(svg.board(Board.from_moves("h2e2"))), "last-move")
        ]
        assert not having(parse(svg.board(board, last_move=NULL_MOVE)), "last-move")


class TestCheck:
    def test_the_king_in_check_glows(self):
        board = Board("4k4/9/9/9/4R4/9/9/9/9/3K5 b")
        assert [point(glow) for glow in having(parse(svg.board(board)), "check")] == ["e9"]
        assert [point(glow) for glow in having(parse(svg.board(board, orientation=BLACK)), "check")] == ["e0"]
        assert not having(parse(svg.board(board, check=False)), "check")
        assert not having(parse(svg.board(Board())), "check")


class TestArrowsAndMarks:
    def test_an_arrow_starts_at_its_piece(self):
        arrows = having(parse(svg.board(Board(), arrows=[H2E2, svg.Arrow(Move.from_iccs("b0c2"))])), "arrow")
        assert [point(arrow) for arrow in arrows] == ["h2", "b0"]
        assert "rotate(180)" in arrows[0].get("transform")

    def test_weight_is_width_and_the_weightiest_lies_on_top(self):
        heavy, light = svg.Arrow(H2E2, weight=0.9), svg.Arrow(Move.from_iccs("b0c2"), weight=0.1)
        arrows = having(parse(svg.board(Board(), arrows=[heavy, light])), "arrow")
        assert [point(arrow) for arrow in arrows] == ["b0", "h2"]
        widths = [-float(arrow.get("d").split("V")[1].split("L")[0]) for arrow in arrows]
        assert widths[0] < widths[1]

    @pytest.mark.parametrize("weight", [-1.0, 0.0, 7.0])
    def test_weights_out_of_range_are_drawn_as_the_nearest(self, weight):
        nearest = min(max(weight, 0.0), 1.0)
        drawn, expected = (
            svg.board(Board(), arrows=[svg.Arrow(H2E2, weight=w)], marks=[svg.Mark(0, weight=w)])
            for w in (weight, nearest)
        )
        assert drawn == expected

    def test_marks_are_rings_about_pieces_and_dots_elsewhere(self):
        ring, dot = having(parse(svg.board(Board(), marks=[0, svg.Mark(40, color="blue", weight=0.5)])), "mark")
        assert (point(ring), point(dot)) == ("a0", "e4")
        assert float(ring.get("r")) > float(dot.get("r"))
        assert dot.get("fill") == svg.COLORS["blue"]

    def test_labels_and_colours_are_escaped(self):
        root = parse(
            svg.board(Board(), arrows=[svg.Arrow(H2E2, color='"><b>', label="<70%>")], marks=[svg.Mark(0, label="&")])
        )
        assert {"<70%>", "&"} <= set(texts(root))


class TestDocument:
    def test_coordinates(self):
        assert texts(parse(svg.board(Board()))) == [c for f in "abcdefghi" for c in f * 2] + [
            c for r in "0123456789" for c in r * 2
        ]
        assert texts(parse(svg.board(Board(), coordinates="files"))) == list("123456789")
        assert texts(parse(svg.board(Board(), coordinates=None))) == []

    def test_size(self):
        root = parse(svg.board(Board(), size=300))
        assert root.get("width") == "300"
        _, _, width, height = map(float, root.get("viewBox").split())
        assert float(root.get("height")) == pytest.approx(300 * height / width, abs=0.01)
        assert parse(svg.board(Board(), size=None)).get("width") is None

    def test_the_title_is_the_position(self):
        board = Board.from_moves("h2e2")
        assert parse(svg.board(board)).find("{http://www.w3.org/2000/svg}title").text == board.fen()

    def test_notebooks_show_it(self):
        assert Board()._repr_svg_() == svg.board(Board())

    def test_odd_positions_are_drawn(self):
        assert placed(parse(svg.board(Board(None)))) == {}
        assert len(placed(parse(svg.board(Board("R" * 9 + "/RRRRRRRRR" * 9))))) == 90

    @pytest.mark.parametrize("options", [{"orientation": 2}, {"pieces": "runes"}, {"coordinates": "chess"}])
    def test_unknown_options(self, options):
        with pytest.raises(ValueError, match=next(iter(options))):
            svg.board(Board(), **options)
