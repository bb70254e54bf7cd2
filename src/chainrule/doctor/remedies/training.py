"""Remedies outside the layers: data, loss, learning rate; and for cut gradients and domains of operations."""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.core.facts import Role
from chainrule.core.operation import record_of
from chainrule.doctor.examine.case import Case
from chainrule.doctor.examine.exam import Exam
from chainrule.doctor.report.words import Phrase
from chainrule.rules.elementary.arithmetic import Divide

from . import surgery
from .proposal import Complaint, Maker, Proposal


def clip(c: Complaint) -> Iterator[Proposal]:
    """Yield: smaller steps where the gradient is large."""
    shown = surgery.diff(
        ["loss.backward()", "optimizer.step()"],
        ["loss.backward()", c.case.engine.code["clip"], "optimizer.step()"],
    )
    yield Proposal("clip", lambda _: replace(c.case, clip=1.0), shown, {"value": 1.0}, at_this_rate=True)


def warmup(c: Complaint) -> Iterator[Proposal]:
    """Yield: small steps at first (warm-up)."""
    steps = max(c.f.steps // 2, 1)
    shown = "+" + c.case.engine.code["warmup"].format(steps=steps)
    yield Proposal("warmup", lambda _: replace(c.case, warmup=steps), shown, {"steps": steps}, at_this_rate=True)


def rate(*factors: float) -> Maker:
    """Return a proposer of other learning rates, or of the one that the verdict names, if any."""

    def make(c: Complaint) -> Iterator[Proposal]:
        best = c.verdict.values.get("factor")
        for factor in factors if best is None else (best,):
            lr = c.f.lr * factor
            name = type(c.case.optimizer).__name__
            line = c.case.engine.code["optimizer"]
            shown = surgery.diff([line.format(name=name, lr=c.f.lr)], [line.format(name=name, lr=lr)])
            changed = c.f.with_rate(factor)
            values = {"lr": lr, "factor": factor}
            yield Proposal("lr", lambda _, changed=changed: changed, shown, values, at_this_rate=True)  # type: ignore[misc]

    return make


def inputs(c: Complaint) -> Iterator[Proposal]:
    """Yield: inputs with mean 0 and standard deviation 1."""
    arrays = [x for x, _ in c.case.batches]
    if not all(len(x) == 1 and isinstance(x[0], np.ndarray) and x[0].ndim >= 2 for x in arrays):
        return
    rows = np.concatenate([x[0] for x in arrays]).astype(np.float64)
    axes = (0, 2, 3) if rows.ndim == 4 else tuple(range(rows.ndim - 1))
    mean, deviation = rows.mean(axis=axes, keepdims=True), rows.std(axis=axes, keepdims=True)
    deviation = np.where(deviation > 0, deviation, 1.0)
    batches = [(((x[0] - mean) / deviation,), y) for x, y in c.case.batches]
    code = c.case.engine.code
    shown = surgery.diff(
        ["for x, y in loader:", "    output = model(x)"], [code["scaling"], "for x, y in loader:", code["scaled"]]
    )
    yield Proposal("inputs", lambda _: replace(c.case, batches=batches), shown)


def loss(c: Complaint) -> Iterator[Proposal]:
    """Yield: the loss that suits the outputs."""
    inner = c.case.loss
    name = getattr(inner, "__name__", type(inner).__name__)
    if c.verdict.key == "loss-mismatch sum":

        def mean(output: Any, y: Any) -> Any:
            return inner(output, y) / len(y)

        shown = surgery.diff([f'loss = nn.{name}(reduction="sum")'], [f"loss = nn.{name}()"])
        yield Proposal("loss", lambda _: replace(c.case, loss=mean), shown, {"loss": 'reduction="mean"'}, True)
    elif "twice" in c.verdict.key or "probabilities" in c.verdict.key:
        binary = c.verdict.values.get("own") == "sigmoid"
        engine = c.case.engine
        better = "BCELoss()" if binary else engine.code["likelihood"]
        functions = engine.nn.functional
        right = functions.binary_cross_entropy if binary else engine.likelihood
        shown = surgery.diff([f"loss = nn.{name}()"], [f"loss = nn.{better}"])
        yield Proposal("loss", lambda _: replace(c.case, loss=right), shown, {"loss": better}, True)


def attach(c: Complaint) -> Iterator[Proposal]:
    """Yield: the network with nothing detached."""
    if not c.f.start.cuts or c.verdict.key.endswith(("unused", "optimizer")):
        return
    how, source, _ = c.f.start.cuts[-1]
    line = source.text if source else ""
    shown = surgery.diff([line], [line.replace(how, "")]) if how in line else f"-{line}"
    where = f" ({source})" if source else ""
    yield _patch(c.case, "attach", shown, {"how": how, "where": where}, _all_reached(c.case))


def _patch(case: Case, name: str, shown: str, values: dict[str, Any], works: Callable[[Exam], bool]) -> Proposal:
    return Proposal(name, lambda _: replace(case, patches=frozenset({name})), shown, values, works=works)


def _all_reached(case: Case) -> Callable[[Exam], bool]:
    wanted = {name for name, p in case.model.named_parameters() if p.requires_grad}
    return lambda exam: wanted <= set(exam.gradients)


def straight(c: Complaint) -> Iterator[Proposal]:
    """Yield: a gradient that passes through the operation unchanged."""
    if c.f.start.constants is None or c.verdict.key.endswith("optimizer"):
        return
    how, source = c.f.start.constants
    if any(record_of(str(name)).role is not Role.STEP for name in (how, c.verdict.values.get("how"))):
        return
    shown = _instead(c.case, "straight", how)
    where = Phrase("after", {"source": source}) if source else ""
    yield _patch(c.case, "straight", shown, {"how": how, "where": where}, _all_reached(c.case))


def guard(c: Complaint) -> Iterator[Proposal]:
    """Yield: an argument kept inside the domain."""
    how = str(c.verdict.values.get("operation"))
    if not record_of(how).poles:
        return
    shown = _instead(c.case, "guard", how)
    yield _patch(c.case, "guard", shown, {"how": how, "where": c.verdict.values["where"]}, _is_finite)


def _instead(case: Case, name: str, how: str) -> str:
    """Return a diff of a function call and its replacement."""
    code = case.engine.code
    if record_of(how) is Divide:
        return surgery.diff([code["divide"]], [code["divided"]])
    how = code.get(f"name of {how}", how)
    return surgery.diff([f"y = {code['call'].format(how=how)}"], [f"y = {code[name].format(how=how)}"])


def _is_finite(exam: Exam) -> bool:
    return exam.not_finite is None and math.isfinite(exam.loss)


def clean(c: Complaint) -> Iterator[Proposal]:
    """Yield: the samples that are finite."""
    if c.verdict.layer != "input":
        return
    batches, count = [], 0
    for x, y in c.case.batches:
        good = np.all([np.isfinite(part).reshape(len(part), -1).all(axis=1) for part in x], axis=0)
        count += int((~good).sum())
        batches.append((tuple(part[good] for part in x), y[good]))
    shown = f"+{c.case.engine.code['good']}\n+x, y = x[good], y[good]"
    yield Proposal("clean", lambda _: replace(c.case, batches=batches), shown, {"count": count})


def batch(c: Complaint) -> Iterator[Proposal]:
    """Yield: all batches combined into one."""
    if len(c.case.batches) < 2 or not all(isinstance(part, np.ndarray) for x, _ in c.case.batches for part in x):
        return
    xs = tuple(np.concatenate(parts) for parts in zip(*(x for x, _ in c.case.batches), strict=True))
    y = np.concatenate([y for _, y in c.case.batches])
    old, new = len(c.case.batches[0][1]), len(y)
    line = c.case.engine.code["loader"]
    shown = surgery.diff([line.format(size=old)], [line.format(size=new)])
    yield Proposal("batch", lambda _: replace(c.case, batches=[(xs, y)]), shown, {"size": new})
