"""The small network that evaluates positions (`xiangqi.nnue`), in files: a model's own, and the one in the features.

A model folder's own serves its searches and may be distilled anew at any time. The one beside this module is part of
the features (`lm.model.forcing`), as the worth of the pieces is: models that were trained with them rely on it, so it
stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

from lm import UserError
from lm.model.groups import JUDGED
from xiangqi.nnue import NO_NET, ROWS, Net
from xiangqi.workspace import HIDDEN


def read_net(path: Path) -> Net:
    """Read a network. Raises ``UserError`` for a damaged file, ``OSError`` for one that cannot be read."""
    from safetensors import deserialize  # imported only when needed

    data = path.read_bytes()
    try:
        ((_, tensor),) = deserialize(data)
        if tensor["dtype"] != "I16" or tuple(tensor["shape"]) != (ROWS, HIDDEN):
            raise ValueError(f"it holds no {ROWS} x {HIDDEN} integers of 16 bits")
    except Exception as error:  # SafetensorError derives from Exception alone
        raise UserError(f"damaged network in {path}: {error}") from None
    return np.frombuffer(tensor["data"], "<i2").reshape(ROWS, HIDDEN).astype(np.int16)


def net_in_features(input_groups: Sequence[str], candidate_groups: Sequence[str]) -> Net:
    """Return the network that features of these groups come from; `NO_NET` if none do."""
    return NO_NET if JUDGED.isdisjoint([*input_groups, *candidate_groups]) else _shipped()


@cache
def _shipped() -> Net:
    return read_net(Path(__file__).with_name("outlook.safetensors"))
