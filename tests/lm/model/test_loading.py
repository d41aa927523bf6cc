"""A folder with a model may come from anybody: nothing in it is run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from lm import UserError
from lm.model.char import new_model, start_from
from lm.model.loading import load_any_model, load_model

LOADERS = [load_model, load_any_model, start_from]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    new_model(1, 2, 16).save_pretrained(tmp_path / "model")
    return tmp_path / "model"


@pytest.mark.parametrize("load", LOADERS)
@pytest.mark.parametrize("known", [True, False])
def test_code_beside_the_weights_is_not_run(load: Callable[[Path], object], known: bool, folder: Path) -> None:
    """Be the kind of model one that transformers knows, or one that only the code would make."""
    (folder / "code.py").write_text(f"open({str(folder / 'ran')!r}, 'w').close()\nclass C: ...\n")
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoConfig": "code.C", "AutoModelForCausalLM": "code.C"}
    config["model_type"] = "gpt2" if known else "stranger"
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match=r"model is not loaded: its config\.json asks to run code .*auto_map") as error:
        load(folder)
    assert "\n" not in str(error.value)
    assert not (folder / "ran").exists()


@pytest.mark.parametrize("load", LOADERS)
def test_so_is_the_code_of_a_tokenizer(load: Callable[[Path], object], folder: Path) -> None:
    (folder / "code.py").write_text(f"open({str(folder / 'ran')!r}, 'w').close()\nclass C: ...\n")
    settings = {"auto_map": {"AutoTokenizer": ["code.C", None]}}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    with pytest.raises(UserError, match=r"its tokenizer_config\.json asks to run code"):
        load(folder)
    assert not (folder / "ran").exists()


@pytest.mark.parametrize("load", LOADERS)
def test_weights_that_are_pickled_are_not_read(load: Callable[[Path], object], folder: Path) -> None:
    model = new_model(1, 2, 16)
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(UserError, match="no weights in safetensors") as error:
        load(folder)
    assert "\n" not in str(error.value)
