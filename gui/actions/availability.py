"""What each action says at the moment, whether it can be carried out, and what it asks before it does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gui.actions import MARKS, Action
from gui.analysis import MOST_LINES
from gui.names import level_name
from gui.strings import say
from xiangqi import BLACK
from xiangqi.game import ChildNode

if TYPE_CHECKING:
    from gui.controller import Controller
    from gui.session import Session


def label(controller: Controller, action: Action) -> str:
    """Return the current text on the action's button."""
    if controller.armed(action):
        return say("confirm")
    session, style, opponents = controller.session, controller.session.scribe.style, controller.opponents
    match action:
        case Action.DRAW if session.offer is not None:
            return say("draw.offered" if session.offer == session.person else "draw.accept")
        case Action.MOVE_NOW if opponents.error is not None:
            return say("move_now.again")
        case Action.PAUSE if opponents.paused and not session.humans:
            return say("pause.go_on")
        case Action.LEVEL if opponents.level is not None:
            return say("level.is", level=level_name(opponents.level))
        case Action.LEVEL:
            return say("level.opponent", player=opponents.name(BLACK))
        case Action.SCRIPT:
            return say("script.traditional" if session.traditional else "script.simplified")
        case Action.NOTATION:
            return say(f"notation.{style.notation}")
        case Action.ANALYSE if controller.analysis.paused:
            return say("analyse.go_on")
        case Action.ANALYSE if controller.analysis.on:
            return say("analyse.stop")
        case Action.REVIEW if controller.review.running:
            return say("review.stop")
        case Action.THREATS if controller.analysis.threats:
            return say("threats.off")
        case Action.BOTH if len(session.humans) == 2 and opponents.level:
            return say("both.computer")
        case Action.BOTH if len(session.humans) == 2:
            return say("both.back", player=opponents.name(1 - session.bottom))
    return action.label


def ticked(controller: Controller, action: Action) -> bool:
    """Whether an action is a switch that is on."""
    analysis = controller.analysis
    match action:
        case Action.ANALYSE:
            return analysis.on
        case Action.THREATS:
            return analysis.threats
        case Action.MIND:
            return controller.mind.on
        case Action.GLOW:
            return controller.mind.glow
        case Action.TEACH:
            return controller.teacher.on
        case Action.REVIEW:
            return controller.review.running
        case Action.BEST_ARROWS:
            return analysis.best_arrows
        case Action.PEOPLE_ARROWS:
            return analysis.people_arrows
        case Action.BOTH:
            return len(controller.session.humans) == 2
        case Action.LETTERS:
            return controller.preferences["pieces"] in ("letters", "both")
    return action in MARKS and MARKS[action] in controller.session.node.nags


def enabled(controller: Controller, action: Action) -> bool:
    """Whether the action can be done now."""
    session = controller.session
    match action:
        case Action.UNDO:
            return session.can_undo
        case Action.HINT:
            return session.awaits_human and session.ending is None and bool(session.shown.legal_moves)
        case Action.REDO:
            return session.can_redo
        case Action.LET_STAND:
            return controller.teacher.holds
        case Action.MOVE_NOW:
            opponents = controller.opponents
            return opponents.error is not None or (opponents.thinking and opponents.is_loaded)
        case Action.PAUSE:
            return not session.over and not session.humans
        case Action.RESIGN:
            return not session.over and bool(session.humans)
        case Action.DRAW:
            return not session.over and session.person not in (None, session.offer)
        case Action.SWAP:
            return len(session.humans) == 1
        case Action.FIRST | Action.BACK:
            return session.viewed > 0
        case Action.FORWARD:
            return session.viewed < len(session.cursor.line)
        case Action.LAST:
            return not session.live if session.in_game else session.viewed < len(session.cursor.line)
        case Action.UPPER_BRANCH | Action.LOWER_BRANCH:
            return session.node.parent is not None and len(session.node.parent.variations) > 1
        case Action.TO_GAME | Action.PLAY_FROM_HERE:
            return not session.live
        case Action.PROMOTE:
            return (branch := session.branch) is not None and branch.parent.variations[0] is not branch
        case Action.DEMOTE:
            return (branch := session.branch) is not None and branch.parent.variations[-1] is not branch
        case Action.PROMOTE_TO_MAIN:
            return isinstance(session.node, ChildNode) and not session.node.is_main_line()
        case Action.DELETE:
            return session.can_delete
        case Action.ERASE:
            return bool(session.node.drawn)
        case Action.GAMES:
            return controller.files.several
        case Action.PREVIOUS_GAME | Action.NEXT_GAME:
            return controller.files.several or controller.library.several
        case Action.MEND:
            return controller.files.can_mend
        case Action.SIMILAR:
            return controller.library.lacks_index
        case Action.NEXT_MOVE:
            return controller.mind.thoughts is not None and bool(controller.mind.thoughts.moves)
        case Action.SAVE_REVIEW:
            return bool(controller.review.summary.judged)
        case Action.REVIEW:
            return bool(session.table.game.variations)
        case Action.NEXT_MISTAKE | Action.PREVIOUS_MISTAKE:
            return bool(controller.review.summary.mistakes)
        case Action.RETRY:
            return controller.review.judged(session.node) is not None
        case Action.MORE_LINES:
            return controller.analysis.on and controller.analysis.count < MOST_LINES
        case Action.FEWER_LINES:
            return controller.analysis.on and controller.analysis.count > 1
    return action not in MARKS or session.viewed > 0


_REASONS: Final = {
    Action.REDO: "notice.no_redo",
    Action.SWAP: "notice.one_person",
    Action.LET_STAND: "notice.nothing_held",
    Action.FIRST: "notice.at_start",
    Action.BACK: "notice.at_start",
    Action.FORWARD: "notice.at_end",
    Action.LAST: "notice.at_end",
    Action.UPPER_BRANCH: "notice.no_branch",
    Action.LOWER_BRANCH: "notice.no_branch",
    Action.TO_GAME: "notice.in_place",
    Action.PLAY_FROM_HERE: "notice.in_place",
    Action.ERASE: "notice.no_drawings",
    Action.GAMES: "notice.one_game",
    Action.PREVIOUS_GAME: "notice.one_game",
    Action.NEXT_GAME: "notice.one_game",
    Action.SIMILAR: "notice.no_similar",
    Action.REVIEW: "notice.no_moves",
    **dict.fromkeys(MARKS, "notice.no_move_here"),
}
"""Why an action is not enabled, where that is always the same."""


def why_not(controller: Controller, action: Action) -> str:
    """Say why an action that is not enabled does nothing."""
    session, opponents, review, analysis = (
        controller.session,
        controller.opponents,
        controller.review,
        controller.analysis,
    )
    match action:
        case Action.LAST if session.viewed < len(session.cursor.line):
            return say("notice.in_place")
        case _ if action in _REASONS:
            return say(_REASONS[action])
        case Action.UNDO:
            return say("notice.no_own_move" if session.table.game.variations else "notice.no_moves")
        case Action.HINT if not session.awaits_human:
            return say("notice.opponents_turn")
        case Action.MOVE_NOW:
            return say("status.loading" if opponents.thinking else "notice.nobody_thinks")
        case Action.PAUSE if session.humans:
            return say("notice.a_person_plays")
        case Action.DRAW | Action.RESIGN if not session.over and session.person is None:
            return say("notice.no_person")
        case Action.DRAW if not session.over:
            return say("notice.offered")
        case Action.NEXT_MISTAKE | Action.PREVIOUS_MISTAKE if review.review is not None:
            return say("notice.no_mistake" if review.review.done else "notice.no_mistake_yet")
        case Action.NEXT_MISTAKE | Action.PREVIOUS_MISTAKE | Action.RETRY | Action.SAVE_REVIEW:
            text = "notice.not_reviewed" if review.nodes else "notice.no_review"
            return say(text, key=Action.REVIEW.shortcut)
        case Action.NEXT_MOVE if not controller.mind.on:
            return say("notice.no_thoughts", key=Action.MIND.shortcut)
        case Action.NEXT_MOVE if controller.mind.thoughts is None:
            return say("analysis.waiting")
        case Action.MORE_LINES | Action.FEWER_LINES if not analysis.on:
            return say("notice.no_analysis", key=Action.ANALYSE.shortcut)
        case Action.MORE_LINES | Action.FEWER_LINES:
            return say("notice.most_lines" if action is Action.MORE_LINES else "notice.fewest_lines", count=MOST_LINES)
        case Action.MEND if controller.files.mending:
            return say("notice.mending")
        case Action.MEND:
            return say("notice.unguessable" if session.table.game.errors else "notice.nothing_unread")
        case Action.DELETE | Action.PROMOTE_TO_MAIN if not isinstance(session.node, ChildNode):
            return say("notice.no_move_here")
        case Action.DELETE:
            return say("notice.in_game", key=Action.PLAY_FROM_HERE.shortcut)
        case Action.PROMOTE_TO_MAIN:
            return say("notice.is_main")
        case Action.PROMOTE | Action.DEMOTE if session.branch is None:
            return say("notice.one_line")
        case Action.PROMOTE | Action.DEMOTE:
            return say("notice.first_branch" if action is Action.PROMOTE else "notice.last_branch")
    return say("notice.over")


def _in_work(session: Session) -> bool:
    """Whether the game goes on, or has comments or variations."""
    tree = session.table.game
    studied = any(node.comment or len(node.variations) > 1 for node in (tree, *tree.walk()))
    return studied or (session.board.ply > 0 and not session.over)


def question(controller: Controller, action: Action) -> str:
    """Return what an action asks before it discards something; empty if it does not."""
    session = controller.session
    if action is Action.RESIGN:
        return say("notice.resign", key=action.shortcut)
    if action in (Action.NEW, Action.PASTE) and controller.files.unsaved and _in_work(session):
        return say("notice.leave", key=action.shortcut)
    if action is Action.DELETE:
        (move,) = session.scribe.line(session.node.line())[-1:]
        text = "notice.delete" if session.node.variations else "notice.delete_one"
        return say(text, key=action.shortcut, move=move)
    return ""
