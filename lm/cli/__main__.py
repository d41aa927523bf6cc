"""``python -m lm.cli`` is ``xqlm``."""

from lm.cli import main

if __name__ == "__main__":  # not in a process started by multiprocessing
    main()
