from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lm import cli
from lm.model import XiangqiLM
from small import small_model


@pytest.fixture(scope="session")
def model() -> XiangqiLM:
    return small_model()


@pytest.fixture(scope="session")
def model_folder(model: XiangqiLM, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    model.save_pretrained(folder)
    return folder


@pytest.fixture
def xqlm(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int | str, str, str]]:
    """Run the command line in this process: ``xqlm(*words)`` returns exit code, output and complaints."""

    def run(*words: object) -> tuple[int | str, str, str]:
        monkeypatch.setattr(sys, "argv", ["xqlm", *map(str, words)])
        with pytest.raises(SystemExit) as exit:
            cli.main()
        out, err = capfd.readouterr()
        return exit.value.code or 0, out, err

    return run
