"""What every test stands on: no window, no sound, no network, one thread a process, repeatable examples."""

from __future__ import annotations

import os
import shutil
import signal

for name, value in {
    "SDL_VIDEODRIVER": "dummy",
    "SDL_AUDIODRIVER": "dummy",
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",  # as many processes as cores run already
    "TOKENIZERS_PARALLELISM": "false",
}.items():
    os.environ.setdefault(name, value)

# A shell's background job ignores Ctrl-C, and so would every program that a test starts and interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)

import pytest
from hypothesis import HealthCheck, settings

# Nothing may depend on how busy the machine is.
settings.register_profile("repeatable", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("repeatable")


def pytest_xdist_auto_num_workers() -> int:
    """One more process than cores: many tests wait for a process of their own."""
    return (os.cpu_count() or 1) + 1


@pytest.fixture(scope="session")
def fairy_stockfish() -> str:
    """Return the path of fairy-stockfish; skip the test where it is not installed."""
    path = shutil.which("fairy-stockfish") or shutil.which("fairy-stockfish", path="/usr/games")
    if path is None:
        pytest.skip("fairy-stockfish is not installed")
    return path
