"""The compiled rules against a second implementation in plain Python."""

from operator import attrgetter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xiangqi import BLACK, MOVES, NULL_MOVE, PIECES, RED, SQUARES, Board, Move, Piece, kernels
from xiangqi.move import ADVISOR, ADVISOR_POINTS, BISHOP, BISHOP_POINTS, CANNON, KING, KNIGHT, PAWN, ROOK

INDEX = attrgetter("index")
START = [44, 1920, 79666, 3290240, 133312995]

# Counts to depth 4 of ten positions, https://www.chessprogramming.org/Chinese_Chess_Perft_Results
PUBLISHED = {
    "r1ba1a3/4kn3/2n1b4/pNp1p1p1p/4c4/6P2/P1P2R2P/1CcC5/9/2BAKAB2 w": [38, 1128, 43929, 1339047],
    "1cbak4/9/n2a5/2p1p3p/5cp2/2h2N3/6PCP/3AB4/2C6/3A1K1N1 w": [7, 281, 8620, 326201],
    "5a3/3k5/3aR4/9/5r3/5h3/9/3A1A3/5K3/2BC2B2 w": [25, 424, 9850, 202884],
    "CRN1k1b2/3ca4/4ba3/9/2nr5/9/9/4B4/4A4/4KA3 w": [28, 516, 14808, 395483],
    "R1N1k1b2/9/3aba3/9/2nr5/2B6/9/4B4/4A4/4KA3 w": [21, 364, 7626, 162837],
    "C1nNk4/9/9/9/9/9/n1pp5/B3C4/9/3A1K3 w": [28, 222, 6241, 64971],
    "4ka3/4a4/9/9/4N4/p8/9/4C3c/7n1/2BK5 w": [23, 345, 8124, 149272],
    "2b1ka3/9/b3N4/4n4/9/9/9/4C4/2p6/2BK5 w": [21, 195, 3883, 48060],
    "1C2ka3/9/C1Nab1n2/p3p3p/6p2/9/P3P3P/3AB4/3p2c2/c1BAK4 w": [30, 830, 22787, 649866],
    "CnN1k1b2/c3a4/4ba3/9/2nr5/9/9/4C4/4A4/4KA3 w": [19, 583, 11714, 376467],
}


# --- The rules, plainly -----------------------------------------------------------------------------------------------


def on_board(file, rank):
    return 0 <= file < 9 and 0 <= rank < 10


def between(cells, a, b):
    """Number of pieces strictly between two squares of one line, or ``None`` if they share none."""
    (fa, ra), (fb, rb) = (a % 9, a // 9), (b % 9, b // 9)
    if a == b or (fa != fb and ra != rb):
        return None
    df, dr = (fb > fa) - (fb < fa), (rb > ra) - (rb < ra)
    count, f, r = 0, fa + df, ra + dr
    while (f, r) != (fb, rb):
        count += cells[r * 9 + f] != 0
        f, r = f + df, r + dr
    return count


def captures(cells, a, b):
    """Whether the piece on ``a`` takes on ``b`` by its way of moving."""
    piece = PIECES[cells[a]]
    if piece is None or a == b:
        return False
    df, dr = b % 9 - a % 9, b // 9 - a // 9
    step = sorted((abs(df), abs(dr)))
    if piece.type == KING:
        palace = {r * 9 + f for f in (3, 4, 5) for r in (0, 1, 2, 7, 8, 9)}
        return step == [0, 1] and a in palace and b in palace
    if piece.type == ADVISOR:
        return step == [1, 1] and a in ADVISOR_POINTS and b in ADVISOR_POINTS
    if piece.type == BISHOP:
        same_bank = (a < 45) == (b < 45)
        return step == [2, 2] and a in BISHOP_POINTS and same_bank and cells[(a + b) // 2] == 0
    if piece.type == KNIGHT:
        leg = a + (df // 2 if abs(df) == 2 else 9 * (dr // 2))
        return step == [1, 2] and cells[leg] == 0
    if piece.type == ROOK:
        return between(cells, a, b) == 0
    if piece.type == CANNON:
        return between(cells, a, b) == 1
    forward = 1 if piece.color == RED else -1
    crossed = (a >= 45) == (piece.color == RED)
    return (df, dr) == (0, forward) or (crossed and step == [0, 1] and dr == 0)


def moves_to(cells, a, b):
    """Whether the piece on ``a`` can move to ``b``, empty or with an enemy piece, ignoring its king's safety."""
    mover, target = PIECES[cells[a]], PIECES[cells[b]]
    if mover is None or (target is not None and target.color == mover.color):
        return False
    if mover.type == CANNON and target is None:
        return between(cells, a, b) == 0
    return captures(cells, a, b)


def king_of(cells, color):
    """The king that counts where there are several: the first of its palace, from the middle file, else the first."""
    ranks = (0, 1, 2) if color == RED else (9, 8, 7)
    order = [r * 9 + f for r in ranks for f in (4, 3, 5)] + list(SQUARES)
    return next((sq for sq in order if cells[sq] == color * 8 + KING), None)


def checked_by(cells, color):
    """Squares of the pieces that give check to a king, a king that faces it included."""
    king = king_of(cells, color)
    if king is None:
        return []
    found = []
    for sq in SQUARES:
        piece = PIECES[cells[sq]]
        if piece is None or piece.color == color:
            continue
        if piece.type == KING:
            facing = sq % 9 == king % 9 and between(cells, sq, king) == 0
            found += [sq] * facing
        elif piece.type in (KNIGHT, ROOK, CANNON, PAWN) and captures(cells, sq, king):
            found.append(sq)
    return found


def after(cells, a, b):
    cells = list(cells)
    cells[a], cells[b] = 0, cells[a]
    return cells


def legal(cells, turn):
    return [
        move
        for move in MOVES
        if cells[move.from_square] >> 3 == turn
        and moves_to(cells, move.from_square, move.to_square)
        and not checked_by(after(cells, move.from_square, move.to_square), turn)
    ]


# --- Positions --------------------------------------------------------------------------------------------------------


@st.composite
def played(draw):
    """A board after up to 120 random moves; captures are sought, so that thin positions come up too."""
    board = Board()
    choices = draw(st.lists(st.integers(0, 2**16), max_size=120))
    greedy = draw(st.booleans())
    for choice in choices:
        moves = board.legal_moves
        if not moves:
            break
        captures = [move for move in moves if board.is_capture(move)]
        moves = captures if greedy and captures and choice % 3 else moves
        board.push(moves[choice % len(moves)])
    return board


@st.composite
def invented(draw):
    """Kings in their palaces, and any other pieces anywhere: what no game could lead to, the kernels must bear too."""
    board = Board(None)
    for color, ranks in ((RED, (0, 1, 2)), (BLACK, (7, 8, 9))):
        board.set_piece_at(draw(st.sampled_from(ranks)) * 9 + draw(st.integers(3, 5)), Piece(color, KING))
    pieces = st.tuples(
        st.sampled_from(SQUARES), st.sampled_from([RED, BLACK]), st.sampled_from([2, 3, 4, 4, 5, 5, 6, 6, 6, 7])
    )
    for sq, color, kind in draw(st.lists(pieces, max_size=40)):
        if board.piece_at(sq) is None:
            board.set_piece_at(sq, Piece(color, kind))
    board.turn = draw(st.sampled_from([RED, BLACK]))
    return board


positions = st.one_of(played(), invented())


class TestAgainstPlainRules:
    @settings(max_examples=60, deadline=None)
    @given(positions)
    def test_legal_moves(self, board):
        cells = board.cells.tolist()
        assert sorted(board.legal_moves, key=INDEX) == legal(cells, board.turn)
        assert board.cells.tolist() == cells
        assert board.legal_move_indices().tolist() == [move.index for move in board.legal_moves]
        assert board.has_legal_moves() == bool(board.legal_moves)

    @settings(max_examples=40, deadline=None)
    @given(positions)
    def test_is_legal(self, board):
        moves = set(board.legal_moves)
        assert {move for move in MOVES if board.is_legal(move)} == moves
        assert not board.is_legal(NULL_MOVE)

    @settings(max_examples=150, deadline=None)
    @given(positions)
    def test_check(self, board):
        cells = board.cells.tolist()
        assert board.checkers() == checked_by(cells, board.turn)
        assert board.is_check() == bool(checked_by(cells, board.turn))
        assert kernels.in_check(board.cells, 1 - board.turn) == bool(checked_by(cells, 1 - board.turn))

    @settings(max_examples=40, deadline=None)
    @given(positions)
    def test_gives_check(self, board):
        fen = board.fen()
        for move in board.legal_moves:
            cells = after(board.cells.tolist(), move.from_square, move.to_square)
            assert board.gives_check(move) == bool(checked_by(cells, 1 - board.turn))
        assert board.fen() == fen

    @settings(max_examples=25, deadline=None)
    @given(positions)
    def test_attackers(self, board):
        cells = board.cells.tolist()
        for sq in SQUARES:
            for color in (RED, BLACK):
                expected = [a for a in SQUARES if cells[a] and cells[a] >> 3 == color and captures(cells, a, sq)]
                assert board.attackers(color, sq) == expected

    @settings(max_examples=100, deadline=None)
    @given(positions, st.sampled_from([RED, BLACK]))
    def test_pinned(self, board, color):
        cells = board.cells.tolist()
        expected = []
        if not checked_by(cells, color):
            for sq in SQUARES:
                piece = PIECES[cells[sq]]
                without = [0 if s == sq else cell for s, cell in enumerate(cells)]
                if piece and piece.color == color and piece.type != KING and checked_by(without, color):
                    expected.append(sq)
        assert board.pinned(color) == expected
        assert board.cells.tolist() == cells

    @settings(max_examples=60, deadline=None)
    @given(invented())
    def test_without_kings(self, board):
        """Such positions are played as ones without check."""
        board.set_piece_map({sq: piece for sq, piece in board.piece_map().items() if piece.type != KING})
        assert sorted(board.legal_moves, key=INDEX) == legal(board.cells.tolist(), board.turn)
        assert not board.is_check()
        assert board.checkers() == []

    def test_full_board_of_rooks(self):
        """The densest position there can be does not overflow a move buffer."""
        cells = np.full(90, ROOK, np.uint8)
        cells[::2] = 0
        out = np.empty(kernels.MAX_MOVES, np.int16)
        assert kernels.legal_moves(cells, RED, out) == len(legal(cells.tolist(), RED))


class TestSymmetry:
    @settings(max_examples=40, deadline=None)
    @given(positions)
    def test_mirror(self, board):
        assert {move.mirror() for move in board.legal_moves} == set(board.mirror().legal_moves)
        assert board.is_check() == board.mirror().is_check()

    @settings(max_examples=40, deadline=None)
    @given(positions)
    def test_rotation(self, board):
        assert {move.rotate() for move in board.legal_moves} == set(board.rotate().legal_moves)
        assert board.is_check() == board.rotate().is_check()

    def test_tables(self):
        for move in MOVES:
            assert MOVES[kernels.MOVE_ROTATED[move.index]] is move.rotate()
            assert MOVES[kernels.MOVE_MIRRORED[move.index]] is move.mirror()
            assert kernels.MOVE_INDEX[move.from_square, move.to_square] == move.index
        assert (kernels.MOVE_INDEX >= 0).sum() == len(MOVES)


class TestPerft:
    def test_start(self):
        assert [Board().perft(depth) for depth in range(5)] == [1, *START[:4]]

    @pytest.mark.slow
    def test_start_to_depth_5(self):
        assert Board().perft(5) == START[4]

    @pytest.mark.parametrize(("fen", "counts"), PUBLISHED.items())
    def test_published(self, fen, counts):
        board = Board(fen)
        before = board.fen(), board.key
        assert [board.perft(depth) for depth in (1, 2, 3, 4)] == counts
        assert (board.fen(), board.key) == before

    @pytest.mark.parametrize(("fen", "counts"), PUBLISHED.items())
    def test_of_the_reflections(self, fen, counts):
        assert Board(fen).mirror().perft(3) == Board(fen).rotate().perft(3) == counts[2]

    def test_matches_push_and_pop(self):
        def count(board, depth):
            if depth == 0:
                return 1
            total = 0
            for move in board.legal_moves:
                board.push(move)
                total += count(board, depth - 1)
                board.pop()
            return total

        for fen in list(PUBLISHED)[:3]:
            assert count(Board(fen), 2) == Board(fen).perft(2)

    def test_negative_depth(self):
        with pytest.raises(ValueError, match="must not be negative: -1"):
            Board().perft(-1)


class TestZobrist:
    def test_keys_differ(self):
        assert len(np.unique(kernels.ZOBRIST[[c for c, piece in enumerate(PIECES) if piece]])) == 14 * 90
        assert not kernels.ZOBRIST[0].any()

    @settings(max_examples=60, deadline=None)
    @given(positions)
    def test_from_scratch(self, board):
        assert board.key == int(kernels.zobrist(board.cells.copy(), board.turn))
        passed = board.copy()
        passed.push(NULL_MOVE)
        assert passed.key != board.key

    def test_transpositions_meet(self):
        one, two = Board.from_moves("h2e2 h9g7 b0c2"), Board.from_moves("b0c2 h9g7 h2e2")
        assert one.key == two.key
        assert one.key != Board.from_moves("h2e2 h9g7").key


class TestReaches:
    def test_cannon_needs_a_screen(self):
        board = Board()
        assert kernels.reaches(board.cells, Move.from_iccs("h2h9").from_square, Move.from_iccs("h2h9").to_square)
        assert not kernels.reaches(board.cells, 25, 22)

    def test_horse_is_hobbled(self):
        board = Board()
        assert kernels.reaches(board.cells, 1, 20)
        assert not kernels.reaches(board.cells, 1, 12)


class TestReaders:
    """Threads look at one board without a lock, so no kernel that only looks may try anything out on its cells."""

    BOARD = Board("r1bakab1r/9/1cn4c1/p1p1p1p1p/4C4/9/P1P1P1P1P/2N4C1/9/R1BAKABNR b")  # in check

    @pytest.mark.parametrize(
        ("kernel", "arguments"),
        [
            (kernels.find_king, (BLACK,)),
            (kernels.checker, (85, RED)),
            (kernels.is_attacked, (85, RED)),
            (kernels.is_exposed, (85, 76, 76, RED)),
            (kernels.in_check, (BLACK,)),
            (kernels.reaches, (19, 82)),
            (kernels.attackers, (85, RED, np.empty(90, np.uint8))),
            (kernels.legal_moves, (BLACK, np.empty(kernels.MAX_MOVES, np.int16))),
            (kernels.is_pseudo_legal, (BLACK, 64, 66)),
            (kernels.is_legal, (BLACK, 64, 66)),
            (kernels.zobrist, (BLACK,)),
        ],
    )
    def test_read_only_cells_will_do(self, kernel, arguments):
        """Numba refuses to compile a kernel that writes to an array that is read-only."""
        assert kernel(self.BOARD.cells, *arguments) == kernel(self.BOARD.cells.copy(), *arguments)
