"""The figures of the report, drawn with matplotlib from the results of `report.gather`, with 95% intervals."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from lm import require

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from lm.measure.evaluate import Report
    from lm.measure.probes import Probes
    from lm.measure.puzzles import AllSolved, Solved
    from lm.measure.report import Ended, Played
    from lm.measure.stray import Legality, Stray

BLUE: Final = "#2f6fb5"
ORANGE: Final = "#d9822b"
GREEN: Final = "#2f8f5b"
GREY: Final = "#8a8a8a"
INK: Final = "#2b2b2b"

STYLE: Final[Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": "#b8b8b8",
    "axes.labelcolor": INK,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.8,
    "xtick.color": "#6a6a6a",
    "ytick.color": "#6a6a6a",
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "figure.facecolor": "white",
    "svg.fonttype": "path",
    "svg.hashsalt": "xqlm",  # the same figure is always the same file
}

LEAST_GAMES: Final = 10
"""Groups of fewer games or positions are not drawn: their intervals are too wide."""

COLORS: Final = {"human": BLUE, "engine": ORANGE}
NAMES: Final = {
    "top1": "top-1",
    "top3": "top-3",
    "nll": "NLL, nats",
    "legal_argmax": "unmasked argmax legal",
    "legal_mass": "unmasked mass on legal moves",
}


@contextmanager
def drawing() -> Iterator[Any]:
    """Yield matplotlib's ``Figure`` class with our style set. Raises ``UserError`` if matplotlib is not installed."""
    require("matplotlib", "report")
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(STYLE):
        yield Figure


def to_bytes(figure: Figure, format: str = "svg") -> bytes:
    """Return a figure as the content of a file in a format of matplotlib."""
    with drawing():
        out = io.BytesIO()
        figure.savefig(
            out, format=format, bbox_inches="tight", dpi=120, metadata={"Date": None} if format == "svg" else None
        )
        return out.getvalue()


def moves_by_group(played: Mapping[str, Played]) -> Figure:
    """Draw top-1, top-3 and NLL by phase, tier and source."""
    groups: list[list[tuple[str, str, Report]]] = [[(who, f"all {who} games", found) for who, found in played.items()]]
    for kind in ("phase", "tier", "source"):
        parts = [(who, name, part) for who, found in played.items() for name, part in found.by[kind].items()]
        several = kind == "phase" and len(played) > 1
        groups.append(
            [
                (who, f"{name} ({who})" if several else drawable(name), part)
                for who, name, part in parts
                if part.games >= LEAST_GAMES and part.plies < played[who].plies
            ]
        )
    rows, places, y = [], [], 0.0
    for group in groups:
        for row in group:
            rows.append(row)
            places.append(y)
            y += 1
        y += 0.6 if group else 0  # a gap between groups
    with drawing() as new:
        figure = new(figsize=(9.2, 0.7 + 0.27 * y))
        panels = figure.subplots(1, 3, sharey=True)
        for axes, name in zip(panels, ("top1", "top3", "nll"), strict=True):
            for place, (who, _, part) in zip(places, rows, strict=True):
                axes.plot(part.interval[name], [place] * 2, color=COLORS[who], linewidth=2.4, alpha=0.45,
                          solid_capstyle="butt")  # fmt: skip
                axes.plot(getattr(part, name), place, "o", color=COLORS[who], markersize=5)
            axes.set_title(NAMES[name])
            axes.grid(axis="y", visible=False)
            for who, found in played.items():
                axes.axvline(getattr(found, name), color=COLORS[who], linewidth=0.8, linestyle=(0, (2, 3)), zorder=0)
        panels[0].set_yticks(places, [f"{label}  ·  {part.plies:,} plies" for _, label, part in rows])
        panels[0].set_ylim(y - 0.9, -0.7)
        figure.tight_layout()
        return figure


def drawable(name: str, longest: int = 34) -> str:
    """Return a name that the font can draw, with boxes for Chinese characters, cut at the front to ``longest``.

    >>> drawable("象棋/games.pgn")
    '□□/games.pgn'
    """
    name = "".join(char if ord(char) < 0x2E80 else "□" for char in name)
    return name if len(name) <= longest else "…" + name[1 - longest :]


def by_ply(
    axes: Axes, parts: Mapping[str, Report | Legality], name: str, label: str, color: str, least: int = 50
) -> None:
    """Draw a figure and its interval by ply. Parts of fewer than ``least`` plies are left out."""
    kept = {key: part for key, part in parts.items() if part.plies >= least}
    plies = [sum(map(int, key.split("-"))) / 2 + 0.5 for key in kept]
    axes.fill_between(
        plies,
        [part.interval[name][0] for part in kept.values()],
        [part.interval[name][1] for part in kept.values()],
        color=color,
        alpha=0.2,
        linewidth=0,
    )
    values = [getattr(part, name) for part in kept.values()]
    axes.plot(plies, values, color=color, label=label, marker="o", markersize=2.5)


def moves_by_ply(played: Mapping[str, Played]) -> Figure:
    """Draw top-1 and NLL by ply."""
    with drawing() as new:
        figure = new(figsize=(9.2, 2.9))
        for axes, name in zip(figure.subplots(1, 2), ("top1", "nll"), strict=True):
            for who, found in played.items():
                by_ply(axes, found.by["ply"], name, f"{who} games", COLORS[who])
            axes.set(title=NAMES[name], xlabel="ply")
            axes.set_xlim(0)
            axes.legend()
        figure.tight_layout()
        return figure


def legality(played: Mapping[str, Played], stray: Stray | None) -> Figure:
    """Draw the unmasked legality by ply."""
    with drawing() as new:
        figure = new(figsize=(9.2, 2.9))
        for axes, name in zip(figure.subplots(1, 2, sharey=True), ("legal_argmax", "legal_mass"), strict=True):
            for who, found in played.items():
                by_ply(axes, found.by["ply"], name, f"{who} games", COLORS[who])
            if stray is not None:
                by_ply(axes, stray.by["ply"], name, "after 20 random plies", GREEN)
            axes.set(title=NAMES[name], xlabel="ply")
            axes.set_xlim(0)
            axes.set_ylim(0, 1.02)
        axes.legend(loc="best")
        figure.tight_layout()
        return figure


def calibration(played: Mapping[str, Played]) -> Figure:
    """Draw the mean result of positions against the model's expected score, and the number of positions."""
    with drawing() as new:
        figure = new(figsize=(4.8, 4.9))
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
        upper.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=(0, (4, 3)), label="perfect")
        for i, (who, found) in enumerate(played.items()):
            bins = found.calibration
            x, y = [b.forecast for b in bins], [b.result for b in bins]
            errors = [[b.result - b.interval[0] for b in bins], [b.interval[1] - b.result for b in bins]]
            label = f"{who} games, ECE {found.value_ece:.3f}"
            upper.errorbar(x, y, [[max(0.0, e) for e in side] for side in errors], color=COLORS[who], label=label,
                           marker="o", markersize=4, capsize=2, elinewidth=1)  # fmt: skip
            total = sum(b.positions for b in bins)
            lower.bar([v + (i - 0.5) * 0.03 for v in x], [b.positions / total for b in bins], 0.03,
                      color=COLORS[who], alpha=0.8)  # fmt: skip
        upper.set(ylabel="mean result", xlim=(0, 1), ylim=(0, 1), title="Expected score and result")
        upper.legend(loc="upper left")
        lower.set(xlabel="forecast expected score of the mover", ylabel="share")
        figure.tight_layout()
        return figure


def puzzles(found: AllSolved) -> Figure:
    """Draw the share of positions solved, by kind and length."""
    kept = {
        kind: {name: part for name, part in found.by[kind].items() if part.positions >= LEAST_GAMES}
        for kind in ("kind", "moves")
    }
    groups: dict[str, dict[str, Solved]] = {
        "by kind": {"all": found, **kept["kind"]},
        "by moves of the solver": kept["moves"],
    }
    with drawing() as new:
        figure = new(figsize=(9.2, 3.0))
        panels = figure.subplots(1, 2, sharey=True, width_ratios=[len(parts) + 2 for parts in groups.values()])
        for axes, (title, parts) in zip(panels, groups.items(), strict=True):
            for i, (name, label, color) in enumerate(
                (("first_move", "first move", BLUE), ("whole_line", "whole line", ORANGE))
            ):
                values = [getattr(part, name) for part in parts.values()]
                low, high = ([part.interval[name][i] for part in parts.values()] for i in (0, 1))
                errors = [
                    [max(0.0, value - bound) for value, bound in zip(values, low, strict=True)],
                    [max(0.0, bound - value) for value, bound in zip(values, high, strict=True)],
                ]
                places = [x + (i - 0.5) * 0.38 for x in range(len(parts))]
                axes.bar(places, values, 0.36, yerr=errors, color=color, alpha=0.85, label=label, capsize=2,
                         error_kw={"elinewidth": 1, "ecolor": INK})  # fmt: skip
            axes.set_xticks(
                range(len(parts)), [f"{drawable(name, 12)}\n{part.positions:,}" for name, part in parts.items()]
            )
            axes.grid(axis="x", visible=False)
            axes.set_title(title)
        panels[1].legend()
        figure.tight_layout()
        return figure


def probes(found: Probes) -> Figure:
    """Draw the accuracy of probes on each layer."""
    with drawing() as new:
        figure = new(figsize=(9.2, 2.9))
        for axes, name, title in zip(
            figure.subplots(1, 2), ("pieces", "points"), ("pieces named", "all points right"), strict=True
        ):
            for (label, layers), color in zip(found.layers.items(), (BLUE, GREY), strict=False):
                x = range(len(layers))
                low, high = ([layer.interval[name][i] for layer in layers] for i in (0, 1))
                axes.fill_between(x, low, high, color=color, alpha=0.2, linewidth=0)
                shares = [getattr(layer, name) for layer in layers]
                axes.plot(x, shares, color=color, marker="o", markersize=4, label=label)
            chance = getattr(found.chance, name)
            axes.axhline(chance, color=ORANGE, linewidth=1, linestyle=(0, (4, 3)), label="commonest")
            axes.set(title=title, xlabel="layer (0: the sum of the inputs)")
            axes.set_xticks(list(x))
        axes.legend(loc="best")
        figure.tight_layout()
        return figure


def training(log: Sequence[Mapping[str, float]]) -> Figure:
    """Draw losses and held-out figures over the steps of a run."""
    panels = (
        ("policy loss, nats", "policy_loss", "training batches", BLUE),
        ("value loss", "value_loss", "training batches", BLUE),
        ("held-out NLL, nats", "eval_nll", "human games", ORANGE),
        ("held-out top-1", "eval_top1", "human games", ORANGE),
    )
    kept = [panel for panel in panels if any(entry.get(panel[1]) for entry in log)]
    with drawing() as new:
        figure = new(figsize=(9.2, 2.6 * ((len(kept) + 1) // 2)))
        grid = figure.subplots((len(kept) + 1) // 2, 2, squeeze=False).flatten()
        for axes in grid[len(kept) :]:
            axes.remove()
        for axes, (title, key, label, color) in zip(grid, kept, strict=False):
            steps = [entry["step"] for entry in log if key in entry]
            values = [entry[key] for entry in log if key in entry]
            if len(values) > 40:
                axes.plot(steps, values, color=color, alpha=0.35, linewidth=1)
                axes.plot(steps, smooth(values), color=color, label=label)
            else:
                axes.plot(steps, values, color=color, label=label, marker="o", markersize=3)
            axes.set(title=title, xlabel="step")
            axes.set_xlim(0)
            axes.legend()
            if len(values) > 40:  # leave out the steep fall of the first steps
                axes.set_ylim(min(values) - 0.05, sorted(values)[-len(values) // 20] + 0.1)
        figure.tight_layout()
        return figure


def smooth(values: Sequence[float], weight: float = 0.8) -> list[float]:
    """Return the exponential moving average of values, corrected for its start at 0.

    >>> [round(value, 3) for value in smooth([1.0, 2.0, 2.0])]
    [1.0, 1.556, 1.738]
    """
    found, total, mass = [], 0.0, 0.0
    for value in values:
        total, mass = weight * total + (1 - weight) * value, weight * mass + 1 - weight
        found.append(total / mass)
    return found


def endings(counts: Mapping[str, Ended]) -> Figure:
    """Draw how games of self-play end."""
    with drawing() as new:
        figure = new(figsize=(6.0, 0.8 + 0.34 * len(counts)))
        axes = figure.subplots()
        shares = [part.share for part in counts.values()]
        errors = [
            [max(0.0, part.share - part.interval[0]) for part in counts.values()],
            [max(0.0, part.interval[1] - part.share) for part in counts.values()],
        ]
        axes.barh(range(len(counts)), shares, 0.62, xerr=errors, color=BLUE, alpha=0.85, capsize=2,
                  error_kw={"elinewidth": 1, "ecolor": INK})  # fmt: skip
        axes.set_yticks(range(len(counts)), [f"{name} ({part.games})" for name, part in counts.items()])
        axes.invert_yaxis()
        axes.grid(axis="y", visible=False)
        axes.set(xlabel="share of games", xlim=(0, 1))
        figure.tight_layout()
        return figure
