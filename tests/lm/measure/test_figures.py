"""What the report shows: each value that was measured is drawn and written where its label says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import unescape
from typing import TYPE_CHECKING, Any

import pytest
from matplotlib.colors import to_hex

from lm.measure import figures
from lm.measure.evaluate import Bin, Report
from lm.measure.figures import BLUE, GREEN, GREY, ORANGE
from lm.measure.probes import Probes, Reading
from lm.measure.puzzles import AllSolved, Solved
from lm.measure.report import Ended, Endings, Findings, Played, page
from lm.measure.stray import Legality, Stray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOVES = ("top1", "top3", "nll")
RULES = ("legal_argmax", "legal_mass", "legal_games", "legal_games_sampled")
VALUES = ("value_brier", "value_ece")
COLORS = {"human": BLUE, "engine": ORANGE}

LOG = [{"step": 20, "policy_loss": 3.0, "value_loss": 1.8}, {"step": 40, "policy_loss": 2.5, "value_loss": 1.7}]


def means(start: float, names: tuple[str, ...]) -> dict[str, Any]:
    """Return other values for each name, with lopsided intervals."""
    values = {name: round(start + 0.01 * i, 4) for i, name in enumerate(names)}
    intervals = {name: [round(value - 0.02, 4), round(value + 0.03, 4)] for name, value in values.items()}
    return {**values, "interval": intervals}


def part(start: float, games: int = 100, plies: int = 2000) -> Report:
    """Return what was measured of some games."""
    return Report(games, plies, **means(start, MOVES + RULES + VALUES))


def legality(start: float, games: int = 100, plies: int = 2000) -> Legality:
    return Legality(games, plies, **means(start, RULES))


def reading(start: float) -> Reading:
    return Reading(**means(start, ("pieces", "points")))


def solved(start: float, positions: int) -> Solved:
    return Solved(positions, **means(start, ("first_move", "whole_line")))


def bins(*forecasts_and_results: tuple[float, float, int]) -> list[Bin]:
    """Return bins of a calibration from forecast, mean result and number of positions of each."""
    return [
        Bin(forecast, result, [result - 0.04, result + 0.06], positions)
        for forecast, result, positions in forecasts_and_results
    ]


PLAYED = {
    "human": Played(
        **vars(part(0.40, games=200, plies=8000)),
        calibration=bins((0.1, 0.3, 100), (0.45, 0.5, 300), (0.9, 0.8, 600)),
        by={
            "phase": {"opening": part(0.42, plies=3000), "endgame": part(0.34, plies=2500)},
            "tier": {"master": part(0.46, plies=3500), "club": part(0.36, games=9, plies=90)},
            "source": {"象棋/games.pgn": part(0.48, plies=3300)},
            "ply": {"0-9": part(0.5), "10-19": part(0.44), "20-29": part(0.3, plies=49)},
        },
    ),
    "engine": Played(
        **vars(part(0.60, games=150, plies=6000)),
        calibration=bins((0.2, 0.15, 50), (0.7, 0.75, 150)),
        by={
            "phase": {"opening": part(0.62, plies=2800), "endgame": part(0.66, plies=1200)},
            "tier": {"engine": part(0.60, games=150, plies=6000)},
            "source": {"own:1": part(0.64, plies=2900)},
            "ply": {"0-9": part(0.7), "10-19": part(0.68)},
        },
    ),
}
STRAY = Stray(
    **vars(legality(0.80, games=20, plies=800)),
    at_once=legality(0.90, games=20, plies=20),
    by={"ply": {"20-29": legality(0.85, plies=200), "30-39": legality(0.82, plies=180)}},
)
SOLVED = AllSolved(
    **vars(solved(0.30, 500)),
    by={
        "kind": {"mate": solved(0.35, 300), "endgame": solved(0.22, 200), "rare": solved(0.9, 9)},
        "moves": {"1": solved(0.45, 250), "2": solved(0.15, 240)},
    },
)
PUZZLES = {"human": AllSolved(**vars(solved(0.25, 500)), by={}), "engine": SOLVED}
PROBES = Probes(
    {"train": 900, "test": 300},
    reading(0.6),
    {
        "trained": [reading(0.75), reading(0.95)],
        "random weights": [reading(0.65), reading(0.62)],
    },
)
ENDINGS = Endings(
    10,
    {
        "mate": Ended(5, 0.5, [0.3, 0.8]),
        "ruling": Ended(0, 0.0, [0.0, 0.25]),
        "own word": Ended(2, 0.2, [0.1, 0.45]),
        "ply limit": Ended(3, 0.3, [0.15, 0.6]),
    },
    {"checkmate": 5, "ply limit": 3, "resignation": 2},
)


def title(axes: Axes) -> str:
    return axes.get_title(loc="left")


def curves(axes: Axes) -> dict[str, tuple[str, list[float], list[float]]]:
    """Return the lines with a label: their colour and points."""
    return {
        str(line.get_label()): (
            str(line.get_color()),
            list(map(float, line.get_xdata())),
            list(map(float, line.get_ydata())),
        )
        for line in axes.lines
        if not str(line.get_label()).startswith("_")
    }


def bands(axes: Axes) -> dict[str, dict[float, list[float]]]:
    """Return the filled bands by colour: at each x the lower and the upper edge."""
    found = {}
    for band in axes.collections:
        edges: dict[float, set[float]] = {}
        for x, y in band.get_paths()[0].vertices.tolist():
            edges.setdefault(x, set()).add(y)
        found[to_hex(band.get_facecolor()[0])] = {x: [min(ys), max(ys)] for x, ys in sorted(edges.items())}
    return found


def bars(axes: Axes) -> dict[str, tuple[str, dict[float, float], list[list[float]]]]:
    """Return the upright bars by label: their colour, height by the nearest tick, and the ends of the error bars."""
    found = {}
    for container in axes.containers:
        if not hasattr(container, "patches"):
            continue
        heights = {round(bar.get_x() + bar.get_width() / 2): bar.get_height() for bar in container.patches}
        (errors,) = container.errorbar.lines[2]
        ends = [[segment[0][1], segment[1][1]] for segment in errors.get_segments()]
        found[container.get_label()] = to_hex(container.patches[0].get_facecolor()[:3]), heights, ends
    return found


def expected_curve(parts: Mapping[str, Report | Legality], name: str, color: str) -> Any:
    """Return a curve by ply as `curves` reads it: at the middle of each span of plies that has 50 or more."""
    kept = {key: part for key, part in parts.items() if part.plies >= 50}
    x = [(int(key.split("-")[0]) + int(key.split("-")[1])) / 2 + 0.5 for key in kept]
    return color, x, [getattr(part, name) for part in kept.values()]


@pytest.fixture(scope="module")
def panels() -> list[Axes]:
    return figures.moves_by_group(PLAYED).axes


@pytest.fixture(scope="module")
def rows() -> dict[str, tuple[str, Report]]:
    """Return what each row is to show, from top to bottom: whose games, and what was measured of them."""
    human, engine = (PLAYED[who].by for who in ("human", "engine"))
    return {
        "all human games  ·  8,000 plies": ("human", PLAYED["human"]),
        "all engine games  ·  6,000 plies": ("engine", PLAYED["engine"]),
        "opening (human)  ·  3,000 plies": ("human", human["phase"]["opening"]),
        "endgame (human)  ·  2,500 plies": ("human", human["phase"]["endgame"]),
        "opening (engine)  ·  2,800 plies": ("engine", engine["phase"]["opening"]),
        "endgame (engine)  ·  1,200 plies": ("engine", engine["phase"]["endgame"]),
        "master  ·  3,500 plies": ("human", human["tier"]["master"]),
        "□□/games.pgn  ·  3,300 plies": ("human", human["source"]["象棋/games.pgn"]),
        "own:1  ·  2,900 plies": ("engine", engine["source"]["own:1"]),
    }


class TestMovesByGroup:
    def test_rows_from_top_to_bottom_without_small_groups(self, panels: list[Axes], rows: dict[str, Any]) -> None:
        labels = [label.get_text() for label in panels[0].get_yticklabels()]
        assert labels == list(rows)
        bottom, top = panels[0].get_ylim()
        assert top < panels[0].get_yticks()[0] < panels[0].get_yticks()[-1] < bottom

    @pytest.mark.parametrize(
        ("panel", "name", "heading"), [(0, "top1", "top-1"), (1, "top3", "top-3"), (2, "nll", "NLL, nats")]
    )
    def test_each_row_shows_its_value_and_interval_in_the_colour_of_its_games(
        self, panels: list[Axes], rows: dict[str, Any], panel: int, name: str, heading: str
    ) -> None:
        axes = panels[panel]
        assert title(axes) == heading
        points, intervals = {}, {}
        for line in axes.lines:
            x, y = list(line.get_xdata()), list(line.get_ydata())
            if len(x) == 1:
                points[y[0]] = line.get_color(), x[0]
            elif y[0] == y[1]:
                intervals[y[0]] = line.get_color(), x
        places = dict(zip(rows, panels[0].get_yticks(), strict=True))
        for label, (who, measured) in rows.items():
            assert points[places[label]] == (COLORS[who], getattr(measured, name)), label
            assert intervals[places[label]] == (COLORS[who], measured.interval[name]), label
        upright = [line for line in axes.lines if list(line.get_ydata()) == [0, 1]]
        assert {line.get_color(): line.get_xdata()[0] for line in upright} == {
            COLORS[who]: getattr(found, name) for who, found in PLAYED.items()
        }


class TestByPly:
    @pytest.mark.parametrize(("panel", "name", "heading"), [(0, "top1", "top-1"), (1, "nll", "NLL, nats")])
    def test_moves_foreseen_as_the_game_goes_on(self, panel: int, name: str, heading: str) -> None:
        axes = figures.moves_by_ply(PLAYED).axes[panel]
        assert (title(axes), axes.get_xlabel()) == (heading, "ply")
        assert curves(axes) == {
            f"{who} games": expected_curve(found.by["ply"], name, COLORS[who]) for who, found in PLAYED.items()
        }
        for who, found in PLAYED.items():
            kept = [part for part in found.by["ply"].values() if part.plies >= 50]
            assert list(bands(axes)[COLORS[who]].values()) == [part.interval[name] for part in kept]
        assert [text.get_text() for text in axes.get_legend().get_texts()] == ["human games", "engine games"]

    @pytest.mark.parametrize(
        ("panel", "name", "heading"),
        [(0, "legal_argmax", "unmasked argmax legal"), (1, "legal_mass", "unmasked mass on legal moves")],
    )
    def test_rules_obeyed_as_the_game_goes_on(self, panel: int, name: str, heading: str) -> None:
        both = figures.legality(PLAYED, STRAY).axes
        axes = both[panel]
        assert (title(axes), axes.get_xlabel()) == (heading, "ply")
        assert curves(axes) == {
            "human games": expected_curve(PLAYED["human"].by["ply"], name, BLUE),
            "engine games": expected_curve(PLAYED["engine"].by["ply"], name, ORANGE),
            "after 20 random plies": expected_curve(STRAY.by["ply"], name, GREEN),
        }
        assert list(bands(axes)[GREEN].values()) == [part.interval[name] for part in STRAY.by["ply"].values()]
        legend = [text.get_text() for text in both[1].get_legend().get_texts()]
        assert legend == ["human games", "engine games", "after 20 random plies"]


class TestCalibration:
    def test_forecasts_lie_across_and_results_upwards(self) -> None:
        upper, lower = figures.calibration(PLAYED).axes
        assert lower.get_xlabel() == "forecast expected score of the mover"
        assert (upper.get_ylabel(), lower.get_ylabel()) == ("mean result", "share")
        (perfect,) = [line for line in upper.lines if line.get_label() == "perfect"]
        assert list(perfect.get_xdata()) == list(perfect.get_ydata()) == [0, 1]
        drawn = {container.get_label(): container for container in upper.containers}
        assert list(drawn) == ["human games, ECE 0.480", "engine games, ECE 0.680"]
        for (who, found), container in zip(PLAYED.items(), drawn.values(), strict=True):
            line, _, (errors,) = container.lines
            assert line.get_color() == COLORS[who]
            assert list(line.get_xdata()) == [each.forecast for each in found.calibration]
            assert list(line.get_ydata()) == [each.result for each in found.calibration]
            for segment, each in zip(errors.get_segments(), found.calibration, strict=True):
                assert segment[:, 0].tolist() == [each.forecast] * 2
                assert segment[:, 1].tolist() == pytest.approx(each.interval)
        assert {text.get_text() for text in upper.get_legend().get_texts()} == {"perfect", *drawn}

    def test_shares_of_positions_stand_at_their_forecasts(self) -> None:
        _, lower = figures.calibration(PLAYED).axes
        for found, color, container in zip(PLAYED.values(), COLORS.values(), lower.containers, strict=True):
            total = sum(each.positions for each in found.calibration)
            assert [bar.get_height() for bar in container] == [e.positions / total for e in found.calibration]
            middles = [bar.get_x() + bar.get_width() / 2 for bar in container]
            assert middles == pytest.approx([each.forecast for each in found.calibration], abs=0.02)
            assert {to_hex(bar.get_facecolor()[:3]) for bar in container} == {color}


class TestOtherFigures:
    def test_puzzles_solved(self) -> None:
        kinds, lengths = figures.puzzles(SOLVED).axes
        by = SOLVED.by
        for axes, heading, parts in (
            (kinds, "by kind", {"all": SOLVED, "mate": by["kind"]["mate"], "endgame": by["kind"]["endgame"]}),
            (lengths, "by moves of the solver", by["moves"]),
        ):
            assert title(axes) == heading
            ticks = [label.get_text() for label in axes.get_xticklabels()]
            assert ticks == [f"{name}\n{part.positions:,}" for name, part in parts.items()]
            drawn = bars(axes)
            assert list(drawn) == ["first move", "whole line"]
            for label, name, color in (("first move", "first_move", BLUE), ("whole line", "whole_line", ORANGE)):
                assert drawn[label][:2] == (color, {i: getattr(part, name) for i, part in enumerate(parts.values())})
                for ends, part in zip(drawn[label][2], parts.values(), strict=True):
                    assert ends == pytest.approx(part.interval[name])

    def test_probes_by_layer(self) -> None:
        for axes, name, heading in zip(
            figures.probes(PROBES).axes, ("pieces", "points"), ("pieces named", "all points right"), strict=True
        ):
            assert title(axes) == heading
            assert axes.get_xlabel().startswith("layer")
            drawn = curves(axes)
            for label, color in (("trained", BLUE), ("random weights", GREY)):
                layers = PROBES.layers[label]
                assert drawn[label] == (color, [0, 1], [getattr(layer, name) for layer in layers])
                assert list(bands(axes)[color].values()) == [layer.interval[name] for layer in layers]
            assert drawn["commonest"][2] == [getattr(PROBES.chance, name)] * 2

    def test_how_games_end(self) -> None:
        (axes,) = figures.endings(ENDINGS.by).axes
        labels = [label.get_text() for label in axes.get_yticklabels()]
        assert labels == ["mate (5)", "ruling (0)", "own word (2)", "ply limit (3)"]
        assert axes.get_xlabel() == "share of games"
        bottom, top = axes.get_ylim()
        assert top < bottom  # the first kind is the topmost
        (container,) = [each for each in axes.containers if hasattr(each, "patches")]
        shares = {round(bar.get_y() + bar.get_height() / 2): bar.get_width() for bar in container.patches}
        assert shares == {i: part.share for i, part in enumerate(ENDINGS.by.values())}
        for segment, part in zip(container.errorbar.lines[2][0].get_segments(), ENDINGS.by.values(), strict=True):
            assert [segment[0][0], segment[1][0]] == pytest.approx(part.interval)

    def test_training_curves_show_what_was_logged(self) -> None:
        log = [*LOG, {"step": 40, "eval_nll": 1.9, "eval_top1": 0.3}, {"step": 60, "eval_nll": 1.8, "eval_top1": 0.4}]
        drawn = {title(axes): (axes.get_xlabel(), curves(axes)) for axes in figures.training(log).axes}
        assert drawn == {
            "policy loss, nats": ("step", {"training batches": (BLUE, [20, 40], [3.0, 2.5])}),
            "value loss": ("step", {"training batches": (BLUE, [20, 40], [1.8, 1.7])}),
            "held-out NLL, nats": ("step", {"human games": (ORANGE, [40, 60], [1.9, 1.8])}),
            "held-out top-1": ("step", {"human games": (ORANGE, [40, 60], [0.3, 0.4])}),
        }

    def test_long_curves_are_smoothed_over_the_values(self) -> None:
        log = [{"step": step, "policy_loss": 5.0 - step / 100 + step % 2} for step in range(50)]
        (axes,) = figures.training(log).axes
        raw, smooth = axes.lines
        values = [entry["policy_loss"] for entry in log]
        assert (list(raw.get_xdata()), list(raw.get_ydata())) == (list(range(50)), values)
        assert (list(smooth.get_xdata()), list(smooth.get_ydata())) == (list(range(50)), figures.smooth(values))
        assert raw.get_alpha() < 1

    def test_a_model_without_a_value_has_no_curve_of_it(self) -> None:
        axes = figures.training([entry | {"value_loss": 0.0} for entry in LOG]).axes
        assert [title(each) for each in axes] == ["policy loss, nats"]

    def test_smoothing(self) -> None:
        values = [5.0, 1.0, 1.0, 1.0]
        smooth = figures.smooth(values)
        assert smooth[0] == 5
        assert smooth == sorted(smooth, reverse=True)
        assert smooth[-1] > 1

    def test_the_same_figures_make_the_same_file(self) -> None:
        once, twice = (figures.to_bytes(figures.training(LOG)) for _ in range(2))
        assert once == twice
        assert once.startswith(b"<?xml")
        assert figures.to_bytes(figures.training(LOG), "png").startswith(b"\x89PNG")


@pytest.fixture(scope="module")
def text() -> str:
    found = Findings(
        parameters=1,
        symmetries=1,
        played=PLAYED,
        stray=STRAY,
        puzzles=PUZZLES,
        probes=PROBES,
        endings=ENDINGS,
        training=LOG,
    )
    return page(found, "All", {})


@pytest.fixture(scope="module")
def tables(text: str) -> dict[str, list[list[str]]]:
    """Return the rows of each table as text, by the heading above it."""
    found = {}
    for section in re.split("<h2>", text)[1:]:
        rows = []
        for row in re.findall(r"<tr>(.*?)</tr>", section):
            cells = re.findall(r"<t[hd]>(.*?)</t[hd]>", row)
            rows.append([unescape(re.sub(r"<[^>]*>", "", cell)) for cell in cells])
        found[section.partition("</h2>")[0]] = rows
    return found


class TestTables:
    """The tables of the page: each value in the row and the column of its name."""

    @staticmethod
    def cells(part: Report | Legality | Solved | Reading, names: tuple[str, ...]) -> list[str]:
        return ["{:.4f} {:.3f} to {:.3f}".format(getattr(part, name), *part.interval[name]) for name in names]

    def test_moves(self, tables: dict[str, list[list[str]]]) -> None:
        head, *rows = tables["Moves foreseen"]
        assert head == ["games", "part", "games", "plies", "top-1", "top-3", "NLL"]
        shown = {(row[0], row[1]): row[2:] for row in rows}
        for who, found in PLAYED.items():
            parts: dict[str, Report] = {"all": found}
            parts |= {f"{k} {name}": p for k, ps in found.by.items() for name, p in ps.items()}
            for name, part in parts.items():
                expected = [f"{part.games:,}", f"{part.plies:,}", *self.cells(part, MOVES)]
                assert shown.pop((who, name)) == expected
        assert not shown

    def test_rules(self, tables: dict[str, list[list[str]]]) -> None:
        head, *rows = tables["The rules, unmasked"]
        assert head == [
            "",
            "plies",
            "argmax legal",
            "mass on legal moves",
            "whole games, argmax",
            "whole games, sampled",
        ]
        assert rows == [
            ["human games", "8,000", *self.cells(PLAYED["human"], RULES)],
            ["engine games", "6,000", *self.cells(PLAYED["engine"], RULES)],
            ["the position after 20 random plies", "20", *self.cells(STRAY.at_once, RULES)],
            ["and its own play from there", "800", *self.cells(STRAY, RULES)],
        ]

    def test_results_puzzles_probes_and_endings(self, tables: dict[str, list[list[str]]]) -> None:
        names = ("first_move", "whole_line")
        assert tables["Puzzles"] == [
            ["voice", "positions", "first move", "whole line"],
            *([voice, "500", *self.cells(found, names)] for voice, found in PUZZLES.items()),
        ]
        names = ("pieces", "points")
        assert tables["The board inside"] == [
            ["model", "layer", "pieces named", "all points right"],
            ["commonest", "–", *self.cells(PROBES.chance, names)],
            *(
                [model, str(i), *self.cells(layer, names)]
                for model, layers in PROBES.layers.items()
                for i, layer in enumerate(layers)
            ),
        ]
        assert tables["How its games end"][1:] == [
            ["mate", "5", "0.500 0.300 to 0.800"],
            ["ruling", "0", "0.000 0.000 to 0.250"],
            ["own word", "2", "0.200 0.100 to 0.450"],
            ["ply limit", "3", "0.300 0.150 to 0.600"],
        ]
        assert tables["Who wins"] == [
            ["games", "Brier", "ECE"],
            *([who, *self.cells(found, VALUES)] for who, found in PLAYED.items()),
        ]

    def test_the_figures_to_remember(self, text: str) -> None:
        tiles = re.findall(r'<div class="tile"><b>(.*?)</b><span>(.*?)<br>(.*?)</span>', text)
        assert tiles == [
            ("40.0%", "top-1, human games", "0.380 to 0.430"),
            ("60.0%", "top-1, engine games", "0.580 to 0.630"),
            ("0.420", "nats a ply, human games", "0.400 to 0.450"),
            ("43.0%", "unmasked argmax legal", "0.410 to 0.460"),
            ("30.0%", "first moves of puzzles, engine voice", "0.280 to 0.330"),
        ]
