"""The actions of the menu's groups *Analysis* and *Study*."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gui.actions import Action
from gui.strings import say

if TYPE_CHECKING:
    from gui.controller import Controller


def do(controller: Controller, action: Action) -> None:
    """Carry out an action."""
    session, analysis, mind, review = controller.session, controller.analysis, controller.mind, controller.review
    match action:
        case Action.ANALYSE:
            analysis.toggle()
        case Action.MORE_LINES | Action.FEWER_LINES:
            analysis.more_lines(1 if action is Action.MORE_LINES else -1)
        case Action.THREATS:
            analysis.threats = not analysis.threats
            if analysis.threats and not analysis.on:
                analysis.toggle()
        case Action.BEST_ARROWS:
            analysis.best_arrows = not analysis.best_arrows
        case Action.PEOPLE_ARROWS:
            analysis.people_arrows = not analysis.people_arrows
        case Action.TEACH:
            controller.preferences.step("teaching")
            key = "notice.teaching"
            if controller.preferences["teaching"] == "off":
                key = "notice.teaching_off"
            elif len(session.humans) != 1:
                key = "notice.teaching_alone"
            elif session.table.clocks:
                key = "notice.teaching_clock"
            controller.say(say(key))
        case Action.MIND:
            mind.toggle()
        case Action.NEXT_MOVE:
            mind.choose_next()
        case Action.GLOW:
            mind.glow = not mind.glow
        case Action.REVIEW:
            review.toggle(controller.opponents.player)
        case Action.NEXT_MISTAKE | Action.PREVIOUS_MISTAKE:
            step, before = 1 if action is Action.NEXT_MISTAKE else -1, session.viewed
            review.go_to_mistake(step)
            if len(review.summary.mistakes) == 1 and session.viewed == before:
                controller.say(say("notice.one_mistake"))
            elif (session.viewed - before) * step < 0:
                controller.say(say("notice.first_mistake" if step > 0 else "notice.last_mistake"))
        case Action.RETRY if session.node.parent is not None:
            session.show(session.node.parent)
