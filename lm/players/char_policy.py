"""The system of 2020 as a player: legal moves scored by their characters.

>>> from lm.model.char import new_model
>>> model = new_model(n_layer=1, n_head=2, n_embd=16)
>>> found = CharEvaluator(model)([Board()])[0]
>>> len(found.moves)
44
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import (
    DynamicCache,
    PreTrainedModel,
)

from lm.model.char import (
    MOVE_CHARS,
    first_position,
    longest_game,
    text_of,
)
from lm.model.encoding import Features, GameMoves
from lm.model.prompts import Voice
from lm.model.vocabulary import CHARS
from lm.players.evaluation import SLOTS, Evaluation, recent
from xiangqi import MOVES, Board

PLIES_AT_ONCE: Final = 16
"""Plies of a recorded game whose candidates are scored in one batch: a compromise between speed and memory."""


class Reading:
    """A game read by a model: the keys and values of its characters, and the prediction after each."""

    def __init__(self, model: PreTrainedModel) -> None:
        model.set_attn_implementation("sdpa")  # it accepts masks of any shape
        self.model, self.offset = model, first_position(model)
        self.moves = np.zeros(0, np.int16)
        self._cache = DynamicCache()
        self._expected = torch.zeros(0, len(CHARS))  # (characters read, vocabulary) log-probabilities of the next one

    def shared(self, moves: NDArray[np.int16]) -> int:
        """Return the number of plies at the beginning that another game has in common with this one."""
        n = min(len(moves), len(self.moves))
        differ = np.flatnonzero(moves[:n] != self.moves[:n])
        return int(differ[0]) if len(differ) else n

    @torch.inference_mode()
    def score(
        self, moves: NDArray[np.int16], candidates: NDArray[np.int64], plies: NDArray[np.int64]
    ) -> tuple[Tensor, Tensor]:
        """Switch to a game, keeping the plies in common with the one read before, and score candidates.

        Each of the C ``candidates``, a move number, belongs to one of the game's ``plies`` ``(C,)``. Returns the
        log-probabilities of the candidates ``(C,)``, and whether greedy decoding writes them ``(C,)``.
        """
        if not len(candidates):
            return torch.zeros(0), torch.zeros(0, dtype=torch.bool)
        text, old = text_of(moves), min(len(self._expected), 1 + 4 * self.shared(moves))
        self._forget(len(self._expected) - old)
        new = len(text) - old
        # A node of the trie is a candidate's prefix of one to three characters: its ply and the characters, 0 for none.
        chars = MOVE_CHARS[candidates]  # (C, 4)
        beginnings = [np.column_stack([plies, np.where(np.arange(3) < n, chars[:, :3], 0)]) for n in (1, 2, 3)]
        nodes, inverse = np.unique(np.concatenate(beginnings), axis=0, return_inverse=True)  # (K, 4), (3C,)
        depth = (nodes[:, 1:] > 0).sum(1)
        # New characters attend to the game up to themselves, a node to the game up to its ply and to its own prefixes.
        tokens = np.concatenate([text[old:], nodes[np.arange(len(nodes)), depth]])
        ends = np.concatenate([np.arange(old, len(text)), 4 * nodes[:, 0]])
        positions = np.concatenate([ends[:new], ends[new:] + depth])
        mask = np.zeros((len(tokens), len(text) + len(nodes)), np.bool_)
        mask[:, : len(text)] = np.arange(len(text)) <= ends[:, None]
        begins = (nodes == nodes[:, None]) | (nodes == 0)  # (K, K, 4)
        begins[:, :, 0] = nodes[:, 0] == nodes[:, None, 0]
        mask[new:, len(text) :] = begins.all(-1)

        device = self.model.device
        logits = self.model(
            torch.from_numpy(tokens).to(device).unsqueeze(0),
            attention_mask=torch.from_numpy(mask).to(device)[None, None],
            position_ids=torch.from_numpy(positions + self.offset).to(device).unsqueeze(0),
            past_key_values=self._cache,
            use_cache=True,
        ).logits[0]
        logp = logits.float().log_softmax(-1).cpu()
        self._expected = torch.cat([self._expected[:old], logp[:new]])
        self._crop(len(nodes))
        self.moves = moves.copy()

        roots = self._expected[torch.from_numpy(4 * plies)]  # (C, vocabulary)
        inner = logp[new:][torch.from_numpy(inverse)].view(3, len(chars), -1)
        expected = torch.cat([roots.unsqueeze(0), inner]).transpose(0, 1)  # (C, 4, vocabulary)
        asked = torch.from_numpy(chars)
        scores = expected.gather(2, asked.unsqueeze(2)).sum((1, 2))
        return scores, (expected.argmax(2) == asked).all(1)

    def _forget(self, characters: int) -> None:
        """Remove the last characters read."""
        self._crop(characters)
        self._expected = self._expected[: len(self._expected) - characters]

    def _crop(self, tokens: int) -> None:
        if tokens:
            self._cache.crop(-tokens)


class CharEvaluator:
    """A character model with the games that it has read; the counterpart of `lm.players.policy.Evaluator`."""

    judges: Final = False
    """The model is not trained on results: its WDL is always one third each."""

    def __init__(self, model: PreTrainedModel, slots: int = SLOTS) -> None:
        self.model, self.slots = model.eval(), slots
        self.longest = longest_game(model)
        self._readings: list[Reading] = []  # the most recently used is last
        self._lock = threading.Lock()

    def __call__(self, boards: Sequence[Board], voice: Voice = Voice.HUMAN) -> list[Evaluation]:
        """Evaluate positions, each with its history; ``voice`` has no effect. Boards are not changed."""
        with self._lock:
            return [self._evaluate(board) for board in boards]

    def _evaluate(self, board: Board) -> Evaluation:
        moves = GameMoves.of(board).moves
        if len(moves) >= self.longest:  # longer than the model's context: only the end of the game
            moves = GameMoves.of(recent(board, self.longest // 2)).moves
        legal = np.asarray(board.legal_move_indices(), np.int64)
        scores, _ = self._reading(moves).score(moves, legal, np.full(len(legal), len(moves)))
        return Evaluation([MOVES[i] for i in legal.tolist()], scores.numpy(), np.full(3, 1 / 3, np.float32))

    def _reading(self, moves: NDArray[np.int16]) -> Reading:
        """Return the reading with the most plies in common, or a new one if it would have to drop more than four."""
        best = max(self._readings, key=lambda reading: reading.shared(moves), default=None)
        if best is None or best.shared(moves) < len(best.moves) - 4:
            best = Reading(self.model)
            del self._readings[: len(self._readings) + 1 - self.slots]
        else:
            self._readings.remove(best)
        self._readings.append(best)
        return best


def score_games(
    model: PreTrainedModel, games: Sequence[GameMoves], features: Features
) -> tuple[Tensor, Tensor, Tensor]:
    """Score the legal moves at all N positions of recorded games; ``features``, from any encoder, list them.

    Returns their scores ``(N, M)``, -inf beyond each position's moves; whether greedy decoding of four characters
    writes a legal move, ``(N,)``; and the total probability of the legal moves, ``(N,)``.
    """
    counts = np.diff(features.candidate_ends, prepend=0)
    all_scores = torch.full((len(counts), max(1, int(counts.max()))), float("-inf"))
    greedy_is_legal = torch.zeros(len(counts), dtype=torch.bool)
    at = 0
    for game, length in zip(games, features.lengths.tolist(), strict=True):
        reading = Reading(model)
        for start in range(0, length, PLIES_AT_ONCE):
            plies = np.arange(start, min(start + PLIES_AT_ONCE, length))
            candidates = [features.moves(ply) for ply in (at + plies).tolist()]
            numbers = [len(moves) for moves in candidates]
            ply, column = plies.repeat(numbers), np.concatenate([np.arange(n) for n in numbers])
            scores, greedy = reading.score(game.moves, np.concatenate(candidates), ply)
            all_scores[at + ply, column] = scores
            greedy_is_legal[at + ply[greedy.numpy()]] = True
        at += length
    return all_scores, greedy_is_legal, all_scores.exp().sum(1)
