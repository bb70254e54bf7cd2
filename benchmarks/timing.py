"""Fair timing: the candidates take turns, so that a slow moment of the machine falls on all of them."""

import gc
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping

import numpy as np


def alternate(
    candidates: Mapping[str, Callable[[], object]],
    rounds: int = 40,
    repeats: int = 3,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, tuple[float, float, float]]:
    """Return for each candidate the median, lower and upper quartile of the seconds that one call takes.

    Each round times every candidate once, `repeats` calls together, in an order that rotates. Two rounds warm up.
    With `time.process_time` for a `clock` it is the time of the processor, which depends less on what else runs.
    """
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    names = list(candidates)
    gc.collect()
    gc.disable()
    try:
        for turn in range(rounds + 2):
            for name in names[turn % len(names) :] + names[: turn % len(names)]:
                began = clock()
                for _ in range(repeats):
                    candidates[name]()
                if turn >= 2:
                    seconds[name].append((clock() - began) / repeats)
    finally:
        gc.enable()
    return {name: _summary(times) for name, times in seconds.items()}


def _summary(times: list[float]) -> tuple[float, float, float]:
    low, middle, high = statistics.quantiles(times, n=4)
    return middle, low, high


def environment(**more: str) -> dict[str, str]:
    """Return the environment for a process that is timed as a whole.

    Bytecode may be kept, as that of installed packages is: compiling our sources takes longer than what they do.
    """
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"} | more


def machine() -> str:
    """Say what the figures were measured on."""
    return f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, NumPy {np.__version__}"


def table(header: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table."""
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])
