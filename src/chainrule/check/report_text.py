"""A report as one screen of text."""

import math
from typing import TYPE_CHECKING

from chainrule.core.escape import terminal

from .verdicts import MEANING

if TYPE_CHECKING:
    from .report import CheckReport, Finding

LINES = 24
"""How many lines of a reproduction are shown."""


def text_of(report: "CheckReport") -> str:
    """Return the report's text: one line where all is right."""
    if report.verdict == "right":
        return terminal(f"RIGHT  {report.name}: {_coverage(report)}")
    lines = [f"{report.verdict.upper()}  {report.name}: {MEANING[report.verdict]}"]
    for finding in report.findings[:4]:
        lines += ["", *_finding(finding)]
    if len(report.findings) > 4:
        names = ", ".join(dict.fromkeys(f.argument for f in report.findings[4:] if f.argument))
        lines += ["", f"and {len(report.findings) - 4} more in .findings{names and ': ' + names}"]
    compared = {row.name for row in report.rows}
    left_out = [f.argument for f in report.findings if f.verdict == "shape" and f.argument not in {"", *compared}]
    if report.rows or left_out:
        covered = _coverage(report) if report.rows else "shapes only"
        lines += ["", f"Checked: {covered}{'; not compared: ' if left_out else ''}{', '.join(left_out)}"]
    lines += report.notes
    return terminal("\n".join(lines))


def _coverage(report: "CheckReport") -> str:
    rows = report.rows
    total = sum(math.prod(r.shape) for r in rows)
    entries = sum(r.entries for r in rows)
    projections = sum(r.projections for r in rows)
    covered = f"all {total} elements" if entries == total else f"{entries} of {total} elements"
    if projections:
        covered += f" and {projections} random projections over all of them"
    arguments = f"{len(rows)} argument{'' if len(rows) == 1 else 's'}"
    modes = f", {report.modes}" if report.modes else ""
    text = f"{arguments}, {covered}{modes}; worst relative error {report.worst:.1e}"
    if report.ok:
        text += f"; an error of {report.limit:.1e} × rms(gradient) in any one element would have been found"
    return f"{text} ({report.evaluations} evaluations)"


def _finding(finding: "Finding") -> list[str]:
    where = finding.argument
    if finding.index:
        where += f"[{', '.join(map(str, finding.index))}]"
    lines = [f"  {where}: {finding.message}" if where else f"  {finding.message}"]
    if not math.isnan(finding.analytic):
        lines.append(
            f"    analytic {finding.analytic:.6g}, numeric {finding.numeric:.6g}, "
            f"relative error {finding.relative_error:.1e}"
        )
    lines += [f"    why: {h.code}: {h.detail['text']} (explains {h.explained:.0%})" for h in finding.hypotheses[:3]]
    if finding.operation:
        source = f", {finding.source}" if finding.source else ""
        lines.append(f"    where: {finding.operation}{source}")
        if finding.source and finding.source.text:
            lines.append(f"      {finding.source.text}")
    if finding.reproduction:
        shown = finding.reproduction.splitlines()
        lines += ["    reproduce:", *(f"      {line}" for line in shown[:LINES])]
        if len(shown) > LINES:
            lines.append("      …")
    return lines
