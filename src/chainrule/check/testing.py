"""`assert_gradients`: a gradient check for test suites, which fails the test and says why."""

from collections.abc import Callable
from typing import Any

from .checker import check
from .report.report import CheckReport
from .subjects.layers import check_layer


def assert_gradients(f: Callable[..., Any], *args: Any, **settings: Any) -> CheckReport:
    """Assert that the gradient of `f` at `args` is right, and return the report; AssertionError contains the report.

    Takes the arguments of `check`; an object with `forward` and `backward` is checked by `check_layer`.

    >>> import numpy as np
    >>> assert_gradients(np.sin, np.ones(3), backward=lambda y_bar, x: y_bar * np.cos(x)).verdict
    'right'
    >>> assert_gradients(np.sin, np.ones(3), backward=lambda y_bar, x: y_bar * np.sin(x))
    Traceback (most recent call last):
    AssertionError: WRONG  sin: the gradient is wrong ...
    """
    handwritten = hasattr(f, "forward") and hasattr(f, "backward")
    report: CheckReport = check_layer(f, *args, **settings) if handwritten else check(f, *args, **settings)
    assert report.ok, str(report)
    return report
