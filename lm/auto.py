"""Our model among transformers' Auto classes as soon as those are there: ``import lm`` imports neither.

``AutoConfig.register`` and ``AutoModelForCausalLM.register`` take classes, which need transformers and torch. So this
waits until transformers' modules with these two are imported, and then imports the modules of ours that register.
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
    "transformers.models.auto.configuration_auto": "lm.model.config",
    "transformers.models.auto.modeling_auto": "lm.model.model",
}
"""Which module of ours registers once one of transformers' is there."""


def announce() -> None:
    """Have our configuration and model registered once transformers can find them."""
    waiting = {leader: follower for leader, follower in FOLLOWERS.items() if leader not in sys.modules}
    if waiting:
        sys.meta_path.insert(0, _Waiting(waiting))
    for leader in FOLLOWERS.keys() - waiting.keys():
        importlib.import_module(FOLLOWERS[leader])


class _Waiting(MetaPathFinder):
    """Sees a module being imported, and has its follower imported as soon as that is done."""

    def __init__(self, followers: dict[str, str]) -> None:
        self.followers = followers

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Find the module as it would be found without us."""
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
