"""Everything that can be said of a model, on one page that needs nothing else: ``xqlm report``.

`gather` measures, `page` writes it down. The page also holds all figures as JSON, so that nobody has to read them off.
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from transformers import PreTrainedModel

from lm import UserError
from lm.dataset.records import Record
from lm.measure import figures
from lm.measure.evaluate import LEGALITY, evaluate, labels_of, line_of
from lm.measure.probes import probe, random_twin
from lm.measure.puzzles import Puzzle, solve
from lm.measure.stats import SAMPLES, share_with_interval
from lm.measure.stray import RANDOM_PLIES, after_random_plies
from lm.model.model import XiangqiLM
from lm.model.prompts import Voice
from lm.players.lm_player import readings
from xiangqi.formats import load

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LEAST_PROBED: Final = 10
"""Games by which the probes are judged, where there are as many; a third of those they were fitted on is enough."""
OWN_WORD: Final = ("resignation", "draw agreed")


def gather(
    model: PreTrainedModel,
    records: Sequence[Record],
    *,
    puzzles: Sequence[Puzzle] = (),
    learners: Sequence[Record] = (),
    stray: int = 200,
    run: Path | None = None,
    selfplay: Path | None = None,
    samples: int = SAMPLES,
    say: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Measure a model; what is not asked for is ``None`` in the result.

    ``records`` are held-out games: those of engines are foreseen in the engine's voice, the others in the human one.
    ``learners`` are other games, on which the probes are fitted; ``stray`` is the number of games that begin with
    random plies; ``run`` a training run and ``selfplay`` a file of the model's games. ``say`` is told what is done.
    """
    symmetries = readings(model)
    found: dict[str, Any] = {
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "symmetries": symmetries,
        "played": {},
        "stray": None,
        "puzzles": None,
        "probes": None,
        "training": None if run is None else training_log(run),
        "endings": None if selfplay is None else endings(selfplay, samples),
    }
    for voice in Voice:
        chosen = [record for record in records if (record.tier == "engine") == (voice == Voice.ENGINE)]
        if chosen:
            say(f"{len(chosen)} {voice.word} games")
            lines, results = [line_of(record) for record in chosen], [record.result for record in chosen]
            seen = evaluate(model, lines, results, voice, symmetries=symmetries)
            by = seen.breakdown(labels_of(chosen), samples)
            found["played"][voice.word] = seen.report(samples=samples) | {
                "by": by,
                "calibration": seen.calibration(samples),
            }
    if stray:
        say(f"{stray} games that begin with random plies")
        found["stray"] = after_random_plies(model, stray, samples)
    if puzzles:
        say(f"{len(puzzles)} puzzles")
        voices = list(Voice) if isinstance(model, XiangqiLM) else [Voice.HUMAN]
        found["puzzles"] = {
            voice.word: solve(model, puzzles, voice, samples=samples, symmetries=symmetries) for voice in voices
        }
    if learners and isinstance(model, XiangqiLM):
        say("probes")
        humans = [line_of(record) for record in records if record.tier != "engine"] or [line_of(r) for r in records]
        asked = humans[:: max(1, len(humans) // max(LEAST_PROBED, len(learners) // 3))]
        pair = {"trained": model, "random weights": random_twin(model)}
        found["probes"] = probe(pair, [line_of(record) for record in learners], asked, samples)
    return found


def training_log(run: Path) -> list[dict[str, float]]:
    """Return what a training run logged, by step: that of its newest checkpoint, or of a folder that is one.

    Raises ``UserError`` if there is none or it cannot be read.
    """
    files = [run / "trainer_state.json", *run.glob("checkpoint-*/trainer_state.json")]
    files = [file for file in files if file.is_file()]
    if not files:
        raise UserError(f"{run}: not a training run: there is no trainer_state.json, nor in a checkpoint")
    logs: dict[int, list[dict[str, float]]] = {}
    for file in files:
        try:
            state = json.loads(file.read_text("utf-8"))
            logs[state["global_step"]] = list(state["log_history"])
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"{file}: not the state of a training run: {error!r}") from None
    return logs[max(logs)]


def endings(path: Path, samples: int = SAMPLES) -> dict[str, Any]:
    """Return how the games of a file ended: by mate, by a ruling, by the players' own word, or at the limit of plies.

    Raises ``UserError`` if no game says so.
    """
    kinds, reasons = [], Counter[str]()
    for game in load(path, on_error=lambda error: None):
        reason = game.headers.get("Termination")
        if reason is None:
            continue
        reasons[reason] += 1
        kinds.append(
            "mate" if reason in ("checkmate", "stalemate")
            else "own word" if reason in OWN_WORD
            else "ply limit" if reason == "ply limit"
            else "ruling"
        )  # fmt: skip
    if not kinds:
        raise UserError(f"{path}: no game says how it ended")
    found: dict[str, Any] = {"games": len(kinds), "by": {}, "reasons": dict(reasons.most_common())}
    for kind in ("mate", "ruling", "own word", "ply limit"):
        share, bounds = share_with_interval(np.array([k == kind for k in kinds]), samples)
        found["by"][kind] = {"games": kinds.count(kind), "share": share, "interval": bounds}
    return found


# --- The page ---------------------------------------------------------------------------------------------------------


def page(found: Mapping[str, Any], title: str, facts: Mapping[str, str]) -> str:
    """Return the report as an HTML document. Raises ``UserError`` where matplotlib is not installed."""
    parts = [f"<h1>{escape(title)}</h1>", _facts(facts), _tiles(found)]
    played, stray = found["played"], found["stray"]
    if found["symmetries"] == 2:
        parts.append(
            "<p>Moves, results and puzzles are judged by the mean of two readings, of the game as it is and of its"
            " mirror image, as the model plays; the rules and the board inside by one.</p>"
        )
    if played:
        parts += [
            "<h2>Moves foreseen</h2>",
            "<p>The share of plies at which the move played was the likeliest legal one (top-1) or one of three"
            " (top-3), and its mean negative log-probability. Humans' moves are foreseen in the model's human voice,"
            " engines' in its engine voice, random openings and deliberate slips included. All intervals are 95%, by"
            " bootstrap over games, or Wilson's where all of them agree; groups of fewer than ten games stand in the"
            " table only.</p>",
            _figure(figures.moves_by_group(played), "Top-1, top-3 and NLL by phase, tier and source"),
            _figure(figures.moves_by_ply(played), "Top-1 and NLL by ply"),
            _small("Opening: the first 20 plies while at least 10 of the 12 rooks, knights and cannons stand; endgame:"
                   " at most 5 of them do; middlegame: the rest."),
            _details("Figures", _moves_table(played)),
            "<h2>The rules, unmasked</h2>",
            "<p>In play the rules mask what is illegal. Here they do not: is the likeliest of all 2086 moves legal, and"
            " how much probability do the legal moves have together?</p>",
            _figure(figures.legality(played, stray), "Share of legal moves by ply"),
            _legality_table(played, stray),
        ]  # fmt: skip
    judged = {who: x for who, x in played.items() if x["calibration"]}
    if judged:
        parts += [
            "<h2>Who wins</h2>",
            "<p>Forecasts of the result at every ply. Brier: squared distance between (win, draw, loss) and what came,"
            " 0 to 2, of which a forecast of a third each gets 0.667. ECE: mean distance between the expected score"
            " and the mean result, in ten bins.</p>",
            _figure(figures.calibration(judged), "Reliability of the expected score"),
            _table(
                ("games", "Brier", "ECE"),
                [
                    (who, *(_with_interval(x, name) for name in ("value_brier", "value_ece")))
                    for who, x in judged.items()
                ],
            ),
        ]
    if found["puzzles"]:
        voice, shown = _solver(found["puzzles"])
        parts += [
            "<h2>Puzzles</h2>",
            "<p>Without search: is the likeliest move the solution's first, and so at every move of the solver? Other"
            f" ways that win as well count as wrong. Drawn: the {voice} voice.</p>",
            _figure(figures.puzzles(shown), "Puzzles solved by kind and length"),
            _table(
                ("voice", "positions", "first move", "whole line"),
                [(v, f"{x['positions']:,}", _with_interval(x, "first_move"), _with_interval(x, "whole_line"))
                 for v, x in found["puzzles"].items()],
            ),
        ]  # fmt: skip
    if found["probes"]:
        probes = found["probes"]
        parts += [
            "<h2>The board inside</h2>",
            "<p>A linear map is fitted from each layer's states to the pieces on the board and judged on other games,"
            " beside a twin with random weights and the commonest content of each point."
            f" {probes['plies']['train']:,} positions to fit, {probes['plies']['test']:,} to judge.</p>",
            _figure(figures.probes(probes), "Linear probes by layer"),
            _details("Figures", _probe_table(probes)),
        ]
    if found["endings"]:
        ends = found["endings"]
        reasons = ", ".join(f"{escape(reason)} {count}" for reason, count in ends["reasons"].items())
        parts += [
            "<h2>How its games end</h2>",
            f"<p>{ends['games']:,} games of self-play: {reasons}.</p>",
            _figure(figures.endings(ends["by"]), "How games of self-play end"),
            _table(("ended by", "games", "share"), _ending_rows(ends["by"])),
        ]
    if found["training"]:
        parts += [
            "<h2>Training</h2>",
            "<p>One run: what its batches cost, and its early looks at held-out games.</p>",
            _figure(figures.training(found["training"]), "Training curves"),
        ]
    data = json.dumps({"title": title, "facts": dict(facts), **found}).replace("</", "<\\/")
    body = "\n".join(parts)
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{escape(title)}</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<style>{_CSS}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n'
        f'<script type="application/json" id="figures">{data}</script>\n</body>\n</html>\n'
    )  # fmt: skip


_CSS: Final = """
body { margin: 0; background: #f6f3ec; color: #2b2b2b; font: 16px/1.5 system-ui, "Segoe UI", Helvetica, sans-serif; }
main { max-width: 60rem; margin: 2rem auto; padding: 1rem 2.5rem 3rem; background: #fff; border-radius: 6px; }
h1 { margin: 1rem 0 0.2rem; font-size: 1.7rem; }
h2 { margin: 2.6rem 0 0.4rem; padding-top: 0.8rem; border-top: 1px solid #e2dccd; font-size: 1.25rem; }
p { max-width: 46rem; }
.facts, .small { color: #6a6a6a; font-size: 0.88rem; }
.tiles { display: flex; flex-wrap: wrap; gap: 0.8rem; margin: 1.4rem 0 0; }
.tile { flex: 1 1 9rem; padding: 0.7rem 1rem; background: #f6f3ec; border-radius: 5px; }
.tile b { display: block; font-size: 1.5rem; line-height: 1.2; }
.tile span { color: #6a6a6a; font-size: 0.82rem; }
figure { margin: 1rem 0; }
img { max-width: 100%; height: auto; }
table { border-collapse: collapse; margin: 0.8rem 0; font-size: 0.88rem; font-variant-numeric: tabular-nums; }
th, td { padding: 0.22rem 0.9rem 0.22rem 0; border-bottom: 1px solid #ece7db; text-align: left; white-space: nowrap; }
td i { color: #8a8a8a; font-style: normal; font-size: 0.85em; }
details { margin: 0.6rem 0; overflow-x: auto; } summary { cursor: pointer; color: #2f6fb5; }
"""


def _facts(facts: Mapping[str, str]) -> str:
    return '<p class="facts">' + " · ".join(f"{escape(k)} {escape(v)}" for k, v in facts.items()) + "</p>"


def _tiles(found: Mapping[str, Any]) -> str:
    """Return the figures to remember."""
    tiles = []
    for who, x in found["played"].items():
        tiles.append((f"{x['top1']:.1%}", f"top-1, {who} games", x["interval"]["top1"]))
    if "human" in found["played"]:
        human = found["played"]["human"]
        tiles.append((f"{human['nll']:.3f}", "nats a ply, human games", human["interval"]["nll"]))
        tiles.append((f"{human['legal_argmax']:.1%}", "unmasked argmax legal", human["interval"]["legal_argmax"]))
    if found["puzzles"]:
        voice, shown = _solver(found["puzzles"])
        share, bounds = shown["first_move"], shown["interval"]["first_move"]
        tiles.append((f"{share:.1%}", f"first moves of puzzles, {voice} voice", bounds))
    boxes = [
        f'<div class="tile"><b>{value}</b><span>{escape(label)}<br>{low:.3f} to {high:.3f}</span></div>'
        for value, label, (low, high) in tiles
    ]
    return f'<div class="tiles">{"".join(boxes)}</div>'


def _solver(puzzles: Mapping[str, Any]) -> tuple[str, Any]:
    """Return the voice whose solutions are shown, and those: the engine's, where the model has one."""
    voice = "engine" if "engine" in puzzles else next(iter(puzzles))
    return voice, puzzles[voice]


def _figure(figure: Figure, alt: str) -> str:
    data = base64.b64encode(figures.to_bytes(figure)).decode()
    return f'<figure><img alt="{escape(alt)}" src="data:image/svg+xml;base64,{data}"></figure>'


def _small(text: str) -> str:
    return f'<p class="small">{escape(text)}</p>'


def _details(summary: str, content: str) -> str:
    return f"<details><summary>{escape(summary)}</summary>{content}</details>"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table; cells are HTML already."""
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def _with_interval(part: Mapping[str, Any], name: str) -> str:
    """Return a figure and its interval as HTML."""
    if part.get(name) is None:
        return "–"
    low, high = part["interval"][name]
    return f"{part[name]:.4f} <i>{low:.3f} to {high:.3f}</i>"


def _ending_rows(by: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, str, str]]:
    rows = []
    for kind, part in by.items():
        low, high = part["interval"]
        rows.append((kind, f"{part['games']:,}", f"{part['share']:.3f} <i>{low:.3f} to {high:.3f}</i>"))
    return rows


def _moves_table(played: Mapping[str, Any]) -> str:
    names = ("top1", "top3", "nll")
    rows = []
    for who, found in played.items():
        groups = {"": {"all": found}} | found["by"]
        for kind, parts in groups.items():
            for name, part in parts.items():
                cells = [_with_interval(part, figure) for figure in names]
                rows.append([who, escape(f"{kind} {name}".strip()), f"{part['games']:,}", f"{part['plies']:,}", *cells])
    return _table(("games", "part", "games", "plies", "top-1", "top-3", "NLL"), rows)


def _legality_table(played: Mapping[str, Any], stray: Mapping[str, Any] | None) -> str:
    parts = {f"{who} games": found for who, found in played.items()}
    if stray is not None:
        parts[f"the position after {RANDOM_PLIES} random plies"] = stray["at_once"]
        parts["and its own play from there"] = stray
    rows = [
        [label, f"{part['plies']:,}", *(_with_interval(part, name) for name in LEGALITY)]
        for label, part in parts.items()
    ]
    head = ("", "plies", "argmax legal", "mass on legal moves", "whole games, argmax", "whole games, sampled")
    return f'<div style="overflow-x: auto">{_table(head, rows)}</div>'


def _probe_table(probes: Mapping[str, Any]) -> str:
    rows = [["commonest", "–", _with_interval(probes["chance"], "pieces"), _with_interval(probes["chance"], "points")]]
    for name, layers in probes["layers"].items():
        for i, layer in enumerate(layers):
            rows.append([escape(name), str(i), _with_interval(layer, "pieces"), _with_interval(layer, "points")])
    return _table(("model", "layer", "pieces named", "all points right"), rows)
