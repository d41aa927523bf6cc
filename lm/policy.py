"""From scores to moves: masked sampling, levels, and the player that the model is."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import LogitsProcessor
from transformers.utils import logging as transformers_logging

from lm import UserError, data_path
from lm.encoding import Encoder, Line
from lm.model import STYLES, KVCache, XiangqiLM
from lm.players import Choice
from lm.tokenizer import BOS, PAD
from xiangqi import MOVES, Board, Move
from xiangqi.rulings import repetition_outcome

SLOTS: Final = 128
"""Games of which a player remembers keys and values; of more, the least recently played are read again."""


@dataclass(frozen=True)
class Sampling:
    """How a move is drawn from the model's distribution over the legal moves."""

    temperature: float = 1.0
    """Scores are divided by it; 0 takes the likeliest move."""
    top_k: int = 0
    """Only the k likeliest moves; 0 for all."""
    top_p: float = 1.0
    """Only the likeliest moves that together have this probability (Holtzman et al. 2020)."""

    def __post_init__(self) -> None:
        if not 0 <= self.temperature <= 100:
            raise UserError(f"temperature must lie between 0 and 100: {self.temperature}")
        if self.top_k < 0:
            raise UserError(f"top_k must not be negative: {self.top_k}")
        if not 0 < self.top_p <= 1:
            raise UserError(f"top_p must lie above 0 and not above 1: {self.top_p}")

    def probabilities(self, scores: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the chances ``(n,)`` with which moves of these scores ``(n,)`` are drawn.

        >>> Sampling(temperature=0).probabilities(np.array([0.0, 2.0, 1.0]))
        array([0., 1., 0.])
        """
        if self.temperature == 0:
            chances = np.zeros(len(scores))
            chances[int(np.argmax(scores))] = 1.0
            return chances
        chances = softmax(scores.astype(np.float64) / self.temperature)
        order = np.argsort(-chances, kind="stable")
        keep = len(order) if self.top_k == 0 else min(self.top_k, len(order))
        if self.top_p < 1:
            keep = min(keep, int(np.searchsorted(np.cumsum(chances[order]), self.top_p)) + 1)
        chances[order[keep:]] = 0.0
        return np.asarray(chances / chances.sum())


def softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return probabilities ``(n,)`` of scores ``(n,)``."""
    e = np.exp(scores - scores.max())
    return np.asarray(e / e.sum())


@dataclass(frozen=True)
class Evaluation:
    """What the model thinks of a position."""

    moves: list[Move]
    """The legal moves."""
    scores: NDArray[np.float32]
    """Their scores ``(n,)``: softmax gives the policy."""
    wdl: NDArray[np.float32]
    """Chances of win, draw and loss for the side to move ``(3,)``."""

    @property
    def value(self) -> float:
        """Expected score of the side to move, 0 to 1."""
        return float(self.wdl[0] + self.wdl[1] / 2)


def load_model(directory: str | Path | None = None) -> XiangqiLM:
    """Load a model (the shipped one by default). Raises ``UserError`` that names a missing or damaged directory."""
    path = data_path("model") if directory is None else Path(directory)
    if not (path / "config.json").is_file():
        raise UserError(f"no model in {path}: there is no config.json")
    transformers_logging.disable_progress_bar()
    try:
        model = XiangqiLM.from_pretrained(path, local_files_only=True, dtype=torch.float32)
    except Exception as error:  # whatever a damaged file makes the libraries raise
        raise UserError(f"damaged model in {path}: {error}") from None
    return model.eval()


class Evaluator:
    """A model with the games it is reading: evaluating a game that went on by a ply costs one token.

    Games are recognised by their moves, so any board will do, also after a move was taken back.
    """

    def __init__(self, model: XiangqiLM, slots: int = SLOTS) -> None:
        self.model = model
        self._encoder = Encoder(model.config)
        self._cache = KVCache(model.config, slots)
        self._games: list[tuple[str, ...]] = [()] * slots  # per slot: start and the moves whose plies are cached
        self._used = np.zeros(slots, np.int64)
        self._clock = 0
        self._lock = threading.Lock()

    @torch.inference_mode()
    def __call__(self, boards: Sequence[Board], voice: int = 0) -> list[Evaluation]:
        """Evaluate positions, each with its history, in one batch. Boards are left as they were."""
        with self._lock:
            evaluations: list[Evaluation] = []
            for start in range(0, len(boards), len(self._games)):
                evaluations += self._batch(boards[start : start + len(self._games)], voice)
            return evaluations

    def _batch(self, boards: Sequence[Board], voice: int) -> list[Evaluation]:
        self._clock += 1
        lines, slots = [], []
        for board in boards:
            line = Line.of(board)
            if len(line.moves) >= self.model.config.n_context:  # a game beyond what the model reads: only its end
                line = Line.of(recent(board, self.model.config.n_context // 2))
            game = (line.cells.tobytes().hex() + str(line.turn), *map(str, line.moves.tolist()))
            slot, shared = self._slot_for(game)
            # The last ply is always read, also when the position was read before: its state is wanted.
            line.first = min(shared, len(line.moves))
            self._games[slot] = game
            self._used[slot] = self._clock
            self._cache.lengths[slot] = line.first
            lines.append(line)
            slots.append(slot)
        features = self._encoder(lines)
        last = torch.from_numpy(np.cumsum(features.lengths) - 1)
        out = self.model(
            **features.tensors(),
            rows=last,
            voices=torch.full_like(last, voice),
            cache=self._cache,
            slots=torch.tensor(slots),
        )
        assert out.scores is not None and out.wdl_logits is not None
        wdl = out.wdl_logits[last].softmax(-1).flip(-1).numpy()
        found = []
        for i, ply in enumerate(last.tolist()):
            indices = features.moves(ply).tolist()
            scores = out.scores[i, : len(indices)].numpy()
            found.append(Evaluation([MOVES[m] for m in indices], scores, wdl[i]))
        return found

    def _slot_for(self, game: tuple[str, ...]) -> tuple[int, int]:
        """Return the slot that shares the longest beginning with a game, and how many entries that beginning has.

        A slot taken in this batch already is not given twice. Without a shared beginning the least recently used one is
        emptied.
        """
        best, shared = -1, 0
        for slot, other in enumerate(self._games):
            if self._used[slot] == self._clock or len(other) <= shared or other[0] != game[0]:
                continue
            if other == game[: len(other)]:
                common = len(other)
            else:
                common = next((i for i, (a, b) in enumerate(zip(other, game, strict=False)) if a != b), len(game))
            # A slot whose game went another way long ago belongs to someone else, unless it is all there is.
            if common > shared and common >= len(other) - 4:
                best, shared = slot, common
        if best >= 0:
            return best, shared
        oldest = int(np.argmin(self._used))
        return oldest, 0


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

    ``model`` is a directory (the shipped one by default); ``style`` is whose moves it gives, ``human`` or ``engine``.
    The same seed gives the same moves for the same calls. Raises ``UserError`` for settings that make no sense.
    """

    def __init__(
        self,
        model: str | Path | None = None,
        temperature: float = 0.5,
        top_k: int = 0,
        top_p: float = 0.95,
        style: str | None = None,
        seed: int | None = None,
        name: str | None = None,
    ) -> None:
        style = style or "engine"
        if style not in STYLES:
            raise UserError(f"style must be one of {', '.join(STYLES)}: {style!r}")
        self.sampling = Sampling(temperature, top_k, top_p)
        self.voice = STYLES.index(style)
        self.evaluator = Evaluator(load_model(model))
        self.name = name or f"lm {style} temperature {temperature:g}"
        self._random = np.random.default_rng(seed)

    def choose(self, boards: Sequence[Board]) -> list[Choice]:
        """Return a move a board, with the expected score and all moves by their probability."""
        choices = []
        for board, evaluation in zip(boards, self.evaluator(boards, self.voice), strict=True):
            choices.append(self._choose(board, evaluation))
        return choices

    def _choose(self, board: Board, evaluation: Evaluation) -> Choice:
        policy = softmax(evaluation.scores.astype(np.float64))
        ranked = sorted(zip(evaluation.moves, policy.tolist(), strict=True), key=lambda pair: -pair[1])
        scores = evaluation.scores.copy()
        while True:
            index = int(self._random.choice(len(scores), p=self.sampling.probabilities(scores)))
            move = evaluation.moves[index]
            if np.isfinite(scores).sum() == 1 or not self._spoils(board, move, evaluation.value):
                return Choice(move, evaluation.value, tuple(ranked))
            scores[index] = -np.inf

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


class LegalMoves(LogitsProcessor):
    """Masks the logits of ``generate()`` to the legal moves of each game; a finished game is padded."""

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        masked = torch.full_like(scores, float("-inf"))
        for row, tokens in enumerate(input_ids.tolist()):
            board = Board()
            for token in tokens:
                if token < len(MOVES):
                    board.push(MOVES[token])
            legal = [] if PAD in tokens[tokens.index(BOS) :] else board.legal_move_indices().tolist()
            keep = legal or [PAD]
            masked[row, keep] = scores[row, keep] if legal else 0.0
        return masked  # type: ignore[return-value]
