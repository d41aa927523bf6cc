"""Reads a model's folder without torch: its configuration and its weights, into numpy.

A folder may come from anybody, so nothing in it is run, and its weights are read in safetensors only.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lm import UserError, data_path, one_of
from lm.model.config import ModelConfig
from lm.model.encoding import candidate_columns, input_map
from lm.model.small_net import read_net
from lm.model.weights import Tensors, Weights, arrange, shapes
from xiangqi.nnue import NO_NET, Net

MODEL_TYPE: Final = "xqlm"
"""What ``config.json`` calls our models."""
DTYPES: Final = ("int8", "float32")
"""Number formats of a model's large matrices in play. 8 bits give the same moves in half the time."""

NET: Final = "nnue.safetensors"
"""The file of a model's `Network.net`."""
SHIPPED: Final = "shipped"
"""The name of the shipped model where there is a choice of none, the shipped one, and a folder."""

_DTYPES: Final = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}
"""Number types of safetensors, as numpy reads them."""


@dataclass(frozen=True)
class Network:
    """A model for play."""

    config: ModelConfig
    weights: Weights
    eight_bits: bool
    net: Net
    """What evaluates positions in a tactical search, in the model's place; see `xiangqi.nnue`."""


def load_network(directory: str | Path | None = None, dtype: str = "int8") -> Network:
    """Load a model for play, the shipped one by default. ``dtype`` is one of `DTYPES`.

    Raises ``UserError`` that names a missing or damaged directory, or one that holds another kind of model.
    """
    eight_bits = one_of("dtype", dtype, DTYPES) == "int8"
    path = model_path(directory)
    if not is_ours(path):
        raise UserError(f"the model in {path} reads characters: this needs one that sees the board")
    try:
        config = _read_config(path)
        tensors = _read_tensors(path)
        expected = shapes(config)
        faults = faults_of(
            missing=expected.keys() - tensors.keys(),
            mismatched=[name for name in expected.keys() & tensors if expected[name] != tensors[name].shape],
            unexpected=tensors.keys() - expected.keys(),
        )
        if not faults:
            return Network(config, arrange(config, tensors, eight_bits), eight_bits, _net_of(path))
    except (OSError, ValueError, TypeError, ArithmeticError) as error:
        raise UserError(f"damaged model in {path}: {error}") from None
    raise UserError(damaged(path, faults))


def load_net(directory: str | Path) -> Net:
    """Load a model's network for tactical searches, the shipped one's by the name `SHIPPED`.

    Raises ``UserError`` that names a missing folder, or a missing or damaged file.
    """
    folder = model_path(None if directory == SHIPPED else directory)
    net = _net_of(folder)
    if net is NO_NET:
        raise UserError(f"no {NET} in {folder}: xqlm distil makes it")
    return net


def _net_of(folder: Path) -> Net:
    """Return a model's network for tactical searches; `NO_NET` if it has none."""
    path = folder / NET
    try:
        return read_net(path) if path.is_file() else NO_NET
    except OSError as error:
        raise UserError(f"damaged network in {path}: {error}") from None


def model_path(directory: str | Path | None) -> Path:
    """Return a model's folder, the shipped one's by default. Raises ``UserError`` if there is no model in it."""
    path = data_path("model") if directory is None else _elsewhere.get(str(directory), Path(directory))
    if not (path / "config.json").is_file():
        if (path / "model" / "config.json").is_file():  # a run's folder
            raise UserError(f"no model in {path}: there is one in {path / 'model'}")
        raise UserError(
            f"no model in {path}: {'there is no config.json' if path.exists() else 'there is no such folder'}"
        )
    return path


_elsewhere: Final[dict[str, Path]] = {}


def relocate(directory: str | Path, path: Path) -> None:
    """From now on read the model that is named ``directory`` from another folder, as on a host that lacks the first."""
    _elsewhere[str(directory)] = path


def is_ours(path: Path) -> bool:
    """Return whether a folder holds a model that sees the board. Raises ``UserError``, as `check_trust` does, and for a
    configuration that cannot be read."""
    try:
        check_trust(path)
        return json.loads((path / "config.json").read_text("utf-8")).get("model_type") == MODEL_TYPE
    except UserError:
        raise
    except (OSError, ValueError, AttributeError) as error:
        raise UserError(f"damaged model in {path}: {error}") from None


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


def faults_of(missing: Iterable[str], mismatched: Iterable[str], unexpected: Iterable[str]) -> list[str]:
    """Say which tensors of a model are not those of its configuration.

    >>> faults_of(["d", "c", "b", "a"], [], ["e"])
    ['there is no a, b, c, …', 'there is no place for e']
    """
    found = []
    kinds = (("there is no", missing), ("of another size are", mismatched), ("there is no place for", unexpected))
    for what, names in kinds:
        if names := sorted(names):
            found.append(f"{what} {', '.join(names[:3])}{', …' if len(names) > 3 else ''}")
    return found


def damaged(path: Path, faults: list[str]) -> str:
    """Return the message about a model whose weights are not those of its configuration."""
    return f"damaged model in {path}: its weights are not those of its config.json: {'; '.join(faults)}"


def _read_config(path: Path) -> ModelConfig:
    settings = json.loads((path / "config.json").read_text("utf-8"))
    config = ModelConfig(
        **{field.name: settings[field.name] for field in fields(ModelConfig) if field.name in settings}
    )
    for name in ("n_layer", "n_head", "n_embd", "n_query", "n_context"):
        value = getattr(config, name)
        if type(value) is not int or value < 1:
            raise ValueError(f"{name} is not a whole number above 0: {value!r}")
    if config.n_embd % config.n_head:
        raise ValueError(f"n_embd {config.n_embd} is no multiple of n_head {config.n_head}")
    input_map(config.input_groups)  # raises if they are unknown
    if 0 not in candidate_columns(config.candidate_groups)[0]:
        raise ValueError("candidate_groups does not hold 'move'")
    return config


def _read_tensors(path: Path) -> Tensors:
    """Return all tensors of the model's files; bfloat16 is widened."""
    from safetensors import deserialize  # imported only when needed

    index = path / "model.safetensors.index.json"  # of large models, which come in several files
    names = set(json.loads(index.read_text("utf-8"))["weight_map"].values()) if index.is_file() else None
    found: dict[str, NDArray[Any]] = {}
    for name in sorted(names or {"model.safetensors"}):
        try:
            tensors = deserialize((path / name).read_bytes())
        except OSError:
            raise
        except Exception as error:  # SafetensorError derives from Exception alone
            raise ValueError(error) from None
        found |= {name: _as_array(name, tensor) for name, tensor in tensors}
    return found


def _as_array(name: str, tensor: Mapping[str, Any]) -> NDArray[Any]:
    if tensor["dtype"] not in _DTYPES:
        raise ValueError(f"{name} holds no floating-point numbers but {tensor['dtype']}")
    array = np.frombuffer(tensor["data"], _DTYPES[tensor["dtype"]]).reshape(tensor["shape"])
    return (array.astype(np.uint32) << 16).view(np.float32) if tensor["dtype"] == "BF16" else array
