"""The system of 2020: a language model that reads games as the characters of their moves, and sees no board.

After Su Jianlin, "当GPT遇上中国象棋" (https://kexue.fm/archives/7877): the text of a game is ``h2e2h9g7…``, any causal
language model of `transformers` learns to write it, and the move to play is the legal one whose four characters are the
likeliest. Where that system read the game anew for every candidate, here the beginnings of all candidates form a prefix
trie, which is read in one go behind the keys and values of the game: a move costs its own four characters and a node
for each beginning of a legal move, some fifty in all.

>>> model = new_model(n_layer=1, n_head=2, n_embd=16)
>>> found = CharEvaluator(model)([Board()])[0]
>>> len(found.moves)
44
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    DynamicCache,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedModel,
)
from transformers.utils import logging as transformers_logging

from lm import UserError
from lm.batches import GameBatches, Lessons
from lm.encoding import Features, Line
from lm.model import XiangqiConfig
from lm.policy import SLOTS, Evaluation, recent
from lm.tokenizer import CHAR_BOS, CHAR_PAD, CHARS
from xiangqi import MOVES, Board
from xiangqi.kernels import MOVE_MIRRORED

CURRICULUM: Final = ((0.1, 16), (0.2, 32), (0.4, 64))
"""Up to this share of the steps only so many plies of each game are read, as in 2020; then as many as the model can."""

VOCABULARY: Final = {
    "vocab_size": len(CHARS),
    "pad_token_id": CHAR_PAD,
    "bos_token_id": CHAR_BOS,
    "eos_token_id": CHAR_PAD,
}
LOSS: Final = "ForCausalLM"
"""The loss to use; `transformers` cannot tell it from the names of its older classes, and says so."""

MOVE_CHARS: Final = np.array([[CHARS.index(char) for char in move.iccs] for move in MOVES])
"""The characters of each move, ``(2086, 4)``."""

IGNORED: Final = -100
"""A label that is none, as `transformers` has it."""

PLIES_AT_ONCE: Final = 16
"""Plies of a recorded game whose candidates are scored together: enough to be quick, few enough for the memory."""


# --- Models -----------------------------------------------------------------------------------------------------------


def new_model(n_layer: int, n_head: int, n_embd: int, plies: int = 512) -> GPT2LMHeadModel:
    """Return an untrained GPT-2 over characters that reads games of up to ``plies`` plies."""
    config = GPT2Config(n_layer=n_layer, n_head=n_head, n_embd=n_embd, n_positions=4 * plies)
    config.update(VOCABULARY)
    config.activation_function = "gelu_pytorch_tanh"  # GPT-2's own, in one piece
    config.resid_pdrop = config.embd_pdrop = config.attn_pdrop = 0.0  # games are not read often enough to be memorised
    model = GPT2LMHeadModel(config)
    model.loss_type = LOSS
    return model


def start_from(path: Path) -> PreTrainedModel:
    """Return a causal language model over characters that starts from a checkpoint of BERT's, GPT-2's or a like kind.

    It has the checkpoint's shape and all its weights but the embeddings, which are new, except that characters which
    its own tokenizer knows keep theirs. Raises ``UserError`` that names a directory without such a model.
    """
    transformers_logging.disable_progress_bar()
    verbosity = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()  # it would list every weight that is new on purpose
    try:
        config = AutoConfig.from_pretrained(path, local_files_only=True)
        if isinstance(config, XiangqiConfig):
            raise ValueError("it reads positions, not characters")
        foreign = config.vocab_size != len(CHARS)
        config.update({"is_decoder": True, **VOCABULARY})
        model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
            path, config=config, local_files_only=True, dtype=torch.float32, ignore_mismatched_sizes=True
        )
        if foreign and (rows := _rows_of_chars(path)):
            whole = AutoModelForCausalLM.from_pretrained(path, local_files_only=True, dtype=torch.float32)
            old, new = (cast(Tensor, x.get_input_embeddings().weight) for x in (whole, model))
            new.data[-len(rows) :] = old.data[rows]
        if not (model._supports_sdpa and hasattr(config, "max_position_embeddings")):
            raise ValueError(f"a {config.model_type} takes no masks of any shape, or does not say how much it reads")
    except Exception as error:  # whatever a missing or damaged file makes the libraries raise
        raise UserError(f"cannot start from {path}: {error}") from None
    finally:
        transformers_logging.set_verbosity(verbosity)
    model.loss_type = LOSS
    return model


def _rows_of_chars(path: Path) -> list[int]:
    """Return the tokens of the files and ranks in a checkpoint's own vocabulary; none if it lacks any of them."""
    try:
        vocabulary = AutoTokenizer.from_pretrained(path, local_files_only=True).get_vocab()
    except Exception:  # a checkpoint without a tokenizer, or with one that needs what is not installed
        return []
    rows = [vocabulary.get(char, -1) for char in CHARS[2:]]
    return [] if -1 in rows else rows


def first_position(model: PreTrainedModel) -> int:
    """Return the number of a model's first position: RoBERTa keeps those up to its padding's for itself."""
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding) and module.padding_idx is not None:
            return module.padding_idx + 1
    return 0


def longest_game(model: PreTrainedModel) -> int:
    """Return how many plies a model can read, the one to be played included."""
    return int(model.config.max_position_embeddings - first_position(model)) // 4


# --- Training ---------------------------------------------------------------------------------------------------------


def plies_to_read(progress: float, longest: int) -> int:
    """Return how many plies of a game the curriculum gives at this share of the run, 0 to 1.

    >>> [plies_to_read(share, longest=512) for share in (0, 0.15, 0.3, 0.4)]
    [16, 32, 64, 512]
    """
    return min([plies for until, plies in CURRICULUM if progress < until] + [longest])


class CharBatches(GameBatches):
    """The batches of `lm.batches.GameBatches` as texts, early ones cut short by the curriculum."""

    def encode(self, index: int) -> dict[str, Tensor]:
        """Return the arguments of a causal language model's ``forward`` for an item: ``input_ids`` and ``labels``, both
        ``(B, T)``, and how many moves the whole step learns, so that the loss is one of moves as the main model's is.

        Moves that an engine made but would not make again (its random openings) are read, not learned.
        """
        step, part = divmod(index, self.parts)
        plies = plies_to_read(self.progress(step), self.longest)
        texts, labels = [], []
        games, mirrored = self.games(step)
        lessons = Lessons.of(self.places(games), min(plies, self.longest - 1), np.zeros((len(games), 3), np.bool_))
        for i, flip in enumerate(mirrored):
            lesson, moves = lessons.some(i, i + 1), lessons.lines[i].moves
            learned = (lesson.human[:-1] == moves) | (lesson.engine[:-1] == moves)
            text = text_of(MOVE_MIRRORED[moves] if flip else moves)
            texts.append(torch.from_numpy(text))
            labels.append(torch.from_numpy(np.where(np.append(False, learned.repeat(4)), text, IGNORED)))
        count = sum(int((label != IGNORED).sum()) for label in labels) // 4
        mine = np.array_split(np.arange(len(texts)), self.parts)[part].tolist()
        if not mine:  # more parts than games: read one and learn nothing
            mine, labels[0] = [0], torch.full_like(labels[0], IGNORED)
        pad = nn.utils.rnn.pad_sequence
        return {
            # A text does not see what stands behind it; of CHAR_PAD `transformers` would say that a mask is missing.
            "input_ids": pad([texts[i] for i in mine], True, CHAR_BOS),
            "labels": pad([labels[i] for i in mine], True, IGNORED),
            "num_items_in_batch": torch.tensor(count),
        }


def text_of(moves: NDArray[np.int16]) -> NDArray[np.int64]:
    """Return the characters of a game of n moves, ``(1 + 4n,)``."""
    return np.append(CHAR_BOS, MOVE_CHARS[moves])


# --- Scoring moves ----------------------------------------------------------------------------------------------------


class Reading:
    """One game as a model reads it: the keys and values of its characters, and what was expected after each."""

    def __init__(self, model: PreTrainedModel) -> None:
        model.set_attn_implementation("sdpa")  # which takes masks of any shape
        self.model, self.offset = model, first_position(model)
        self.moves = np.zeros(0, np.int16)
        self._cache = DynamicCache()
        self._expected = torch.zeros(0, len(CHARS))  # (characters read, vocabulary) log-probabilities of the next one

    def shared(self, moves: NDArray[np.int16]) -> int:
        """Return how many plies at its beginning another game has in common with the one read."""
        n = min(len(moves), len(self.moves))
        differ = np.flatnonzero(moves[:n] != self.moves[:n])
        return int(differ[0]) if len(differ) else n

    @torch.inference_mode()
    def score(
        self, moves: NDArray[np.int16], candidates: NDArray[np.int64], plies: NDArray[np.int64]
    ) -> tuple[Tensor, Tensor]:
        """Go over to a game (what it has in common with the one read so far is not read again) and score candidates.

        Each of the C ``candidates``, a move's number, stands at one of the game's ``plies``, ``(C,)``. Returns the
        log-probabilities ``(C,)`` of their characters, and whether always taking the likeliest character writes them.
        """
        if not len(candidates):
            return torch.zeros(0), torch.zeros(0, dtype=torch.bool)
        text, old = text_of(moves), min(len(self._expected), 1 + 4 * self.shared(moves))
        self._forget(len(self._expected) - old)
        new = len(text) - old
        # A node for each beginning, of one to three characters, of a candidate: its ply and the characters, 0 for none.
        chars = MOVE_CHARS[candidates]  # (C, 4)
        beginnings = [np.column_stack([plies, np.where(np.arange(3) < n, chars[:, :3], 0)]) for n in (1, 2, 3)]
        nodes, inverse = np.unique(np.concatenate(beginnings), axis=0, return_inverse=True)  # (K, 4), (3C,)
        depth = (nodes[:, 1:] > 0).sum(1)
        # The new characters see the game up to themselves, a node sees it up to its ply and then its own beginnings.
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
        """Take back the last characters read."""
        self._crop(characters)
        self._expected = self._expected[: len(self._expected) - characters]

    def _crop(self, tokens: int) -> None:
        if tokens:
            self._cache.crop(-tokens)


class CharEvaluator:
    """A character model with the games it is reading: what `lm.policy.Evaluator` is to the main model."""

    judges: Final = False
    """Nothing was ever said to it of who wins: that is evenly open."""

    def __init__(self, model: PreTrainedModel, slots: int = SLOTS) -> None:
        self.model, self.slots = model.eval(), slots
        self.longest = longest_game(model)
        self._readings: list[Reading] = []  # the one that was used last stands last
        self._lock = threading.Lock()

    def __call__(self, boards: Sequence[Board], voice: int = 0) -> list[Evaluation]:
        """Evaluate positions, each with its history; there is but one voice. Boards are left as they were."""
        with self._lock:
            return [self._evaluate(board) for board in boards]

    def _evaluate(self, board: Board) -> Evaluation:
        moves = Line.of(board).moves
        if len(moves) >= self.longest:  # a game beyond what the model reads: only its end
            moves = Line.of(recent(board, self.longest // 2)).moves
        legal = np.asarray(board.legal_move_indices(), np.int64)
        scores, _ = self._reading(moves).score(moves, legal, np.full(len(legal), len(moves)))
        return Evaluation([MOVES[i] for i in legal.tolist()], scores.numpy(), np.full(3, 1 / 3, np.float32))

    def _reading(self, moves: NDArray[np.int16]) -> Reading:
        """Return the reading that has most in common with a game, if it need not forget much, or a new one."""
        best = max(self._readings, key=lambda reading: reading.shared(moves), default=None)
        if best is None or best.shared(moves) < len(best.moves) - 4:
            best = Reading(self.model)
            del self._readings[: len(self._readings) + 1 - self.slots]
        else:
            self._readings.remove(best)
        self._readings.append(best)
        return best


# --- Reading records --------------------------------------------------------------------------------------------------


def reading_config(model: PreTrainedModel) -> XiangqiConfig:
    """Return how games are to be encoded for a model: as it says itself, or only as the legal moves of every ply."""
    if isinstance(model.config, XiangqiConfig):
        return model.config
    return XiangqiConfig(n_context=longest_game(model), input_groups=(), candidate_groups=("move",))


def score_games(model: PreTrainedModel, lines: Sequence[Line], features: Features) -> tuple[Tensor, Tensor, Tensor]:
    """Score the legal moves at all N positions of recorded games, which ``features`` (of any encoder) list.

    Returns their scores ``(N, M)``, -inf beyond each position's moves; whether taking the likeliest character four
    times writes a legal move, ``(N,)``; and the probability of all legal moves together, ``(N,)``.
    """
    counts = np.diff(features.candidate_ends, prepend=0)
    all_scores = torch.full((len(counts), max(1, int(counts.max()))), float("-inf"))
    greedy_is_legal = torch.zeros(len(counts), dtype=torch.bool)
    at = 0
    for line, length in zip(lines, features.lengths.tolist(), strict=True):
        reading = Reading(model)
        for start in range(0, length, PLIES_AT_ONCE):
            plies = np.arange(start, min(start + PLIES_AT_ONCE, length))
            candidates = [features.moves(ply) for ply in (at + plies).tolist()]
            numbers = [len(moves) for moves in candidates]
            ply, column = plies.repeat(numbers), np.concatenate([np.arange(n) for n in numbers])
            scores, greedy = reading.score(line.moves, np.concatenate(candidates), ply)
            all_scores[at + ply, column] = scores
            greedy_is_legal[at + ply[greedy.numpy()]] = True
        at += length
    return all_scores, greedy_is_legal, all_scores.exp().sum(1)
