"""The documentation is complete and correct: public names, the tour, and the commands in the README."""

import ast
import dataclasses
import doctest
import importlib
import inspect
import itertools
import pkgutil
import re
import shlex
import shutil
from pathlib import Path

import pytest
import typer

import xiangqi

ROOT = Path(__file__).parents[2]
PAGES = (
    "README.md",
    "docs/xiangqi.md",
    "docs/rulings.md",
    "docs/lm.md",
    "docs/engine.md",
    "docs/library.md",
    "docs/board.md",
    "docs/architecture.md",
    "docs/glossary.md",
)
ALL_PAGES = (
    "README.md",
    "README.zh.md",
    "data/README.md",
    *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")),
)
"""Some have examples that take too long for a test; their commands and links are looked at all the same."""
MODULES = (
    "xiangqi",
    *(module.name for module in pkgutil.walk_packages(xiangqi.__path__, "xiangqi.") if "._" not in module.name),
)
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def public_names(module):
    """Yield the name and the object of all that a module defines for others: functions, classes and their members."""
    for name, value in vars(module).items():
        is_own = getattr(value, "__module__", None) == module.__name__
        if name.startswith("_") or not is_own or not (inspect.isclass(value) or inspect.isroutine(bare(value))):
            continue
        yield f"{module.__name__}.{name}", value
        for member, attribute in vars(value).items() if inspect.isclass(value) else ():
            is_method = isinstance(attribute, property) or inspect.isroutine(bare(attribute))
            is_alias = getattr(attribute, "__name__", member) != member  # as close = quit
            is_override = any(
                hasattr(base, member) for base in value.__bases__
            )  # documented where it was first defined
            if is_method and not is_alias and not is_override and not member.startswith("_"):
                yield f"{module.__name__}.{name}.{member}", attribute


def bare(value):
    """Return the function inside a wrapper by numba or a decorator."""
    return inspect.unwrap(value) if callable(value) else value


def has_docstring(value):
    """Whether there is a written docstring, not the signature that dataclasses and named tuples get as one."""
    text = getattr(bare(value), "__doc__", None) or ""
    is_generated = dataclasses.is_dataclass(value) or issubclass(value, tuple) if inspect.isclass(value) else False
    return bool(text.strip()) and not (is_generated and text.startswith(f"{value.__name__}("))


def blocks(page, language):
    """Return the code blocks of a page in one language, each with the number of its first line."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [(text.count("\n", 0, match.start(2)), match[2]) for match in FENCE.finditer(text) if match[1] == language]


class TestNames:
    @pytest.mark.parametrize("name", MODULES)
    def test_module_is_documented(self, name):
        assert importlib.import_module(name).__doc__

    @pytest.mark.parametrize("name", MODULES)
    def test_every_public_name_is_documented(self, name):
        module = importlib.import_module(name)
        assert [public for public, value in public_names(module) if not has_docstring(value)] == []

    def test_names_are_found(self):
        names = {public for name in MODULES for public, _ in public_names(importlib.import_module(name))}
        assert {
            "xiangqi.board.Board.push",
            "xiangqi.board.Board.legal_moves",  # a property
            "xiangqi.board.Board.from_moves",  # a class method
            "xiangqi.kernels.legal_moves",  # compiled
            "xiangqi.engine.simple.SimpleEngine.play",
            "xiangqi.formats.pgn.read",
        } <= names

    def test_no_example_is_skipped(self):
        sources = [path for path in Path(xiangqi.__file__).parent.rglob("*.py") if "+SKIP" in path.read_text("utf-8")]
        assert sources == []

    def test_exported_constants_are_explained(self):
        """Each constant or alias that the package exports is followed by a string that explains it."""
        explained = set()
        for path in Path(xiangqi.__file__).parent.glob("*.py"):
            body = ast.parse(path.read_text("utf-8")).body
            for node, after in itertools.pairwise(body):
                if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
                    explained |= {name.id for name in getattr(node, "targets", [getattr(node, "target", None)]) if name}
        constants = {name for name in xiangqi.__all__ if not callable(getattr(xiangqi, name))}
        assert constants | {"Color", "Square", "PieceType"} <= explained


class TestPages:
    @pytest.mark.parametrize("page", PAGES)
    def test_python_runs(self, page, tmp_path, monkeypatch):
        """Run the blocks of a page as one session in an empty folder; its text and pictures must be the ones shown."""
        monkeypatch.chdir(tmp_path)
        names = {}
        runner = doctest.DocTestRunner(verbose=False)
        for line, code in blocks(page, "python"):
            if "fairy-stockfish" in code and not has_fairy_stockfish():
                continue
            if ">>>" not in code:
                exec(compile(code, f"{page}:{line}", "exec"), names)
                continue
            test = doctest.DocTestParser().get_doctest(code, names, page, str(ROOT / page), line)
            runner.run(test, clear_globs=False)
            names = test.globs
        assert runner.summarize(verbose=False).failed == 0
        for picture in tmp_path.glob("*.svg"):  # the one that the page shows
            assert picture.read_text("utf-8") == (ROOT / "docs" / "img" / picture.name).read_text("utf-8")

    @pytest.mark.parametrize("page", ALL_PAGES)
    def test_commands_exist(self, page):
        from lm.cli.app import app

        commands = typer.main.get_command(app).commands
        scripts = [code.replace("\\\n", " ") for _, code in blocks(page, "sh")]
        lines = [line for code in scripts for line in code.splitlines() if line.startswith("xqlm ")]
        for line in lines:
            _, name, *arguments = shlex.split(line, comments=True)
            command = commands[name]
            command.make_parser(command.make_context(name, [], resilient_parsing=True)).parse_args(arguments)

    def test_tour_has_every_kind_of_block(self):
        """The tests above cannot pass because they find nothing."""
        assert len(blocks("docs/xiangqi.md", "python")) > 10
        assert len(blocks("docs/xiangqi.md", "sh")) > 0
        assert len(blocks("README.md", "python")) > 0

    def test_links_lead_somewhere(self):
        for page in ALL_PAGES:
            text = (ROOT / page).read_text(encoding="utf-8")
            for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
                assert target.startswith("https://") or (ROOT / page).parent.joinpath(target).exists(), (page, target)

    def test_the_chinese_readme_has_the_same_commands_and_figures(self):
        english, chinese = ((ROOT / name).read_text("utf-8") for name in ("README.md", "README.zh.md"))
        commands, figures = [], []
        for text in (english, chinese):
            blocks = [block for _, block in FENCE.findall(text)]
            commands.append([line.split(" #")[0].rstrip() for block in blocks for line in block.splitlines()])
            rows = [line for line in text.splitlines() if line.startswith("|")]
            figures.append([re.findall(r"\d+(?:,\d{3})*(?:\.\d+)?", row) for row in rows])
        assert commands[0] == commands[1]
        assert figures[0] == figures[1]
        assert sum(map(len, figures[0])) > 100


def has_fairy_stockfish():
    return bool(shutil.which("fairy-stockfish") or shutil.which("fairy-stockfish", path="/usr/games"))
