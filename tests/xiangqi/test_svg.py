"""Boards as pictures."""

from __future__ import annotations

import math
import re
from typing import Any
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


def spot(name: str, orientation: int = RED) -> tuple[float, float]:
    """Return where a square is drawn: files run from left to right for Red, from right to left for Black."""
    file, rank = "abcdefghi".index(name[0]), int(name[1])
    return (60 * file, 60 * (9 - rank)) if orientation == RED else (60 * (8 - file), 60 * rank)


def reached(element: ElementTree.Element) -> list[tuple[float, float]]:
    """Return the points of a path of straight lines on the picture, turned and shifted as it is drawn."""
    x = y = 0.0
    points = []
    for letter, numbers in re.findall(r"([MLHV])([^A-Z]*)", element.get("d")):
        values = [float(number) for number in numbers.split()]
        x, y = {"H": (values[0], y), "V": (x, values[0])}.get(letter, (values[0], values[-1]))
        points.append((x, y))
    if (found := re.match(r"translate\((\S+) (\S+)\) rotate\((\S+)\)", element.get("transform", ""))) is None:
        return points
    dx, dy, turn = map(float, found.groups())
    cos, sin = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    return [(dx + x * cos - y * sin, dy + x * sin + y * cos) for x, y in points]


def middle(element: ElementTree.Element) -> tuple[float, float]:
    """Return the centre of what a path of straight lines spans."""
    xs, ys = zip(*reached(element), strict=True)
    return (min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2


def written(root: ElementTree.Element) -> dict[tuple[float, float], str]:
    """Return the texts by where their middle stands."""
    return {
        (float(element.get("x")), round(float(element.get("y")) - 0.36 * 15, 2)): element.text
        for element in root.iter()
        if element.tag.endswith("text")
    }


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

    @pytest.mark.parametrize("orientation", [RED, BLACK])
    @pytest.mark.parametrize(
        ("name", "character", "ink"),
        [("h2", "炮", "#b3201a"), ("h7", "砲", "#26211f"), ("e0", "帥", "#b3201a"), ("e9", "將", "#26211f")],
    )
    def test_each_bears_its_character_in_its_colour(
        self, orientation: int, name: str, character: str, ink: str
    ) -> None:
        root = parse(svg.board(Board(), orientation=orientation))
        at = "translate({} {})".format(*spot(name, orientation))
        (man,) = [element for element in having(root, "piece") if element.get("transform") == at]
        (use,) = [element for element in man.iter() if element.tag.endswith("use")]
        assert (use.get("href"), use.get("fill")) == (f"#xq-{ord(character):x}", ink)
        letters = parse(svg.board(Board(), orientation=orientation, pieces="letters", coordinates=None))
        (man,) = [element for element in having(letters, "piece") if element.get("transform") == at]
        assert texts(man) == [Board().piece_at(parse_square(name)).symbol()]

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

    @pytest.mark.parametrize("orientation", [RED, BLACK])
    def test_its_corners_stand_about_both_of_its_squares(self, orientation):
        board = Board.from_moves("h2e2 h9g7")
        corners = having(parse(svg.board(board, orientation=orientation)), "last-move")
        assert [middle(element) for element in corners] == [spot("h9", orientation), spot("g7", orientation)]

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

    def test_weight_is_told_by_the_width_of_the_shaft_and_by_strength(self):
        def drawn(weight: float) -> tuple[float, float]:
            (arrow,) = having(parse(svg.board(Board(), arrows=[svg.Arrow(H2E2, weight=weight)])), "arrow")
            shaft = [y for _, y in reached(arrow)][1::4]  # where the shaft meets the head, above and below
            return max(shaft) - min(shaft), float(arrow.get("fill-opacity"))

        light, half, heavy = (drawn(weight) for weight in (0.1, 0.5, 1.0))
        assert light[0] < half[0] < heavy[0]
        assert light[1] < half[1] < heavy[1]

    @pytest.mark.parametrize("orientation", [RED, BLACK])
    @pytest.mark.parametrize("iccs", ["h2e2", "b0c2", "a3a4", "b2b9"])
    def test_an_arrow_points_at_the_target(self, orientation, iccs):
        arrow = svg.Arrow(Move.from_iccs(iccs), label="x")
        root = parse(svg.board(Board(), orientation=orientation, arrows=[arrow], coordinates=None))
        points = reached(having(root, "arrow")[0])
        (ax, ay), (bx, by) = spot(iccs[:2], orientation), spot(iccs[2:], orientation)
        tip = max(points, key=lambda p: math.dist(p, (ax, ay)))
        assert math.dist(tip, (bx, by)) < 10
        assert all(math.dist(p, (ax, ay)) < math.dist((ax, ay), (bx, by)) for p in points)
        (label,) = [element for element in root.iter() if element.text == "x"]
        assert float(label.get("x")) == pytest.approx((ax + bx) / 2)
        assert float(label.get("y")) == pytest.approx((ay + by) / 2, abs=8)

    @pytest.mark.parametrize("orientation", [RED, BLACK])
    def test_marks_are_on_their_square_and_stronger_with_weight(self, orientation):
        names = ("a0", "h2", "e4", "i9")
        weights = (0.0, 1.0, 0.2, 0.6)
        marks = [svg.Mark(parse_square(name), weight=w, label=name) for name, w in zip(names, weights, strict=True)]
        root = parse(svg.board(Board(), orientation=orientation, marks=marks, coordinates=None))
        drawn = having(root, "mark")
        assert [(int(mark.get("cx")), int(mark.get("cy"))) for mark in drawn] == [spot(n, orientation) for n in names]
        labels = {element.text: float(element.get("x")) for element in root.iter() if element.text in names}
        assert labels == {name: spot(name, orientation)[0] for name in names}
        faint, strong = (
            parse(svg.board(Board(), marks=[svg.Mark(0, weight=weight), svg.Mark(40, weight=weight)]))
            for weight in (0.2, 0.9)
        )
        for one, other in zip(having(faint, "mark"), having(strong, "mark"), strict=True):
            assert float(one.get("fill-opacity")) < float(other.get("fill-opacity"))
        rings = [having(root, "mark")[0] for root in (faint, strong)]
        assert float(rings[0].get("stroke-opacity")) < float(rings[1].get("stroke-opacity"))

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

    @pytest.mark.parametrize("sq", [-1, 90, "e2"])
    def test_a_mark_off_the_board(self, sq: Any) -> None:
        with pytest.raises(ValueError, match=f"not a square: {sq!r}"):
            svg.board(Board(), marks=[sq])

    def test_labels_and_colours_are_escaped(self):
        root = parse(
            svg.board(Board(), arrows=[svg.Arrow(H2E2, color='"><b>', label="<70%>")], marks=[svg.Mark(0, label="&")])
        )
        assert {"<70%>", "&"} <= set(texts(root))


class TestDocument:
    @pytest.mark.parametrize("size", [0, -480, float("nan"), float("inf")])
    def test_no_picture_is_of_that_size(self, size: float) -> None:
        with pytest.raises(ValueError, match="wider than 0 pixels"):
            svg.board(Board(), size=size)

    def test_coordinates(self):
        assert texts(parse(svg.board(Board()))) == [c for f in "abcdefghi" for c in f * 2] + [
            c for r in "0123456789" for c in r * 2
        ]
        assert texts(parse(svg.board(Board(), coordinates="files"))) == list("123456789")
        assert texts(parse(svg.board(Board(), coordinates=None))) == []

    @pytest.mark.parametrize("orientation", [RED, BLACK])
    def test_names_of_files_and_ranks_stand_beside_their_squares(self, orientation):
        expected = {}
        for file in "abcdefghi":
            expected |= {(spot(f"{file}0", orientation)[0], y): file for y in (-39, 579)}
        for rank in "0123456789":
            expected |= {(x, spot(f"a{rank}", orientation)[1]): rank for x in (-39, 519)}
        assert written(parse(svg.board(Board(), orientation=orientation))) == expected

    @pytest.mark.parametrize("orientation", [RED, BLACK])
    def test_each_side_counts_the_files_from_its_own_right_at_its_own_edge(self, orientation):
        root = parse(svg.board(Board(), orientation=orientation, coordinates="files"))
        below, above = 579, -39
        red, black = (below, above) if orientation == RED else (above, below)
        assert written(root) == {(spot(f"{f}0", orientation)[0], black): str(i) for i, f in enumerate("abcdefghi", 1)}
        numerals = {}
        for element in root.iter():
            found = re.fullmatch(r"translate\((\S+) (\S+)\) scale\(0\.045\)", element.get("transform", ""))
            if found is not None:
                numerals[tuple(map(float, found.groups()))] = element.get("d")
        assert numerals == {
            (spot(f"{file}0", orientation)[0], red): GLYPHS[numeral]
            for file, numeral in zip("ihgfedcba", "一二三四五六七八九", strict=True)
        }

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
