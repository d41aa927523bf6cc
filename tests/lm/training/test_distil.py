"""The small network that stands for a model in tactical searches: labels, fit, and its file."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lm import UserError, data_path
from lm.dataset.shards import Shard
from lm.model.folder import NET, load_net, load_network
from lm.players.specs import Spec
from lm.training import distil
from lm.training.distil import DISTILLED, LARGEST, NO_PIECE, PLIES, POSITION, fit, label, look_further, targets
from xiangqi import Board
from xiangqi.alphabeta import NO_LIMIT, search_position
from xiangqi.evaluation import evaluate
from xiangqi.nnue import NO_NET, begin, judge
from xiangqi.workspace import new_workspace, set_position

Xqlm = Callable[..., tuple[int | str, str, str]]


@pytest.fixture(scope="module")
def labelled(shard: Shard, model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    files = label(shard, model_folder, tmp_path_factory.mktemp("labels"), games=20)
    return np.concatenate([np.load(file) for file in files])


def cells_of(record: np.ndarray) -> np.ndarray:
    """Return the position of a record, with the side to move as Red."""
    cells = np.zeros(90, np.uint8)
    pieces = record["pieces"][record["pieces"] < NO_PIECE]
    cells[pieces % 90] = pieces // 90
    return cells


class TestLabels:
    def test_they_are_quiet_positions_of_training_games(self, shard: Shard, labelled: np.ndarray) -> None:
        assert len(labelled) > 500
        assert set(labelled["game"].tolist()) <= set(shard.games("train").tolist())
        keys, checked, space = np.empty(0, np.int64), np.empty(0, np.uint8), new_workspace()
        for record in labelled[::29]:
            set_position(space, cells_of(record), 0, keys, checked)
            assert evaluate(space) == record["static"]
            assert not space["checked"][0]

    def test_values_are_the_models(self, shard: Shard, model_folder: Path, labelled: np.ndarray) -> None:
        assert np.abs(labelled["value"]).max() <= 1
        assert labelled["value"].std() > 0
        assert (np.sign(targets(labelled, DISTILLED)) != 0).any()

    def test_files_that_are_there_are_kept(self, shard: Shard, model_folder: Path, tmp_path: Path) -> None:
        (file,) = label(shard, model_folder, tmp_path, games=2)
        np.save(file, np.zeros(3, POSITION))
        assert len(np.load(*label(shard, model_folder, tmp_path, games=2))) == 3

    def test_labels_of_others_are_not_taken_for_these(self, shard: Shard, model_folder: Path, tmp_path: Path) -> None:
        label(shard, model_folder, tmp_path / "labels", games=2)
        with pytest.raises(UserError, match="labels of another model or of other games"):
            label(shard, model_folder, tmp_path / "labels", games=3)
        other = shutil.copytree(model_folder, tmp_path / "model")
        with (other / "model.safetensors").open("ab") as file:
            file.write(b" ")
        with pytest.raises(UserError, match="labels of another model or of other games"):
            label(shard, other, tmp_path / "labels", games=2)


class TestLookingFurther:
    def test_scores_are_those_of_a_deeper_search(self, shard: Shard, model_folder: Path, tmp_path: Path) -> None:
        labels = label(shard, model_folder, tmp_path, games=2)
        (file,) = look_further(labels, NO_NET, tmp_path)
        before, after = np.load(*labels), np.load(file)
        for field in ("pieces", "static", "value", "game"):
            assert (before[field] == after[field]).all()
        keys, checked, space = np.empty(0, np.int64), np.empty(0, np.uint8), new_workspace()
        for record in after[::17]:
            set_position(space, cells_of(record), 0, keys, checked)
            table = np.zeros((1 << 16, 2), np.int64)
            score, depth = search_position(space, table, NO_NET, PLIES, -LARGEST, LARGEST, NO_LIMIT, False)
            assert depth == PLIES
            assert abs(record["tactical"] - score) < 150  # the table of the positions before tells a little more
        assert (before["tactical"] != after["tactical"]).mean() > 0.5

    def test_files_that_are_there_are_kept(self, shard: Shard, model_folder: Path, tmp_path: Path) -> None:
        labels = label(shard, model_folder, tmp_path, games=2)
        (file,) = look_further(labels, NO_NET, tmp_path)
        np.save(file, np.zeros(3, POSITION))
        assert len(np.load(*look_further(labels, NO_NET, tmp_path))) == 3


def test_the_network_learns_its_targets(labelled: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    """A horse of one's own on the third rank is worth more than pieces tell, and none less."""
    monkeypatch.setattr(distil, "EPOCHS", 100)
    monkeypatch.setattr(distil, "BATCH", 256)
    monkeypatch.setattr(distil, "HELD_OUT", 5)
    made_up = labelled.copy()
    horses = np.isin(made_up["pieces"], 4 * 90 + np.arange(18, 27)).any(1)
    made_up["value"] = np.tanh(np.where(horses, 0.5, -0.5) / DISTILLED.trust)
    made_up["tactical"] = made_up["static"] / DISTILLED.counting
    net, error, before = fit(made_up, DISTILLED)
    assert error < before / 2
    space, keys, checked = new_workspace(), np.empty(0, np.int64), np.empty(0, np.uint8)
    for record, horse in zip(made_up[::41], horses[::41], strict=True):
        set_position(space, cells_of(record), 0, keys, checked)
        begin(space, net)
        assert (judge(space, net, 0) > record["static"]) == horse


def test_from_the_command_line(xqlm: Xqlm, shard_folder: Path, model_folder: Path, tmp_path: Path) -> None:
    """The model has its network from then on, and the search and tactics use it."""
    folder = tmp_path / "model"
    shutil.copytree(model_folder, folder)
    assert load_network(folder).net is NO_NET
    with pytest.raises(UserError, match="xqlm distil makes it"):
        load_net(folder)
    code, out, err = xqlm("distil", shard_folder, "--model", folder, "--games", 3, "--out", tmp_path / "labels")
    assert code == 0, err
    assert "mean squared error" in out
    assert load_network(folder).net.any()
    board = Board.from_moves("h2e2 h9g7")
    plain, helped = (Spec.parse(f"tactics:2{net}").open() for net in ("", f",net={folder}"))
    (one,), (other,) = plain.choose([board]), helped.choose([board])
    assert one.info is not None
    assert other.info is not None
    assert one.info.score != other.info.score


def test_what_is_wrong_is_said_in_one_line(xqlm: Xqlm, model_folder: Path, tmp_path: Path) -> None:
    code, _, err = xqlm("distil", "--model", tmp_path / "nowhere")
    assert (code, err) == (2, f"xqlm: no model in {tmp_path / 'nowhere'}: there is no such folder\n")
    code, _, err = xqlm("distil", "--model", data_path("char"))
    assert (code, err.count("\n")) == (2, 1)
    assert "reads characters" in err
    folder = tmp_path / "model"
    shutil.copytree(model_folder, folder)
    (folder / NET).write_bytes(b"nonsense")
    with pytest.raises(UserError, match=f"damaged network in {folder / NET}"):
        load_network(folder)
