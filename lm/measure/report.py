"""The report on a model, a single self-contained HTML page: ``xqlm report``.

`gather` measures and `page` writes the page, which also holds all figures as JSON.
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from transformers import PreTrainedModel

from lm import UserError
from lm.dataset.records import Record
from lm.measure import figures
from lm.measure.evaluate import Bin, Report, evaluate, game_moves, labels_of, readings
from lm.measure.probes import Probes, probe, random_twin
from lm.measure.puzzles import AllSolved, Puzzle, solve
from lm.measure.stats import SAMPLES, share_with_interval
from lm.measure.stray import RANDOM_PLIES, Stray, after_random_plies
from lm.model.model import XiangqiLM
from lm.model.prompts import Voice
from xiangqi.formats import load
from xiangqi.words import counted

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LEAST_PROBED: Final = 10
"""Least number of games to test probes on, if there are as many. More are used up to a third of the fitting games."""
OWN_WORD: Final = ("resignation", "draw agreed")


@dataclass(frozen=True)
class Ended:
    """The number and share of games that ended in one way."""

    games: int
    share: float
    """Share of all games."""
    interval: list[float]
    """95% interval of the share."""


@dataclass(frozen=True)
class Endings:
    """The endings of some games."""

    games: int
    by: dict[str, Ended]
    """By kind: ``mate``, ``ruling``, ``own word`` (resignation or agreement) or ``ply limit``."""
    reasons: dict[str, int]
    """Number of games by their ``Termination`` header, the most frequent first."""


@dataclass(frozen=True)
class Played(Report):
    """The means over the games of one voice, over parts of them, and the forecasts of their results."""

    by: dict[str, dict[str, Report]]
    """By kind of part: ``source``, ``tier``, ``phase`` and ``ply``."""
    calibration: list[Bin]
    """Empty for a model without forecasts, and for games without results."""


@dataclass(frozen=True)
class Findings:
    """What was measured of a model; ``None`` for what was not asked for. The page's JSON has the same names."""

    parameters: int
    symmetries: int
    """Number of readings that were averaged, as by `evaluate`."""
    played: dict[str, Played]
    """By the word of the voice; without those that no game was for."""
    stray: Stray | None = None
    puzzles: dict[str, AllSolved] | None = None
    """By the word of the voice."""
    probes: Probes | None = None
    training: list[dict[str, float]] | None = None
    """See `training_log`."""
    endings: Endings | None = None


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
) -> Findings:
    """Measure a model; parts that are not asked for are ``None`` in the result.

    ``records`` are held-out games: engine games are evaluated with the engine's voice, the others with the human one.
    ``learners`` are other games, for fitting the probes; ``stray`` is the number of stray games; ``run`` is a training
    run and ``selfplay`` a file of the model's games. ``say`` is called with a line about each part.
    """
    symmetries = readings(model)
    training = None if run is None else training_log(run)
    ended = None if selfplay is None else endings(selfplay, samples)
    played: dict[str, Played] = {}
    for voice in Voice:
        chosen = [record for record in records if (record.tier == "engine") == (voice == Voice.ENGINE)]
        if chosen:
            say(counted(len(chosen), f"{voice.word} game"))
            results = [record.result for record in chosen]
            seen = evaluate(model, [game_moves(record) for record in chosen], results, voice, symmetries=symmetries)
            by = seen.breakdown(labels_of(chosen), samples)
            every = seen.report(samples=samples)
            played[voice.word] = Played(**vars(every), by=by, calibration=seen.calibration(samples))
    strayed = None
    if stray:
        say(f"{counted(stray, 'game')} from random openings")
        strayed = after_random_plies(model, stray, samples)
    solved = None
    if puzzles:
        say(counted(len(puzzles), "puzzle"))
        voices = list(Voice) if isinstance(model, XiangqiLM) else [Voice.HUMAN]
        solved = {voice.word: solve(model, puzzles, voice, samples=samples, symmetries=symmetries) for voice in voices}
    probes = None
    if learners and isinstance(model, XiangqiLM):
        say("probes")
        humans = [record for record in records if record.tier != "engine"] or records
        asked = humans[:: max(1, len(humans) // max(LEAST_PROBED, len(learners) // 3))]
        pair = {"trained": model, "random weights": random_twin(model)}
        probes = probe(pair, list(map(game_moves, learners)), list(map(game_moves, asked)), samples)
    return Findings(
        sum(parameter.numel() for parameter in model.parameters()),
        symmetries,
        played,
        strayed,
        solved,
        probes,
        training,
        ended,
    )


def training_log(run: Path) -> list[dict[str, float]]:
    """Return the log of a training run, one entry a step, from its newest checkpoint or from a checkpoint's folder.

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


def endings(path: Path, samples: int = SAMPLES) -> Endings:
    """Return how the games of a file ended: by mate, by a ruling, by resignation or agreement, or at the ply limit.

    Games without a ``Termination`` header are left out. Raises ``UserError`` if no game has one.
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
    by = {}
    for kind in ("mate", "ruling", "own word", "ply limit"):
        share, bounds = share_with_interval(np.array([k == kind for k in kinds]), samples)
        by[kind] = Ended(kinds.count(kind), share, bounds)
    return Endings(len(kinds), by, dict(reasons.most_common()))


# --- The page ---------------------------------------------------------------------------------------------------------


def page(found: Findings, title: str, facts: Mapping[str, str]) -> str:
    """Return the report as an HTML document. Raises ``UserError`` if matplotlib is not installed."""
    played = found.played
    judged = {who: games for who, games in played.items() if games.calibration}
    drawn: dict[str, Figure] = {}
    if played:
        drawn["moves_by_group"] = figures.moves_by_group(played)
        drawn["moves_by_ply"] = figures.moves_by_ply(played)
        drawn["legality"] = figures.legality(played, found.stray)
    if judged:
        drawn["calibration"] = figures.calibration(judged)
    if found.puzzles:
        drawn["puzzles"] = figures.puzzles(found.puzzles[_solver(found)])
    if found.probes:
        drawn["probes"] = figures.probes(found.probes)
    if found.endings:
        drawn["endings"] = figures.endings(found.endings.by)
    if found.training:
        drawn["training"] = figures.training(found.training)
    templates = Environment(
        loader=PackageLoader("lm.measure"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    templates.policies["json.dumps_kwargs"] = {}  # Jinja2's default sorts keys
    return templates.get_template("report.html").render(
        found=found,
        title=title,
        facts=facts,
        tiles=_tiles(found),
        judged=judged,
        solver=_solver(found),
        random_plies=RANDOM_PLIES,
        images={name: _data_url(figure) for name, figure in drawn.items()},
        data={"title": title, "facts": dict(facts), **asdict(found)},
    )


@dataclass(frozen=True)
class _Tile:
    """A headline figure."""

    value: str
    label: str
    interval: Sequence[float]


def _tiles(found: Findings) -> list[_Tile]:
    tiles = []
    for who, games in found.played.items():
        tiles.append(_Tile(f"{games.top1:.1%}", f"top-1, {who} games", games.interval["top1"]))
    if human := found.played.get("human"):
        tiles.append(_Tile(f"{human.nll:.3f}", "nats a ply, human games", human.interval["nll"]))
        tiles.append(_Tile(f"{human.legal_argmax:.1%}", "unmasked argmax legal", human.interval["legal_argmax"]))
    if found.puzzles:
        voice = _solver(found)
        shown = found.puzzles[voice]
        label = f"first moves of puzzles, {voice} voice"
        tiles.append(_Tile(f"{shown.first_move:.1%}", label, shown.interval["first_move"]))
    return tiles


def _solver(found: Findings) -> str:
    """Return the voice whose puzzle results are shown: the engine's if the model has one."""
    return "human" if found.puzzles and "engine" not in found.puzzles else "engine"


def _data_url(figure: Figure) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(figures.to_bytes(figure)).decode()}"
