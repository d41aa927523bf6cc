"""Movetext: the moves of PGN and of other text formats, with their numbers, comments, variations and glyphs.

The notation of each move is detected: ICCS (``h2e2``, ``H2-E2``), WXF (``C2=5``), Chinese (炮二平五), or the algebraic
one of WinBoard, BanksiaGUI and PyChess (``Che2``, ``xe4``). Marks of check after a move (``+``, ``#``) are ignored. A
null move (a pass) is written ``--``; ``Z0``, ``0000``, ``00-00`` and ``@@@@`` are read as well. A comment between a
move number and its move is the comment before the move. Assessments (``!?``, ``$13``, ``±``, ``+/-``, ``=`` and others
of PGN) are glyphs of the move before them.

The ranks of squares count from 0 or, as PyChess writes them, from 1 to 10. The whole game tells which: by a rank 0 or
10, and otherwise by more moves being legal.

An unsound move ends its line: it is dropped with the moves that follow it. Variations from earlier moves are kept. A
text that several legal moves match, as XieXie writes those of tandem pawns, is the one of them after which the rest of
its line is legal; if there are several such moves, it is unsound.
"""

from __future__ import annotations

import contextlib
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from xiangqi.board import Board
from xiangqi.formats.errors import Faults, UnreadMove
from xiangqi.formats.text import clean_comment, parse_result
from xiangqi.game import RESULTS, ChildNode, Game, GameNode, count_legal
from xiangqi.move import MOVES, NULL_MOVE, AmbiguousMoveError, IllegalMoveError, InvalidMoveError, Move
from xiangqi.notation import algebraic_ranks, parse_algebraic, parse_chinese, parse_wxf

_COMMENT: Final = re.compile(r"\{([^}]*)\}")
_MOVE_NUMBERS: Final = frozenset([f"{number}{dots}" for number in range(1, 1000) for dots in (".", "...")])
_TOKEN: Final = re.compile(
    r"""
      (?P<comment>\{[^}]*\}?|;[^\n]*
        |\(\s*\d+(?:[:.]\d+)*(?:\s*/\s*\d+(?:[:.]\d+)*)?\s*[s秒]?\s*\))   # the time of a move: (12), (0:12/1:30)
    | (?P<escape>^%[^\n]*)
    | (?P<open>\()
    | (?P<close>\))
    | (?P<nag>\$\d{1,9}(?!\d))
    | (?P<glyph>[!?]{1,2}|[±∓∞□⩲⩱⨀⟳↑→⇆⇄⊕△⌓])
    | (?P<null>(?:--|[Zz]0|0000|00-00|@@@@)(?![^\s(){};!?$*]))
    | (?P<result>(?:1[-:]0|0[-:]1|1/2-1/2|½-½|1/2)(?![\w/-])|\*)
    | (?P<pawn>[1-9][1-9]\.[1-9](?![\w.=+-]))      # tandem pawns in WXF with a full stop
    | (?P<number>\d+\s*[.:、…]+|[.…]+|\d+(?![^\s,、。]))
    | (?P<pause>[,、。:]+)
    | (?P<glued>[a-i]\d[a-i]\d(?=[a-i]\d[a-i]\d) # h2e2h9g7, 炮二平五马8进7
        | [\u4e00-\u9fff][^\s(){}][平进退進][^\s(){}](?=[\u4e00-\u9fff][^\s(){}][平进退進]))
    | (?P<word>[^\s(){};!?$*,、。±∓∞□⩲⩱⨀⟳↑→⇆⇄⊕△⌓]+)
    | (?P<other>\S)
    """,
    re.VERBOSE | re.MULTILINE,
)
_MOVES: Final = ("word", "glued", "pawn", "null")
"""Kinds of tokens that are to be moves."""
_PIECES: Final = re.compile(r"\{[^}]*\}?|｛[^｝]*｝?|;[^\n]*|[^{｛;]+")
_HALF_WIDTH: Final[dict[int, int | str]] = (
    {0xFF00 + code: 0x20 + code for code in range(1, 95)}
    | dict.fromkeys(map(ord, "–−‐‑"), "-")
    | dict.fromkeys(map(ord, "\u3000；"), " ")
)
_GLYPHS: Final = {
    "!": 1,
    "?": 2,
    "!!": 3,
    "??": 4,
    "!?": 5,
    "?!": 6,
    "□": 7,
    "=": 10,
    "∞": 13,
    "~": 13,
    "⩲": 14,
    "+=": 14,
    "+/=": 14,
    "⩱": 15,
    "=+": 15,
    "=/+": 15,
    "±": 16,
    "+/-": 16,
    "∓": 17,
    "-/+": 17,
    "+-": 18,
    "-+": 19,
    "⨀": 22,
    "⟳": 32,
    "↑": 36,
    "→": 40,
    "⇆": 132,
    "⇄": 132,
    "⊕": 138,
    "△": 140,
    "⌓": 142,
    "N": 146,
}
"""Numbers of the glyphs in the PGN standard and, from 140 on, in common use."""
_CHECKS: Final = ("+", "#", "++", "+#")
_SIGNS: Final = "+-=/#~."
"""What may follow a move without a space: marks of check, assessments, and XBoard's ``=.``."""
_SIGNS_BEFORE: Final = re.compile(r"(?:^|[\s.])([!?□]+)\Z")
_ICCS_LIKE: Final = re.compile(r"[a-z]\d-?[a-z]\d|[A-Z]\d-?[A-Z]\d")
_MIXED_ICCS: Final = re.compile(r"[a-zA-Z]\d-?[a-zA-Z]\d")

_MOVE_OF_TEXT: Final = {
    text: move
    for move in MOVES
    for dashed in (move.iccs, f"{move.iccs[:2]}-{move.iccs[2:]}")
    for text in (dashed, dashed.upper())
} | dict.fromkeys(("--", "Z0", "0000", "00-00", "@@@@"), NULL_MOVE)


def read_game(
    headers: Mapping[str, str], fen: str, body: str, first: int, faults: Faults, first_rank: int = 0
) -> tuple[Game, str]:
    """Return the game with these headers and the movetext ``body``, and the result that ends the text (or ``*``).

    ``first`` is the number of the first line of ``body`` in its file. ``first_rank`` is Red's back rank, 0 or 1, where
    the moves do not tell. Faults are added to ``faults``, which becomes the ``errors`` of the game.

    >>> game, result = read_game({}, Game().fen, "1. Che3 Rb10? 2. Hg3 1-0", 1, Faults())
    >>> [move.iccs for move in game.moves()], result, str(game.errors[0])[:46]
    (['h2e2'], '1-0', "line 1, ply 2: illegal move 'Rb10': no black r")
    """
    game = Game(headers, fen)
    result = _read_plainly(game, body) if first_rank == 0 else None
    if result is not None:
        game.errors = faults.errors
        return game, result
    if not body.isascii():
        body = _PIECES.sub(_half_width, body)
    game, found = Game(headers, fen), Faults(faults.path, faults.game)
    result = _Reader(game, body, first, found, first_rank).read()
    ranks = _ranks(body) if found.errors else set()
    told = {rank == 10 for rank in ranks & {0, 10}}  # whether the ranks count from 1, as each such square says
    if ranks and told != {bool(first_rank)}:
        other, others = Game(headers, fen), Faults(faults.path, faults.game)
        other_result = _Reader(other, body, first, others, 1 - first_rank).read()
        more = sum(1 for _ in other.walk()) - sum(1 for _ in game.walk())
        if more > 0 or (more == 0 and told == {not first_rank}):
            game, found, result = other, others, other_result
    faults.errors += found.errors
    game.errors = faults.errors
    return game, result


def _read_plainly(game: Game, body: str) -> str | None:
    """Read a game of legal moves and comments only: a fast path for most games of large files.

    Returns the result, or ``None`` if the game has anything else.
    """
    if body.rfind("{") > body.rfind("}"):  # unclosed braces would make the search quadratic
        return None
    moves: list[Move] = []
    board = None  # needed for WXF and Chinese moves only
    comments: dict[int, list[str]] = {}
    result = None
    texts = _COMMENT.split(body)
    for place, text in enumerate(texts):
        if place % 2:
            if texts[place - 1].rstrip().endswith((".", "…")):  # a comment before a move
                return None
            if result is None:
                comments.setdefault(len(moves), []).append(_clean_comment(text))
            continue
        for word in text.split():
            if result is not None:
                return None
            move = _MOVE_OF_TEXT.get(word)
            if move is None:
                if word in RESULTS:
                    result = word
                    continue
                if word in _MOVE_NUMBERS:
                    continue
                if board is None:
                    board = game.board()
                    for played in moves:
                        board.push(played)
                if "." in word:  # "1.炮二平五", but not "C2.5"
                    number, _, rest = word.partition(".")
                    word = rest if number.isdecimal() else word
                try:
                    move = parse_wxf(board, word) if word.isascii() else parse_chinese(board, word)
                except (InvalidMoveError, IllegalMoveError, AmbiguousMoveError):
                    return None
            moves.append(move)
            if board is not None:
                board.push(move)
    if count_legal(Board(game.fen), moves) < len(moves):
        return None
    game.add_main_line(moves)
    if comments:
        nodes: list[GameNode] = [game, *game.main_line()]
        for ply, parts in comments.items():
            nodes[ply].comment = " ".join(filter(None, parts))
    return result or "*"


class _Left(NamedTuple):
    """The state to restore when an open variation ends."""

    node: GameNode
    skipped: int
    opened: bool
    ply: int
    """Ply of the board where the variation begins."""
    varied: Move | None
    """The move that was taken back for the variation, or ``None`` if it was not played."""


def _ranks(body: str) -> set[int]:
    """Return the ranks of all squares that a movetext names."""
    words = (match[0] for match in _TOKEN.finditer(body) if match.lastgroup == "word")
    return {rank for word in words for rank in algebraic_ranks(_split(word)[0])}


class _Reader:
    """Reads any movetext into a game, token by token."""

    def __init__(self, game: Game, body: str, first: int, faults: Faults, first_rank: int) -> None:
        self.game, self.body, self.first, self.faults, self.first_rank = game, body, first, faults, first_rank
        self.board = game.board()  # after the last move that was not skipped
        self.node: GameNode = game
        self.skipped = 0  # moves of this line from the unsound one on, which are skipped with their comments and glyphs
        self.opened = self.numbered = False  # the last token but comments opened a variation, or was a move number
        self.before: list[str] = []  # comments before the next move
        self.left: list[_Left] = []
        self.buried = 0  # open variations within the skipped part
        self.comments: dict[GameNode, list[str]] = defaultdict(list)
        self.dropped = _Dropped(body)
        self.lookahead = _Lookahead(body, first_rank)

    def read(self) -> str:
        """Read the text to its end, or to the result outside of variations, and return the result."""
        result = last_result = "*"
        for match in _TOKEN.finditer(self.body):
            kind, token = match.lastgroup, match[0]
            if kind == "result" or (kind == "word" and token in _RESULT_WORDS):
                last_result = parse_result(token)
                if self.in_main_line():
                    result = last_result
                    self.report_moves_after(match.end())
                    break
            elif kind in _MOVES:
                self.read_word(match, token)
            elif kind == "open":
                self.open_variation(match)
            elif kind == "close":
                self.close_variation(match)
            elif not self.skipped:
                self.read_beside(match, token)
            elif self.in_main_line():
                self.dropped.add_beside(match)
        if not self.in_main_line():
            result = last_result  # it stands in a variation only because that was not closed
            self.faults.add("a variation is not closed", line=self.first + self.body.rstrip().count("\n"))
        if self.before:
            self.comments[self.node] += self.before
        for node, parts in self.comments.items():
            node.comment = " ".join(filter(None, parts))
        self.game.unread = self.dropped.moves(self.first_rank)
        return result

    def in_main_line(self) -> bool:
        """Whether no variation is open."""
        return not self.left and not self.buried

    def report(self, match: re.Match[str], reason: object) -> None:
        """Add a fault of the token ``match``."""
        if not self.faults.is_full():
            line = self.first + self.body.count("\n", 0, match.start())
            self.faults.add(str(reason), line=line, ply=self.board.ply + 1)

    def report_moves_after(self, end: int) -> None:
        """Report that moves go on after the result, which ends at ``end``, if the first word there is a legal move."""
        later = next((match for match in _TOKEN.finditer(self.body, end) if match.lastgroup in _MOVES), None)
        if later is not None and not self.skipped:
            with contextlib.suppress(InvalidMoveError, IllegalMoveError, AmbiguousMoveError):
                _parse_move(self.board, later[0], self.first_rank)
                self.report(later, f"moves go on after the result, from {later[0]!r} on")

    def read_word(self, match: re.Match[str], token: str) -> None:
        """Read a move with the signs after it, or signs that stand alone."""
        word, glyph = (token, None) if token in _MOVE_OF_TEXT else _split(token)
        if not word:  # signs that stand alone
            if glyph is None and token not in _CHECKS:
                self.report(match, f"cannot read {token!r:.40}")
            elif glyph is not None and not self.skipped:
                self.node.nags.add(glyph)
            return
        move = None if self.skipped else self.parse(match, word)
        if move is None:  # unsound, or after an unsound one
            self.skipped += 1
            if self.in_main_line():
                self.dropped.add(match, self.board.ply + self.skipped)
        else:
            self.board.push(move)
            self.node = node = self.node.add_variation(move)
            if self.before:
                node.starting_comment = " ".join(filter(None, self.before))
            if glyph is not None:
                node.nags.add(glyph)
        self.opened = self.numbered = False
        self.before = []

    def parse(self, match: re.Match[str], word: str) -> Move | None:
        """Return the move of a word, or report why it is unsound."""
        try:
            return NULL_MOVE if match.lastgroup == "null" else _parse_move(self.board, word, self.first_rank)
        except (InvalidMoveError, IllegalMoveError) as error:
            self.report(match, error)
            return None
        except AmbiguousMoveError as error:
            move = self.lookahead.decide(self.board, error.moves, match.end())
            if move is None:
                self.report(match, error)
            return move

    def open_variation(self, match: re.Match[str]) -> None:
        """Begin a variation. It takes back the move before it, in place of which it stands."""
        if self.skipped > 1:  # a later move than the unsound one, so that its position is not known
            self.buried += 1
            return
        if self.numbered and self.before:  # no move follows the number, so that the comments are the last move's
            self.comments[self.node] += self.before
        node, varied = self.node, None
        if not self.skipped:
            if isinstance(node, ChildNode) and not self.opened:
                node, varied = node.parent, self.board.pop()
            else:
                self.report(match, "a variation opens where there is no move to vary")
        self.left.append(_Left(self.node, self.skipped, self.opened, self.board.ply, varied))
        # Variations that replace the unsound move itself can be read; those of later moves cannot.
        self.opened = varied is not None or self.skipped == 1
        self.node, self.skipped = node, 0 if self.opened else 2
        self.numbered, self.before = False, []

    def close_variation(self, match: re.Match[str]) -> None:
        """End a variation: go back to where it began."""
        if self.buried:
            self.buried -= 1
            return
        if not self.left:
            if not self.skipped:
                self.report(match, "a variation closes that was never opened")
            return
        remark = self.before if self.opened else []  # the variation held only a comment
        self.node, self.skipped, self.opened, ply, varied = self.left.pop()
        while self.board.ply > ply:
            self.board.pop()
        if varied is not None:
            self.board.push(varied)
        if remark and not self.skipped:
            self.comments[self.node] += remark
        self.numbered, self.before = False, []

    def read_beside(self, match: re.Match[str], token: str) -> None:
        """Read what stands between moves: a comment, a move number or a glyph."""
        kind = match.lastgroup
        if kind == "comment":
            self.read_comment(match, token)
        elif kind == "number":
            self.numbered = True
        elif kind == "nag":
            self.node.nags.add(int(token[1:]))
        elif kind == "glyph":
            self.node.nags.add(_GLYPHS[token])
        elif kind == "other":
            self.report(match, f"cannot read {token!r}")

    def read_comment(self, match: re.Match[str], token: str) -> None:
        text = token[1:] if token[0] == ";" else token[1:-1]
        if token[0] == "{" and (token[-1] != "}" or token == "{"):
            self.report(match, "a comment is not closed")
            text = token[1:]
        texts = self.before if self.opened or self.numbered else self.comments[self.node]
        texts.append(_clean_comment(text))


class _Dropped:
    """The moves of the main line from an unsound one on, with what stands beside them."""

    def __init__(self, body: str) -> None:
        self.body = body
        self.found: list[tuple[str, list[str], set[int]]] = []  # texts, comments and glyphs
        self.ply = 0  # of the first
        self.end = -1  # where the last text ends
        self.glyph: tuple[int, int] | None = None  # where the last glyph that stands apart ends, and its number

    def add(self, match: re.Match[str], ply: int) -> None:
        """Add a word. One that touches a sign is one word with it: ?2=5, or 炮?平五, where the word before is too."""
        if match.start() == self.end:
            self._join(match)
            return
        self.ply = self.ply or ply
        signs = _SIGNS_BEFORE.search(self.body[max(0, match.start() - 4) : match.start()])
        if self.found and self.glyph is not None and self.glyph[0] == match.start():
            self.found[-1][2].discard(self.glyph[1])
        self.found.append(((signs[1] if signs else "") + match[0], [], set()))
        self.end = match.end()

    def add_beside(self, match: re.Match[str]) -> None:
        """Add a comment, a glyph, or a digit that is the rest of a word, as in h2?2."""
        kind, token = match.lastgroup, match[0]
        text, comments, nags = self.found[-1]
        if kind == "comment":
            comments.append(_clean_comment(token[1:].removesuffix("}" if token[0] == "{" else ")")))
        elif kind == "nag":
            nags.add(int(token[1:]))
        elif kind == "glyph":
            nags.add(_GLYPHS[token])
        is_rest = kind == "number" and token.isdigit() and text[-1] in "!?□"
        if match.start() == self.end and (kind == "glyph" or is_rest):
            self._join(match)
        elif kind == "glyph":
            self.glyph = match.end(), _GLYPHS[token]

    def _join(self, match: re.Match[str]) -> None:
        text, comments, nags = self.found[-1]
        self.found[-1] = text + match[0], comments, nags
        self.end = match.end()

    def moves(self, first_rank: int) -> list[UnreadMove]:
        """Return the moves."""
        return [
            UnreadMove(text, ply, " ".join(filter(None, comments)), frozenset(nags), first_rank)
            for ply, (text, comments, nags) in enumerate(self.found, self.ply)
        ]


def _half_width(match: re.Match[str]) -> str:
    """Return a piece of movetext with half-width punctuation, letters and digits; comments are not changed."""
    text = match[0]
    if text[0] == "｛":
        return "{" + text[1:].rstrip("｝").replace("}", "｝") + "}" * text.endswith("｝")
    return text if text[0] in "{;" else text.translate(_HALF_WIDTH)


_RESULT_WORDS: Final = frozenset(
    ("红胜", "紅勝", "黑胜", "黑勝", "和棋", "和局", "红方胜", "黑方胜", "紅方勝", "黑方勝")
)


class _Lookahead:
    """Decides between the moves that a text may mean, by the rest of its line."""

    def __init__(self, body: str, first_rank: int) -> None:
        self.body, self.first_rank = body, first_rank
        self.budget = 20_000
        """Number of words that may still be read or tried in the game: a bound on time."""

    def decide(self, board: Board, moves: Sequence[Move], position: int) -> Move | None:
        """Return the only move after which what follows ``position`` in the text is legal, or ``None``."""
        words = list(self.rest(position))
        fitting = [move for move in moves if words and self.fits(board, move, words)]
        return fitting[0] if len(fitting) == 1 and self.budget > 0 else None

    def rest(self, position: int) -> Iterator[str]:
        """Yield the words for moves from a position to the end of the line, without those of variations."""
        depth = 0
        for match in _TOKEN.finditer(self.body, position):
            kind = match.lastgroup
            self.budget -= 1 + len(match[0]) // 100
            if self.budget <= 0:
                return
            depth += (kind == "open") - (kind == "close")
            if depth < 0 or (depth == 0 and (kind == "result" or match[0] in _RESULT_WORDS)):
                return
            if depth == 0 and kind in ("word", "pawn", "null"):
                word = "--" if kind == "null" else _split(match[0])[0]
                if word:
                    yield word

    def fits(self, board: Board, move: Move, words: Sequence[str], depth: int = 4) -> bool:
        """Whether ``words`` are legal moves after ``move``, up to ``depth`` of them deciding between several."""
        board.push(move)
        pushed, fit = 1, True
        for i, word in enumerate(words):
            self.budget -= 1
            if self.budget <= 0:
                break
            try:
                board.push(NULL_MOVE if word == "--" else _parse_move(board, word, self.first_rank))
            except (InvalidMoveError, IllegalMoveError):
                fit = False
                break
            except AmbiguousMoveError as error:
                fit = depth > 0 and any(self.fits(board, other, words[i + 1 :], depth - 1) for other in error.moves)
                break
            pushed += 1
        for _ in range(pushed):
            board.pop()
        return fit


def _split(word: str) -> tuple[str, int | None]:
    """Return a word without the signs after it, and the number of the glyph among these.

    >>> _split("C2=5+"), _split("h2e2+/-"), _split("Rh9++-"), _split("ixi9=."), _split("N")
    (('C2=5', None), ('h2e2', 16), ('Rh9', 18), ('ixi9', None), ('', 146))
    """
    if word in _GLYPHS:
        return "", _GLYPHS[word]
    bare = word.rstrip(_SIGNS)
    signs = word[len(bare) :].removeprefix("=.")
    if not signs or signs in _CHECKS:
        return bare, None
    for check in ("", *_CHECKS):
        glyph = _GLYPHS.get(signs.removeprefix(check))
        if glyph is not None:
            return bare, glyph
    return word if bare else "", None


def words_of(text: str) -> Iterator[str]:
    """Iterate over the words of a text that are to be moves.

    >>> list(words_of("1. h2e2 {best} h9g7"))
    ['h2e2', 'h9g7']
    """
    text = _PIECES.sub(_half_width, text)
    return (match[0] for match in _TOKEN.finditer(text) if match.lastgroup in _MOVES)


def parse_move(board: Board, text: str, first_rank: int = 0) -> Move:
    """Return the legal move of a word of movetext in any notation; signs after it are passed over.

    ``first_rank`` is the number of Red's back rank. Raises ``InvalidMoveError`` for a text that is no move,
    ``IllegalMoveError`` and ``AmbiguousMoveError``.

    >>> [parse_move(Board(), text).iccs for text in ("h2e2", "C2=5!?", "炮二平五", "Che2+")]
    ['h2e2', 'h2e2', 'h2e2', 'h2e2']
    """
    if text not in _MOVE_OF_TEXT:
        text = _split(text.rstrip("!?"))[0]
    return _parse_move(board, text, first_rank)


def _parse_move(board: Board, word: str, first_rank: int) -> Move:
    if first_rank == 0:
        move = _MOVE_OF_TEXT.get(word)
        if move is not None:
            return move if board.is_legal(move) else board.parse_iccs(word)
        if _ICCS_LIKE.fullmatch(word):
            return board.parse_iccs(word)
    if len(word) > 12:
        raise InvalidMoveError(f"cannot read {word[:12] + '…'!r}")
    if algebraic_ranks(word):
        try:
            return parse_algebraic(board, word, first_rank)
        except IllegalMoveError:
            if first_rank == 0 and _MIXED_ICCS.fullmatch(word):  # E5e3 is an elephant's, or a careless hand's e5e3
                with contextlib.suppress(InvalidMoveError, IllegalMoveError):
                    return board.parse_iccs(word)
            raise
    if first_rank == 0 and _MIXED_ICCS.fullmatch(word):
        return board.parse_iccs(word)
    return board.parse_wxf(word) if word.isascii() else board.parse_chinese(word)


def _clean_comment(text: str) -> str:
    text = clean_comment(text)
    return "\n".join([line.strip() for line in text.split("\n")]) if "\n" in text else text
