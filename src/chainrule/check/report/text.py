"""A report as one screen of text, in English or Korean."""

import math
from typing import Any

from chainrule.present.escape import terminal

from .found import Finding, Found
from .words import TEXT, reason, said, verdict

LINES = 24
"""How many lines of a reproduction are shown."""


def text_of(report: Found, lang: str = "en") -> str:
    """Return the report's text: one line where all is right."""
    t = TEXT[lang]
    head = f"{verdict(report.verdict, lang).upper()}  {report.name}: "
    if report.verdict == "right":
        return terminal("\n".join([head + _coverage(report, lang), *(said(note, lang) for note in _meant(report))]))
    meaning = t["meaning"][report.verdict]
    lines = [head + (meaning[0].lower() + meaning[1:].rstrip(".") if lang == "en" else meaning)]
    for finding in report.findings[:4]:
        lines += ["", *_finding(finding, lang)]
    if len(report.findings) > 4:
        names = ", ".join(dict.fromkeys(f.argument for f in report.findings[4:] if f.argument))
        lines += ["", t["and_more"].format(n=len(report.findings) - 4) + (f": {names}" if names else "")]
    compared = {row.name for row in report.rows}
    left_out = [f.argument for f in report.findings if f.verdict == "shape" and f.argument not in {"", *compared}]
    if report.rows or left_out:
        covered = _coverage(report, lang) if report.rows else t["shapes_only"]
        apart = f"; {t['not_compared']}: {', '.join(left_out)}" if left_out else ""
        lines += ["", f"{t['checked_line']}: {covered}{apart}"]
    lines += [said(note, lang) for note in report.notes]
    return terminal("\n".join(lines))


def _meant(report: Found) -> list[str]:
    return [note for note in report.notes if note.startswith("As expected")]


def _coverage(report: Found, lang: str) -> str:
    rows, t = report.rows, TEXT[lang]
    total = sum(math.prod(r.shape) for r in rows)
    entries = sum(r.entries for r in rows)
    projections = sum(r.projections for r in rows)
    key = "all_elements" if entries == total else "some_elements"
    covered = t[key].format(total=total, entries=entries)
    if projections:
        covered = t["with_projections"].format(covered=covered, n=projections)
    arguments = t["one_argument"] if len(rows) == 1 else t["arguments"].format(n=len(rows))
    modes = f", {said(report.modes, lang)}" if report.modes else ""
    text = f"{arguments}, {covered}{modes}; {t['worst_error'].format(worst=report.worst)}"
    if report.ok:
        text += f"; {t['would_be_found'].format(limit=report.limit)}"
    return f"{text} ({t['evaluated'].format(n=report.evaluations)})"


def _finding(finding: Finding, lang: str) -> list[str]:
    where, t = finding.argument, TEXT[lang]
    if finding.index:
        where += f"[{', '.join(map(str, finding.index))}]"
    message = said(finding.message, lang)
    lines = [f"  {where}: {message}" if where else f"  {message}"]
    if not math.isnan(finding.analytic):
        words = ("analytic", "numeric", "relative error") if lang == "en" else (t["analytic"], t["numeric"], t["error"])
        lines.append(
            f"    {words[0]} {finding.analytic:.6g}, {words[1]} {finding.numeric:.6g}, "
            f"{words[2]} {finding.relative_error:.1e}"
        )
    lines += [f"    {t['why_line']}: {_hypothesis(h, lang)}" for h in finding.hypotheses[:3]]
    if finding.detail.get("formula"):
        lines.append(f"    {t['expected']}: {finding.detail['formula']}")
    if finding.detail.get("written"):
        line = t["line"].format(n=finding.detail["line"])
        lines.append(f"    {t['written']}: {finding.detail['written']}, {line}")
    if finding.operation:
        source = f", {finding.source}" if finding.source else ""
        lines.append(f"    {t['where']}: {finding.operation}{source}")
        if finding.source and finding.source.text:
            lines.append(f"      {finding.source.text}")
    if finding.reproduction:
        shown = finding.reproduction.splitlines()
        lines += [f"    {t['reproduce_line']}:", *(f"      {line}" for line in shown[:LINES])]
        if len(shown) > LINES:
            lines.append("      …")
    return lines


def _hypothesis(h: Any, lang: str) -> str:
    t = TEXT[lang]
    code = t["code"].get(h.code, h.code)
    return f"{code}: {reason(h, lang)} ({t['explains_line'].format(share=f'{h.explained:.0%}')})"
