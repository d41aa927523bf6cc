"""Compilation: once, with a notice, again when the code changes, and without a writable folder."""

import gc
import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import xiangqi

SCRIPT = "import xiangqi; print(xiangqi.Board().is_check())"
NOTICE = "xiangqi: compiling, "


@pytest.fixture
def install(tmp_path):
    """A copy of the package that has never been run."""
    package = tmp_path / "install" / "xiangqi"
    shutil.copytree(Path(xiangqi.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    return package


def run(package, script=SCRIPT, **environment):
    """Run a script with that copy of the package; return its output and what it wrote to the standard error."""
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=package.parent,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip(), done.stderr


def test_said_once_then_kept(install):
    assert run(install) == ("False", NOTICE + "once; this takes up to a minute\n")
    assert run(install) == ("False", "")


def test_changed_kernels_are_compiled_into_their_callers(install):
    """Numba by itself would go on with the old code of a caller in another file."""
    script = "from xiangqi import Board, chase; print(chase.probe(Board().cells))"
    caller = install / "chase.py"
    caller.write_text(
        "from xiangqi import kernels\nfrom xiangqi.jit import compiled\n"
        "@compiled\ndef probe(cells):\n    return kernels.find_king(cells, 0)\n"
    )
    (install / "__init__.py").write_text("from xiangqi.board import Board\n")
    (install / "rulings.py").write_text("Rules = Outcome = outcome = None\n")
    assert run(install, script)[0] == "4"
    kernels = install / "kernels.py"
    old = "        if cells[sq] == code:\n            return int(sq)\n"
    assert old in kernels.read_text()
    kernels.write_text(kernels.read_text().replace(old, old.replace("int(sq)", "int(sq) + 1000")))
    assert run(install, script)[0] == "1004"


def test_changed_constants_of_other_files_are_compiled_in(install):
    """A number leaves no trace of the file that it comes from, and functions may be called by way of a module."""
    (install / "chase.py").write_text(
        "from xiangqi import lines\nfrom xiangqi.jit import compiled\nfrom xiangqi.words import COUNT, TABLE\n"
        "@compiled\ndef probe():\n    return COUNT + TABLE.first + lines.number()\n"
    )
    (install / "board.py").write_text(
        "from xiangqi import chase\n@chase.compiled\ndef call():\n    return chase.probe()\n"
    )
    (install / "__init__.py").write_text("")

    def answer(count, first, number):
        (install / "words.py").write_text(
            f"from collections import namedtuple\nCOUNT = {count}\nTABLE = namedtuple('Table', ['first'])({first})\n"
        )
        (install / "lines.py").write_text(
            f"from xiangqi.jit import compiled\n@compiled\ndef number():\n    return {number}\n"
        )
        return run(install, "from xiangqi import board; print(board.call())")[0]

    answers = [answer(1, 10, 100), answer(2, 10, 100), answer(2, 20, 100), answer(2, 20, 200)]
    assert answers == ["111", "112", "122", "222"]


def test_arrays_in_records_take_no_version_of_their_own(tmp_path, monkeypatch):
    """In a module that is new to each run: what was compiled before would be loaded, and have no versions."""
    (tmp_path / "firsts_of_arrays.py").write_text(
        "from xiangqi.jit import compiled\n"
        "@compiled\ndef first(cells):\n    return cells[0]\n"
        "@compiled\ndef firsts(record, cells):\n    return first(record.cells) + first(cells)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    kernels = importlib.import_module("firsts_of_arrays")
    records = np.zeros(1, [("cells", np.uint8, 90)])
    records["cells"] = 3
    assert kernels.firsts(records[0], np.full(90, 4, np.uint8)) == 7
    assert len(kernels.first.signatures) == 1
    assert gc.isenabled()  # it is not while functions are compiled


def test_nothing_can_be_written(install, tmp_path):
    """Neither the package's folder nor the home is writable: the rules still work, and a notice is printed."""
    blocked = tmp_path / "file"  # a home that is no folder, which not even root can write to
    blocked.write_text("")
    (install / "__pycache__").write_text("")
    environment = {"HOME": str(blocked), "XDG_CACHE_HOME": str(blocked / "cache")}
    output, error = run(install, **environment)
    assert output == "False"
    assert error.startswith(NOTICE + f"at every start, because neither {install} nor a cache folder is writable")


def test_read_only_package(install, tmp_path):
    """The code then lies in the user's cache folder."""
    (install / "__pycache__").write_text("")
    environment = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    assert run(install, **environment)[1] == NOTICE + "once; this takes up to a minute\n"
    assert run(install, **environment) == ("False", "")
    assert any((tmp_path / "cache").rglob("*.nbi"))


def test_a_function_becomes_machine_code_once_python_calls_it(tmp_path, monkeypatch):
    """Before, it is only a part of the functions that call it, and kept on disk as such."""
    (tmp_path / "parts_of_others.py").write_text(
        "from xiangqi.jit import compiled\n"
        "@compiled\ndef part(x):\n    return 2 * x\n"
        "@compiled\ndef whole(x):\n    return part(x) + 1\n"
        "@compiled\ndef other(x):\n    return part(x) - 1\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    kernels = importlib.import_module("parts_of_others")

    def on_disk():
        files = [path.name for path in tmp_path.rglob("*.nbc")]
        return {name.split("-")[0].split(".")[1] for name in files if ".part." not in name}

    assert (kernels.whole(3), on_disk()) == (7, {"whole"})
    assert (kernels.part(3), on_disk()) == (6, {"whole", "part"})
    assert (kernels.other(3), kernels.whole(4), kernels.part(4)) == (5, 9, 8)


def test_a_part_that_is_on_disk_is_not_compiled_again(install):
    """Another process compiles another caller of it: what they have in common is only linked."""
    (install / "chase.py").write_text(
        "from xiangqi.jit import compiled\n"
        "@compiled\ndef part(x):\n    return 2 * x\n"
        "@compiled\ndef one(x):\n    return part(x) + 1\n"
        "@compiled\ndef other(x):\n    return part(x) - 1\n"
    )
    (install / "__init__.py").write_text("")
    count = "from xiangqi import chase, jit; print(chase.{}(3), jit._compilation.done)"
    assert run(install, count.format("one"))[0] == "7 2"
    assert run(install, count.format("other"))[0] == "5 1"
    assert run(install, count.format("part"))[0] == "6 1"
