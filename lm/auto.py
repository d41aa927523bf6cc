"""Our model among transformers' Auto classes, as soon as those are there: ``import lm`` imports neither.

``AutoConfig.register`` would need both. Instead transformers' own list of lazily imported models gets a line when it is
made, which leads to the package's ``XiangqiConfig`` when a checkpoint asks for it.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Final

LIST: Final = "transformers.models.auto.configuration_auto"
"""The module that holds the list."""


def announce(package: ModuleType) -> None:
    """Have transformers look into the package for the configuration of a checkpoint of ours."""
    if LIST in sys.modules:
        _write(sys.modules[LIST], package)
    else:
        sys.meta_path.insert(0, _Waiting(package))


def _write(module: ModuleType, package: ModuleType) -> None:
    module.CONFIG_MAPPING._mapping["xqlm"] = "XiangqiConfig"
    module.CONFIG_MAPPING._modules["xqlm"] = package


class _Waiting(MetaPathFinder):
    """Sees the module with the list being imported, and writes the line as soon as that is done."""

    def __init__(self, package: ModuleType) -> None:
        self.package = package

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Find the module as it would be found without us."""
        if name != LIST:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            _write(module, self.package)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec
