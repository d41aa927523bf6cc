"""Loads models from folders, safely and with one-line errors for damaged ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import torch
from transformers import AutoModelForCausalLM, PreTrainedModel
from transformers.utils import logging as transformers_logging

from lm import UserError, data_path, one_of
from lm.model.model import XiangqiLM
from lm.model.quantize import quantize
from lm.model.tokenizer import CHARS

TRUSTED: Final[dict[str, Any]] = {"local_files_only": True, "trust_remote_code": False}
"""Arguments of every load from a folder: nothing is downloaded, and no code from the folder is run."""
DTYPES: Final = ("int8", "float32")
"""Number formats of a model's large matrices in play. 8 bits give the same moves in a third of the time.

bfloat16 is not offered: a ply takes as long as in 32 bits, a ply with its mirror image two thirds as long. Both are
slower than 8 bits."""


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
    path = data_path("model") if directory is None else Path(directory)
    if not (path / "config.json").is_file():
        raise UserError(f"no model in {path}: there is no config.json")
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


def check_trust(path: Path) -> None:
    """Raise ``UserError`` if the model in a folder asks to run its own code, or has no weights in safetensors.

    A pickle can run any code when it is loaded; a safetensors file holds numbers only. Raises ``ValueError`` or
    ``OSError`` where a configuration file cannot be read.
    """
    for name in ("config.json", "tokenizer_config.json"):
        if (path / name).is_file() and "auto_map" in json.loads((path / name).read_text("utf-8")):
            raise UserError(f"the model in {path} is not loaded: its {name} asks to run code of its own (auto_map)")
    if (path / "config.json").is_file() and not any(path.glob("*.safetensors")):
        raise UserError(f"the model in {path} is not loaded: there are no weights in safetensors, the one trusted form")
