"""Remedies: what could help against each verdict, tried on copies and measured."""

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from chainrule import nn
from chainrule.core.tape import EAGER
from chainrule.core.tensor import value_of
from chainrule.train.batches import setting

from . import surgery
from .case import Case, Trial, rebuilt, train
from .diagnosis import Measured, Remedy, Verdict
from .exam import examine
from .findings import Findings
from .rules_flow import flow_range
from .words import said

LEAST = 0.05
"""A remedy helped where the loss ends lower by at least this share, and by more than the spread over seeds."""


@dataclass
class Proposal:
    """A change to try: `make(seed)` returns the changed case. `rescales` says that the loss is another one then."""

    key: str
    make: Callable[[int], Case]
    diff: str
    values: dict[str, Any] = field(default_factory=dict)
    rescales: bool = False


class Clinic:
    """Tries proposals, each once, and remembers the trials without a change."""

    def __init__(self, f: Findings, seeds: int) -> None:
        self.f = f
        self.seeds = [f.seed + k for k in range(seeds)]
        self.case = f.case.with_optimizer()
        self._before: list[Trial] = []
        self._tried: dict[tuple[str, str], Remedy] = {}

    def treat(self, verdict: Verdict) -> Verdict:
        """Return the verdict with what was tried against it, best first."""
        remedies = [self._try(p) for p in proposals(self.f, verdict)]
        remedies.sort(key=lambda r: (not r.helped, r.measured_after.loss))
        return replace(verdict, remedies=tuple(remedies))

    def _try(self, proposal: Proposal) -> Remedy:
        key = proposal.key, said(f"remedy {proposal.key}", "en", proposal.values)
        if key not in self._tried:
            self._tried[key] = self._measure(proposal, key[1])
        return self._tried[key]

    def _measure(self, proposal: Proposal, change: str) -> Remedy:
        if not self._before:
            self._before = [train(self.case, self.f.steps, s) for s in self.seeds]
        window, after, error = self.f.window, [], ""
        try:
            changed = proposal.make(self.seeds[0])
            after = [train(proposal.make(s), self.f.steps, s) for s in self.seeds]
            flow = _flow(changed)
        except (ValueError, TypeError, AttributeError) as problem:
            error, flow = str(problem), math.nan
        error = error or next((str(t.error) for t in after if t.error is not None), "")
        before = _measured(self._before, window, flow_range(self.f.start)[0])
        outcome = _measured(after, window, flow)
        helped = not error and self._helped(before, outcome, proposal.rescales)
        return Remedy(
            change, before, outcome, helped, proposal.diff, error, key=proposal.key, values=proposal.values
        )

    def _helped(self, before: Measured, after: Measured, rescales: bool) -> bool:
        if not math.isfinite(after.loss):
            return False
        if not math.isfinite(before.loss):
            return after.loss < (self.f.start.loss if math.isfinite(self.f.start.loss) else math.inf)
        if rescales and not math.isnan(after.accuracy):
            return after.accuracy > before.accuracy + 0.01
        if rescales:
            return True
        gain = before.loss - after.loss
        return gain > LEAST * abs(before.loss) and gain > max(before.spread, after.spread)


def _measured(trials: list[Trial], window: int, flow: float) -> Measured:
    losses = [t.final(window) for t in trials]
    if not losses or not np.isfinite(losses).all():
        return Measured(math.inf, math.nan, flow)
    accuracy = float(np.mean([t.accuracy(window) for t in trials]))
    return Measured(float(np.mean(losses)), float(np.std(losses)), flow, accuracy)


def _flow(case: Case) -> float:
    exam = examine(case, case.batches[:1])
    return math.nan if exam.error is not None else flow_range(exam)[0]


def proposals(f: Findings, verdict: Verdict) -> Iterator[Proposal]:
    """Yield what could help against a verdict, the likeliest first."""
    case = f.case.with_optimizer()
    for make in BY_CODE.get(verdict.code, ()):
        yield from make(f, case, verdict)


Maker = Callable[[Findings, Case, Verdict], Iterator[Proposal]]


def _on_model(
    case: Case, key: str, change: Callable[[Any, int], Any], init_name: str = "", **values: Any
) -> Iterator[Proposal]:
    """Yield a change of the model's modules, if it changes anything."""

    def make(seed: int) -> Case:
        model = copy.deepcopy(case.model, {id(EAGER): EAGER})
        change(model, seed)
        return case.changed(model)

    sample = copy.deepcopy(case.model, {id(EAGER): EAGER})
    if change(sample, 0):
        yield Proposal(key, make, surgery.model_diff(case.model, sample, init_name), values)


def _activation(f: Findings, case: Case, verdict: Verdict) -> Iterator[Proposal]:
    last = f.start.ending.path
    dead = verdict.code == "dead-units"
    old = (nn.ReLU,) if dead else surgery.SATURATING
    new = nn.LeakyReLU if dead else nn.ReLU

    def change(model: Any, seed: int) -> int:
        count = surgery.activations(model, old, new, last)
        return count and surgery.initialised(model, "kaiming", np.random.default_rng(seed))

    names = sorted({type(m).__name__ for m in case.model.modules() if isinstance(m, old)})
    if names:
        values = {"old": ", ".join(names), "new": new.__name__, "init": "kaiming"}
        yield from _on_model(case, "activation", change, "kaiming", **values)


def _init(f: Findings, case: Case, verdict: Verdict) -> Iterator[Proposal]:
    recurrent = any(row.recurrent for row in f.start.flow)
    one_sided = any(row.function in ("relu", "gelu", "silu", "leaky_relu", "maximum") for row in f.start.flow)
    names = ("orthogonal", "xavier") if recurrent else ("kaiming", "xavier") if one_sided else ("xavier", "kaiming")
    for name in names:

        def change(model: Any, seed: int, name: str = name) -> int:
            return surgery.initialised(model, name, np.random.default_rng(seed))

        yield from _on_model(case, "init", change, name, init=name)


def _norm(f: Findings, case: Case, verdict: Verdict) -> Iterator[Proposal]:
    yield from _on_model(case, "norm", lambda model, _: surgery.normalised(model), kind="LayerNorm")


def _residual(f: Findings, case: Case, verdict: Verdict) -> Iterator[Proposal]:
    yield from _on_model(case, "residual", lambda model, _: surgery.residual(model))


def _clip(f: Findings, case: Case, verdict: Verdict) -> Iterator[Proposal]:
    shown = surgery.diff(
        ["loss.backward()", "optimizer.step()"],
        ["loss.backward()", "optim.clip_grad_norm_(model.parameters(), 1.0)", "optimizer.step()"],
    )
    yield Proposal("clip", lambda seed: replace(case, clip=1.0), shown, {"value": 1.0})


def _warmup(f: Findings, case: Case, verdict: Verdict) -> Iterator[Proposal]:
    steps = max(f.steps // 2, 1)
    shown = f"+scheduler = optim.lr_scheduler.LinearWarmup(optimizer, {steps})"
    yield Proposal("warmup", lambda seed: replace(case, warmup=steps), shown, {"steps": steps})


def _rate(*factors: float) -> Maker:
    def make(f: Findings, case: Case, verdict: Verdict) -> Iterator[Proposal]:
        best = verdict.values.get("factor")
        for factor in factors if best is None else (best,):
            lr = f.lr * factor
            name = type(case.optimizer).__name__
            shown = surgery.diff(
                [f"optimizer = optim.{name}(model.parameters(), lr={f.lr:.3g})"],
                [f"optimizer = optim.{name}(model.parameters(), lr={lr:.3g})"],
            )
            yield Proposal("lr", lambda seed, factor=factor: f.with_rate(factor), shown, {"lr": lr, "factor": factor})

    return make


def _inputs(f: Findings, case: Case, verdict: Verdict) -> Iterator[Proposal]:
    arrays = [x for x, _ in case.batches]
    if not all(len(x) == 1 and isinstance(x[0], np.ndarray) and x[0].ndim >= 2 for x in arrays):
        return
    rows = np.concatenate([x[0] for x in arrays]).astype(np.float64)
    axes = (0, 2, 3) if rows.ndim == 4 else tuple(range(rows.ndim - 1))
    mean, deviation = rows.mean(axis=axes, keepdims=True), rows.std(axis=axes, keepdims=True)
    deviation = np.where(deviation > 0, deviation, 1.0)
    batches = [(((x[0] - mean) / deviation,), y) for x, y in case.batches]
    shown = surgery.diff(
        ["for x, y in loader:", "    output = model(x)"],
        [
            "scaling = data.Standardizer.fit(x_train)",
            "for x, y in loader:",
            "    output = model(scaling.transform(x))",
        ],
    )
    yield Proposal("inputs", lambda seed: replace(case, batches=batches), shown)


def _drop(f: Findings, case: Case, verdict: Verdict) -> Iterator[Proposal]:
    path = verdict.layer
    module = dict(case.model.named_modules()).get(path)
    if not path or module is None or list(module.children()):
        return
    kind = type(module).__name__
    for proposal in _on_model(case, "drop", lambda model, _: surgery.removed(model, path), kind=kind):
        proposal.rescales = "range" not in verdict.key and verdict.code == "loss-mismatch"
        yield proposal


def _loss(f: Findings, case: Case, verdict: Verdict) -> Iterator[Proposal]:
    inner = case.loss
    name = getattr(inner, "__name__", type(inner).__name__)
    if verdict.key == "loss-mismatch sum":
        def mean(output: Any, y: Any) -> Any:
            return inner(output, y) / len(y)

        shown = surgery.diff([f'loss = nn.{name}(reduction="sum")'], [f"loss = nn.{name}()"])
        yield Proposal("loss", lambda seed: replace(case, loss=mean), shown, {"loss": 'reduction="mean"'}, True)
    elif "twice" in verdict.key or "probabilities" in verdict.key:
        def of_logarithms(output: Any, y: Any) -> Any:
            return nn.functional.nll_loss(np.log(output + 1e-12), y)

        if verdict.values.get("own") == "sigmoid":
            of_logarithms = nn.functional.binary_cross_entropy
        better = "BCELoss()" if verdict.values.get("own") == "sigmoid" else "NLLLoss()(log(p), y)"
        shown = surgery.diff([f"loss = {name}()(p, y)"], [f"loss = {better}"])
        yield Proposal("loss", lambda seed: replace(case, loss=of_logarithms), shown, {"loss": better}, True)


def _renorm(f: Findings, case: Case, verdict: Verdict) -> Iterator[Proposal]:
    kinds = {"BatchNorm1d": "LayerNorm", "BatchNorm2d": "GroupNorm"}
    old = str(verdict.values.get("type", ""))
    if old in kinds:
        change: Callable[[Any, int], int] = lambda model, _: surgery.renormalised(model)  # noqa: E731
        yield from _on_model(case, "renorm", change, old=old, new=kinds[old])


def _attach(f: Findings, case: Case, verdict: Verdict) -> Iterator[Proposal]:
    if not f.start.cuts or verdict.key.endswith("unused"):
        return
    how, source, _ = f.start.cuts[-1]
    line = source.text if source else ""
    shown = surgery.diff([line], [line.replace(how, "")]) if how in line else f"-{line}"
    where = f" ({source})" if source else ""
    yield Proposal("attach", lambda seed: replace(case, reattach=True), shown, {"how": how, "where": where})


def _scores(f: Findings, case: Case, verdict: Verdict) -> Iterator[Proposal]:
    attention = next((a for a in f.start.attention if a.path == verdict.layer), None)
    parameter = f.start.queries.get(verdict.layer)
    if attention is None or parameter is None:
        return
    width = attention.width or dict(case.model.named_parameters())[parameter].shape[-1]
    root = math.sqrt(width)

    def make(seed: int) -> Case:
        model = copy.deepcopy(case.model, {id(EAGER): EAGER})
        for a in f.start.attention:
            if a.path in f.start.queries:
                surgery.scaled(model, f.start.queries[a.path], 1 / root)
        return case.changed(model)

    shown = surgery.diff(["scores = q @ k.T"], ["scores = q @ k.T / math.sqrt(d)"])
    yield Proposal("scores", make, shown, {"root": root})


def _bias(f: Findings, case: Case, verdict: Verdict) -> Iterator[Proposal]:
    def change(model: Any, seed: int) -> int:
        biases = [p for name, p in model.named_parameters() if p.ndim == 1 and name.endswith("bias")]
        moved = [p for p in biases if np.any(p.numpy())]
        for p in moved:
            p.data = np.zeros(p.shape, p.dtype)
        return len(moved)

    for proposal in _on_model(case, "bias", change):
        proposal.diff = "+for name, p in model.named_parameters():\n+    if name.endswith('bias'): p.data = np.zeros(p.shape)"
        yield proposal


def _batch(f: Findings, case: Case, verdict: Verdict) -> Iterator[Proposal]:
    if len(case.batches) < 2 or not all(isinstance(part, np.ndarray) for x, _ in case.batches for part in x):
        return
    xs = tuple(np.concatenate(parts) for parts in zip(*(x for x, _ in case.batches), strict=True))
    y = np.concatenate([y for _, y in case.batches])
    old, new = len(case.batches[0][1]), len(y)
    shown = surgery.diff([f"loader = data.DataLoader(…, batch_size={old})"], [f"loader = data.DataLoader(…, batch_size={new})"])
    yield Proposal("batch", lambda seed: replace(case, batches=[(xs, y)]), shown, {"size": new})


BY_CODE: dict[str, tuple[Maker, ...]] = {
    "not-finite": (_inputs, _init, _clip, _rate(0.1), _norm),
    "gradient-cut": (_attach,),
    "normalisation-misplaced": (_renorm, _drop),
    "loss-mismatch": (_drop, _loss),
    "bad-input-scale": (_inputs, _norm),
    "bad-initialisation": (_init, _norm, _activation),
    "exploding": (_init, _norm, _clip, _residual, _rate(0.1, 0.01)),
    "vanishing": (_activation, _init, _norm, _residual, _rate(10.0)),
    "dead-units": (_bias, _activation, _init, _norm),
    "saturated": (_scores, _init, _norm, _activation),
    "learning-rate-too-high": (_rate(), _clip, _warmup),
    "learning-rate-too-low": (_rate(),),
    "noise-dominates": (_batch, _rate(0.1)),
    "loss-at-chance": (_rate(10.0, 0.1), _norm, _activation),
}
