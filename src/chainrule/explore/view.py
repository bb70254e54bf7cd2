"""What the page is told: the drawing when it changes, the numbers when they change, and where the walk is."""

from typing import Any

import numpy as np

from chainrule.present.escape import page as released
from chainrule.present.escape import visible
from chainrule.present.texts import Words

from .charts import charts
from .compare import variants
from .drawing import draw
from .editing import editors, shown_numbers
from .equations import equations
from .numbers import plain, short, summary
from .panel import panel
from .run import Box, Run
from .session import Change, Session
from .texts import TEXT
from .training import OPTIMIZERS


def view(session: Session, lang: str, version: int = 0, drawn: int = 0) -> dict[str, Any]:
    """Return what a page shows that knows this version of the numbers and of the drawing."""
    found = {
        "position": session.position,
        "index": session.index,
        "moments": len(session.moments),
        "version": session.version,
        "drawn": session.drawn,
        "chosen": session.chosen,
        "canUndo": session.can_undo,
        "predicting": session.predicting,
        "asked": _asked(session),
        "loss": _loss(session, lang),
        "rule": {"name": session.rule.name, "lr": session.rule.lr},
        "panel": shown_panel(session, lang) if session.chosen else None,
    }
    if drawn != session.drawn:
        found["drawing"] = drawing(session, lang)
    if version != session.version or drawn != session.drawn:
        found["numbers"] = numbers(session, lang)
    return found


def drawing(session: Session, lang: str) -> dict[str, Any]:
    """Return all that stays as it is while only numbers change."""
    run, scene, words = session.run, session.scene, Words(TEXT, lang)
    return {
        "title": visible(run.recording.title),
        "svg": released(draw(run, scene, lang)),
        "items": [[item.name, list(item.members)] for item in scene.items],
        "boxes": [[box.name, box.forward, box.backward, box.kind] for box in run.boxes],
        "forward": run.forward_order,
        "backward": [_reached(session, k) for k in range(1, session.backward_steps + 1)],
        "blocks": [[block.name, block.name in session.opened] for block in session.blocks],
        "note": words("left out", n=scene.left_out) if scene.left_out else "",
        "editors": released(editors(run, lang)),
        "equations": released(equations(run, lang)),
        "variants": variants(session.subject),
        "optimizers": list(dict.fromkeys([session.first_rule.name, *OPTIMIZERS])),
    }


def _reached(session: Session, step: int) -> list[int]:
    """Return the box whose operation a backward step works on, and the box that its gradient reaches."""
    sender = session.run.boxes[session.run.backward_order[step - 1]]
    return [sender.number, session.reached_by(step).number]


def numbers(session: Session, lang: str) -> dict[str, Any]:
    """Return all numbers of the moment that is looked at."""
    return {**numbers_of(session.run), "charts": released(charts(session.moments, session.index, lang))}


def numbers_of(run: Run) -> dict[str, Any]:
    """Return the numbers of a run: what the boxes show, and what the fields hold."""
    return {
        "values": [summary(run.shown_value(box)) for box in run.boxes],
        "gradients": [summary(run.shown_gradient(box)) for box in run.boxes],
        "fields": shown_numbers(run),
    }


def shown_panel(session: Session, lang: str) -> dict[str, Any]:
    """Return what is said of the chosen box, without what has not been computed yet."""
    block = next((block for block in session.blocks if block.name == session.chosen), None)
    words = Words(TEXT, lang)
    if block is not None:
        said = words("block said", n=len(block.copies), path=block.path)
        return {"node": block.name, "block": True, "said": said, "open": words["open block"]}
    box = session.run.by_name[session.chosen]
    return panel(session.run, box, lang, session.shows(box)) | {"block": False, "within": _within(session, box)}


def _within(session: Session, box: Box) -> str:
    return next((block.name for block in session.blocks if box.number in block.members), "")


def _asked(session: Session) -> dict[str, Any] | None:
    if session.asked is None:
        return None
    return {"node": session.asked.name, "name": session.truth()[0]}


def _loss(session: Session, lang: str) -> dict[str, Any]:
    """Return the loss, if it is to be seen."""
    if not session.shows_loss:
        return {"text": TEXT["loss unknown"][lang], "value": None}
    return known_loss(session.run, session.index, session.change, lang)


def known_loss(run: Run, index: int, change: Change | None, lang: str) -> dict[str, Any]:
    """Return the loss of a run in full, after how many steps it is, and what a change did to it."""
    words = Words(TEXT, lang)
    found: dict[str, Any] = {"value": repr(run.loss), "text": short(run.loss)}
    if index:
        found["after"] = words("after steps", k=index)
    if change is not None:
        actual = change.after - change.before
        key = "changed" if change.predicted is not None else "changed whole"
        said = None if change.predicted is None else short(change.predicted)
        found["said"] = words(key, name=change.name, actual=short(actual), predicted=said)
        found |= {"change": repr(actual), "before": repr(change.before)}
        found |= {} if change.predicted is None else {"predicted": repr(change.predicted)}
    return found


def state(session: Session) -> dict[str, Any]:
    """Return the state for programs: the loss, the training step, and each box with what has been computed of it."""
    return {
        "loss": plain(np.float64(session.run.loss)) if session.shows_loss else None,
        "step": session.index,
        "steps": len(session.moments) - 1,
        "position": session.position,
        "positions": session.steps,
        "chosen": session.chosen or None,
        "nodes": [_node(session, box) for box in session.run.boxes],
    }


def _node(session: Session, box: Box) -> dict[str, Any]:
    shown = session.shows(box)
    return {
        "name": box.name,
        "op": box.operation,
        "state": shown,
        "shape": list(box.shape),
        "value": plain(box.value) if shown != "waiting" else None,
        "gradient": plain(box.gradient) if shown == "backward" else None,
    }
