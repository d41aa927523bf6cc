"""``python -m lm.cli`` is ``xqlm``."""

from lm.cli import main

main()
