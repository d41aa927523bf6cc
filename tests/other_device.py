"""A device that is not the processor, for machines without one: tensors whose numbers are the processor's, kept apart.

What would fail on a GPU fails here: an operation on tensors of both devices, and numpy on one of the other device. A
process that has had the device has it for good, so tests use it in processes of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

NAME = "elsewhere"
MAY_MIX = ("aten::_to_copy", "aten::copy_", "aten::index.Tensor", "aten::index_put_", "aten::_index_put_impl_")
"""What GPUs do with tensors of both devices, too: copies, and places on the processor."""


class Elsewhere(torch.Tensor):
    """A tensor on the other device."""

    numbers: torch.Tensor

    @staticmethod
    def __new__(cls, numbers: torch.Tensor) -> Elsewhere:
        made: Elsewhere = torch.Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls,
            numbers.size(),
            strides=numbers.stride(),
            storage_offset=numbers.storage_offset(),
            dtype=numbers.dtype,
            device=torch.device(NAME, 0),
        )
        made.numbers = numbers
        return made

    def __repr__(self, **kwargs: Any) -> str:
        return f"Elsewhere({self.numbers})"

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return compute(func, args, kwargs or {})


def compute(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """Do an operation on the processor, if all that it is done with is on one device; say where its results are."""
    tensors = [x for x in tree_flatten((args, kwargs))[0] if isinstance(x, torch.Tensor)]
    elsewhere = [isinstance(x, Elsewhere) for x in tensors]
    here = [x for x, away in zip(tensors, elsewhere, strict=True) if not away and x.ndim]
    if any(elsewhere) and here and not str(func).replace(".", "::", 1).startswith(MAY_MIX):
        raise RuntimeError(f"Expected all tensors to be on the same device: {func}")
    goes = any(elsewhere)
    if kwargs.get("device") is not None:
        goes = torch.device(kwargs["device"]).type != "cpu"
        kwargs = kwargs | {"device": torch.device("cpu")}
    given = tree_map(lambda x: x.numbers if isinstance(x, Elsewhere) else x, (args, kwargs))
    found = func(*given[0], **given[1])
    if not goes:
        return found
    mine = {id(x.numbers): x for x in tensors if isinstance(x, Elsewhere)}  # what works in place gives its own back
    return tree_map(lambda x: mine.get(id(x), Elsewhere(x)) if isinstance(x, torch.Tensor) else x, found)


class Dispatch(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return compute(func, args, kwargs or {})


@contextmanager
def another_device() -> Iterator[tuple[torch.device, Callable[[torch.nn.Module], torch.nn.Module]]]:
    """Have another device. What is yielded: the device, and what moves a model there."""
    if torch._C._get_privateuse1_backend_name() != NAME:
        _setup_privateuseone_for_python_backend(NAME)

    def move(model: torch.nn.Module) -> torch.nn.Module:
        for module in model.modules():
            for name, parameter in module._parameters.items():
                if parameter is not None:
                    module._parameters[name] = torch.nn.Parameter(Elsewhere(parameter.detach()))
        return model

    with Dispatch():
        yield torch.device(NAME, 0), move
