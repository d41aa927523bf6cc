import pytest

from gui.notation import Style
from gui.session import Session
from lm.matches.table import HUMANS
from lm.players.player import Choice
from xiangqi import BLACK, PIECES, RED, STARTING_FEN, IllegalMoveError, InvalidFenError, Move, parse_square


def squares(*names):
    return [parse_square(name) for name in names]


def played(*moves, **options):
    session = Session(**options)
    for iccs in moves:
        session.play(Move.from_iccs(iccs))
    return session


class TestPickingUpAndPuttingDown:
    def test_two_clicks_play_a_move(self):
        session = Session()
        h2, e2 = squares("h2", "e2")
        assert session.press(h2) is None
        session.release(h2)
        assert session.selected == h2
        assert session.press(e2) is Move.from_iccs("h2e2")
        assert session.board.turn == BLACK
        assert session.selected is None

    def test_a_drag_plays_a_move(self):
        session = Session()
        h2, e2 = squares("h2", "e2")
        session.press(h2)
        assert session.release(e2) is Move.from_iccs("h2e2")

    def test_a_drag_to_nowhere_keeps_the_piece_in_hand(self):
        session = Session()
        h2, h1 = squares("h2", "a5")
        session.press(h2)
        assert session.release(h1) is None
        assert session.selected == h2
        assert session.board.fen() == STARTING_FEN

    def test_a_second_click_puts_the_piece_back(self):
        session = Session()
        (h2,) = squares("h2")
        for _ in range(2):
            session.press(h2)
            session.release(h2)
        assert session.selected is None

    def test_another_own_piece_is_taken_up_instead(self):
        session = Session()
        h2, b0 = squares("h2", "b0")
        session.press(h2)
        session.press(b0)
        assert session.selected == b0

    @pytest.mark.parametrize("name", ["h7", "e4", None])
    def test_enemy_pieces_and_empty_points_cannot_be_taken_up(self, name):
        session = Session()
        session.press(parse_square(name) if name else None)
        assert session.selected is None

    def test_targets_are_the_legal_moves_of_the_piece(self):
        session = Session()
        session.press(parse_square("b0"))
        assert sorted(session.targets) == sorted(squares("a2", "c2"))

    def test_a_pinned_piece_has_no_targets(self):
        session = Session("4k4/4r4/9/9/9/9/9/4N4/9/4K4 w")
        session.press(parse_square("e2"))
        assert session.selected is not None
        assert session.targets == []

    def test_the_player_s_pieces_are_not_ours_to_move(self):
        session = played("h2e2")
        session.press(parse_square("h9"))
        assert session.selected is None

    def test_two_persons_share_the_board(self):
        session = played("h2e2", humans=HUMANS["both"])
        session.press(parse_square("h9"))
        assert session.release(parse_square("g7")) is Move.from_iccs("h9g7")


class TestUndo:
    def test_takes_back_the_answer_too(self):
        session = played("h2e2", "h9g7")
        session.undo()
        assert session.board.fen() == STARTING_FEN
        assert session.texts == []
        assert not session.can_undo

    def test_takes_back_only_our_move_while_the_player_thinks(self):
        session = played("h2e2", "h9g7", "b0c2")
        session.undo()
        assert [move.iccs for move in session.board.move_stack] == ["h2e2", "h9g7"]

    def test_the_player_s_opening_move_stays(self):
        session = played("h2e2", humans=HUMANS["black"])
        assert not session.can_undo

    def test_takes_back_a_resignation_and_nothing_else(self):
        session = played("h2e2", "h9g7")
        session.resign()
        session.undo()
        assert session.ending is None
        assert session.board.ply == 2

    def test_every_change_makes_earlier_answers_stale(self):
        session = Session()
        seen = {session.generation}
        for change in (
            lambda: session.play(Move.from_iccs("h2e2")),
            session.undo,
            session.swap,
            session.new,
            session.resign,
        ):
            change()
            assert session.generation not in seen
            seen.add(session.generation)

    def test_turning_the_board_changes_nothing_in_the_game(self):
        session = played("h2e2")
        before = session.generation, session.board.fen()
        session.flip()
        assert (session.generation, session.board.fen()) == before
        assert session.bottom == BLACK


class TestLookingBack:
    def test_shows_the_earlier_position_and_its_last_move(self):
        session = played("h2e2", "h9g7")
        session.view(1)
        assert not session.live
        assert session.last_move is Move.from_iccs("h2e2")
        assert session.shown.piece_at(parse_square("h9")) is not None
        session.view(99)
        assert session.live
        assert session.shown is session.board

    def test_a_move_in_the_past_is_a_variation_and_the_game_stays_where_it_is(self):
        session = played("h2e2", "h9g7", humans=HUMANS["red"])
        generation = session.generation
        session.view(0)
        session.press(parse_square("b0"))
        assert session.press(parse_square("c2")) is Move.from_iccs("b0c2")
        assert not session.live and session.viewed == 1 and session.last_move is Move.from_iccs("b0c2")
        assert [node.move.iccs for node in session.table.game.variations] == ["h2e2", "b0c2"]
        assert [move.iccs for move in session.board.move_stack] == ["h2e2", "h9g7"]
        assert session.generation == generation

    def test_undo_returns_to_the_game(self):
        session = played("h2e2", "h9g7", "b0c2")
        session.view(0)
        session.undo()
        assert session.live


class TestEndings:
    def test_checkmate(self):
        session = Session("4k4/R8/9/9/9/9/9/9/9/3K4R w")
        session.play(Move.from_iccs("i0i9"))
        assert session.ending is not None
        assert session.ending.text == "Red wins by checkmate"
        with pytest.raises(IllegalMoveError, match="after the end"):
            session.play(Move.from_iccs("e9d9"))

    def test_stalemate_loses(self):
        session = Session("3k5/R8/9/9/9/9/9/9/9/4K4 b")
        assert session.ending is not None
        assert session.ending.text == "Red wins: Black has no legal move"

    def test_resignation_is_of_the_person(self):
        session = played("h2e2")
        session.resign()
        assert session.ending is not None
        assert (session.ending.winner, session.ending.result) == (BLACK, "0-1")

    def test_the_player_resigns(self):
        session = played("h2e2")
        session.answer(Choice(None))
        assert session.ending is not None
        assert session.ending.text == "Red wins: Black resigned"

    def test_repetition_comes_with_its_evidence(self):
        session = played(*["h2e2", "h9g7", "e2h2", "g7h9"] * 2)
        assert session.ending is not None
        assert session.ending.text == "Draw: repetition"
        assert session.ending.evidence

    def test_perpetual_check_names_the_loser(self):
        session = Session("3k5/9/9/9/9/9/9/9/3r5/R3K4 w", humans=HUMANS["both"])
        for iccs in ["a0a9", "d9d8", *["a9a8", "d8d9", "a8a9", "d9d8"] * 3]:
            if session.ending is None:
                session.play(Move.from_iccs(iccs))
        assert session.ending is not None
        assert session.ending.text == "Black wins: Red checked perpetually"


class TestPositions:
    @pytest.mark.parametrize(
        ("fen", "reason"),
        [
            ("nonsense", "10 ranks"),
            ("9/9/9/9/9/9/9/9/9/9 w", "the red king is missing"),
            ("4k4/9/9/9/9/9/9/9/9/4K4 w", "the kings face each other"),
        ],
    )
    def test_unplayable_positions_are_refused_and_nothing_is_lost(self, fen, reason):
        session = played("h2e2")
        with pytest.raises(InvalidFenError, match=reason):
            session.new(fen)
        assert session.board.ply == 1

    def test_captured_pieces_strongest_first(self):
        session = played("h2e2", "h9g7", "e2e6", "g7e6", "b2b9", "a9b9")
        assert "".join(PIECES[code].symbol() for code in session.captured(BLACK)) == "np"
        assert "".join(PIECES[code].symbol() for code in session.captured(RED)) == "CC"
        session.view(3)
        assert session.captured(RED) == []

    def test_black_starts_at_the_lower_edge_if_we_play_black(self):
        assert Session(humans=HUMANS["black"]).bottom == BLACK
        assert Session(humans=HUMANS["red"]).bottom == RED

    def test_swapping_sides_turns_the_board(self):
        session = played("h2e2")
        session.swap()
        assert session.humans == {BLACK}
        assert session.bottom == BLACK
        assert session.awaits_human


class TestRecord:
    def test_moves_are_written_in_either_script(self):
        session = played("h2e2", "h9g7")
        assert session.texts == ["炮二平五", "馬８進７"]
        session.scribe.style = Style(traditional=False)
        assert session.texts == ["炮二平五", "马8进7"]
        session.play(Move.from_iccs("b0c2"))
        assert session.texts[-1] == "马八进七"

    def test_the_game_has_its_headers(self):
        session = played("h2e2", "h9g7")
        session.resign()
        game = session.game("?", "lm · Steady")
        assert game.headers["Red"] == "Human"
        assert game.headers["Black"] == "lm · Steady"
        assert game.headers["Result"] == "0-1"
        assert [move.iccs for move in game.moves()] == ["h2e2", "h9g7"]
