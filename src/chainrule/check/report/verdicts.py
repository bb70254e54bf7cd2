"""The verdicts of a check."""

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
ACCEPTED = ("right", "kink")
"""The verdicts under which nothing needs to be done."""


def verdict_of(findings: Any) -> str:
    """Return the gravest verdict of some findings."""
    found = {finding.verdict for finding in findings}
    return next((verdict for verdict in VERDICTS if verdict in found), "right")
