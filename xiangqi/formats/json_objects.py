"""Cuts a stream of JSON into its objects: one a line, over several lines, in a list, or in a list that an object has.

They are found by their braces, one in memory at a time, so that a damaged object does not cost the next.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Final, NamedTuple

MAX_SIZE: Final = 8 << 20
"""Largest size of an object in bytes: a bound on memory."""
_TOKENS: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[{}]', re.DOTALL)
_REST_OF_STRING: Final = re.compile(rb'(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_BEFORE_LIST: Final = re.compile(rb"(?:\xef\xbb\xbf)?[\s,]*(\[[\s,]*)?")
_IN_LIST: Final = re.compile(rb"[\s,]*(\][\s,]*)?")
_LIST_OF_GAMES: Final = re.compile(rb'"(?:games|records|data)"\s*:\s*\[\s*\Z')
"""What stands before the first game of a list that another object has."""
_NEAR: Final = 64
"""So many bytes before the game are looked at for it, and so many parts of the object."""
_END_OF_LIST: Final = re.compile(rb"[\s,]*\]")
_TWO_BYTES: Final = re.compile(rb"[\x81-\xfe][\x40-\x7e\x80-\xfe]")
"""A character of GB18030 or Big5, of which the second byte may look like a brace or a backslash."""


class Record(NamedTuple):
    """The text of an object, or of what stands where one is expected."""

    text: bytes | None
    """``None`` if it is too long."""
    line: int | None
    """The number of the line in which it begins; ``None`` if another one begins there before it."""
    column: int = 0
    """Number of bytes before it in its line."""


def records(file: io.BufferedReader) -> Iterator[Record]:
    """Iterate over the objects of a stream, whether they are in a list or not, and however they are cut into lines."""
    cutter, line, starts_line = _Cutter(), 1, True
    while piece := file.readline(MAX_SIZE):
        if starts_line and not cutter.depth and _is_one_object(piece):
            yield Record(piece.strip(b" \t\r\n,"), line)
        else:
            yield from cutter.cut(piece, line, starts_line)
        starts_line = piece.endswith(b"\n")
        line += starts_line
    yield from cutter.end()


def _is_one_object(line: bytes) -> bool:
    """Whether a line is certain to be an object without others in it, as most lines of large files are."""
    text = line.strip(b" \t\r\n,")
    return text[:1] == b"{" and text[-1:] == b"}" and text.count(b"{") == text.count(b"}") == 1


class _Cutter:
    """Cuts a stream into objects by its braces.

    An object that is never closed ends where a line begins like its own first one, with a brace as far to the right.
    """

    def __init__(self) -> None:
        self.depth = 0
        """Number of open braces."""
        self._parts: list[bytes] = []
        self._size = self._column = 0
        self._line: int | None = None
        self._indent: bytes | None = None
        """What stands before the object in its line, if that is but space."""
        self._in_string = False
        self._list: int | None = None
        """The line in which the list begins that is open."""
        self._wrapped = False
        """Whether an object is open that has the list."""

    def cut(self, piece: bytes, line: int, starts_line: bool) -> Iterator[Record]:
        """Iterate over the objects that end in a piece of the stream: a line, or a part of a long one."""
        shown = _masked(piece)
        if self.depth and starts_line and self._indent is not None and shown.startswith(self._indent + b"{"):
            if not self._enter_list(b"", line):
                yield self._taken()
        at = position = 0  # where what has not been taken begins, and what has not been looked at
        is_first = starts_line
        if self._in_string and (rest := _REST_OF_STRING.match(shown)) is not None:
            position = rest.end()
            self._in_string = not (rest[0].endswith(b'"') or shown.endswith(b"\n"))
        for token in _TOKENS.finditer(shown, position):
            at = self._leave_list(piece, at, token.start())
            if token[0] == b"{":
                if self._enter_list(piece[max(at, token.start() - _NEAR) : token.start()], line):
                    at = token.start()
                if not self.depth:
                    gap = piece[at : token.start()]
                    if not self._is_between(gap, line):
                        yield Record(gap, line if is_first else None)
                    at = token.start()
                    self._line, self._column = line if is_first else None, at
                    self._indent = gap if is_first and not gap.strip() else None
                    is_first = False
                self.depth += 1
            elif token[0] == b"}":
                if self.depth == 1:
                    self._add(piece[at : token.end()])
                    record, at = self._taken(), token.end()
                    if self._behind_list:
                        self._wrapped = False
                    else:
                        yield record
                elif self.depth:
                    self.depth -= 1
            elif len(token[0]) == 1 or not token[0].endswith(b'"'):
                self._in_string = not shown.endswith(b"\n")
        at = self._leave_list(piece, at, len(piece))
        if self.depth:
            self._add(piece[at:])
        elif not self._is_between(piece[at:], line):
            yield Record(piece[at:], line if is_first else None)

    def end(self) -> Iterator[Record]:
        """Iterate over what is left when the stream has ended."""
        if self._behind_list:
            return
        if self.depth:
            yield self._taken()
        elif self._list is not None:
            yield Record(b"[", self._list)

    @property
    def _behind_list(self) -> bool:
        """Whether the open object is one whose list of games has ended."""
        return self._wrapped and self._list is None

    def _enter_list(self, before: bytes, line: int) -> bool:
        """Begin a list of games, if what was read of the open object ends with the beginning of one."""
        if self._wrapped or self.depth != 1:
            return False
        if not _LIST_OF_GAMES.search(b"".join([part[-_NEAR:] for part in self._parts[-_NEAR:]]) + before):
            return False
        self._list, self._wrapped = self._taken().line or line, True
        return True

    def _leave_list(self, piece: bytes, start: int, end: int) -> int:
        """Go on in the object that has the list, if the list ends in this part of a piece; return the part's rest."""
        if self._wrapped and not self.depth and (found := _END_OF_LIST.match(piece, start, end)):
            self._list, self._indent, self.depth = None, None, 1
            return found.end()
        return start

    def _add(self, part: bytes) -> None:
        self._size += len(part)
        if self._size <= MAX_SIZE:
            self._parts.append(part)
        else:
            self._parts.clear()

    def _taken(self) -> Record:
        record = Record(b"".join(self._parts).rstrip() if self._size <= MAX_SIZE else None, self._line, self._column)
        self._parts, self._size, self.depth, self._in_string = [], 0, 0, False
        return record

    def _is_between(self, gap: bytes, line: int) -> bool:
        """Whether something may stand between two objects: space, commas, the beginning and the end of a list."""
        match = (_BEFORE_LIST if self._list is None else _IN_LIST).fullmatch(gap)
        if match is not None and match[1]:
            self._list = line if self._list is None else None
        return match is not None


def _masked(piece: bytes) -> bytes:
    """Return text in which all braces, quotes and backslashes are such, and not bytes of Chinese characters."""
    try:
        piece[:-3].lstrip(bytes(range(0x80, 0xC0))).decode()
    except UnicodeDecodeError as error:
        if error.reason != "unexpected end of data":
            return _TWO_BYTES.sub(b"..", piece)
    return piece
