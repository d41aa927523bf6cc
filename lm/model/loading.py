"""Loads models from folders, safely and with one-line errors for damaged ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import torch
from transformers import AutoModelForCausalLM, PreTrainedModel
from transformers.utils import logging as transformers_logging

from lm import UserError, one_of
from lm.model.folder import DTYPES, check_trust, damaged, faults_of, model_path
from lm.model.model import XiangqiLM
from lm.model.quantize import quantize
from lm.model.tokenizer import CHARS

TRUSTED: Final[dict[str, Any]] = {"local_files_only": True, "trust_remote_code": False}
"""Arguments of every load from a folder: nothing is downloaded, and no code from the folder is run."""


def load_model(directory: str | Path | None = None, dtype: str = "float32") -> XiangqiLM:
    """Load a model, the shipped one by default. With ``dtype="int8"`` it is for play only and cannot be trained.

    Raises ``UserError`` that names a missing or damaged directory, or one that holds a character model (`char`).
    """
    model = load_any_model(directory, dtype)
    if not isinstance(model, XiangqiLM):
        raise UserError(f"the model in {directory} reads characters: this needs one that sees the board")
    return model


def load_any_model(directory: str | Path | None = None, dtype: str = "float32") -> PreTrainedModel:
    """Load a model: one of ours, or a causal language model over characters.

    ``dtype`` is one of `DTYPES`; 8 bits are for inference only, and a character model always has 32. Raises
    ``UserError``, also where the weights do not match ``config.json``.
    """
    one_of("dtype", dtype, DTYPES)
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
    if isinstance(model, XiangqiLM) and dtype == "int8":
        quantize(model.blocks)
    return model.eval()
