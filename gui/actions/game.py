"""The actions of the menu's group *Game*."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gui.actions import Action
from gui.names import side_name
from gui.strings import say
from lm.matches.table import HUMANS

if TYPE_CHECKING:
    from gui.controller import Controller
    from gui.new_game import Candidate


def do(controller: Controller, action: Action) -> None:
    """Carry out an action."""
    session = controller.session
    match action:
        case Action.NEW:
            session.new()
        case Action.UNDO:
            session.undo()
        case Action.REDO:
            session.redo()
        case Action.HINT:
            controller.analysis.ask_hint(controller.opponents.player)
            controller.tell_hint()
        case Action.MOVE_NOW if controller.opponents.error is not None:
            controller.opponents.try_again()
        case Action.MOVE_NOW:
            controller.worker.move_now(session.generation)
        case Action.PAUSE:
            if controller.opponents.waiting:
                controller.clocks.restart_turn()
            controller.opponents.paused = not controller.opponents.paused
        case Action.LET_STAND:
            controller.teacher.let_stand()
        case Action.RESIGN:
            session.resign()
        case Action.DRAW:
            _offer_draw(controller)
        case Action.SWAP:
            session.swap()
        case Action.BOTH:
            _sit(controller)


def choose_opponent(controller: Controller, candidate: Candidate) -> None:
    """Let another opponent play on, unless it lacks something."""
    if candidate.lacks or candidate.spec is None:
        controller.say(candidate.lacks, "alert")
        return
    controller.opponents.choose(candidate.spec)
    controller.say(say("notice.opponent", player=f"{candidate.label} ({candidate.detail})"))


def _offer_draw(controller: Controller) -> None:
    session = controller.session
    session.offer_draw()
    if session.ending is None:
        controller.say(say("notice.offer_next" if session.table.awaits_person else "notice.offer_now"))


def _sit(controller: Controller) -> None:
    """Let a person play both sides, or against the player the side at the lower edge."""
    session = controller.session
    if len(session.humans) == 2:
        if session.recorded_result is not None:  # that game is over: one goes on from what is shown of it
            session.play_from_here()
        session.sit({session.bottom})
        player, _ = controller.opponents.side(1 - session.bottom)
        controller.say(say("notice.against", side=side_name(session.bottom), player=player))
    else:
        session.sit(HUMANS["both"])
        controller.say(say("notice.both"))
