"""Which modules import which: arrows point one way, and there are no circles but the natural ones.

All imports in the sources count, those inside functions too. An import for type checkers alone counts as an arrow, but
closes no circle.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("xiangqi", "lm", "gui")
"""Each stands on those before it."""
ROOMS = (
    {"lm", "auto"},
    {"model"},
    {"dataset"},
    {"players"},
    {"library", "matches", "measure"},
    {"training"},
    {"ladder", "repair", "study", "terminal", "uci"},
    {"cli"},
)
"""The parts of lm, each of which stands on those before it."""
NATURAL = (
    {f"xiangqi.{name}" for name in ("board", "notation", "rulings", "status", "svg", "text")},
    {"xiangqi.game", "xiangqi.formats.pgn", "xiangqi.formats.movetext"},
)
"""Circles: a board writes and judges itself, a game prints itself."""


class Import(NamedTuple):
    importer: str
    imported: str
    """A module of ours, or what another package calls one of its own."""
    typing: bool
    """Whether it is for type checkers alone."""


def module_files() -> dict[str, Path]:
    """Return our modules by name."""
    files = {}
    for package in PACKAGES:
        for file in (ROOT / package).rglob("*.py"):
            parts = file.relative_to(ROOT).with_suffix("").parts
            files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return files


MODULES = module_files()


def imports() -> Iterator[Import]:
    """Yield all imports that the sources hold."""
    for module, file in MODULES.items():
        tree = ast.parse(file.read_text("utf-8"))
        for_typing = {
            id(inner)
            for node in ast.walk(tree)
            if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")
            for statement in node.body
            for inner in ast.walk(statement)
        }
        for node in ast.walk(tree):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.module and not node.level, f"{module}: imports are written with the whole name"
                inside = (f"{node.module}.{alias.name}" for alias in node.names)
                names = [name if name in MODULES else node.module for name in inside]
            for name in names:
                if name != module:
                    yield Import(module, name, id(node) in for_typing)


IMPORTS = sorted(set(imports()))


def package_of(module: str) -> str:
    return module.partition(".")[0]


def room_of(module: str) -> str:
    """Return the part of lm that a module belongs to."""
    return module.split(".")[1] if "." in module else module


def circles(graph: dict[str, set[str]]) -> Iterator[list[str]]:
    """Yield circles of a graph, each ending where it begins, until none are left that share no import."""
    graph = {node: set(others) for node, others in graph.items()}
    while True:
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            circle = error.args[1]
            yield circle
            for first, second in pairwise(circle):
                graph.get(second, set()).discard(first)
        else:
            return


class TestArrows:
    def test_packages(self) -> None:
        wrong = [
            f"{importer} imports {imported}"
            for importer, imported, _ in IMPORTS
            if package_of(imported) in PACKAGES
            and PACKAGES.index(package_of(importer)) < PACKAGES.index(package_of(imported))
        ]
        assert wrong == []

    def test_rooms_of_lm(self) -> None:
        level = {room: number for number, rooms in enumerate(ROOMS) for room in rooms}
        wrong = []
        for importer, imported, _ in IMPORTS:
            if package_of(importer) == package_of(imported) == "lm":
                one, other = room_of(importer), room_of(imported)
                assert {one, other} <= level.keys(), f"{importer} or {imported} has no place in ROOMS"
                if one != other and level[one] <= level[other] and {one, other} != ROOMS[0]:
                    wrong.append(f"{importer} imports {imported}")
        assert wrong == []

    def test_the_rules_need_numpy_and_numba_only(self) -> None:
        wrong = [
            f"{importer} imports {imported}"
            for importer, imported, _ in IMPORTS
            if package_of(importer) == "xiangqi"
            and package_of(imported) not in {"xiangqi", "numpy", "numba", *sys.stdlib_module_names}
            and imported != "zstandard"  # files packed by it are read where it is installed
        ]
        assert wrong == []

    def test_lm_needs_no_window(self) -> None:
        assert [i for i in IMPORTS if package_of(i.importer) == "lm" and package_of(i.imported) == "pygame"] == []


def test_playing_needs_no_torch() -> None:
    """A move of the shipped model, a level, and a move in the terminal, in a fresh process."""
    script = (
        "import sys; from lm.players.specs import load_player; from xiangqi import Board\n"
        "import lm.terminal.program, lm.matches.arena, gui.processes.player\n"
        "for spec in ('lm', 'level:Watchful'): print(load_player(spec).choose([Board()])[0].move is not None)\n"
        "print([name for name in ('torch', 'transformers') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split("\n") == ["True", "True", "[]", ""]


class TestCircles:
    def test_none_but_the_natural_ones(self) -> None:
        graph: dict[str, set[str]] = {}
        for importer, imported, typing in IMPORTS:
            if imported in MODULES and not typing:
                graph.setdefault(importer, set()).add(imported)
        wrong = [
            " imports ".join(reversed(circle))
            for circle in circles(graph)
            if not any(set(circle) <= allowed for allowed in NATURAL)
        ]
        assert wrong == []

    def test_they_are_found(self) -> None:
        graph = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": {"e"}, "e": {"d"}, "f": {"a"}}
        assert {frozenset(circle) for circle in circles(graph)} == {frozenset("abc"), frozenset("de")}
