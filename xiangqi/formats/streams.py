"""Opening and writing files of games: compression, atomic replacement, and errors as `FormatError`."""

from __future__ import annotations

import codecs
import gzip
import io
import os
import stat
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, BinaryIO, Final, cast

from xiangqi.formats.errors import ErrorHandler, FormatError
from xiangqi.game import Game

Source = str | os.PathLike[str] | IO[bytes] | IO[str]
"""The argument of a reader: the path of a file, or an open file in binary or text mode."""

HEAD: Final = 65536
"""Number of bytes used to detect the format."""

MAX_FILE: Final = 64 << 20
"""Largest unpacked size in bytes of a file that must be read as a whole: a bound on memory."""

_UTF16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"


def source_name(source: Source) -> str | None:
    """Return the path of a source, or ``None`` for a stream without one.

    >>> source_name("games.pgn"), source_name(io.BytesIO())
    ('games.pgn', None)
    """
    if isinstance(source, str | os.PathLike):
        return os.fspath(source)
    name = getattr(source, "name", None)
    return name if isinstance(name, str) else None


@contextmanager
def open_bytes(source: Source) -> Iterator[io.BufferedReader]:
    """Open a source for reading bytes; gzip and zstd are recognised by content and unpacked.

    Text streams are encoded as UTF-8. A stream opened by the caller is left open. Raises ``OSError`` if a path cannot
    be opened. Raises ``FormatError`` for broken compression, also while reading inside the ``with`` block.

    >>> with open_bytes(io.BytesIO(gzip.compress(b"1. h2e2 *"))) as file:
    ...     file.read()
    b'1. h2e2 *'
    """
    name = source_name(source)
    try:
        if isinstance(source, str | os.PathLike):
            with io.FileIO(source) as raw, io.BufferedReader(raw, HEAD) as file, _unpacked(file, name) as reader:
                yield reader
        else:
            stream: Any = source if is_binary(source) else _Encoder(source)
            buffered = stream if isinstance(stream, io.BufferedReader) else io.BufferedReader(_Unclosed(stream), HEAD)
            with _unpacked(buffered, name) as reader:
                yield reader
    except (zlib.error, EOFError, gzip.BadGzipFile) as error:
        raise FormatError(f"broken compression: {error}", path=name) from None
    except Exception as error:
        if type(error).__name__ == "ZstdError":  # by name, because zstandard is imported only if needed
            raise FormatError(f"broken compression: {error}", path=name) from None
        raise


@contextmanager
def open_lines(source: Source, encoding: str | None = None) -> Iterator[io.BufferedReader]:
    """Open a source like `open_bytes`, with all line ends (LF, CRLF, CR) converted to LF.

    Bytes in ``encoding`` become UTF-8, and so does text that begins with the mark of UTF-16. Other bytes are left for
    the reader to decode. Raises ``FormatError`` for an encoding that does not exist.

    >>> with open_lines(io.BytesIO(b"1. h2e2\\r2. h0g2\\r\\n*")) as file:
    ...     file.readlines()
    [b'1. h2e2\\n', b'2. h0g2\\n', b'*']
    >>> with open_lines(io.BytesIO("1. 炮二平五".encode("utf-16"))) as file:
    ...     file.read().decode()
    '1. 炮二平五'
    """
    if encoding is not None:
        check_encoding(encoding)
        encoding = encoding if is_binary(source) else None
    with open_bytes(source) as opened:
        file = opened
        if encoding is None:
            head, file = file.peek(2)[:2], opened
            if len(head) == 1:
                head, file = with_head(file, 2)
            encoding = "utf-16" if head in _UTF16 else None
        if encoding is not None:
            file = cast(io.BufferedReader, io.BufferedReader(_Utf8(file, encoding), HEAD))
        yield cast(io.BufferedReader, io.BufferedReader(_PlainLineEnds(file), HEAD))


def check_encoding(encoding: str) -> None:
    """Raise ``FormatError`` if Python has no text encoding of this name.

    >>> check_encoding("latin-1")
    >>> check_encoding("latin-99")
    Traceback (most recent call last):
    xiangqi.formats.errors.FormatError: there is no encoding 'latin-99'
    """
    try:
        bytes(range(256)).decode(encoding, "replace")  # some encodings of Python are not for text
    except (LookupError, ValueError):
        raise FormatError(f"there is no encoding {encoding!r:.40}") from None


def guess_utf16(head: bytes) -> str | None:
    """Return the kind of UTF-16 that the beginning of a file is in, or ``None``.

    Without the mark at the beginning it is known by the zeros that every second byte of Latin text is.

    >>> guess_utf16("1. h2e2".encode("utf-16")), guess_utf16("1. h2e2".encode("utf-16-be")), guess_utf16(b"1. h2e2")
    ('utf-16', 'utf-16-be', None)
    """
    if head[:2] in _UTF16:
        return "utf-16"
    first, second = head[:256:2].count(0), head[1:256:2].count(0)
    few = len(head[:256]) // 8
    return "utf-16-le" if first == 0 and second > few else "utf-16-be" if second == 0 and first > few else None


def read_whole(file: io.BufferedReader, path: str | None) -> bytes:
    """Return the rest of a file. Raises ``FormatError`` if it is larger than ``MAX_FILE``."""
    data = bytearray()
    while chunk := file.read(1 << 20):
        data += chunk
        if len(data) > MAX_FILE:
            raise FormatError(f"the file is larger than {MAX_FILE >> 20} MiB", path=path)
    return bytes(data)


def with_head(file: io.BufferedReader, size: int) -> tuple[bytes, io.BufferedReader]:
    """Return the first ``size`` bytes of a file, or all if there are fewer, and a file that starts with them again.

    Unlike ``peek`` this waits for slow pipes.

    >>> head, file = with_head(io.BufferedReader(io.BytesIO(b"1. h2e2 *")), 4)
    >>> head, file.read()
    (b'1. h', b'1. h2e2 *')
    """
    head = file.read(size)
    return head, io.BufferedReader(_Rejoined(head, file, source_name(file)), HEAD)


def with_name(file: io.BufferedReader, name: str | None) -> io.BufferedReader:
    """Return the file with a name; the file itself if ``name`` is ``None``."""
    return file if name is None else io.BufferedReader(_Rejoined(b"", file, name), HEAD)


def is_binary(source: Source) -> bool:
    """Whether a source gives bytes: it is a path, or a file that is not in text mode.

    >>> is_binary("game.pgn"), is_binary(io.BytesIO()), is_binary(io.StringIO())
    (True, True, False)
    """
    return isinstance(source, str | os.PathLike) or not isinstance(source.read(0), str)


class _Unclosed(io.RawIOBase):
    """A view of a caller's stream; closing it leaves the stream open."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


class _Encoder:
    """A text stream read as UTF-8 bytes."""

    def __init__(self, stream: Any) -> None:
        self._stream, self._rest = stream, b""

    def read(self, size: int) -> bytes:
        if not self._rest:
            self._rest = self._stream.read(size).encode("utf-8", "replace")
        data, self._rest = self._rest[:size], self._rest[size:]
        return data


class _Rejoined(io.RawIOBase):
    """Bytes that were read ahead, followed by the rest of their file."""

    def __init__(self, head: bytes, file: io.BufferedReader, name: str | None) -> None:
        self._head, self._file, self.name = head, file, name

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._head[: len(buffer)] or self._file.read1(len(buffer))
        self._head = self._head[len(buffer) :]
        buffer[: len(data)] = data
        return len(data)


class _Utf8(io.RawIOBase):
    """A text file in any encoding, read as UTF-8. Bytes that are invalid become U+FFFD."""

    def __init__(self, file: io.BufferedReader, encoding: str) -> None:
        self._file, self._decoder = file, codecs.getincrementaldecoder(encoding)("replace")
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        at_end = False
        while not self._rest and not at_end:
            data = self._file.read1(HEAD)
            at_end = not data
            self._rest = memoryview(self._decoder.decode(data, at_end).encode("utf-8", "replace"))
        size = min(len(self._rest), len(buffer))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size


class _PlainLineEnds(io.RawIOBase):
    """A file with LF for each CRLF and CR. No Chinese encoding has CR in the middle of a character."""

    def __init__(self, file: io.BufferedReader) -> None:
        self._file, self._after_cr = file, False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._file.read1(len(buffer))
        if self._after_cr and data.startswith(b"\n"):
            data = data[1:] or self._file.read1(len(buffer))
        self._after_cr = data.endswith(b"\r")
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        buffer[: len(data)] = data
        return len(data)


class _ZstdReader(io.RawIOBase):
    """An unpacked zstd file. Unlike zstandard's own reader, it raises an error for a truncated file."""

    def __init__(self, file: Any, decompressor: Any) -> None:
        self._file, self._decompressor = file, decompressor
        self._frame: Any = None
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            # Few bytes at a time, because four bytes can expand to 128 KiB.
            data = (self._frame.unused_data if self._frame and self._frame.eof else b"") or self._file.read(1024)
            if self._frame is None or self._frame.eof:
                if not data:
                    return 0
                self._frame = self._decompressor.decompressobj()
            elif not data:
                raise EOFError("the file ends in the middle of a frame")
            self._rest = memoryview(self._frame.decompress(data))  # slices without copying
        size = min(len(self._rest), len(buffer))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size


@contextmanager
def _unpacked(file: Any, name: str | None) -> Iterator[Any]:
    head = file.peek(4)[:4]
    if 0 < len(head) < 4:
        head, file = with_head(file, 4)
    if head.startswith(_GZIP):
        with gzip.open(file) as unpacked:
            yield io.BufferedReader(unpacked, HEAD)
    elif head == _ZSTD:
        with io.BufferedReader(_ZstdReader(file, _zstandard(name).ZstdDecompressor()), HEAD) as unpacked:
            yield unpacked
    else:
        yield file


def _zstandard(name: str | None) -> Any:
    try:
        import zstandard
    except ImportError:
        raise FormatError("zstd files need the package zstandard: pip install zstandard", path=name) from None
    return zstandard


@contextmanager
def open_replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a temporary file for writing bytes, which replaces ``path`` if the ``with`` block succeeds.

    The mode of an existing file is kept, and its owner if the system allows that. A link is followed. The suffixes
    ``.gz`` and ``.zst`` compress. Raises ``OSError``, or ``FormatError`` if zstandard is needed and not installed.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     with open_replacing(f"{directory}/game.pgn") as file:
    ...         size = file.write(b"1. h2e2 *")
    ...         before = os.listdir(directory) == ["game.pgn"]
    ...     before, os.listdir(directory)
    (False, ['game.pgn'])
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():  # a pipe or a device cannot be replaced
        with open(target, "wb") as file, _packed(file, target) as out:
            yield out
        return
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with open(part, "wb", opener=_creator(target)) as file, _packed(file, target) as out:
            yield out
        os.replace(part, target)
    except OSError as error:
        if error.filename == str(part):
            error.filename = os.fspath(path)  # users do not know the temporary name
        raise
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def open_appending(path: Path) -> Iterator[BinaryIO]:
    """Open a file to append bytes to. A failure before the first leaves no empty file. Raises ``OSError``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("ab") as file:
            yield file
    except BaseException:
        if path.exists() and not path.stat().st_size:
            path.unlink()
        raise


def write_texts(
    games: Iterable[Game], file: BinaryIO, dumps: Callable[[Game], str], on_error: ErrorHandler | None = None
) -> int:
    """Write what ``dumps`` returns for each game, as UTF-8 and with a line break, and return the number of games.

    If ``dumps`` raises `FormatError`, the game is left out and ``on_error`` called; without that, the error is raised.
    """
    count = 0
    for game in games:
        try:
            text = dumps(game)
        except FormatError as error:
            if on_error is None:
                raise
            on_error(error)
        else:
            file.write(f"{text}\n".encode("utf-8", "replace"))
            count += 1
    return count


def _creator(target: Path) -> Callable[[str, int], int]:
    """Return an opener for ``open`` that creates a file with the owner and mode of ``target`` if it exists."""

    def create(part: str, flags: int) -> int:
        try:
            old = target.stat()
        except FileNotFoundError:
            return os.open(part, flags, 0o666)
        fd = os.open(part, flags, 0o600)  # at no time more accessible than the old file
        if hasattr(os, "chown"):
            for owner, group in ((-1, old.st_gid), (old.st_uid, -1)):  # one may be allowed without the other
                with suppress(OSError):
                    os.chown(part, owner, group)
        os.chmod(part, stat.S_IMODE(old.st_mode))
        return fd

    return create


@contextmanager
def _packed(file: BinaryIO, target: Path) -> Iterator[BinaryIO]:
    if target.suffix.lower() == ".gz":
        with gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed:
            yield cast(BinaryIO, packed)
    elif target.suffix.lower() == ".zst":
        with _zstandard(str(target)).ZstdCompressor(level=10).stream_writer(file, closefd=False) as packed:
            yield packed
    else:
        yield file


def bare_suffix(path: str | os.PathLike[str]) -> str:
    """Return the suffix of a path in lower case, without a suffix of compression.

    >>> bare_suffix("games.PGN.zst")
    '.pgn'
    """
    target = Path(path)
    return (Path(target.stem) if target.suffix.lower() in (".gz", ".zst") else target).suffix.lower()
