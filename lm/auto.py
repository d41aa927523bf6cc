"""Registers our model with transformers' Auto classes, without importing transformers or torch in ``import lm``.

``AutoConfig.register`` and its like take classes, which need transformers and torch. So an import hook waits until the
transformers modules with the Auto classes are imported. It then imports our modules that register.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Final

FOLLOWERS: Final = {
    "transformers.models.auto.configuration_auto": "lm.model.pretrained_config",
    "transformers.models.auto.modeling_auto": "lm.model.model",
    "transformers.models.auto.tokenization_auto": "lm.model.tokenizer",
}
"""For each transformers module, our module to import after it, which registers our class."""


def announce() -> None:
    """Register our configuration, models and tokenizer as soon as transformers' Auto classes are imported."""
    waiting = {leader: follower for leader, follower in FOLLOWERS.items() if leader not in sys.modules}
    if waiting:
        sys.meta_path.insert(0, _Waiting(waiting))
    for leader in FOLLOWERS.keys() - waiting.keys():
        importlib.import_module(FOLLOWERS[leader])


class _Waiting(MetaPathFinder):
    """Import hook: when one of the given modules has been imported, its follower is imported too."""

    def __init__(self, followers: dict[str, str]) -> None:
        self.followers = followers

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Return the spec that the other finders return, with a loader that also imports the follower."""
        if name not in self.followers:
            return None
        follower = self.followers.pop(name)
        spec = importlib.util.find_spec(name)
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            importlib.import_module(follower)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec
