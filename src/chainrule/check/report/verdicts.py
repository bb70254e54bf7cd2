"""The verdicts of a check, and what they mean."""

from typing import Any

VERDICTS = (
    *(
        "raises",
        "signature",
        "shape",
        "not-finite",
        "non-deterministic",
        "mutates-input",
        "overlapping-memory",
        "missing",
    ),
    *("wrong", "dtype", "dtype-too-coarse", "step-size-noise", "kink", "right"),
)
"""All verdicts, the gravest first: a report's verdict is the first that any finding has."""
MEANING = {
    "right": "the gradient is right",
    "wrong": "the gradient is wrong",
    "kink": "the point lies on a kink, and the gradient there is a slope of one side or between the two",
    "step-size-noise": "no step shows the derivative well enough to decide",
    "dtype-too-coarse": "the arithmetic is too coarse to decide",
    "non-deterministic": "two runs differ",
    "mutates-input": "an input is changed in place",
    "overlapping-memory": "inputs share memory",
    "shape": "a gradient has a wrong shape",
    "dtype": "a gradient has a wrong dtype",
    "missing": "a gradient is missing",
    "signature": "the number of gradients is wrong",
    "raises": "an exception was raised",
    "not-finite": "a value or a gradient is not finite",
}
ACCEPTED = ("right", "kink")
"""The verdicts under which nothing needs to be done."""


def verdict_of(findings: Any) -> str:
    """Return the gravest verdict of some findings."""
    found = {finding.verdict for finding in findings}
    return next((verdict for verdict in VERDICTS if verdict in found), "right")
