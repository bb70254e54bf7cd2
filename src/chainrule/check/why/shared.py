"""A single mistake in the code that makes several gradients wrong is a single finding."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from chainrule.check.hypotheses.candidate import Detail
from chainrule.check.report.found import Finding


def shared(findings: Sequence[Finding]) -> list[Finding]:
    """Merge findings that are fixed by the same change of the code, at the position of the first.

    The merged finding's detail lists all arguments under "arguments". Findings without a known change are unchanged.
    """
    kept: dict[Any, Finding] = {}
    names: dict[Any, list[str]] = {}
    for number, finding in enumerate(findings):
        key = _place(finding) or number
        kept.setdefault(key, finding)
        names.setdefault(key, []).append(finding.argument)
    return [_of_all(finding, names[key]) for key, finding in kept.items()]


def _place(finding: Finding) -> tuple[Any, ...] | None:
    """Return which change of which line fixes a gradient, or None if none is known."""
    detail = finding.detail
    if finding.verdict != "wrong" or not detail.get("written"):
        return None
    return tuple(detail.get(key) for key in ("file", "function", "line", "written", "wanted"))


def _of_all(finding: Finding, names: list[str]) -> Finding:
    if len(names) == 1:
        return finding
    others = f"is that of {names[1]}" if len(names) == 2 else f"are those of {', '.join(names[1:])}"
    detail = Detail({**finding.detail, "arguments": names})
    return replace(finding, message=f"{finding.message}; for the same reason, so {others}", detail=detail)
