"""The architecture page is made from the imports: it must be made again when they change."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_the_page_is_up_to_date() -> None:
    made = subprocess.run([sys.executable, ROOT / "docs" / "make_architecture.py", "--check"])
    assert made.returncode == 0, "run: python docs/make_architecture.py"
