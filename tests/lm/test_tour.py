"""The notebook of docs runs, with settings small enough for a test, and says what it is to say."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

TOUR = Path(__file__).parents[2] / "docs" / "tour.ipynb"
SMALL = {"PLIES": 600, "GAMES": 250, "PROBED": 4}


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What each cell prints on standard output, by its id, in an empty folder."""
    folder = tmp_path_factory.mktemp("tour")
    notebook = nbformat.read(TOUR, as_version=4)
    for cell in notebook.cells:
        if cell.id == "settings":
            for name, value in SMALL.items():
                cell.source, found = re.subn(rf"^{name} = [\d_]+", f"{name} = {value}", cell.source, flags=re.MULTILINE)
                assert found == 1
    with pytest.MonkeyPatch.context() as patched:
        for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR"):
            patched.setenv(name, str(folder / name))
        NotebookClient(notebook, timeout=None, resources={"metadata": {"path": str(folder)}}).execute()
    return {
        cell.id: "".join(output.text for output in cell.outputs if output.get("name") == "stdout")
        for cell in notebook.cells
        if cell.cell_type == "code"
    }


@pytest.mark.slow
class TestTour:
    def test_it_is_kept_without_its_outputs(self) -> None:
        for cell in nbformat.read(TOUR, as_version=4).cells:
            assert not cell.get("outputs")
            assert not cell.get("execution_count")

    def test_playing(self, printed: dict[str, str]) -> None:
        assert (
            len(re.findall(r"^\S{4}  expects 0\.\d\d  \((?:[a-i]\d[a-i]\d \d+%(?:, )?){3}\)$", printed["play"], re.M))
            == 6
        )

    def test_probes_find_more_in_the_model_than_in_its_control(self, printed: dict[str, str]) -> None:
        _, *layers = [re.findall(r"([\d.]+)%", line) for line in printed["probe"].splitlines()]
        assert len(layers) == 1 + 6
        trained, random = (sum(float(layer[i]) for layer in layers) / len(layers) for i in (0, 1))
        assert trained > random

    def test_a_patch_at_the_move_brings_the_answer_back(self, printed: dict[str, str]) -> None:
        first, start, move = (
            [float(x) for x in re.findall(r"([\d.]+)%", line)] for line in printed["patch"].splitlines()
        )
        clean, other = first
        assert clean > other + 10
        assert start == pytest.approx([other] * 6, abs=0.2)  # both games have the same start
        assert len(move) == 6
        assert all(
            other + 30 < chance < clean for chance in move
        )  # less than before, as the moves' features are others

    def test_a_fine_tuned_model_is_judged(self, printed: dict[str, str]) -> None:
        before, after = (float(x) for x in re.findall(r"(?:before|after): ([\d.]+) nats", printed["judge"]))
        assert 1 < before < 2.5
        assert after == pytest.approx(before, abs=0.3)  # a step does not spoil it
