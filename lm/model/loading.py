"""Loads models into torch from folders, safely and with one-line errors for damaged ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import torch
from transformers import AutoModelForCausalLM, PreTrainedModel
from transformers.utils import logging as transformers_logging

from lm import UserError
from lm.model.folder import Network, check_trust, damaged, faults_of, model_path
from lm.model.model import XiangqiLM
from lm.model.vocabulary import CHARS
from lm.model.weights import arrange
from xiangqi.nnue import NO_NET

TRUSTED: Final[dict[str, Any]] = {"local_files_only": True, "trust_remote_code": False}
"""Arguments of every load from a folder: nothing is downloaded, and no code from the folder is run."""


def load_model(directory: str | Path | None = None) -> XiangqiLM:
    """Load a model, the shipped one by default.

    Raises ``UserError`` that names a missing or damaged directory, or one that holds a character model (`char`).
    """
    model = load_any_model(directory)
    if not isinstance(model, XiangqiLM):
        raise UserError(f"the model in {directory} reads characters: this needs one that sees the board")
    return model


def load_any_model(directory: str | Path | None = None) -> PreTrainedModel:
    """Load a model: one of ours, or a causal language model over characters.

    Raises ``UserError``, also where the weights do not match ``config.json``.
    """
    path = model_path(directory)
    transformers_logging.disable_progress_bar()
    talkative = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()  # its warnings about the weights are errors here
    model: PreTrainedModel
    found: dict[str, Any]  # missing from the annotations of transformers
    try:
        check_trust(path)
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            path,
            dtype=torch.float32,
            use_safetensors=True,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
            **TRUSTED,
        )
        model, found = loaded
    except UserError:
        raise
    except Exception as error:  # the libraries raise many types for damaged files
        raise UserError(f"damaged model in {path}: {error}") from None
    finally:
        transformers_logging.set_verbosity(talkative)
    faults = faults_of(
        missing=found["missing_keys"],
        mismatched={name for name, *_ in found["mismatched_keys"]},
        unexpected=found["unexpected_keys"] if isinstance(model, XiangqiLM) else (),
    )
    if faults:
        raise UserError(damaged(path, faults))
    if not isinstance(model, XiangqiLM) and model.config.vocab_size != len(CHARS):
        raise UserError(f"the model in {path} reads neither positions nor the characters of moves")
    return model.eval()


def network_of(model: XiangqiLM, eight_bits: bool = False) -> Network:
    """Return a model for play (`lm.model.network`), with a copy of its weights."""
    tensors = {name: tensor.detach().float().cpu().numpy() for name, tensor in model.state_dict().items()}
    return Network(model.config, arrange(model.config, tensors, eight_bits), eight_bits, NO_NET)
