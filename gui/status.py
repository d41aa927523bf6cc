"""What the status line says, and why a press on the board did nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gui.actions import Action, Tone
from gui.names import side_name
from gui.strings import say, translated
from xiangqi.lines import move_number

if TYPE_CHECKING:
    from gui.controller import Controller
    from xiangqi import Board, Square


_RECORDED: Final = {"1-0": "status.red_won", "0-1": "status.black_won", "1/2-1/2": "status.drawn"}
"""The keys of what is said at the end of a recorded game, by its result."""


def status(controller: Controller) -> tuple[str, Tone]:
    """Return the status line where there is no notice, and its tone."""
    session, opponents, files = controller.session, controller.opponents, controller.files
    if controller.analysis.hinting:
        return say("status.hint"), "busy"
    if files.mending:
        return say("notice.mending"), "busy"
    if files.reading:
        return say("status.reading"), "busy"
    turn, first = session.table.game.start_turn, session.table.game.first_number
    shown, last = (move_number(turn, ply, first) for ply in (session.viewed, session.board.ply))
    if not session.live and not session.in_game:
        back, on = Action.TO_GAME.shortcut, Action.PLAY_FROM_HERE.shortcut
        return say("status.variation", shown=shown, back=back, on=on), "busy"
    if not session.live:
        is_record = not session.played_here and len(session.humans) == 2
        text = ("status.record" if is_record else "status.looking_back") + ("" if shown else "_start")
        return say(text, shown=shown, last=last, key=Action.LAST.shortcut, on=Action.FORWARD.shortcut), "busy"
    if session.ending is not None:
        lost = len(session.humans) == 1 and session.ending.winner == 1 - (session.person or 0)
        return say("status.ended", ending=translated(session.ending.text)), "quiet" if lost else "good"
    if session.recorded_result is not None:
        return say("status.ended", ending=say(_RECORDED[session.recorded_result])), "quiet"
    if controller.teacher.offered is not None:
        return say("status.mistake"), "alert"
    if controller.teacher.judging:
        return say("status.judging", key=Action.LET_STAND.shortcut), "busy"
    if opponents.error is not None:
        text = "status.stuck" if session.awaits_player else "status.not_ready"
        return say(text, again=Action.MOVE_NOW.shortcut, other=Action.LEVEL.shortcut), "alert"
    if opponents.waiting:
        return say("status.paused", key=Action.PAUSE.shortcut), "quiet"
    if session.awaits_player:
        return say("status.thinking" if opponents.is_loaded else "status.loading"), "busy"
    return _to_move(controller), "alert" if session.checked_king is not None else "quiet"


def _to_move(controller: Controller) -> str:
    session, opponents = controller.session, controller.opponents
    alone = len(session.humans) == 1
    parts = [say("status.your_move") if alone else say("status.to_move", side=side_name(session.board.turn))]
    if session.checked_king is not None:
        parts.insert(0, say("status.check"))
    if session.offer == 1 - session.board.turn:
        parts.append(say("status.draw_offered", key=Action.DRAW.shortcut))
    if alone and opponents.loaded != str(opponents.player):
        parts.append(say("status.loading"))
    return " ".join(parts)


def why_nothing(controller: Controller, square: Square, held: Square | None, shown: Board) -> str:
    """Say why a press on a square did nothing, with the piece held before it; empty where that needs no answer."""
    session, piece = controller.session, shown.piece_at(square)
    if not session.awaits_human:
        turn = session.board.turn
        if piece is None or controller.opponents.error is not None:
            return ""
        return say("notice.not_yours", side=side_name(turn), player=controller.opponents.side(turn)[0])
    if held is not None and held != square:
        return say("notice.illegal")
    if piece is not None and piece.color != shown.turn:
        return say("notice.other_side", side=side_name(shown.turn))
    return ""
