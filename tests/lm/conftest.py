from __future__ import annotations

from pathlib import Path

import pytest
from small import small_model

from lm.model import XiangqiLM


@pytest.fixture(scope="session")
def model() -> XiangqiLM:
    return small_model()


@pytest.fixture(scope="session")
def model_folder(model: XiangqiLM, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    model.save_pretrained(folder)
    return folder
