"""The system of 2020: a language model that reads games as the characters of their moves, without the board.

After Su Jianlin, "当GPT遇上中国象棋" (https://kexue.fm/archives/7877): the text of a game is ``h2e2h9g7…``, any causal
language model of `transformers` learns to write it, and the move to play is the legal one whose four characters are the
likeliest. That system read the whole game again for every candidate. Here the prefixes of all candidates form a trie,
which is read in one pass with the keys and values of the game cached. A move costs its own four characters and a node
for each prefix of a legal move, about fifty tokens in all.
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
    GenerationConfig,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedModel,
)
from transformers.utils import logging as transformers_logging

from lm import UserError
from lm.model.folder import check_trust, model_path
from lm.model.loading import TRUSTED
from lm.model.pretrained_config import XiangqiConfig
from lm.model.vocabulary import CHAR_BOS, CHAR_PAD, CHARS
from xiangqi import MOVES

SPECIAL: Final = {"pad_token_id": CHAR_PAD, "bos_token_id": CHAR_BOS, "eos_token_id": CHAR_PAD}
VOCABULARY: Final = {"vocab_size": len(CHARS), **SPECIAL}
LOSS: Final = "ForCausalLM"
"""The loss to use. For its older classes `transformers` cannot derive it from the name, and would warn."""

MOVE_CHARS: Final = np.array([[CHARS.index(char) for char in move.iccs] for move in MOVES])
"""The characters of each move, ``(2086, 4)``."""


# --- Models -----------------------------------------------------------------------------------------------------------


def new_model(n_layer: int, n_head: int, n_embd: int, plies: int = 512) -> GPT2LMHeadModel:
    """Return an untrained GPT-2 over characters that reads games of up to ``plies`` plies."""
    config = GPT2Config(n_layer=n_layer, n_head=n_head, n_embd=n_embd, n_positions=4 * plies)
    config.update(VOCABULARY)
    config.activation_function = "gelu_pytorch_tanh"  # GPT-2's activation, as one fused operation
    config.resid_pdrop = config.embd_pdrop = config.attn_pdrop = 0.0  # too few epochs to overfit
    model = GPT2LMHeadModel(config)
    _settle(model)
    return model


def start_from(path: Path) -> PreTrainedModel:
    """Return a causal language model over characters, initialised from a checkpoint of BERT, GPT-2 or a similar model.

    It has the checkpoint's shape and weights except the embeddings, which are new. Files and ranks keep their old
    embeddings if the checkpoint's tokenizer has all of them. Raises ``UserError`` that names a directory without such
    a model, or with one that `check_trust` refuses.
    """
    model_path(path)  # else transformers would look for a hub's model of this name
    transformers_logging.disable_progress_bar()
    verbosity = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()  # no warnings about weights that are meant to be new
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
            raise ValueError(
                f"{config.model_type} models do not support arbitrary attention masks, or have no fixed context length"
            )
    except Exception as error:  # the libraries raise many types for missing or damaged files
        raise UserError(f"cannot start from {path}: {error}") from None
    finally:
        transformers_logging.set_verbosity(verbosity)
    _settle(model)
    return model


def _settle(model: PreTrainedModel) -> None:
    """Set the loss, and how texts are generated, where a checkpoint has settings for tokens of its own."""
    model.loss_type = LOSS
    model.generation_config = GenerationConfig(**SPECIAL)


def _rows_of_chars(path: Path) -> list[int]:
    """Return the tokens of files and ranks in a checkpoint's vocabulary; an empty list if any of them is missing."""
    try:
        vocabulary = AutoTokenizer.from_pretrained(path, **TRUSTED).get_vocab()
    except Exception:  # no tokenizer, or one that needs a package that is not installed
        return []
    rows = [vocabulary.get(char, -1) for char in CHARS[2:]]
    return [] if -1 in rows else rows


def first_position(model: PreTrainedModel) -> int:
    """Return the number of a model's first position: RoBERTa reserves those up to its padding index."""
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding) and module.padding_idx is not None:
            return module.padding_idx + 1
    return 0


def longest_text(model: PreTrainedModel) -> int:
    """Return how many tokens a model can read."""
    return int(model.config.max_position_embeddings - first_position(model))


def longest_game(model: PreTrainedModel) -> int:
    """Return how many plies a model of characters can read, including the one to be played."""
    return longest_text(model) // 4


def text_of(moves: NDArray[np.int16]) -> NDArray[np.int64]:
    """Return the characters of a game of n moves, ``(1 + 4n,)``."""
    return np.append(CHAR_BOS, MOVE_CHARS[moves])


# --- Reading records --------------------------------------------------------------------------------------------------


def reading_config(model: PreTrainedModel) -> XiangqiConfig:
    """Return the encoding for a model: its own configuration, or for a character model the legal moves alone."""
    if isinstance(model.config, XiangqiConfig):
        return model.config
    return XiangqiConfig(n_context=longest_game(model), input_groups=(), candidate_groups=("move",))
