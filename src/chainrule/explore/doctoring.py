"""What the doctor says of the network at one moment of its training."""

import copy
from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.core.tree import flatten
from chainrule.doctor import doctor
from chainrule.nn.module import Module
from chainrule.present.texts import Words

from .session import Session
from .texts import TEXT

STEPS = 20
SECONDS = 20.0


def finding(session: Session, lang: str) -> None:
    """Ask the doctor about the moment that is looked at, and keep what it says there.

    Raises ValueError for a function: the doctor examines models.
    """
    words = Words(TEXT, lang)
    subject = session.subject
    if not isinstance(subject.function, Module) or subject.loss is None or subject.target is None:
        raise ValueError(words["doctor needs"])
    values = session.run.values
    args = [values.get(("argument", k), leaf) for k, leaf in enumerate(flatten(list(subject.args))[0])]
    target = values.get(("target", 0), subject.target)
    model = model_at(session)
    diagnosis = doctor(model, subject.loss, [(*args, target)], try_remedies=False, steps=STEPS, budget=SECONDS)
    said = " ".join(f"{verdict.titled(lang)}: {verdict.text(lang)}" for verdict in diagnosis.verdicts)
    moment = replace(session.moments[session.index], finding=said if not diagnosis.ok else words["doctor well"])
    session.moments = (*session.moments[: session.index], moment, *session.moments[session.index + 1 :])
    session.version += 1


def model_at(session: Session) -> Any:
    """Return a copy of the model with the parameters of the moment that is looked at."""
    model = copy.deepcopy(session.subject.function)
    named = dict(model.named_parameters())
    for box in session.run.boxes:
        name = box.entry.name if box.entry is not None else ""
        if box.kind == "parameter" and name in named:
            named[name].data = np.asarray(box.value).astype(named[name].dtype)
    return model
