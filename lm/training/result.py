"""The result of a training run: a folder with a model, its figures and its model card."""

from __future__ import annotations

import json
import tomllib
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from jinja2 import Environment, PackageLoader, StrictUndefined
from numpy.typing import NDArray
from transformers import PreTrainedModel, TrainerState

from lm import UserError, data_path
from lm.dataset.records import UNKNOWN
from lm.dataset.seen import SeenGames
from lm.dataset.shards import Shard
from lm.measure.evaluate import Report, evaluate
from lm.measure.held_out import TEST_PLIES, Games, held_out
from lm.model.char import longest_text
from lm.model.loading import load_any_model
from lm.model.model import XiangqiLM
from lm.model.prompts import Voice
from lm.model.tokenizer import char_tokenizer, move_tokenizer
from lm.training.checkpoints import advice, publish, write_json, writing

if TYPE_CHECKING:
    from lm.training.presets import Preset

TOKENIZERS: Final = {"move": move_tokenizer, "char": char_tokenizer}
"""Tokenizers by what a model reads: moves, with the position; or the characters of moves, as in 2020 (`char`)."""
LEAST_TEMPERED: Final = 100
"""Minimum number of games with a result for fitting the value head's temperature."""


@dataclass(frozen=True)
class Spent:
    """What training has taken."""

    plies: int
    cpu_seconds: float


@dataclass(frozen=True)
class Size:
    """The size of a shard."""

    games: int
    plies: int


@dataclass(frozen=True)
class Source:
    """What a run read of one source."""

    games: int
    licence: str
    """As stated in ``data/sources.toml``, or ``not stated``."""


@dataclass(frozen=True)
class Metrics:
    """What a run tells of itself: ``metrics.json`` has these names, and the model card shows most of it."""

    tokens: str
    """What the model reads: a key of `TOKENIZERS`."""
    layers: int
    width: int
    parameters: int
    steps: int
    plies: int
    cpu_seconds: float
    loss: float
    """The last losses of training."""
    policy_loss: float
    value_loss: float
    value_slope: float
    """See `temper`."""
    before: Spent
    """By the runs that led to the start model."""
    trained_on: int
    """Number of games that the model, or what it started from, was trained on, as far as known."""
    start_is_known: bool
    """Whether it is known which games the start model was trained on."""
    preset: dict[str, Any]
    data: list[Size]
    """The shards."""
    files: list[str]
    """Names of the files of games."""
    sources: dict[str, Source]
    test: dict[str, Report]
    """The means over held-out games, by the word of their voice; without voices that have no such games."""

    @classmethod
    def read(cls, file: Path) -> Metrics:
        """Read ``metrics.json``. Raises ``UserError`` if it is not that of a run."""
        try:
            found = json.loads(file.read_text("utf-8"))
            found["before"] = Spent(**found["before"])
            found["data"] = [Size(**size) for size in found["data"]]
            found["sources"] = {name: Source(**source) for name, source in found["sources"].items()}
            found["test"] = {voice: Report(**report) for voice, report in found["test"].items()}
            return cls(**found)
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise UserError(f"{file}: not the metrics of a run: {error}") from None


def spent_before(start: Path | None) -> Spent:
    """Return what all runs took that led to a start model, a run's result or checkpoint.

    It is nothing for anything else, such as a checkpoint of another program, whose history is unknown.
    """
    nothing = Spent(0, 0.0)
    if start is None:
        return nothing
    try:
        if (start / "metrics.json").exists():
            last = json.loads((start / "metrics.json").read_text("utf-8"))
            before = Spent(**last["before"])
        else:
            history = json.loads((start / "trainer_state.json").read_text("utf-8"))["log_history"]
            last = [entry for entry in history if "cpu_seconds" in entry][-1]
            began = json.loads((start.parent / "run.json").read_text("utf-8"))["init_from"]
            before = spent_before(Path(began) if began else None)
        return Spent(before.plies + last["plies"], before.cpu_seconds + last["cpu_seconds"])
    except (OSError, ValueError, LookupError, TypeError):
        return nothing


def deliver(
    state: TrainerState,
    model: PreTrainedModel,
    shards: Sequence[Shard],
    out: Path,
    preset: Preset,
    tokens: str,
    start: Path | None,
    seen: SeenGames,
) -> None:
    """Write the result of a run, ``out/model``: weights, configuration, tokenizer, figures and model card.

    ``start`` is the model that the run started from, if any; ``seen`` are the games that the run or ``start`` was
    trained on, as far as known. The reply head is removed, and the value head's temperature is fitted. Raises
    ``UserError`` for weights that are not finite, and for a full disk.
    """
    aside = out / "unfinished" / "model"
    slope = 1.0
    if isinstance(model, XiangqiLM):
        model.with_reply_head(False)
        slope = temper(model, held_out(shards, "validation", TEST_PLIES[tokens], seen)[Voice.HUMAN])
    # 16 bits are enough: a move's score keeps three digits, and the file is small enough to ship.
    weights = {name: x.half() for name, x in model.state_dict().items()}
    if spoilt := [name for name, x in weights.items() if not bool(x.isfinite().all())]:
        raise UserError(f"the result has weights that are infinite or NaN: {', '.join(spoilt)}; {advice(out)}")
    with writing("the result", out):
        model.config.use_cache = True  # the Trainer turned it off for itself; generation wants it
        model.save_pretrained(aside, state_dict=weights)
        for file in aside.glob("*.safetensors"):  # safetensors makes them unreadable for other users
            file.chmod((aside / "config.json").stat().st_mode)
        TOKENIZERS[tokens](longest_text(model)).save_pretrained(aside)
        seen.save(aside)
    last = next(entry for entry in reversed(state.log_history) if "cpu_seconds" in entry)
    written = load_any_model(aside)
    judges = held_out(shards, "test", TEST_PLIES[tokens], seen)
    metrics = Metrics(
        tokens=tokens,
        layers=model.config.num_hidden_layers,
        width=model.config.hidden_size,
        parameters=sum(p.numel() for p in model.parameters()),
        steps=state.global_step,
        plies=int(last["plies"]),
        cpu_seconds=last["cpu_seconds"],
        loss=last["loss"],
        policy_loss=last["policy_loss"],
        value_loss=last["value_loss"],
        value_slope=slope,
        before=spent_before(start),
        trained_on=len(seen),
        start_is_known=start is None or SeenGames.load(start) is not None,
        preset=asdict(preset),
        data=[Size(shard.meta["games"], shard.meta["plies"]) for shard in shards],
        files=[Path(file).name for shard in shards for file in shard.meta["files"]],
        sources=sources_of(shards),
        test={
            voice.word: evaluate(written, *games, voice, symmetries=2).report()
            for voice, games in judges.items()
            if games[0]
        },
    )
    write_json(aside / "metrics.json", asdict(metrics))
    (aside / "README.md").write_text(card(metrics), encoding="utf-8")
    publish(aside, out)


def temper(model: XiangqiLM, games: Games) -> float:
    """Scale the logits of the value by the factor that predicts the results of games best; return the factor.

    With fewer than `LEAST_TEMPERED` results the factor is 1 and the model is unchanged. This is the temperature scaling
    of C. Guo et al., "On Calibration of Modern Neural Networks", 2017, applied to the weights.
    """
    moves, results = games
    if sum(result != UNKNOWN for result in results) < LEAST_TEMPERED:
        return 1.0
    found = evaluate(model, moves, results, symmetries=2)  # as the model is judged and plays: a mean is less sure
    known = found.outcome != UNKNOWN
    slope = best_slope(np.log(found.forecast[known].astype(np.float64) + 1e-12), found.outcome[known])
    with torch.no_grad():
        for parameter in model.value_parameters():
            parameter.mul_(slope)
    return slope


def best_slope(logits: NDArray[np.float64], outcomes: NDArray[np.int8]) -> float:
    """Return the factor by which logits ``(N, 3)`` predict outcomes ``(N,)`` best: to 1%, between 1/4 and 4.

    >>> logits = np.log([[0.9, 0.05, 0.05], [0.05, 0.05, 0.9]]).repeat([4, 4], 0)
    >>> best_slope(logits, np.array([0, 0, 0, 2, 2, 2, 2, 0], np.int8)) < 1  # too sure
    True
    """

    def loss(slope: float) -> float:
        scaled = slope * logits
        scaled -= scaled.max(1, keepdims=True)
        chosen = scaled[np.arange(len(outcomes)), outcomes]
        return float(np.mean(np.log(np.exp(scaled).sum(1)) - chosen))

    return float(min(np.geomspace(0.25, 4, 280), key=loss))


def sources_of(shards: Sequence[Shard]) -> dict[str, Source]:
    """Return the sources of the games in shards, most games first."""
    licences = tomllib.loads(data_path("sources.toml").read_text(encoding="utf-8"))["licences"]
    games: Counter[str] = Counter()
    for shard in shards:
        for number, count in enumerate(np.bincount(shard.sources, minlength=len(shard.meta["sources"])).tolist()):
            games[shard.meta["sources"][number] or "unknown"] += count
    return {
        name: Source(count, next((x for k, x in licences.items() if name.startswith(k)), "not stated"))
        for name, count in games.most_common()
    }


def card(metrics: Metrics) -> str:
    """Return the model card of a run, in Markdown."""
    templates = Environment(
        loader=PackageLoader("lm.training"), undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True
    )
    return templates.get_template("card.md").render(vars(metrics))
