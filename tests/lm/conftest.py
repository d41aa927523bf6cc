from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pytest

from lm import cli, data_path
from lm.dataset.shards import Shard, build
from lm.model.model import XiangqiLM
from runs import GIDS, run
from small import small_model
from xiangqi import load, save


@pytest.fixture(scope="session")
def model() -> XiangqiLM:
    return small_model()


@pytest.fixture(scope="session")
def model_folder(model: XiangqiLM, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def shard_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shard of 60 recorded games, a quarter of them engines'."""
    folder = tmp_path_factory.mktemp("games")
    human = islice(load(data_path("games") / "practical.pgn.zst"), 45)
    games = [*human, *islice(load(data_path("games") / "engine.pgn.zst"), 15)]
    for game, gid in zip(games, GIDS, strict=True):
        game.headers["Gid"] = str(gid)
    save(games, folder / "games.pgn")
    build([folder / "games.pgn"], folder / "shard")
    return folder / "shard"


@pytest.fixture(scope="session")
def shard(shard_folder: Path) -> Shard:
    return Shard.open(shard_folder)


@pytest.fixture(scope="session")
def finished(shard_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing disturbed."""
    out = tmp_path_factory.mktemp("run") / "finished"
    run(shard_folder, out)
    return out


@pytest.fixture
def xqlm(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int | str, str, str]]:
    """Run the command line in this process: ``xqlm(*words)`` returns exit code, output and complaints."""

    def run(*words: object) -> tuple[int | str, str, str]:
        monkeypatch.setattr(sys, "argv", ["xqlm", *map(str, words)])
        code: int | str | None = None
        try:
            cli.main()
        except SystemExit as stop:
            code = stop.code
        out, err = capfd.readouterr()
        return code or 0, out, err

    return run
