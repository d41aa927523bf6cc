"""The ladder: models of one preset, from the system of 2020 to the shipped one. Each adds something to the one before.

All are trained on the same games at the same cost, `Ladder.budget` CPU seconds, and measured in the same ways: on
held-out games between people, against an engine, and against each other. ``xqlm ladder`` trains and measures them and
writes the results to a page, ``docs/ladder.md``.

A folder keeps the finished work: ``RUNG/`` is the rung's run with its ``evaluation.json``, ``matches/`` holds each
match as PGN and as JSON. Running the same command again resumes the work and repeats nothing.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import platform
import shlex
import textwrap
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from itertools import combinations
from pathlib import Path
from typing import Any, Final, TypeVar

import torch
from filelock import FileLock, Timeout

from lm import UserError, cpu_model
from lm.dataset.records import SPLITS
from lm.dataset.shards import Shard
from lm.matches import MAX_PLIES
from lm.matches.arena import Report, load_openings, match_pairings
from lm.matches.elo import Score
from lm.matches.match_file import play_to_file
from lm.matches.meetings import Progress
from lm.measure.evaluate import Report as Judgement
from lm.measure.evaluate import evaluate
from lm.measure.held_out import held_out
from lm.model.groups import AHEAD, CANDIDATE_GROUPS, INPUT_GROUPS
from lm.model.loading import load_any_model
from lm.model.prompts import Voice
from lm.players.engine import EnginePlayer
from lm.players.levels import ENGINE
from lm.players.player import PlayerError
from lm.players.specs import Spec
from lm.training import run as training
from lm.training.checkpoints import write_json
from lm.training.presets import find_preset
from lm.training.result import Metrics
from xiangqi.game import Game
from xiangqi.words import counted

REFERENCE: Final = f"uci:cmd={ENGINE},depth=1"
"""The engine that every rung meets."""
PRESET: Final = "small"

Inputs = Mapping[str, object]
"""What a result was measured on, as its file says: on other inputs it is measured again."""
Result = TypeVar("Result")


@dataclass(frozen=True)
class Match:
    """The result of a match of a rung."""

    opponent: str
    score: Score

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Match:
        """Return the match of a file that was written from `as_dict`."""
        counts = {name: found[name] for name in ("wins", "draws", "losses", "endings")}
        return cls(found["opponent"], Score(pentanomial=tuple(found["pentanomial"]), **counts))

    def as_dict(self) -> dict[str, object]:
        """Return the opponent and the score as JSON."""
        return {"opponent": self.opponent, **self.score.as_dict()}


@dataclass(frozen=True)
class Rung:
    """A model of the ladder."""

    about: str
    tokens: str = "move"
    inputs: tuple[str, ...] = tuple(INPUT_GROUPS)
    """Input groups: features of a position."""
    candidates: tuple[str, ...] = ("move",)
    """Candidate groups: features of each legal move."""
    plies: int | None = None
    """Estimate of the plies read in training, where the preset's estimate is far off. The curriculum starts from it."""

    @property
    def changes(self) -> dict[str, Any]:
        """Changes to the preset's configuration; none for a character model."""
        if self.tokens == "char":
            return {}
        return {"input_groups": list(self.inputs), "candidate_groups": list(self.candidates)}


RUNGS: Final = {
    "char": Rung(
        "the system of 2020: it reads the characters of the moves, four a ply, and sees no board",
        tokens="char",
        plies=7_500_000,  # at 7,200 seconds; a longer curriculum reaches whole games too late to measure their cost
    ),
    "blind": Rung("one token a move, still no board", inputs=("move",)),
    "board": Rung("also the board, the repetitions and the clocks", inputs=("move", "counters", "board")),
    "threats": Rung(
        "also the moves that either side could make, with what they capture",
        inputs=("move", "counters", "board", "own_moves", "enemy_moves"),
    ),
    "full": Rung(
        "also how each piece is attacked and defended, and what the rules can see of each legal move",
        inputs=tuple(name for name in INPUT_GROUPS if name not in AHEAD),
        candidates=tuple(name for name in CANDIDATE_GROUPS if name not in AHEAD),
    ),
    "tactics": Rung(
        "also mates by checks, and what a small network says of the position and of each legal move, once captures are "
        "played out",
        candidates=tuple(CANDIDATE_GROUPS),
    ),
}


def choose(names: str) -> list[str]:
    """Return the rungs of a list such as ``char,blind``, in the order of the ladder. Raises ``UserError``.

    >>> choose("full,char")
    ['char', 'full']
    """
    chosen = [known(name.strip()) for name in names.split(",")]
    return [name for name in RUNGS if name in chosen]


def known(name: str) -> str:
    """Return the name of a rung. Raises ``UserError`` if there is no such rung."""
    if name not in RUNGS:
        raise UserError(f"no rung {name!r}: choose from {', '.join(RUNGS)}")
    return name


def stand_ins(texts: Sequence[str]) -> dict[str, Path]:
    """Return the finished runs to use as rungs, each given as ``full=DIR``. Raises ``UserError``."""
    runs: dict[str, Path] = {}
    for text in texts:
        name, equals, folder = text.partition("=")
        if not equals:
            raise UserError(f"a run is given for a rung as full=DIR, not {text!r}")
        runs[known(name)] = Path(folder)
        if not training.finished(Path(folder)):
            raise UserError(f"{folder}: no finished run (there is no model/metrics.json)")
    return runs


@dataclass
class Ladder:
    """The ladder in a folder, with its settings. Raises ``UserError`` if the test split has no game between people."""

    shards: Sequence[Shard]
    out: Path
    progress: Progress
    say: Report
    budget: float = 7200
    """CPU seconds of training for each rung."""
    games: int = 200
    """Games of each rung against the reference."""
    between: int = 100
    """Games between every two rungs."""
    reference: str = REFERENCE
    data: Sequence[Path] = ()
    """Files of the games; empty for the shipped ones."""
    runs: Mapping[str, Path] = field(default_factory=dict)
    """Finished runs from elsewhere, used as rungs."""
    save_minutes: float = 5
    parallel: int = 64

    def __post_init__(self) -> None:
        self.held_out = held_out(self.shards, "test", 10**9)[Voice.HUMAN]
        if not self.held_out[0]:
            raise UserError(f"no games between people in the test split of {', '.join(self.files)}")

    @property
    def files(self) -> list[str]:
        return [Path(file).name for shard in self.shards for file in shard.meta["files"]]

    # --- Work ---

    def climb(self, names: Sequence[str]) -> None:
        """Do the missing work on these rungs: training, evaluation, matches against the reference and each other.

        Raises ``KeyboardInterrupt`` when training is interrupted (finished work is kept), and ``UserError``.
        """
        reference = self._find_reference()
        for name in names:
            with self._alone(name):
                if name not in self.runs:
                    self._train(name)
                self._evaluate(name)
                if reference:
                    self._match(name, None)
        for a, b in combinations(names, 2):
            with self._alone(f"{b}-{a}"):
                self._match(b, a)

    def _find_reference(self) -> bool:
        """Return whether the reference can be started. Raises ``UserError`` for a wrong spec."""
        try:
            player = Spec.parse(self.reference).open()
        except PlayerError as error:
            self.say(f"no matches against {self.reference}: {error}")
            return False
        self._reference_name = player.engine_name if isinstance(player, EnginePlayer) else player.name
        player.close()
        return True

    @contextmanager
    def _alone(self, work: str) -> Iterator[None]:
        """Lock a piece of work against other processes. Raises ``UserError`` if another process holds the lock."""
        self.out.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            try:
                stack.enter_context(FileLock(self.out / f".{work}.lock", timeout=0))
            except Timeout:
                raise UserError(f"{self.out}: another process is working on {work}") from None
            yield

    def _train(self, name: str) -> None:
        rung = RUNGS[name]
        if not training.finished(self.out / name):
            self.say(f"{name}: training for {self.budget:,.0f} CPU seconds")
        training.train(
            self.shards,
            self.out / name,
            find_preset(PRESET, {"plies": rung.plies} if rung.plies else None),
            tokens=rung.tokens,
            config_changes=rung.changes,
            cpu_seconds=self.budget,
            save_minutes=self.save_minutes,
        )

    def _evaluate(self, name: str) -> None:
        if self._judgement(name) is not None:
            return
        lines, results = self.held_out
        with self.progress(f"{name}: held-out games", len(lines)) as (_, advance):
            model = load_any_model(self._model(name))
            found = evaluate(model, lines, results, Voice.HUMAN, lambda done: advance(done, ""))
        keep(self._evaluation(name), self._judged(name), asdict(found.report()))

    def _match(self, a: str, b: str | None) -> None:
        """Play a match between a rung and another one, or the reference."""
        if self._played(a, b) is not None:
            return
        file = self._result(a, b)
        other = Spec.parse(self.reference) if b is None else self._player(b)
        pairings = match_pairings(self._player(a), other, self._length(b), load_openings())
        played: dict[int, Game] = {}
        with self.progress(f"{a} against {b or 'the reference'}", len(pairings)) as (report, advance):
            for index, game in play_to_file(
                pairings, file.with_suffix(".pgn"), max_plies=MAX_PLIES, parallel=self.parallel, report=report
            ):
                played[index] = game
                score = Score.of(played)
                advance(len(played), f"+{score.wins} ={score.draws} -{score.losses}")
        called = self._reference_name if b is None else other.name
        keep(file, self._stakes(a, b), Match(called, Score.of(played)).as_dict())

    # --- Results, their paths, and the inputs that they depend on ---

    def _model(self, name: str) -> Path:
        return self.runs.get(name, self.out / name) / "model"

    def _evaluation(self, name: str) -> Path:
        return self.out / name / "evaluation.json"

    def _result(self, a: str, b: str | None) -> Path:
        return self.out / "matches" / f"{a}-{b or 'reference'}.json"

    def _weights(self, name: str) -> str:
        """Return a short hash of a rung's weights, which differs from training to training."""
        return hashlib.blake2b((self._model(name) / "model.safetensors").read_bytes(), digest_size=4).hexdigest()

    def _player(self, name: str) -> Spec:
        """Return a rung as a player: the likeliest move, in the human voice; its name has the hash of the weights."""
        options = {"model": str(self._model(name)), "temperature": "0", "symmetries": "1"}
        return Spec("lm", options=(*options.items(), ("name", f"{name} {self._weights(name)}")))

    def _length(self, b: str | None) -> int:
        """Return the number of games of a match with a rung, or with the reference."""
        return self.games if b is None else self.between

    def _judgement(self, name: str) -> Judgement | None:
        """Return what the held-out games say of a rung, if they were asked."""
        return recall(self._evaluation(name), self._judged(name), lambda found: Judgement(**found))

    def _played(self, a: str, b: str | None) -> Match | None:
        """Return the match between a rung and another one, or the reference, if it was played."""
        return recall(self._result(a, b), self._stakes(a, b), Match.of)

    def _judged(self, name: str) -> Inputs:
        return {"weights": self._weights(name), "games": [shard.fingerprint() for shard in self.shards]}

    def _stakes(self, a: str, b: str | None) -> Inputs:
        against = {"reference": self.reference} if b is None else {b: self._weights(b)}
        return {a: self._weights(a), **against, "games": self._length(b), "plies": MAX_PLIES}

    # --- The page ---

    def page(self) -> str:
        """Return the page in Markdown, with the results so far."""
        done = [name for name in RUNGS if training.finished(self._model(name).parent)]
        metrics = {name: Metrics.read(self._model(name) / "metrics.json") for name in done}
        judged = {name: self._judgement(name) for name in done}
        met = {name: self._played(name, None) for name in done}
        between = {(b, a): self._played(b, a) for a, b in combinations(done, 2)}
        engine = next((match.opponent for match in met.values() if match), None)
        plies = sum(len(line.moves) for line in self.held_out[0])
        lines = [
            "# The ladder",
            "",
            *paragraph(
                f"{counted(len(done), 'model')} of the preset `{PRESET}`, each trained on the same games for the same "
                f"{self.budget:,g} seconds of processor time, and each with what the one before lacks:"
            ),
            *(f"- `{name}`: {RUNGS[name].about}" for name in done),
            "",
            *paragraph(
                f"Judged by {counted(len(self.held_out[0]), 'game')} between people that no training saw "
                f"({counted(plies, 'ply')}), with 95% intervals by bootstrap over games. *Legal*: the share of plies "
                "at which the favourite move (of `char`: four times the favourite character) is legal without the "
                "rules' mask, and of games in which it always is. All is by one reading, without the mirror image. "
                "Matches are played with the mask and without search, always the likeliest move; openings "
                f"in pairs, rulings `computer`, a draw at ply {MAX_PLIES}; 95% intervals by pairs. Plies read are "
                "those of whole games, also where the curriculum of `char` cuts them short."
            ),
            *(
                paragraph(f"The engine: {engine}, `{self.reference}`, {counted(self.games, 'game')} a rung.")
                if engine
                else []
            ),
            *self._first_table(metrics, judged, met, bool(engine)),
            "",
            *self._notes(metrics),
            *paragraph(f"Score of the row against the column, {counted(self.between, 'game')} each:"),
            *second_table(between),
            "",
            "## How it was made",
            "",
            "```sh",
            self.command(),
            "```",
            "",
            f"- Games: {self._games()}.",
            f"- Machine: {cpu_model()}, {counted(os.cpu_count() or 1, 'core')}; "
            f"threads of torch: {torch.get_num_threads()}.",
            f"- Versions: {versions()}{f'; {engine}' if engine else ''}.",
            f"- Date: {datetime.date.today()}.",
        ]
        return "\n".join(lines) + "\n"

    def _first_table(
        self,
        metrics: Mapping[str, Metrics],
        judged: Mapping[str, Judgement | None],
        met: Mapping[str, Match | None],
        engine: bool,
    ) -> list[str]:
        heads = ["rung", "parameters", "plies read", "CPU seconds", "top-1", "NLL, nats", "legal", "games all legal"]
        rows = []
        for name in RUNGS:
            row = [f"`{name}`"]
            made, seen, match = metrics.get(name), judged.get(name), met.get(name)
            for key in ("parameters", "plies", "cpu_seconds"):
                row.append(f"{getattr(made, key):,.0f}" if made else "–")
            for key in ("top1", "nll", "legal_argmax", "legal_games"):
                row.append(estimate(getattr(seen, key), seen.interval[key]) if seen else "–")
            if engine:
                row.append(estimate(match.score.score, match.score.interval) if match else "–")
            rows.append(row)
        return markdown([*heads, "against the engine"] if engine else heads, rows)

    def _notes(self, metrics: Mapping[str, Metrics]) -> list[str]:
        """Return notes: the data of rungs that were not trained here, and whether ``char`` exceeded the budget.

        The length of a run is fixed when its learning rate starts to fall. The curriculum may still cut games short at
        that time, so the measured speed can be too high.
        """
        notes = []
        for name, made in metrics.items():
            longer = made.cpu_seconds / self.budget - 1
            if RUNGS[name].tokens == "char" and name not in self.runs and longer > 0.1:
                notes += paragraph(
                    f"`{name}` took {longer:.0%} more than that: its speed is measured when its rate is to fall, and "
                    "the curriculum still cut its games short then."
                )
        for name in self.runs:
            games = sum(part.games for part in metrics[name].data)
            files = ", ".join(metrics[name].files)
            notes += paragraph(f"`{name}` was trained apart, on {files} ({counted(games, 'game')}).")
        return notes

    def _games(self) -> str:
        """Return a description of the games: files, splits and sources."""
        sources: Counter[str] = Counter()
        splits: Counter[str] = Counter()
        for shard in self.shards:
            sources.update(shard.meta["sources"][number] for number in shard.sources.tolist())
            splits.update(SPLITS[number] for number in shard.splits.tolist())
        origins, purposes = (", ".join(f"{n:,} {name}" for name, n in found.items()) for found in (sources, splits))
        return f"{', '.join(self.files)}: {counted(splits.total(), 'game')} ({purposes}); by source: {origins}"

    def command(self) -> str:
        """Return the command that makes this page."""
        words: list[object] = ["xqlm", "ladder", "--budget", f"{self.budget:g}"]
        words += ["--games", self.games, "--between", self.between]
        if self.reference != REFERENCE:
            words += ["--reference", self.reference]
        words += self.data
        for name, folder in self.runs.items():
            words += ["--run", f"{name}={folder}"]
        return shlex.join(map(str, words))


# --- Result files -----------------------------------------------------------------------------------------------------


def recall(file: Path, of: Inputs, read: Callable[[dict[str, Any]], Result]) -> Result | None:
    """Return the result in a file, made by ``read`` from its JSON.

    It is ``None`` if the file is missing or damaged, was written by another version or measured on other inputs
    than ``of``.
    """
    try:
        found = json.loads(file.read_text("utf-8"))
        return read(found) if found.pop("of") == of else None
    except (FileNotFoundError, ValueError, LookupError, TypeError, AttributeError):
        return None


def keep(file: Path, of: Inputs, result: Mapping[str, object]) -> None:
    """Write a result as JSON, with the inputs ``of`` that it was measured on."""
    write_json(file, {**result, "of": of})


# --- Text and tables --------------------------------------------------------------------------------------------------


def estimate(value: float, interval: Sequence[float]) -> str:
    """Return a figure with its interval as text.

    >>> estimate(0.4567, [0.45, 0.4612])
    '0.457 (0.450 to 0.461)'
    """
    return f"{value:.3f} ({interval[0]:.3f} to {interval[1]:.3f})"


def paragraph(text: str) -> list[str]:
    """Return the lines of a paragraph and an empty one.

    >>> paragraph("Short.")
    ['Short.', '']
    """
    return [*textwrap.wrap(text, 120, break_on_hyphens=False), ""]


def markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table.

    >>> markdown(["a", "b"], [["1", "2"]])
    ['| a | b |', '|---|---|', '| 1 | 2 |']
    """
    return [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|", *(f"| {' | '.join(row)} |" for row in rows)]


def second_table(matches: Mapping[tuple[str, str], Match | None]) -> list[str]:
    """Return the lines of the table of every rung against every other."""
    rows = []
    for a in RUNGS:
        row = [f"`{a}`"]
        for b in RUNGS:
            cell = "–"
            if match := matches.get((a, b)):
                cell = estimate(match.score.score, match.score.interval)
            elif match := matches.get((b, a)):
                cell = estimate(1 - match.score.score, [1 - bound for bound in reversed(match.score.interval)])
            row.append(cell)
        rows.append(row)
    return markdown(["", *(f"`{name}`" for name in RUNGS)], rows)


def versions() -> str:
    """Return the versions of the packages that the figures depend on, and of Python."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("xqlm", "torch", "transformers", "numpy"))
    return f"{packages}, Python {platform.python_version()}"
