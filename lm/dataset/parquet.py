"""Games in Parquet, the tables of Hugging Face's ``datasets``: a row a game.

The columns are those of a line of JSON (`xiangqi.formats.jsonl`), so the same reader reads them. What is written has
two more, which are not read back: ``split``, and ``text``, the game as `lm.model.tokenizer` reads it.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final

from lm import require
from xiangqi.formats import FormatError
from xiangqi.formats.streams import open_replacing

COLUMNS: Final = ("text", "moves", "result", "split", "source", "tier", "gid", "fen", "best")
"""Columns of strings; ``score`` is a list of numbers."""
DERIVED: Final = ("text", "split")
"""Columns that are not read back."""
SUFFIX: Final = ".parquet"
_MAGIC: Final = b"PAR1"
_ROWS: Final = 1000
"""Rows read at once: a bound on memory."""


def is_parquet(path: Path) -> bool:
    """Return whether a file is in Parquet, by its content. A pipe is not, and is left as it is."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC


def open_parquet(path: Path) -> IO[bytes]:
    """Open the games of a Parquet file as lines of JSON, for any reader of games; line n is row n.

    Raises ``FormatError`` for a damaged file and for a table without the column ``moves``, and ``UserError`` without
    the package pyarrow.
    """
    require("pyarrow", "parquet")
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        table = ParquetFile(path)
        names = table.schema_arrow.names
    except ArrowException as error:
        raise FormatError(f"broken Parquet: {error}", path=str(path)) from None
    if "moves" not in names:
        raise FormatError(f"a table without the column moves, but with {', '.join(names)}", path=str(path))
    chosen = [name for name in names if name not in DERIVED]

    def lines() -> Iterator[bytes]:
        try:
            for batch in table.iter_batches(_ROWS, columns=chosen):
                for row in batch.to_pylist():
                    told = {name: value for name, value in row.items() if value is not None}
                    yield json.dumps(told, ensure_ascii=False, default=str).encode() + b"\n"
        except (ArrowException, OSError) as error:
            raise FormatError(f"broken Parquet: {error}", path=str(path)) from None

    return io.BufferedReader(_Chunks(lines(), str(path)))


def write_parquet(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write a row a game, which has the columns that it needs; the file appears when all is written.

    Raises ``UserError`` without the package pyarrow.
    """
    require("pyarrow", "parquet")
    import pyarrow
    from pyarrow.parquet import write_table

    schema = pyarrow.schema(
        [*((name, pyarrow.string()) for name in COLUMNS), ("score", pyarrow.list_(pyarrow.int32()))]
    )
    with open_replacing(path) as file:
        write_table(pyarrow.Table.from_pylist(list(rows), schema), file, compression="zstd")


class _Chunks(io.RawIOBase):
    """A stream of bytes that come in pieces."""

    def __init__(self, pieces: Iterator[bytes], name: str) -> None:
        self._pieces, self._rest, self.name = pieces, b"", name

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest and (piece := next(self._pieces, None)) is not None:
            self._rest = piece
        taken, self._rest = self._rest[: len(buffer)], self._rest[len(buffer) :]
        buffer[: len(taken)] = taken
        return len(taken)
