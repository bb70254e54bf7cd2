"""`Timer` and what it measured."""

import itertools
import statistics
import timeit
from time import perf_counter
from typing import Any

timer = perf_counter
UNITS = (("s", 1.0), ("ms", 1e-3), ("us", 1e-6), ("ns", 1e-9))


class Measurement:
    """Seconds of a statement, one for each run of it: `times`, `mean`, `median`, `iqr`."""

    def __init__(self, number_per_run: int, raw_times: list[float], title: str) -> None:
        self.number_per_run, self.raw_times, self.title = number_per_run, raw_times, title

    @property
    def times(self) -> list[float]:
        """The seconds of one execution, in each run."""
        return [t / self.number_per_run for t in self.raw_times]

    @property
    def mean(self) -> float:
        """The mean of the times."""
        return statistics.fmean(self.times)

    @property
    def median(self) -> float:
        """The median of the times."""
        return statistics.median(self.times)

    @property
    def iqr(self) -> float:
        """The distance of the quartiles of the times."""
        if len(self.times) < 2:
            return 0.0
        low, _, high = statistics.quantiles(self.times, n=4, method="inclusive")
        return high - low

    def __repr__(self) -> str:
        unit, scale = next((one for one in UNITS if self.median >= one[1]), UNITS[-1])
        runs = f"{len(self.times)} measurement{'s' if len(self.times) > 1 else ''}, {self.number_per_run} runs"
        lines = [f"{self.title}", f"  {self.median / scale:.2f} {unit}", f"  {runs} per measurement, 1 thread"]
        if len(self.times) > 1:
            lines[1] = f"  Median: {self.median / scale:.2f} {unit}\n  IQR:    {self.iqr / scale:.2f} {unit}"
        return "\n".join([f"<{type(self).__module__}.{type(self).__qualname__} object at {hex(id(self))}>", *lines])


class Timer:
    """Measures a statement: `timeit(number)` in one run, `blocked_autorange()` in several.

    >>> from chainrule.torch.utils.benchmark import Timer
    >>> Timer("x + 1", globals={"x": 1}).timeit(10).number_per_run
    10
    """

    def __init__(
        self,
        stmt: str = "pass",
        setup: str = "pass",
        global_setup: str = "",
        timer: Any = timer,
        globals: dict[str, Any] | None = None,
        label: str | None = None,
        sub_label: str | None = None,
        description: str | None = None,
        env: str | None = None,
        num_threads: int = 1,
        language: Any = "python",
    ) -> None:
        if str(language).rpartition(".")[2].lower() not in ("python", "py"):
            raise ValueError(f"Timer: got language={language!r}, expected 'python'")
        self._timer = timeit.Timer(stmt, setup, timer, globals)
        parts = (label or stmt, sub_label, description)
        self._title = ": ".join(part for part in parts if part) + (f"\nsetup: {setup}" if setup != "pass" else "")

    def timeit(self, number: int = 1000000) -> Measurement:
        """Return one measurement of `number` executions, after a few to warm up."""
        self._timer.timeit(max(number // 100, 2))
        return Measurement(number, [self._timer.timeit(number)], self._title)

    def blocked_autorange(self, callback: Any = None, min_run_time: float = 0.2) -> Measurement:
        """Return measurements that take at least `min_run_time` seconds together, each of about a tenth of that."""
        number = next(n for n in (10**k for k in itertools.count()) if self._timer.timeit(n) >= min_run_time / 100)
        times: list[float] = []
        while sum(times) < min_run_time:
            times.append(self._timer.timeit(number))
            if callback is not None:
                callback(number, times[-1])
        return Measurement(number, times, self._title)

    def adaptive_autorange(
        self, threshold: float = 0.1, *, min_run_time: float = 0.01, max_run_time: float = 10.0, callback: Any = None
    ) -> Measurement:
        """Return measurements until their quartiles are within `threshold` of the median, or `max_run_time` is over."""
        found = self.blocked_autorange(callback, min_run_time)
        while sum(found.raw_times) < max_run_time and (len(found.times) < 4 or found.iqr > threshold * found.median):
            found.raw_times.append(self._timer.timeit(found.number_per_run))
        return found
