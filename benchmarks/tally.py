"""What came of comparing an operator's samples, for the two benchmarks over PyTorch's OpInfo."""

import collections
from collections.abc import Callable
from typing import Any

import numpy as np


class Tally:
    """How many samples of each operator were right and wrong, and what was wrong with them."""

    def __init__(self) -> None:
        self.results: dict[str, collections.Counter[str]] = {}
        self.errors: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)

    def judge(self, op: Any, sample: Any, compare: Callable[[Any, Any], str | None]) -> None:
        """Compare one sample; `compare` says what is wrong, or None, or raises."""
        try:
            with np.errstate(all="ignore"):
                found = compare(op, sample)
        except Exception as error:
            found = f"{type(error).__name__}: {str(error)[:150]}"
        self.results.setdefault(op.name, collections.Counter())["right" if found is None else "wrong"] += 1
        if found is not None:
            self.errors[op.name][found] += 1

    def print_errors(self) -> None:
        """Print the most frequent errors of each operator."""
        for name, texts in self.errors.items():
            print(name, dict(self.results[name]), *(f"\n    {n}x {text}" for text, n in texts.most_common(3)))

    def totals(self) -> tuple[int, int]:
        """Return the numbers of right and wrong samples."""
        right, wrong = (sum(c[key] for c in self.results.values()) for key in ("right", "wrong"))
        return right, wrong
