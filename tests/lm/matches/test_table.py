from __future__ import annotations

import pytest

from lm import UserError
from lm.matches.clocks import Clocks
from lm.matches.table import PERSON, Ending, Seat, Table
from lm.players.player import Choice
from xiangqi import BLACK, RED, Board, IllegalMoveError, InvalidFenError, Move
from xiangqi.engine import Limit
from xiangqi.game import Game

PLAYER = Seat("greedy:seed=1")


def move(iccs: str) -> Move:
    return Move.from_iccs(iccs)


def seated(*moves: str, red: Seat = PERSON, black: Seat = PLAYER, **options) -> Table:
    return Table(seats=(red, black), opening=map(move, moves), **options)


def line(table: Table) -> list[str]:
    return [found.iccs for found in table.board.move_stack]


class TestEnding:
    @pytest.mark.parametrize(
        ("ending", "text", "result"),
        [
            (Ending(BLACK, "checkmate"), "Black wins by checkmate", "0-1"),
            (Ending(RED, "time forfeit"), "Red wins: Black ran out of time", "1-0"),
            (Ending(RED, "something new"), "Red wins: something new", "1-0"),
            (Ending(None, "ply limit"), "Draw: ply limit", "1/2-1/2"),
        ],
    )
    def test_it_is_told_in_words(self, ending: Ending, text: str, result: str) -> None:
        assert (ending.text, ending.result) == (text, result)

    def test_rules_end_it_with_their_evidence(self) -> None:
        table = seated(*["a0a1", "a9a8", "a1a0", "a8a9"] * 2)
        assert table.ending is not None
        assert (table.ending.winner, table.ending.reason) == (None, "repetition")
        assert table.ending.evidence == table.board.outcome().evidence != ()
        assert seated(*["a0a1", "a9a8", "a1a0", "a8a9"] * 2, rules="none").ending is None

    def test_rules_of_repetition_can_be_chosen(self) -> None:
        # The rook chases the knight, which gives check from one of its squares.
        fen, moves = "3k5/9/9/9/2n6/9/4R4/5K3/9/9 w", ["e3c3", "c5e4", "c3e3", "e4c5"] * 2
        assert Table(fen, opening=map(move, moves)).ending.text == "Draw: repetition"
        assert Table(fen, opening=map(move, moves), rules="asian").ending.text == "Black wins: Red chased perpetually"

    def test_a_position_may_be_over_from_the_start(self) -> None:
        assert Table("R3k4/R8/9/9/9/9/9/9/9/3K5 b").ending.text == "Red wins by checkmate"
        assert seated(max_plies=0).ending == Ending(None, "ply limit")

    def test_the_ply_limit_counts_the_opening(self) -> None:
        table = seated("h2e2", "h9g7", max_plies=3)
        assert table.ending is None
        table.push(move("h0g2"))
        assert table.ending == Ending(None, "ply limit")

    def test_nothing_is_played_after_the_end(self) -> None:
        table = seated("h2e2")
        table.resign(BLACK)
        assert table.ending == Ending(RED, "resignation")
        with pytest.raises(IllegalMoveError, match="h9g7 comes after the end"):
            table.push(move("h9g7"))
        table.resign(RED)
        table.offer_draw(RED)
        table.forfeit(RED)
        assert table.ending == Ending(RED, "resignation")

    def test_an_illegal_move_changes_nothing(self) -> None:
        table = seated("h2e2")
        for wrong in ("a0a9", "h2h3"):
            with pytest.raises(IllegalMoveError):
                table.answer(Choice(move(wrong), draw=True))
        assert (line(table), table.offer, table.ending) == (["h2e2"], None, None)

    def test_positions_that_cannot_arise_are_refused(self) -> None:
        with pytest.raises(InvalidFenError, match="the kings face each other"):
            Table("4k4/9/9/9/9/9/9/9/9/4K4 w")


class TestDraws:
    def test_offers_with_two_successive_moves_agree(self) -> None:
        table = seated()
        table.answer(Choice(move("h2e2"), draw=True))
        assert (table.ending, table.offer) == (None, RED)
        table.answer(Choice(move("h9g7"), draw=True))
        assert table.ending == Ending(None, "draw agreed")
        assert line(table) == ["h2e2", "h9g7"]

    def test_a_move_without_one_declines(self) -> None:
        table = seated()
        table.answer(Choice(move("h2e2"), draw=True))
        table.answer(Choice(move("h9g7")))
        assert table.offer is None
        table.answer(Choice(move("h0g2"), draw=True))
        assert table.ending is None

    def test_a_person_may_offer_before_the_own_move_and_while_the_player_thinks(self) -> None:
        for early in (True, False):
            table = seated()
            if early:
                table.offer_draw(RED)
            table.push(move("h2e2"))
            if not early:
                table.offer_draw(RED)
            assert table.offer == RED
            table.answer(Choice(move("h9g7"), draw=True))
            assert table.ending == Ending(None, "draw agreed")

    def test_a_person_accepts_declines_or_answers_with_an_offer(self) -> None:
        for way in ("accept", "offer", "decline"):
            table = seated("h2e2")
            table.answer(Choice(move("h9g7"), draw=True))
            table.accept_draw(BLACK)  # one's own offer cannot be accepted
            assert table.ending is None
            if way == "decline":
                table.decline_draw()
                table.accept_draw(RED)
                assert (table.ending, table.offer) == (None, None)
            else:
                (table.accept_draw if way == "accept" else table.offer_draw)(RED)
                assert table.ending == Ending(None, "draw agreed")

    def test_mate_counts_for_more_than_an_agreement(self) -> None:
        table = Table("4k4/R8/9/9/9/9/9/9/9/3K4R w")
        table.offer_draw(BLACK)
        table.answer(Choice(move("i0i9"), draw=True))
        assert table.ending.text == "Red wins by checkmate"


class TestTakingBack:
    def test_to_a_persons_own_move(self) -> None:
        table = seated("h2e2", "h9g7", "h0g2")
        table.undo()  # the player has not answered yet
        assert line(table) == ["h2e2", "h9g7"]
        table.undo()
        assert line(table) == []
        assert not table.can_undo
        with pytest.raises(ValueError, match="no move of yours"):
            table.undo()

    def test_the_players_first_move_stays(self) -> None:
        assert not seated("h2e2", red=PLAYER, black=PERSON).can_undo

    @pytest.mark.parametrize("seat", [PERSON, PLAYER])
    def test_two_persons_or_none_take_back_single_plies(self, seat: Seat) -> None:
        table = seated("h2e2", "h9g7", red=seat, black=seat)
        table.undo()
        assert line(table) == ["h2e2"]

    def test_a_persons_resignation_or_an_agreement_alone(self) -> None:
        for end in (lambda table: table.resign(RED), lambda table: table.offer_draw(RED)):
            table = seated("h2e2")
            table.answer(Choice(move("h9g7"), draw=True))
            end(table)
            assert table.ending is not None
            table.undo()
            assert (table.ending, line(table)) == (None, ["h2e2", "h9g7"])

    def test_where_the_player_resigned_the_move_before_it(self) -> None:
        table = seated("h2e2")
        table.answer(Choice(None))
        assert table.ending == Ending(RED, "resignation")
        table.undo()
        assert (table.ending, line(table)) == (None, [])

    def test_a_mate(self) -> None:
        table = Table("4k4/R8/9/9/9/9/9/9/9/3K4R w", opening=[move("i0i9")])
        assert table.ending is not None
        table.undo()
        assert (table.ending, line(table)) == (None, [])

    def test_and_playing_again_what_was_taken_back(self) -> None:
        table = seated("h2e2", "h9g7")
        table.undo()
        assert table.can_redo
        table.redo()
        assert line(table) == ["h2e2", "h9g7"]
        with pytest.raises(ValueError, match="no move to play again"):
            table.redo()
        table.undo()
        table.push(move("b0c2"))
        assert not table.can_redo

    def test_an_offer_lapses(self) -> None:
        table = seated("h2e2")
        table.answer(Choice(move("h9g7"), draw=True))
        table.undo()
        assert table.offer is None


class TestClocks:
    def test_time_runs_and_is_gained_and_players_are_told(self) -> None:
        table = seated(clocks=Clocks.parse("60+2"))
        table.push(move("h2e2"), seconds=10)
        table.push(move("h9g7"), seconds=1.5)
        assert (table.time_left(RED), table.time_left(BLACK)) == (52, 60.5)
        assert table.limit() == Limit(red_clock=52, black_clock=60.5, red_increment=2, black_increment=2)
        assert [node.clock for node in table.record().main_line()] == [52, 60.5]
        assert table.record().headers["TimeControl"] == "60+2"
        table.undo()
        assert (table.time_left(RED), table.time_left(BLACK)) == (60, 60)

    def test_they_start_after_the_opening(self) -> None:
        table = seated("h2e2", "h9g7", clocks=Clocks.parse("2/60+1"))
        assert (table.time_left(RED), table.time_left(BLACK), table.limit().moves_to_go) == (60, 60, 2)
        assert [node.clock for node in table.game.main_line()] == [None, None]

    def test_time_is_given_again_after_the_moves_of_a_period(self) -> None:
        table = seated(clocks=Clocks.parse("2/10,-"))
        told = []
        for iccs, seconds in (("h2e2", 4), ("h9g7", 99), ("h0g2", 5), ("i9h9", 99)):
            if table.turn == RED:
                told.append((table.time_left(RED), table.limit().moves_to_go))
            table.push(move(iccs), seconds)
        assert [*told, (table.time_left(RED), table.limit().moves_to_go)] == [(10, 2), (6, 1), (11, 2)]

    def test_time_for_a_move_is_not_saved(self) -> None:
        table = seated(clocks=Clocks.parse("0.5/move,30"))
        assert table.limit() == Limit(time=0.5)
        table.push(move("h2e2"), seconds=0.1)
        assert table.limit() == Limit(black_clock=30)
        table.push(move("h9g7"), seconds=1)
        assert table.limit() == Limit(time=0.5)
        assert [node.clock for node in table.record().main_line()] == [None, 29]
        assert table.record().headers["BlackTimeControl"] == "30"

    def test_whoever_is_late_has_lost_without_the_move(self) -> None:
        table = seated("h2e2", clocks=Clocks.parse("5"))
        table.push(move("h9g7"), seconds=5.1)
        assert table.ending == Ending(RED, "time forfeit")
        assert line(table) == ["h2e2"]

    def test_within_the_margin_nobody_is_late(self) -> None:
        table = seated("h2e2", clocks=Clocks.parse("5+1"), margin=0.2)
        table.push(move("h9g7"), seconds=5.1)
        assert (table.ending, table.time_left(BLACK)) == (None, 1)

    def test_a_game_is_resumed_with_the_time_that_its_record_says_was_left(self) -> None:
        clocks = Clocks.parse("2/60+1,30b10")
        table = seated(clocks=clocks)
        for iccs, seconds in (("h2e2", 20), ("h9g7", 35), ("h0g2", 5)):
            table.push(move(iccs), seconds)
        again = Table.resume(table.record(), table.seats, clocks=clocks)
        for _ in range(2):
            assert (again.time_left(RED), again.time_left(BLACK)) == (table.time_left(RED), table.time_left(BLACK))
            assert again.limit() == table.limit()
            if table.can_undo:
                again.undo()
                table.undo()

    def test_no_clock_no_limit(self) -> None:
        table = seated("h2e2")
        assert (table.limit(), table.time_left(RED)) == (None, None)
        assert not {"TimeControl", "RedTimeControl"} & set(table.record().headers)

    @pytest.mark.parametrize(
        ("text", "seconds"),
        [
            ("0:20", "20"),
            ("1:00+0.5", "60+0.5"),
            ("90:00", "5400"),
            ("1:30:00+0:30", "5400+30"),
            ("0:07.5", "7.5"),
            ("40/1:30:00", "40/5400"),
            ("10:00b0:30", "600b30"),
            ("0:30/move,2:00", "30/move,120"),
        ],
    )
    def test_times_may_have_colons(self, text: str, seconds: str) -> None:
        assert Clocks.parse(text) == Clocks.parse(seconds)

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("fast", "no time control: 'fast'"),
            ("60+", "no time control"),
            ("-5", "no time control"),
            ("0/60", "leaves no time"),
            ("0/move", "leaves no time"),
            ("60,60,60", "one for each"),
            ("", "no time control"),
            ("1:5", "no time control"),
            ("0:75", "no time control"),
            ("1:75:00", "no time control"),
            ("0:00", "leaves no time"),
            ("100:00:01", "more than 100 hours"),
            ("60+400000", "more than 100 hours"),
        ],
    )
    def test_a_wrong_time_control_is_named(self, text: str, reason: str) -> None:
        with pytest.raises(UserError, match=reason):
            Clocks.parse(text)


class TestRecord:
    def test_it_says_who_played_and_how_it_ended(self) -> None:
        table = seated("h2e2", "h9g7")
        table.resign(RED)
        game = table.record({"Event": "Evening"})
        told = {name: game.headers[name] for name in ("Event", "Red", "Black", "Result", "Termination", "PlyCount")}
        assert told == {
            "Event": "Evening",
            "Red": "Human",
            "Black": "greedy:seed=1",
            "Result": "0-1",
            "Termination": "resignation",
            "PlyCount": "2",
        }
        assert Game.from_pgn(str(game)).moves() == table.board.move_stack

    def test_a_game_that_goes_on_has_no_termination(self) -> None:
        game = seated("h2e2").record()
        assert game.result == "*"
        assert "Termination" not in game.headers

    def test_what_was_played_is_the_main_line_and_what_was_taken_back_a_variation(self) -> None:
        table = seated("h2e2", "h9g7")
        table.undo()
        table.push(move("b2e2"))
        table.push(move("b9c7"))
        game = table.record()
        assert [found.iccs for found in game.moves()] == ["b2e2", "b9c7"]
        assert [node.move.iccs for node in game.variations] == ["b2e2", "h2e2"]

    def test_what_was_taken_back_last_is_no_part_of_it(self) -> None:
        table = seated("h2e2", "h9g7", "h0g2")
        table.undo()
        game = table.record()
        assert [found.iccs for found in game.moves()] == ["h2e2", "h9g7"]
        table.redo()  # and yet it is not lost
        assert table.board.ply == 3

    def test_another_start(self) -> None:
        fen = "4k4/R8/9/9/9/9/9/9/9/3K4R w - - 0 1"
        assert Table(fen).record().fen == fen
        assert Table(fen).board == Board(fen)

    def test_the_whole_tree_is_written_as_it_is(self) -> None:
        table = seated("h2e2", "h9g7", "h0g2")
        table.undo()
        table.game.add_variation(move("b2e2"))
        game = table.record(whole_tree=True)
        assert [found.iccs for found in game.moves()] == ["h2e2", "h9g7", "h0g2"]
        assert len(game.variations) == 2
        assert game.headers["PlyCount"] == "3"


class TestTree:
    def test_a_recorded_game_goes_on_with_its_tree(self) -> None:
        game = Game.from_pgn('[Red "A"]\n[Result "1-0"]\n\n1. h2e2 {solid} h9g7 (1... h7e7) 2. h0g2 1-0')
        table = Table.resume(game, (PERSON, PLAYER))
        assert line(table) == ["h2e2", "h9g7", "h0g2"]
        assert table.awaits_player
        record = table.record()
        assert (record.headers["Red"], record.headers["Black"], record.result) == ("A", PLAYER.name, "1-0")
        assert record.variations[0].comment == "solid"
        assert len(record.variations[0].variations) == 2

    def test_it_can_go_on_anywhere_in_it(self) -> None:
        game = Game.from_pgn("1. h2e2 h9g7 (1... h7e7) 2. h0g2 *")
        other = game.variations[0].variations[1]
        table = Table.resume(game, node=other)
        assert line(table) == ["h2e2", "h7e7"]
        table.play_from(game.end())
        assert line(table) == ["h2e2", "h9g7", "h0g2"]
        assert table.goes_through(game.end()) and not table.goes_through(other)

    def test_playing_on_from_an_earlier_position_undoes_its_ending(self) -> None:
        table = seated("h2e2", "h9g7")
        table.resign(RED)
        table.play_from(table.game.variations[0])
        assert table.ending is None and table.awaits_player

    def test_clocks_are_those_of_the_position(self) -> None:
        table = Table(clocks=Clocks.parse("60"))
        table.push(move("h2e2"), 10)
        table.push(move("h9g7"), 20)
        node = table.node.line()[0]
        table.play_from(node)
        assert (table.time_left(RED), table.time_left(BLACK)) == (50, 60)
        table.play_from(node.add_variation(move("b9c7")))
        assert (table.time_left(RED), table.time_left(BLACK)) == (50, 60)

    def test_moves_of_a_variation_that_was_gone_on_with_can_be_taken_back(self) -> None:
        table = Table(clocks=Clocks.parse("60"))
        table.push(move("h2e2"), 10)
        node = table.node.add_variation(move("b9c7")).add_variation(move("h0g2"))
        table.play_from(node)
        table.undo()
        assert line(table) == ["h2e2", "b9c7"]
        assert (table.time_left(RED), table.time_left(BLACK)) == (50, 60)

    def test_only_what_is_not_played_can_be_deleted(self) -> None:
        table = seated("h2e2", "h9g7", "h0g2")
        taken_back = table.node
        table.undo()
        with pytest.raises(ValueError, match="goes through"):
            table.delete(table.node)  # type: ignore[arg-type]
        assert table.can_redo
        table.delete(taken_back)  # type: ignore[arg-type]
        assert not table.can_redo and not table.node.variations
