"""Any causal language model of transformers that has read games as ICCS text, as a player: ``h2e2 h9g7 h0g2``.

The model and its tokenizer are those of a folder. A legal move is scored by its tokens: the log-probability of each,
after the game and the tokens before it.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer, DynamicCache

from lm import UserError
from lm.model.folder import check_trust, damaged, faults_of, model_path
from lm.model.loading import TRUSTED
from lm.model.prompts import Voice
from lm.players.evaluation import Evaluation, recent
from xiangqi import MOVES, Board

READINGS: Final = 16
"""Games whose keys and values are kept; the least recently used is read again."""
LONGEST: Final = 1024
"""Tokens that are read of a game, for models whose configuration does not say how many positions they have."""


class Reading:
    """A game that a model has read: its tokens, the keys and values of them, and what it expects next."""

    def __init__(self) -> None:
        self.tokens: list[int] = []
        self.cache: Any = DynamicCache()
        self.expected = torch.zeros(0)
        """Log-probabilities of the next token ``(vocabulary,)``."""

    def shared(self, tokens: Sequence[int]) -> int:
        """Return the number of tokens at the beginning that these have in common with those read."""
        n = min(len(tokens), len(self.tokens))
        return next((i for i in range(n) if tokens[i] != self.tokens[i]), n)


class TextEvaluator:
    """A model of text and the games that it has read; the counterpart of `lm.players.policy.Evaluator`.

    A position that was set up is to it a game that begins there: text does not tell where the pieces are. Raises
    ``UserError`` for a folder without a sound model and tokenizer, and for a tokenizer whose tokens go beyond a move.
    """

    judges: Final = False
    """It does not predict WDL."""

    def __init__(self, folder: str | Path) -> None:
        path = model_path(folder)
        try:
            check_trust(path)
            self.tokenizer: Any = AutoTokenizer.from_pretrained(path, **TRUSTED)
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                path, dtype=torch.float32, use_safetensors=True, output_loading_info=True, **TRUSTED
            )
        except UserError:
            raise
        except Exception as error:  # the libraries raise many types for damaged files
            raise UserError(f"no causal model with a tokenizer in {path}: {error}") from None
        model, found = loaded
        if faults := faults_of(found["missing_keys"], {name for name, *_ in found["mismatched_keys"]}, ()):
            raise UserError(damaged(path, faults))
        self.model = model.eval()
        self._first = [self._encode(move.iccs) for move in MOVES]
        self._later = [self._encode(f" {move.iccs}") for move in MOVES]
        for moves in (self._first, self._later):  # a missing tokenizer reads nothing, and a poor one the same of two
            if not all(moves) or len(set(map(tuple, moves))) < len(moves):
                raise UserError(f"the tokenizer in {path} does not tell all moves apart, such as h2e2 and b2e2")
        for text in ("h2e2 h9g7 i0h0", "b2e2 b9c7 b0c2"):
            apart = self._first[_number(text[:4])] + self._later[_number(text[5:9])] + self._later[_number(text[10:])]
            if self._encode(text) != apart:
                raise UserError(f"the tokenizer in {path} joins moves: it reads {text!r} otherwise than move by move")
        start = getattr(self.tokenizer, "bos_token_id", None)
        self._start = [start if start is not None else self.tokenizer.eos_token_id]
        if self._start == [None]:
            raise UserError(f"the tokenizer in {path} has neither bos_token nor eos_token, with which a game begins")
        longest = getattr(self.model.config, "max_position_embeddings", None)
        self._room = (longest or LONGEST) - max(map(len, self._later))
        self._readings: list[Reading] = []  # the most recently used is last
        self._lock = threading.Lock()

    def _encode(self, text: str) -> list[int]:
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def __call__(self, boards: Sequence[Board], voice: Voice = Voice.HUMAN) -> list[Evaluation]:
        """Evaluate positions, each with its history; ``voice`` has no effect. Boards are not changed.

        Scores are log-probabilities before any mask, so that their sum is the share of legal moves.
        """
        with self._lock:
            return [self._evaluate(board) for board in boards]

    def _evaluate(self, board: Board) -> Evaluation:
        tokens = self._tokens(board)
        while len(tokens) > self._room:
            board = recent(board, board.ply // 2)
            tokens = self._tokens(board)
        legal = board.legal_move_indices()
        names = self._later if board.ply else self._first
        scores = self._score(self._read(tokens), [names[move] for move in legal])
        return Evaluation([MOVES[move] for move in legal], scores.numpy(), np.full(3, 1 / 3, np.float32))

    def _tokens(self, board: Board) -> list[int]:
        tokens = list(self._start)
        for ply, move in enumerate(board.move_stack):
            tokens += (self._later if ply else self._first)[_number(move.iccs)]
        return tokens

    @torch.inference_mode()
    def _read(self, tokens: list[int]) -> Reading:
        """Return a reading of these tokens, which goes on from the one that has most of them."""
        best = max(self._readings, key=lambda reading: reading.shared(tokens), default=None)
        if best is not None and best.shared(tokens) >= len(best.tokens) - 2 * len(self._later[0]):
            self._readings.remove(best)
        else:
            best = Reading()
            del self._readings[: len(self._readings) + 1 - READINGS]
        if best.tokens != tokens:
            known = min(best.shared(tokens), len(tokens) - 1)  # the last is read in any case, for what comes next
            if known < len(best.tokens):
                best.cache.crop(known - len(best.tokens))
            out = self.model(input_ids=self._rows([tokens[known:]]), past_key_values=best.cache, use_cache=True)
            best.cache, best.tokens = out.past_key_values, tokens
            best.expected = out.logits[0, -1].float().log_softmax(-1).cpu()
        self._readings.append(best)
        return best

    @torch.inference_mode()
    def _score(self, reading: Reading, moves: Sequence[list[int]]) -> Tensor:
        """Return the log-probability of each move ``(n,)``, given as tokens, after what has been read.

        All but the last token of each move is a path from the root of a trie; moves with the same path share it.
        """
        paths = sorted({tuple(move[:-1]) for move in moves if len(move) > 1})
        expected: dict[tuple[int, ...], Tensor] = {(): reading.expected}
        if paths:
            cache = copy.deepcopy(reading.cache)
            cache.batch_repeat_interleave(len(paths))
            longest = max(map(len, paths))
            # Padding comes after a path, where nothing is asked.
            rows = self._rows([[*path, *[path[-1]] * (longest - len(path))] for path in paths])
            logs = (
                self.model(input_ids=rows, past_key_values=cache, use_cache=True).logits.float().log_softmax(-1).cpu()
            )
            for row, path in enumerate(paths):
                for n in range(1, len(path) + 1):
                    expected[path[:n]] = logs[row, n - 1]
        scores = [sum((float(expected[tuple(move[:n])][token]) for n, token in enumerate(move)), 0.0) for move in moves]
        return torch.tensor(scores)

    def _rows(self, rows: Sequence[Sequence[int]]) -> Tensor:
        return torch.tensor(rows, device=self.model.device)


_NUMBERS: Final = {move.iccs: number for number, move in enumerate(MOVES)}


def _number(iccs: str) -> int:
    return _NUMBERS[iccs]
