"""Remedies where model, loss and optimiser meet: shapes, signs, axes, what the optimiser holds, weight decay."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from . import surgery
from .proposal import Complaint, Proposal, on_model

USUAL_DROPOUT = 0.2
AXES = ("dim", "axis")
"""What modules call the axis along which they normalise."""


def decay(c: Complaint) -> Iterator[Proposal]:
    """Yield: no weight decay."""
    if c.case.decay > 0:
        name = type(c.case.optimizer).__name__
        line = "optimizer = optim.{name}(…, weight_decay={decay:.3g})"
        shown = surgery.diff([line.format(name=name, decay=c.case.decay)], [line.format(name=name, decay=0)])
        yield Proposal("decay", lambda _: c.case.without_decay(), shown, at_this_rate=True)


def dropout(c: Complaint) -> Iterator[Proposal]:
    """Yield: dropout that leaves most of the values."""
    if c.case.dropout > c.f.limit("dropout"):
        shown = surgery.diff([f"nn.Dropout({c.case.dropout:g})"], [f"nn.Dropout({USUAL_DROPOUT:g})"])
        changed = {"share": USUAL_DROPOUT}
        yield Proposal("dropout", lambda _: c.case.with_dropout(USUAL_DROPOUT), shown, changed, at_this_rate=True)


def hold(c: Complaint) -> Iterator[Proposal]:
    """Yield: an optimiser that holds all parameters."""
    if not c.case.left_out or c.verdict.key == "gradient-cut frozen":
        return
    first = c.case.optimizer.param_groups[0]
    parameters = [p for p in c.case.model.parameters() if p.requires_grad]
    full = replace(c.case, optimizer=c.case.engine.rebuilt(c.case.optimizer, [{**first, "params": parameters}]))
    line = c.case.engine.code["optimizer"].format(name=type(full.optimizer).__name__, lr=c.f.lr)
    yield Proposal("hold", lambda _: full, f"+{line}", at_this_rate=True)


def thaw(c: Complaint) -> Iterator[Proposal]:
    """Yield: the frozen parameters trained with the others."""
    if c.verdict.key == "gradient-cut frozen":
        line = "model.requires_grad_(True)"
        yield Proposal("thaw", lambda _: c.case.thawed(), f"+{line}", at_this_rate=True)


def axis(c: Complaint) -> Iterator[Proposal]:
    """Yield: a normalisation over the classes."""
    path = c.verdict.layer
    if c.verdict.key not in ("loss-mismatch axis", "loss-mismatch inner axis") or not path:
        return
    classes = 1 if c.f.start.moved else -1

    def change(model: Any, _: int) -> int:
        module = dict(model.named_modules())[path]
        held: dict[str, Any] = getattr(module, "settings", module.__dict__)
        name = next((name for name in AXES if isinstance(held.get(name), int)), None)
        if name is not None:
            held[name] = classes
        return int(name is not None)

    for proposal in on_model(c.case, "axis", change, path=path, axis=classes):
        yield replace(proposal, rescales=True)


def shapes(c: Complaint) -> Iterator[Proposal]:
    """Yield: outputs in the targets' shape."""
    inner = c.case.loss
    if c.verdict.key != "loss-mismatch broadcast":
        return

    def alike(output: Any, y: Any) -> Any:
        return inner(output.reshape(y.shape), y)

    shown = surgery.diff(["loss(model(x), y)"], ["loss(model(x).reshape(y.shape), y)"])
    yield Proposal("shapes", lambda _: replace(c.case, loss=alike), shown, rescales=True)


def sign(c: Complaint) -> Iterator[Proposal]:
    """Yield: the loss with the other sign."""
    inner = c.case.loss
    if c.verdict.key != "loss-mismatch reversed":
        return

    def turned(output: Any, y: Any) -> Any:
        return -inner(output, y)

    yield Proposal(
        "sign", lambda _: replace(c.case, loss=turned), surgery.diff(["return loss"], ["return -loss"]), rescales=True
    )
