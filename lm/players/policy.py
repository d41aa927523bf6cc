"""Positions evaluated by the model, games in progress remembered, and the player that it is."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from numpy.typing import NDArray

from lm.model.cache import KVCache
from lm.model.encoding import Encoder, GameMoves
from lm.model.model import XiangqiLM, candidates_of, spread
from lm.model.prompts import NO_PROMPT, Prompt, Voice
from lm.model.quantize import FEW
from lm.players.evaluation import SLOTS, TAKEN_BACK, Evaluation, recent
from xiangqi import MOVES, Board
from xiangqi.kernels import MOVE_MIRRORED

if TYPE_CHECKING:
    pass


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
    of game the side to move asks for; with two ``symmetries`` the mirror image is read too, and answers are averaged.
    Up to ``slots`` games, and as many mirror images, are remembered.
    """

    judges: Final = True
    """Whether it knows anything of who wins."""

    def __init__(self, model: XiangqiLM, slots: int = SLOTS, prompt: Prompt = NO_PROMPT, symmetries: int = 1) -> None:
        self.model, self.prompt, self.symmetries = model, prompt, symmetries
        self._room = slots
        self._encoder = Encoder(model.config)
        self._cache = KVCache(model.config, symmetries, model.dtype)
        self._games = [_Read() for _ in range(symmetries)]
        self._clock = 0
        self._lock = threading.Lock()

    @torch.inference_mode()
    def __call__(self, boards: Sequence[Board], voice: Voice = Voice.HUMAN) -> list[Evaluation]:
        """Evaluate positions, each with its history, in one batch. Boards are left as they were."""
        with self._lock:
            evaluations: list[Evaluation] = []
            for start in range(0, len(boards), self._room):
                evaluations += self._batch(boards[start : start + self._room], voice)
            return evaluations

    def _batch(self, boards: Sequence[Board], voice: Voice) -> list[Evaluation]:
        self._clock += 1
        lines = [self._line(board) for board in boards]
        if self.symmetries == 2:
            lines += [line.mirror() for line in lines]
        slots, games = [], []
        askers = self.symmetries * [board.turn for board in boards]
        for line, asker in zip(lines, askers, strict=True):
            # What is cached depends on whom a result is asked for.
            start = line.cells.tobytes() + bytes([line.turn, min(line.clock, 255), asker if self.prompt.aim else 0])
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

    def _line(self, board: Board) -> GameMoves:
        line = GameMoves.of(board)
        if len(line.moves) >= self.model.config.n_context:  # a game beyond what the model reads: only its end
            line = GameMoves.of(recent(board, self.model.config.n_context // 2))
        return line

    def _prompts(self, asks: NDArray[np.bool_]) -> torch.Tensor | None:
        """Return the prompts ``(N, 3)`` of plies at which the asker is to move or not."""
        return torch.from_numpy(self.prompt.rows(asks)) if any(self.prompt) else None

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
    mirrored = torch.tensor(MOVE_MIRRORED)[moves]
    own, of_images = (spread(x, counts, scores.shape[1], -1).argsort(-1) for x in (moves, mirrored))
    image = torch.empty_like(logp[:R]).scatter_(1, own[:R], logp[R:].gather(1, of_images[R:]))
    return (logp[:R] + image) / 2
