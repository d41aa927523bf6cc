"""What a wheel holds, and what it asks for."""

from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
SETUPTOOLS = PROJECT["tool"]["setuptools"]
DISTRIBUTIONS = {"pygame": "pygame-ce"}
"""Those that are called otherwise than their modules."""
OF_TRANSFORMERS = {"tokenizers"}
"""What it brings and whose classes its own hand on."""


def requirements(extra: str | None) -> set[str]:
    """Return the names of the distributions that an extra asks for, or the project without any."""
    project = PROJECT["project"]
    found: set[str] = set()
    for text in project["optional-dependencies"][extra] if extra else project["dependencies"]:
        name, _, extras = text.partition(">")[0].partition("[")
        if name == project["name"]:
            for other in extras.rstrip("]").split(","):
                found |= requirements(other)
        else:
            found.add(name)
    return found | (requirements(None) if extra else set())


def imported(package: str) -> Iterator[str]:
    """Yield the top-level modules that the sources of a package import."""
    for file in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                yield from (alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield node.module.partition(".")[0]


class TestWheel:
    def test_it_holds_every_package(self) -> None:
        folders = {file.parent for top in ("gui", "lm", "xiangqi") for file in (ROOT / top).rglob("__init__.py")}
        found = {".".join(folder.relative_to(ROOT).parts) for folder in folders}
        assert set(SETUPTOOLS["packages"]) == found | {"lm.data"}

    def test_it_holds_all_data(self) -> None:
        """The scripts that made it are modules of the package."""
        patterns = SETUPTOOLS["package-data"]["lm.data"]
        data = ROOT / SETUPTOOLS["package-dir"]["lm.data"]
        files = [file.relative_to(data).as_posix() for file in data.rglob("*") if file.is_file()]
        kept = [name for name in files if "__pycache__" not in name and not name.endswith(".py")]
        assert [name for name in kept if not any(fnmatch(name, pattern) for pattern in patterns)] == []

    def test_globs_are_not_for_nothing(self) -> None:
        for package, patterns in SETUPTOOLS["package-data"].items():
            folder = ROOT / SETUPTOOLS["package-dir"].get(package, package.replace(".", "/"))
            for pattern in patterns:
                assert list(folder.glob(pattern)), f"{package}: {pattern}"
        for pattern in PROJECT["project"]["license-files"]:
            assert list(ROOT.glob(pattern)), pattern


class TestRequirements:
    def test_every_import_is_asked_for(self) -> None:
        ours = {"gui", "lm", "xiangqi"}
        for package, extra in (("xiangqi", "play"), ("lm", "all"), ("gui", "play")):
            modules = set(imported(package)) - ours - set(sys.stdlib_module_names) - OF_TRANSFORMERS
            names = {DISTRIBUTIONS.get(module, module) for module in modules}
            asked = requirements(extra) | ({"fonttools"} if package == "gui" else set())
            assert {name.lower() for name in names} <= asked, package
