"""The basis of the verdicts: the examinations before and after a short training, and the training itself."""

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from chainrule.doctor.found import Verdict
from chainrule.doctor.verdicts.thresholds import Threshold

from .case import Case, Trial, train
from .chance import chance_level
from .exam import Exam, examine
from .measure import rms

LONGER = 4
"""How many times longer a training runs before its loss is judged to stay at chance."""
LONG = 240
"""The minimum number of those steps, for a small model."""


@dataclass
class Findings:
    """All observations. `end` and `trial` are None if the examination itself could not be finished."""

    case: Case
    start: Exam
    end: Exam | None
    trial: Trial | None
    chance: float
    summed: bool
    limits: dict[str, Threshold]
    steps: int
    seed: int
    verdicts: list[Verdict] = field(default_factory=list)
    _rates: dict[float, float] = field(default_factory=dict)
    _long: Trial | None = None
    _scales: list[float] = field(default_factory=list)

    @property
    def window(self) -> int:
        """The number of last steps that the final loss is averaged over, with each batch counted equally often."""
        n = len(self.case.batches)
        return max(n * max(self.steps // (4 * n), 1), 1)

    @property
    def final(self) -> float:
        """The loss at the end of the short training."""
        return self.trial.final(self.window) if self.trial else float("nan")

    @property
    def level(self) -> float:
        """The final loss relative to that of the best constant prediction; nan if that is unknown or not positive."""
        return self.final / self.chance if self.chance > 0 else float("nan")

    @property
    def learned(self) -> bool:
        """Whether the model was already far better than chance, so that its units need no more gradient."""
        return self.chance > 0 and self.start.loss < 0.5 * self.chance

    @property
    def lr(self) -> float:
        """The first group's learning rate."""
        return float(self.case.with_optimizer().optimizer.param_groups[0]["lr"])

    @property
    def varies(self) -> float:
        """How much the outputs differ between samples, relative to their size; 0 means that the input is ignored."""
        found = [(float(np.ptp(o, axis=0).max()), float(np.abs(o).max())) for o, _ in self.start.outputs if o.ndim]
        size = max((s for _, s in found), default=0.0)
        return max(d for d, _ in found) / size if size > 0 else 1.0

    @property
    def recovers(self) -> bool:
        """Whether the loss falls below chance in a training four times as long, so that it was only slow."""
        final = self.longer_final
        return final < 0.9 * self.chance and final < 0.95 * self.final

    @property
    def longer_steps(self) -> int:
        """The number of steps of that training."""
        return max(LONGER * self.steps, LONG if self.case.is_small else 0)

    @property
    def longer_final(self) -> float:
        """The loss at its end."""
        return self._longer().final(self.window)

    @property
    def generalises(self) -> bool:
        """Whether as long a training on three quarters of the batches brings the loss on the others below chance."""
        batches = self.case.batches
        kept = len(batches) - max(len(batches) // 4, 1)
        if kept < 1 or not self.chance > 0:
            return False
        case = replace(self.case.with_optimizer(), batches=batches[:kept])
        trial = train(case, self.longer_steps, self.seed)
        if not trial.finite or trial.case is None:
            return False
        seen = examine(trial.case, batches[kept:])
        return seen.error is None and seen.loss < self.limit("chance") * self.chance

    @property
    def final_without_decay(self) -> float:
        """The final loss of the same training without weight decay."""
        return train(self.case.without_decay(), self.steps, self.seed).final(self.window)

    @property
    def final_without_dropout(self) -> float:
        """The final loss of the same training without dropout."""
        return train(self.case.with_optimizer().with_dropout(0.0), self.steps, self.seed).final(self.window)

    @property
    def target_size(self) -> float:
        """The root mean square of targets that are numbers, over that of the outputs; nan if they are none."""
        pairs = self.start.outputs
        numbers = [isinstance(y, np.ndarray) and y.dtype.kind == "f" and y.size == output.size for output, y in pairs]
        if not pairs or not all(numbers) or self.start.ending.sigmoid_in_loss or self.start.ending.softmax_in_loss:
            return math.nan
        outputs, targets = (rms(np.concatenate([np.ravel(pair[k]) for pair in pairs])) for k in (0, 1))
        return targets / outputs if outputs > 0 else math.nan

    @property
    def level_standardised(self) -> float:
        """The final loss relative to chance, of the same training with targets of mean 0 and standard deviation 1."""
        y = np.concatenate([np.ravel(y) for _, y in self.start.outputs]).astype(np.float64)
        mean, spread = float(y.mean()), float(y.std())
        if not spread > 0:
            return math.nan
        batches = [(x, (y - mean) / spread) for x, y in self.case.batches]
        outputs = [(output, ((y - mean) / spread).astype(y.dtype)) for output, y in self.start.outputs]
        final = train(replace(self.case.with_optimizer(), batches=batches), self.steps, self.seed).final(self.window)
        chance = chance_level(self.loss_of, outputs)
        return final / chance if chance > 0 else math.nan

    @property
    def final_thawed(self) -> float:
        """The final loss of the same training with nothing frozen."""
        return train(self.case.with_optimizer().thawed(), self.steps, self.seed).final(self.window)

    @property
    def quietest(self) -> float:
        """The smallest noise scale measured during that training: on a plateau it is large, but not always."""
        self._longer()
        return min(self._scales)

    def _longer(self) -> Trial:
        if self._long is None:
            steps = self.longer_steps
            moments = {steps * k // 4 for k in range(1, 4)}

            def look(step: int, own: Case) -> None:
                if step in moments:
                    scale = examine(own, own.batches).noise.scale()
                    self._scales.append(math.inf if math.isnan(scale) else scale)

            self._scales = [math.inf]
            self._long = train(self.case.with_optimizer(), steps, self.seed, look)
        return self._long

    def loss_of(self, output: Any, y: Any) -> float:
        """Return the loss of an output, with classes on its last axis, and a target; nan if the loss refuses them."""
        engine = self.case.engine
        engine.reseed(self.seed)
        own = engine.copied(self.case.loss)[0]
        try:
            return engine.loss_of(own, np.moveaxis(output, -1, 1) if self.start.moved else output, y)
        except (ValueError, TypeError, IndexError, RuntimeError):
            return math.nan

    def limit(self, name: str) -> float:
        """Return a threshold's value."""
        return self.limits[name].value

    def with_rate(self, factor: float) -> Case:
        """Return the case with the learning rate scaled; the optimiser's state is reset."""
        return self.case.with_optimizer().with_rate(factor)

    def final_with_rate(self, factor: float) -> float:
        """Return the final loss of the same training with the learning rate times `factor`."""
        if factor not in self._rates:
            self._rates[factor] = train(self.with_rate(factor), self.steps, self.seed).final(self.window)
        return self._rates[factor]

    def best_rate(self, factors: Any) -> tuple[float, float]:
        """Return the factor with the lowest final loss, and that loss."""
        finals = [self.final_with_rate(f) for f in factors]
        k = int(np.argmin(finals))
        return factors[k], finals[k]

    def verdict(self, code: str, layer: str, limit: str, key: str = "", **values: Any) -> Verdict:
        """Return a verdict based on a threshold."""
        chosen = self.limits[limit]
        return Verdict(code, layer, chosen.value, chosen.source, key or code, values, source_ko=chosen.in_korean())

    def has(self, *codes: str) -> bool:
        """Whether one of these verdicts has been given."""
        return any(v.code in codes for v in self.verdicts)
