"""A report as one screen of text, in English or Korean."""

import math
from typing import Any

from chainrule.present.escape import terminal
from chainrule.present.texts import Words

from .found import Checked, Finding
from .words import TEXT, code_name, formula, meaning, reason, said, share

LINES = 24
"""The most lines of a reproduction that are shown."""


def text_of(report: Checked, lang: str = "en") -> str:
    """Return the report's text: a single line if all is right."""
    t = Words(TEXT, lang)
    head = f"{t[f'verdict {report.verdict}'].upper()}  {report.name}: "
    if report.verdict == "right":
        return terminal("\n".join([head + _coverage(report, t), *(said(note, lang) for note in _meant(report))]))
    whole = meaning(report, t)
    lines = [head + (whole[0].lower() + whole[1:].rstrip(".") if lang == "en" else whole)]
    for finding in report.findings[:4]:
        lines += ["", *_finding(finding, t)]
    if len(report.findings) > 4:
        names = ", ".join(dict.fromkeys(f.argument for f in report.findings[4:] if f.argument))
        lines += ["", t("and_more", n=len(report.findings) - 4) + (f": {names}" if names else "")]
    compared = {row.name for row in report.rows}
    left_out = [f.argument for f in report.findings if f.verdict == "shape" and f.argument not in {"", *compared}]
    if report.rows or left_out:
        covered = _coverage(report, t) if report.rows else t["shapes_only"]
        apart = f"; {t['not_compared']}: {', '.join(left_out)}" if left_out else ""
        lines += ["", f"{t['checked_line']}: {covered}{apart}"]
    lines += [said(note, lang) for note in report.notes]
    return terminal("\n".join(lines))


def _meant(report: Checked) -> list[str]:
    return [note for note in report.notes if note.startswith(("As expected", "The budget"))]


def _coverage(report: Checked, t: Words) -> str:
    rows = report.rows
    total = sum(math.prod(r.shape) for r in rows)
    entries = sum(r.entries for r in rows)
    projections = sum(r.projections for r in rows)
    covered = t("all_elements" if entries == total else "some_elements", total=total, entries=entries)
    if projections:
        covered = t("with_projections", covered=covered, n=projections)
    arguments = t["one_argument"] if len(rows) == 1 else t("arguments", n=len(rows))
    modes = f", {said(report.modes, t.lang)}" if report.modes else ""
    text = f"{arguments}, {covered}{modes}"
    compared = not all(r.expected for r in rows)
    if compared:
        text += f"; {t('worst_error', worst=report.worst)}"
    if report.ok and compared:
        text += f"; {t('would_be_found', limit=report.limit)}"
    return f"{text} ({t('evaluated', n=report.evaluations)})"


def _finding(finding: Finding, t: Words) -> list[str]:
    where = finding.argument
    if finding.index:
        where += f"[{', '.join(map(str, finding.index))}]"
    message = said(finding.message, t.lang)
    lines = [f"  {where}: {message}" if where else f"  {message}"]
    if not math.isnan(finding.analytic):
        figures = {"analytic": finding.analytic, "numeric": finding.numeric, "error": finding.relative_error}
        lines.append(f"    {t('compared', **figures)}")
    lines += [f"    {t['why_line']}: {_hypothesis(h, t)}" for h in finding.hypotheses[:3]]
    if finding.detail.get("formula"):
        lines.append(f"    {t['expected']}: {formula(finding.detail['formula'], t.lang)}")
    if finding.detail.get("formula") and finding.detail.get("written"):  # one below the other, to be compared
        lines.append(f"    {t['written']}: {finding.detail['written']}, {t('line', n=finding.detail['line'])}")
    if finding.detail.get("first_wrong"):
        name, line = finding.detail["first_wrong"], finding.detail["first_wrong_line"]
        lines.append(f"    {t['first_wrong']}: {name}, {t('line', n=line)}")
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


def _hypothesis(h: Any, t: Words) -> str:
    explains = f" ({t('explains_line', share=share(h))})" if share(h) else ""
    return f"{code_name(h.code, t)}: {reason(h, t.lang)}{explains}"
