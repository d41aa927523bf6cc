"""A model that sees no board in a process of its own, the only one that needs torch: playing itself does without.

`CharProcess` starts ``python -m lm.players.char_process READS FOLDER`` and asks it through a pipe.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from lm import UserError, require
from lm.model.prompts import Voice
from lm.players.evaluation import Evaluation
from lm.players.player import PlayerError
from xiangqi import Board

if TYPE_CHECKING:
    from lm.players.char_policy import CharEvaluator
    from lm.players.text_policy import TextEvaluator


PACKAGES: Final = ("torch", "transformers")
"""What the process needs beside the extra ``play``; the extra ``torch`` has both."""


class CharProcess:
    """Evaluates positions in another process, as `lm.players.char_policy.CharEvaluator` does where the model ``reads``
    characters, or as `lm.players.text_policy.TextEvaluator` where it reads text.

    Raises ``UserError`` where torch or transformers is not installed, and for a folder without such a model.
    """

    judges: Final = False
    """It does not predict WDL."""

    def __init__(self, folder: Path, reads: Literal["characters", "text"] = "characters") -> None:
        for package in PACKAGES:
            require(package, "torch")
        command = [sys.executable, "-m", "lm.players.char_process", reads, str(folder)]
        root = str(Path(__file__).resolve().parents[2])
        path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": path}
        )
        self._lock = threading.Lock()
        try:
            self._answer()
        except BaseException:
            self.close()
            raise

    def __call__(self, boards: Sequence[Board], voice: Voice = Voice.HUMAN) -> list[Evaluation]:
        """Evaluate positions, each with its history; ``voice`` has no effect. Raises ``PlayerError``."""
        with self._lock:
            assert self._process.stdin is not None
            with contextlib.suppress(OSError):  # if it has died, there is no answer
                pickle.dump(list(boards), self._process.stdin)
                self._process.stdin.flush()
            evaluations: list[Evaluation] = self._answer()
            return evaluations

    def close(self) -> None:
        """End the process. Calling it twice does no harm."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with contextlib.suppress(OSError):
                pipe.close()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        try:
            answer = pickle.load(self._process.stdout)
        except (EOFError, OSError, ValueError, pickle.UnpicklingError):
            raise PlayerError("the model's process has ended") from None
        if isinstance(answer, str):
            raise UserError(answer)
        return answer


def _evaluator(reads: str, folder: str) -> CharEvaluator | TextEvaluator:
    # Imported only here, because they need torch.
    if reads == "text":
        from lm.players.text_policy import TextEvaluator

        return TextEvaluator(folder)
    from lm.model.loading import load_any_model
    from lm.players.char_policy import CharEvaluator

    return CharEvaluator(load_any_model(folder))


def main() -> None:
    """Load the model of a folder, then answer requests until the pipe ends: evaluations, or a message as text."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)  # what libraries print must not mix with the answers

    def say(answer: object) -> None:
        pickle.dump(answer, answers)
        answers.flush()

    with contextlib.suppress(EOFError, OSError, KeyboardInterrupt):  # whoever asks has ended
        try:
            evaluator = _evaluator(*sys.argv[1:])
        except UserError as error:
            say(str(error))
            return
        say([])
        while True:
            say(evaluator(pickle.load(requests)))


if __name__ == "__main__":
    main()
