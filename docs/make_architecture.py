"""Draws docs/architecture.md's picture and list of rooms from the imports: ``python docs/make_architecture.py``."""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
PAGE: Final = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- made by make_architecture.py -->", "<!-- end -->"
WINGS: Final = ("gui", "lm", "xiangqi")


def modules() -> dict[str, Path]:
    """Return all modules by name."""
    found = {}
    for wing in WINGS:
        for path in sorted((ROOT / wing).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(path: Path) -> Iterator[str]:
    """Yield the names of what a module imports, wherever in it that stands."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room(module: str, names: dict[str, Path]) -> str:
    """Return the package that a module stands in; a module at the top of a wing is its wing's."""
    package = module if names[module].name == "__init__.py" else module.rpartition(".")[0]
    return ".".join(package.split(".")[:2])


def picture() -> str:
    """Return the rooms and who imports whom, as a Mermaid flowchart, without the arrows that follow from others."""
    names = modules()
    arrows: defaultdict[str, set[str]] = defaultdict(set)
    for module, path in names.items():
        for name in imports(path):
            if name in names and (target := room(name, names)) != (own := room(module, names)):
                # What every package takes from the front door of its own wing says nothing.
                if target not in WINGS or target.split(".")[0] != own.split(".")[0]:
                    arrows[own].add(target)
    lines = ["```mermaid", "flowchart TD"]
    rooms = sorted({room(module, names) for module in names})
    for wing in WINGS:
        lines.append(f"  subgraph {wing}_wing[{wing}]")
        lines += [f"    {name.replace('.', '_')}[{name}]" for name in rooms if name.split(".")[0] == wing]
        lines.append("  end")
    for a in sorted(arrows):
        for b in sorted(arrows[a]):
            if not any(b in reached(between, arrows) for between in arrows[a] - {b}):
                lines.append(f"  {a.replace('.', '_')} --> {b.replace('.', '_')}")
    return "\n".join([*lines, "```"])


def reached(start: str, arrows: dict[str, set[str]]) -> set[str]:
    """Return the rooms to which arrows lead from one, over others too."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        for name in arrows.get(waiting.pop(), set()) - found:
            found.add(name)
            waiting.append(name)
    return found


def listing() -> str:
    """Return all modules by room, each with the first line of its docstring."""
    names, lines = modules(), []
    of_room: defaultdict[str, list[str]] = defaultdict(list)
    for module in names:
        of_room[room(module, names)].append(module)
    for name in sorted(of_room, key=lambda name: (WINGS.index(name.split(".")[0]), name)):
        lines += ["", f"### {name}", "", "| module | what it is |", "|---|---|"]
        for module in sorted(of_room[name]):
            doc = ast.get_docstring(ast.parse(names[module].read_text(encoding="utf-8"))) or ""
            first = " ".join(doc.split("\n\n")[0].split())
            lines.append(f"| `{module}` | {first.replace('|', '&#124;')} |")
    return "\n".join(lines)


def made() -> str:
    """Return the part of the page that is made."""
    return f"{BEGIN}\n\n{picture()}\n{listing()}\n\n{END}"


def main() -> int:
    """Write the page anew; with ``--check`` only say whether it is up to date."""
    text = PAGE.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    new = head + made() + rest.partition(END)[2]
    if "--check" in sys.argv:
        return int(new != text)
    PAGE.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
