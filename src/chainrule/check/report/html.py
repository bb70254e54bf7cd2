"""A report of `check` as HTML: a standalone page, or a part of another page, without scripts."""

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from chainrule.present.chart import line_chart
from chainrule.present.figure import shape_text
from chainrule.present.heat_map import heat_map
from chainrule.present.html import Markup, coded, join, tag
from chainrule.present.page import fragment, heading, page, pairs, paragraphs, preformatted
from chainrule.present.table import table
from chainrule.present.texts import Words

from .found import Checked, Finding
from .verdicts import ACCEPTED
from .words import TEXT, code_name, formula, meaning, reason, said, share

WRAP = 40
"""The number of vector elements in one row of its heat map."""
CELLS = 64
"""The most rows and columns of a heat map; beyond, each cell shows the worst of several elements."""
ENDS = (1e-8, 1.0)
"""The relative errors of the lightest and the darkest shade."""
LARGEST = 20


def html_of(report: Checked, lang: str = "en") -> str:
    """Return the report as a page in English or Korean (`lang` "en" or "ko")."""
    t = Words(TEXT, lang)
    return page(f"{t['title']}: {report.name}", lang, *_content(report, t, 1))


def fragment_of(report: Checked, lang: str = "en") -> str:
    """Return the report as one element for a notebook."""
    return fragment(lang, *_content(report, Words(TEXT, lang), 2))


def _content(report: Checked, t: Words, level: int) -> Iterator[Markup]:
    state = "good" if report.verdict in ACCEPTED else "bad"
    verdict = tag("span", t[f"verdict {report.verdict}"].upper(), class_=state)
    yield heading(level, verdict, " ", report.name)
    yield tag("p", meaning(report, t))
    for finding in report.findings:
        yield tag("section", _finding(finding, t, level + 1))
    if report.rows:
        yield tag("section", _covered(report, t, level + 1))


def _finding(finding: Finding, t: Words, level: int) -> Iterator[Markup]:
    name = finding.argument + (f"[{', '.join(map(str, finding.index))}]" if finding.index else "")
    yield heading(level, [tag("code", name), ": "] if name else None, t[f"verdict {finding.verdict}"])
    yield tag("p", coded(said(finding.message, t.lang)))
    yield pairs(_facts(finding, t))
    if finding.hypotheses:
        rows = [(code_name(h.code, t), coded(reason(h, t.lang)), _share(h, t)) for h in finding.hypotheses[:3]]
        yield join(heading(level + 1, t["why"]), table((), rows, t("why_of", name=name or finding.verdict)))
    yield error_map(finding, t)
    yield sweep_plot(finding, t)
    if finding.reproduction:
        yield join(heading(level + 1, t["reproduce"]), preformatted(finding.reproduction))


def _share(hypothesis: Any, t: Words) -> str:
    return t("explains", share=share(hypothesis)) if share(hypothesis) else ""


def _facts(finding: Finding, t: Words) -> Iterator[tuple[str, Any]]:
    if not math.isnan(finding.analytic):
        yield t["analytic"], f"{finding.analytic:.6g}"
    if not math.isnan(finding.numeric):
        yield t["numeric"], f"{finding.numeric:.6g}"
        yield t["error"], f"{finding.relative_error:.1e}"
    yield t["expected"], formula(finding.detail.get("formula", ""), t.lang)
    if finding.detail.get("formula") and finding.detail.get("written"):  # to be compared with the formula
        yield t["written"], join(tag("code", finding.detail["written"]), f", {t('line', n=finding.detail['line'])}")
    if finding.detail.get("first_wrong"):
        line = t("line", n=finding.detail["first_wrong_line"])
        yield t["first_wrong"], join(tag("code", finding.detail["first_wrong"]), f", {line}")
    source = finding.source
    place = [tag("span", " ", str(source), class_="soft"), tag("br"), tag("code", source.text)] if source else []
    yield t["where"], join(finding.operation, place) if finding.operation or source else ""


def error_map(finding: Finding, t: Words) -> Markup:
    """Return the relative error of each element as a heat map, empty if it was not measured.

    A matrix is drawn as printed; with more than two axes, all but the last run downwards; a vector is wrapped.
    """
    if finding.error_map is None or np.size(finding.error_map) < 2:
        return Markup("")
    errors = np.asarray(finding.error_map, np.float64)
    title = t("heat_map", name=finding.argument, shape=shape_text(errors.shape))
    lines, rows, columns = _lines_of(errors)
    down, across = (max(1, math.ceil(n / CELLS)) for n in lines.shape)
    pooled = _worst_of(lines, down, across)
    note = t("pooled", rows=down, columns=across) if max(down, across) > 1 else ""
    drawn = heat_map(
        title,
        [[v for v in line if v >= 0] for line in pooled.tolist()],
        rows[::down],
        columns[::across],
        t.lang,
        ends=ENDS,
        widest=28,
        numbers=_largest(errors, title, t),
    )
    return join(drawn, paragraphs(note, soft=True))


def _lines_of(errors: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], list[str], list[str]]:
    """Return errors as rows, with the names of the rows and columns; the last row is padded with −1."""
    if errors.ndim < 2:
        wide = min(errors.size, WRAP)
        starts = range(0, errors.size, wide)
        filled = np.append(errors, np.full(-errors.size % wide, -1.0))
        return filled.reshape(-1, wide), [f"{k} +" for k in starts] if len(starts) > 1 else [], _numbers(wide)
    rows = [", ".join(map(str, index)) for index in np.ndindex(errors.shape[:-1])]
    return errors.reshape(len(rows), -1), rows, _numbers(errors.shape[-1])


def _numbers(count: int) -> list[str]:
    return [str(k) for k in range(count)]


def _worst_of(lines: np.ndarray[Any, Any], down: int, across: int) -> np.ndarray[Any, Any]:
    """Return the worst error of each block; NaN counts as the worst."""
    known = np.where(np.isnan(lines), np.inf, lines)
    by_rows = np.maximum.reduceat(known, np.arange(0, len(lines), down), axis=0)
    return np.maximum.reduceat(by_rows, np.arange(0, lines.shape[1], across), axis=1)


def _largest(errors: np.ndarray[Any, Any], label: str, t: Words) -> Markup:
    order = np.argsort(-np.nan_to_num(errors, nan=np.inf), axis=None, kind="stable")[:LARGEST]
    indices = (np.unravel_index(int(k), errors.shape) for k in order)
    rows = [(f"[{', '.join(map(str, map(int, index)))}]", f"{errors[index]:.1e}") for index in indices]
    note = t("largest", shown=len(rows), total=errors.size) if len(rows) < errors.size else ""
    return join(table((t["element"], t["error"]), rows, label), paragraphs(note, soft=True))


def sweep_plot(finding: Finding, t: Words) -> Markup:
    """Return a chart of the numerical derivative's distance from its limit at each step h, on logarithmic axes."""
    points = sorted((h, d) for h, d in finding.sweep if h > 0 and math.isfinite(d))
    if len(points) < 3:
        return Markup("")
    limit = _limit([d for _, d in finding.sweep if math.isfinite(d)])
    scale = abs(limit) or max(abs(d) for _, d in points) or 1.0
    told = abs(finding.sweep_analytic - limit) / scale
    return line_chart(
        t("distance", name=finding.argument),
        [h for h, _ in points],
        [(t["distance_line"], [abs(d - limit) / scale for _, d in points])],
        t.lang,
        x_label=t["step"],
        log_x=True,
        log_y=True,
        level=(t["given"], told) if 1e-16 < told < 1e16 else None,
    )


def _limit(values: list[float]) -> float:
    """Return the limit by Richardson extrapolation, (4 D(h/2) − D(h)) / 3, where two successive values agree best."""
    extrapolated = [(4 * b - a) / 3 for a, b in pairwise(values)]
    apart = [abs(b - a) for a, b in pairwise(extrapolated)]
    return extrapolated[int(np.argmin(apart)) + 1]


def _covered(report: Checked, t: Words, level: int) -> Iterator[Markup]:
    """Yield the coverage table, followed by an explanation of each column."""
    keys = ("argument", "shape", "dtype", "entries", "projections", "worst", "limit", "verdict")
    rows = [
        (tag("code", r.name), shape_text(r.shape) or t["number"], r.dtype, r.entries, r.projections,
         f"{r.worst:.1e}", f"{r.limit:.1e}" if r.limit else "", t[f"verdict {r.verdict}"])
        for r in report.rows
    ]  # fmt: skip
    yield heading(level, t["checked"])
    yield table([key if key == "dtype" else t[key] for key in keys], rows, t["checked"])
    yield pairs((t[key], t[f"{key}_text"]) for key in keys if f"{key}_text" in t)
    modes = f"{t['modes']}: {said(report.modes, t.lang)}." if report.modes else ""
    notes = (said(note, t.lang) for note in report.notes)
    yield paragraphs(" ".join(filter(None, (modes, t("evaluations", n=f"{report.evaluations:,}"), *notes))), soft=True)
