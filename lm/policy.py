"""Positions evaluated by the model, games in progress remembered, and the player that it is."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoModelForCausalLM, PreTrainedModel
from transformers.utils import logging as transformers_logging

from lm import UserError, data_path
from lm.encoding import Encoder, Line
from lm.model import ENDS, PROMPTS, STYLES, KVCache, XiangqiLM, candidates_of, spread
from lm.players import Choice
from lm.quantize import FEW, quantize
from lm.sampling import Sampling, softmax
from lm.tokenizer import CHARS
from xiangqi import MOVES, Board, Move
from xiangqi.kernels import MOVE_MIRRORED
from xiangqi.rulings import repetition_outcome

if TYPE_CHECKING:
    from lm.char import CharEvaluator

RESIGNS_BELOW: Final = 0.1
"""A player that expects as much or more does not resign."""
DRAWS_BELOW: Final = 0.6
"""A player that expects as much or more does not offer or accept a draw."""
DTYPES: Final = ("int8", "float32")
"""What a model's large matrices are kept in for play: in 8 bits the same moves in a third of the time.

A model in bfloat16 can be evaluated too, but is not offered: a ply takes as long as in 32 bits, with its mirror image
two thirds of that, both longer than in 8 bits."""
SYMMETRIES: Final = (1, 2)
"""A player may also read the mirror image of its game and take the mean of what it thinks of both: it foresees 1% more
moves and plays better (docs/log.md), and takes twice as long."""
SLOTS: Final = 128
"""Games of which a player remembers keys and values; of more, the least recently played are read again."""
TAKEN_BACK: Final = 4
"""Moves that a game may have taken back and still count as the same."""


@dataclass(frozen=True)
class Evaluation:
    """What the model thinks of a position."""

    moves: list[Move]
    """The legal moves."""
    scores: NDArray[np.float32]
    """Their scores ``(n,)``: softmax gives the policy."""
    wdl: NDArray[np.float32]
    """Chances of win, draw and loss for the side to move ``(3,)``."""
    ends: NDArray[np.float32] | None = None
    """Chances of `lm.model.ENDS` ``(5,)``, of a model that says when a game is over."""

    @property
    def value(self) -> float:
        """Expected score of the side to move, 0 to 1."""
        return float(self.wdl[0] + self.wdl[1] / 2)


def load_model(directory: str | Path | None = None, dtype: str = "float32") -> XiangqiLM:
    """Load a model (the shipped one by default), to be trained or, with ``dtype="int8"``, for play alone.

    Raises ``UserError`` that names a missing or damaged directory, or one that holds a model of characters (`lm.char`).
    """
    model = load_any_model(directory, dtype)
    if not isinstance(model, XiangqiLM):
        raise UserError(f"the model in {directory} reads characters: this needs one that sees the board")
    return model


def load_any_model(directory: str | Path | None = None, dtype: str = "float32") -> PreTrainedModel:
    """Load a model, be it ours or a causal language model over characters.

    ``dtype`` is one of `DTYPES`; 8 bits are for inference, and a model of characters has 32 in any case. Raises
    ``UserError``, also where the weights are not those that ``config.json`` speaks of.
    """
    one_of("dtype", dtype, DTYPES)
    path = data_path("model") if directory is None else Path(directory)
    if not (path / "config.json").is_file():
        raise UserError(f"no model in {path}: there is no config.json")
    transformers_logging.disable_progress_bar()
    talkative = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()  # what it would report of the weights is an error here
    model: PreTrainedModel
    found: dict[str, Any]  # the annotations of transformers leave it out
    try:
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            path, local_files_only=True, dtype=torch.float32, ignore_mismatched_sizes=True, output_loading_info=True
        )
        model, found = loaded
    except Exception as error:  # whatever a damaged file makes the libraries raise
        raise UserError(f"damaged model in {path}: {error}") from None
    finally:
        transformers_logging.set_verbosity(talkative)
    faults = [
        f"{what} {', '.join(sorted(names)[:3])}{', …' if len(names) > 3 else ''}"
        for what, names in (
            ("there is no", found["missing_keys"]),
            ("of another size are", {name for name, *_ in found["mismatched_keys"]}),
            ("there is no place for", found["unexpected_keys"] if isinstance(model, XiangqiLM) else ()),
        )
        if names
    ]
    if faults:
        raise UserError(f"damaged model in {path}: its weights are not those of its config.json: {'; '.join(faults)}")
    if not isinstance(model, XiangqiLM) and model.config.vocab_size != len(CHARS):
        raise UserError(f"the model in {path} reads neither positions nor the characters of moves")
    if isinstance(model, XiangqiLM) and dtype == "int8":
        quantize(model.blocks)
    return model.eval()


T = TypeVar("T", str, int)


def one_of(name: str, value: T, allowed: Sequence[T]) -> T:
    """Return the value. Raises ``UserError`` if it is none of those allowed."""
    if value not in allowed:
        raise UserError(f"{name} must be one of {', '.join(map(str, allowed))}: {value!r}")
    return value


def readings(model: PreTrainedModel) -> int:
    """Return in how many symmetries a model can read a game: one without a board to be mirrored knows one."""
    return len(SYMMETRIES) if isinstance(model, XiangqiLM) else 1


def make_evaluator(
    model: PreTrainedModel, prompt: tuple[int, int, int] = (0, 0, 0), symmetries: int = 1
) -> Evaluator | CharEvaluator:
    """Return what evaluates positions with a model of either kind; what else is given is for those that see boards."""
    if isinstance(model, XiangqiLM):
        return Evaluator(model, prompt=prompt, symmetries=symmetries)
    from lm.char import CharEvaluator  # it builds on this module

    return CharEvaluator(model)


@dataclass
class _Read:
    """The game that a slot of the cache holds."""

    start: bytes = b""
    moves: bytes = b""
    """Two bytes each."""
    used: int = 0
    """When it was last asked for."""

    def __post_init__(self) -> None:
        self.firm = self.moves[: max(0, len(self.moves) - 2 * TAKEN_BACK)]
        """The moves that are not taken back: a game without them is another."""


class Evaluator:
    """A model with the games it is reading: evaluating a game that went on by a ply costs one token.

    Games are recognised by their moves, so any board will do, also after a move was taken back. ``prompt`` is what kind
    of game the model is asked for, rows of `lm.model.PROMPTS` (source, strength, result for the side to move);
    ``symmetries`` is one of `SYMMETRIES`. Up to ``slots`` games, and as many mirror images, are remembered.
    """

    judges: Final = True
    """Whether it knows anything of who wins."""

    def __init__(
        self, model: XiangqiLM, slots: int = SLOTS, prompt: tuple[int, int, int] = (0, 0, 0), symmetries: int = 1
    ) -> None:
        self.model, self.prompt, self.symmetries = model, prompt, symmetries
        self._room = slots
        self._encoder = Encoder(model.config)
        self._cache = KVCache(model.config, symmetries, model.dtype)
        self._games = [_Read() for _ in range(symmetries)]
        self._clock = 0
        self._lock = threading.Lock()

    @torch.inference_mode()
    def __call__(self, boards: Sequence[Board], voice: int = 0) -> list[Evaluation]:
        """Evaluate positions, each with its history, in one batch. Boards are left as they were."""
        with self._lock:
            evaluations: list[Evaluation] = []
            for start in range(0, len(boards), self._room):
                evaluations += self._batch(boards[start : start + self._room], voice)
            return evaluations

    def _batch(self, boards: Sequence[Board], voice: int) -> list[Evaluation]:
        self._clock += 1
        lines = [self._line(board) for board in boards]
        if self.symmetries == 2:
            lines += [line.mirror() for line in lines]
        slots, games = [], []
        askers = self.symmetries * [board.turn for board in boards]
        for line, asker in zip(lines, askers, strict=True):
            # What is cached depends on whom a result is asked for.
            start = line.cells.tobytes() + bytes([line.turn, min(line.clock, 255), asker if self.prompt[2] else 0])
            slot, shared = self._slot_for(start, line.moves.tobytes())
            # The last ply is always read, also when the position was read before: its state is wanted.
            line.first = min(shared, len(line.moves))
            self._games[slot] = _Read(used=self._clock)  # what is read is known only once it has been
            games.append(_Read(start, line.moves.tobytes(), self._clock))
            self._cache.lengths[slot] = line.first
            slots.append(slot)
        features = self._encoder(lines)
        last = np.cumsum(features.lengths) - 1
        rows = torch.from_numpy(last)
        tensors = features.tensors()
        out = self.model(
            **tensors,
            prompts=self._prompts(features.turns == np.repeat(askers, features.lengths)),
            rows=rows,
            voices=torch.full_like(rows, voice) if voice else None,
            cache=self._cache,
            slots=torch.tensor(slots),
            unmasked=len(lines) > FEW,
        )
        for slot, game in zip(slots, games, strict=True):
            self._games[slot] = game
        assert out.scores is not None and out.wdl_logits is not None and out.end_logits is not None
        scores, wdl, ends = out.scores, out.wdl_logits[rows].softmax(-1).flip(-1), out.end_logits[rows].softmax(-1)
        if self.symmetries == 2:
            legal, _, counts = candidates_of(rows, tensors["candidates"], tensors["candidate_counts"])
            scores = average(scores, legal[:, 0].long(), counts)
            wdl, ends = (x.view(2, len(boards), -1).mean(0) for x in (wdl, ends))
        found = []
        for i in range(len(boards)):
            moves = [MOVES[m] for m in features.moves(int(last[i])).tolist()]
            values = (x.float().numpy() for x in (scores[i, : len(moves)], wdl[i], ends[i]))
            found.append(Evaluation(moves, *values))
        return found

    def _line(self, board: Board) -> Line:
        line = Line.of(board)
        if len(line.moves) >= self.model.config.n_context:  # a game beyond what the model reads: only its end
            line = Line.of(recent(board, self.model.config.n_context // 2))
        return line

    def _prompts(self, asks: NDArray[np.bool_]) -> torch.Tensor | None:
        """Return the prompts ``(N, 3)`` of plies at which the asker is to move or not."""
        if not any(self.prompt):
            return None
        source, strength, result = self.prompt
        win, loss = PROMPTS.index("win"), PROMPTS.index("loss")
        other = {win: loss, loss: win}.get(result, result)
        columns = [np.full(len(asks), source), np.full(len(asks), strength), np.where(asks, result, other)]
        return torch.from_numpy(np.stack(columns, 1))

    def _slot_for(self, start: bytes, moves: bytes) -> tuple[int, int]:
        """Return the slot of the game that has most plies in common with this one, and how many.

        A slot taken in this batch already is not given twice. Where no game goes on, slots are added up to the
        limit, and then the least recently used one is emptied.
        """
        best, shared = -1, 0
        for slot, game in enumerate(self._games):
            if game.start != start or game.used == self._clock or not moves.startswith(game.firm):
                continue
            common = len(game.firm)
            while common < len(moves) and moves[common : common + 2] == game.moves[common : common + 2]:
                common += 2
            if 1 + common // 2 > shared:
                best, shared = slot, 1 + common // 2
        if best >= 0:
            return best, shared
        oldest = min(range(len(self._games)), key=lambda slot: self._games[slot].used)
        more = min(len(self._games), self._room * self.symmetries - len(self._games))
        if self._games[oldest].used and more:
            oldest = len(self._games)
            self._games += [_Read() for _ in range(more)]
            self._cache.widen(more)
        return oldest, 0


def average(scores: torch.Tensor, moves: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    """Return the log-probabilities ``(R, M)`` of R positions, each the mean of its own and its mirror image's.

    Of scores ``(2 R, M)`` and of numbers of moves ``(C,)``, as many a position as ``counts`` ``(2 R,)`` says, the first
    half are the positions', the second their images'.

    >>> h2e2, b2e2, h2i2, b2a2 = (Move.from_iccs(iccs).index for iccs in ("h2e2", "b2e2", "h2i2", "b2a2"))
    >>> scores = torch.tensor([[0.5, 0.25], [0.1, 0.9]]).log()
    >>> average(scores, torch.tensor([h2e2, h2i2, b2a2, b2e2]), torch.tensor([2, 2])).exp() ** 2  # 2/3 * 0.9, 1/3 * 0.1
    tensor([[0.6000, 0.0333]])
    """
    R, logp = len(scores) // 2, scores.log_softmax(-1)
    mirrored = torch.from_numpy(MOVE_MIRRORED)[moves]
    own, of_images = (spread(x, counts, scores.shape[1], -1).argsort(-1) for x in (moves, mirrored))
    image = torch.empty_like(logp[:R]).scatter_(1, own[:R], logp[R:].gather(1, of_images[R:]))
    return (logp[:R] + image) / 2


def recent(board: Board, plies: int) -> Board:
    """Return a board with only the last moves of its history."""
    moves = []
    root = board.copy()
    for _ in range(min(plies, board.ply)):
        moves.append(root.pop())
    short = root.copy(stack=False)
    for move in reversed(moves):
        short.push(move)
    return short


class LMPlayer:
    """The language model as a player: its distribution over the legal moves, sampled.

    ``model`` is a directory (the shipped one by default); ``style`` is whose moves it gives, ``human`` or ``engine``;
    ``source``, ``strength`` and ``aim`` ask for a kind of game (`lm.model.PROMPTS`), of a model that can be asked. It
    resigns and offers draws where the model says that the game is over and does not itself expect more. ``dtype`` is
    one of `DTYPES`, ``symmetries`` one of `SYMMETRIES` (a model of characters knows one). The same seed gives the same
    moves for the same calls. Raises ``UserError`` for settings that make no sense.
    """

    def __init__(
        self,
        model: str | Path | None = None,
        temperature: float = 0.5,
        top_k: int = 0,
        top_p: float = 0.95,
        style: str = "human",
        source: str = "none",
        strength: str = "none",
        aim: str = "none",
        seed: int | None = None,
        name: str | None = None,
        dtype: str = "int8",
        symmetries: int = 2,
    ) -> None:
        self.sampling = Sampling(temperature, top_k, top_p)
        if seed is not None and seed < 0:
            raise UserError(f"seed must not be negative: {seed}")
        self.voice = STYLES.index(one_of("style", style, STYLES))
        prompt = (
            PROMPTS.index(one_of("source", source, PROMPTS[:3])),
            PROMPTS.index(one_of("strength", strength, (PROMPTS[0], *PROMPTS[3:7]))),
            PROMPTS.index(one_of("aim", aim, (PROMPTS[0], *PROMPTS[7:]))),
        )
        loaded = load_any_model(model, dtype)
        if any(prompt) and not isinstance(loaded, XiangqiLM):
            raise UserError(f"the model in {model or data_path('model')} cannot be asked for source, strength or aim")
        self.evaluator = make_evaluator(loaded, prompt, one_of("symmetries", symmetries, SYMMETRIES))
        self.name = name or f"lm {style} temperature {temperature:g}"
        self._random = np.random.default_rng(seed)
        self.evaluator([Board()], self.voice)  # it may have to be compiled: not when somebody waits for a move

    def choose(self, boards: Sequence[Board]) -> list[Choice]:
        """Return a move a board, with the expected score and all moves by their probability."""
        choices = []
        for board, evaluation in zip(boards, self.evaluator(boards, self.voice), strict=True):
            choices.append(self._choose(board, evaluation))
        return choices

    def _choose(self, board: Board, evaluation: Evaluation) -> Choice:
        value = evaluation.value if self.evaluator.judges else None
        policy = softmax(evaluation.scores.astype(np.float64))
        ranked = sorted(zip(evaluation.moves, policy.tolist(), strict=True), key=lambda pair: -pair[1])
        word = self._word(evaluation)
        if word == "resigns" and evaluation.value < RESIGNS_BELOW:
            return Choice(None, value, tuple(ranked))
        offer = word == "draw agreed" and evaluation.value < DRAWS_BELOW
        scores = evaluation.scores.copy()
        while True:
            index = int(self._random.choice(len(scores), p=self.sampling.probabilities(scores)))
            move = evaluation.moves[index]
            if np.isfinite(scores).sum() == 1 or not self._spoils(board, move, evaluation.value):
                return Choice(move, value, tuple(ranked), draw=offer)
            scores[index] = -np.inf

    def _word(self, evaluation: Evaluation) -> str:
        """Draw one of `ENDS`."""
        if evaluation.ends is None:
            return ENDS[0]
        logits = np.log(np.maximum(evaluation.ends, 1e-9))
        return ENDS[int(self._random.choice(len(ENDS), p=self.sampling.endings(logits)))]

    @staticmethod
    def _spoils(board: Board, move: Move, value: float) -> bool:
        """Whether a move ends the game by a ruling that is worse for us than what we expect.

        A position that comes back is judged as if it did so for the third time: later it is the opponent who decides.
        """
        board.push(move)
        try:
            outcome = board.outcome() or repetition_outcome(board, count=2)
        finally:
            board.pop()
        if outcome is None:
            return False
        return (0.5 if outcome.winner is None else float(outcome.winner == board.turn)) < value

    def close(self) -> None:
        """Do nothing."""
