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
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedModel,
)
from transformers.utils import logging as transformers_logging

from lm import UserError
from lm.model.config import XiangqiConfig
from lm.model.loading import TRUSTED, check_trust
from lm.model.tokenizer import CHAR_BOS, CHAR_PAD, CHARS
from xiangqi import MOVES

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
    its own tokenizer knows keep theirs. Raises ``UserError`` that names a directory without such a model, or with one
    that `check_trust` refuses.
    """
    transformers_logging.disable_progress_bar()
    verbosity = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()  # it would list every weight that is new on purpose
    try:
        check_trust(path)
        config = AutoConfig.from_pretrained(path, **TRUSTED)
        if isinstance(config, XiangqiConfig):
            raise ValueError("it reads positions, not characters")
        foreign = config.vocab_size != len(CHARS)
        config.update({"is_decoder": True, **VOCABULARY})
        model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
            path,
            config=config,
            dtype=torch.float32,
            use_safetensors=True,
            ignore_mismatched_sizes=True,
            **TRUSTED,
        )
        if foreign and (rows := _rows_of_chars(path)):
            whole = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32, use_safetensors=True, **TRUSTED)
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
        vocabulary = AutoTokenizer.from_pretrained(path, **TRUSTED).get_vocab()
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


def text_of(moves: NDArray[np.int16]) -> NDArray[np.int64]:
    """Return the characters of a game of n moves, ``(1 + 4n,)``."""
    return np.append(CHAR_BOS, MOVE_CHARS[moves])


# --- Reading records --------------------------------------------------------------------------------------------------


def reading_config(model: PreTrainedModel) -> XiangqiConfig:
    """Return how games are to be encoded for a model: as it says itself, or only as the legal moves of every ply."""
    if isinstance(model.config, XiangqiConfig):
        return model.config
    return XiangqiConfig(n_context=longest_game(model), input_groups=(), candidate_groups=("move",))
