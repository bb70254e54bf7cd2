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
"""All verdicts, most severe first: a report's verdict is the most severe of its findings."""
ACCEPTED = ("right", "kink")
"""The verdicts that call for no action."""


def verdict_of(findings: Any) -> str:
    """Return the most severe verdict of some findings."""
    found = {finding.verdict for finding in findings}
    return next((verdict for verdict in VERDICTS if verdict in found), "right")
