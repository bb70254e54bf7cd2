"""A report of `check` as HTML: a page of its own, or a part of another page, without scripts."""

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.present.escape import CSP
from chainrule.present.escape import page as written

from .found import Finding, Found
from .words import TEXT, reason, said, verdict

WIDTH = 640
"""The width of a plot, in pixels of its own; a page that is narrower shrinks it."""
WRAP = 40
"""Elements of a vector in one row of its heat map."""
DECADES = (-8, 0)
"""Relative errors from white (1e-8 and less) to dark red (1 and more)."""


def check_lang(lang: str) -> None:
    """Raise a ValueError unless the report is written in `lang`."""
    if lang not in TEXT:
        raise ValueError(f"lang: expected one of {', '.join(TEXT)}, got {lang!r}")


def html_of(report: Found, lang: str = "en", *, page: bool = True) -> str:
    """Return the report in English or Korean (`lang` "en" or "ko"), as a page or as one element. Needs jinja2."""
    import jinja2
    from markupsafe import Markup

    check_lang(lang)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    findings = [(f, Markup(heat_map(f, lang)), Markup(sweep_plot(f, lang))) for f in report.findings]
    template = environment.get_template("report.html.jinja")
    text = template.render(
        lang=lang,
        t=TEXT[lang],
        report=report,
        findings=findings,
        page=page,
        isnan=math.isnan,
        said=said,
        reason=reason,
        verdict=verdict,
        csp=Markup(CSP),
    )
    return written(text)


def heat_map(finding: Finding, lang: str = "en") -> str:
    """Return an SVG of the relative error of each element, or an empty string where it was not measured.

    A matrix lies as it is printed; of more than two axes, all but the last run downwards; a vector is wrapped.
    """
    if finding.error_map is None or np.size(finding.error_map) < 2:
        return ""
    errors = np.asarray(finding.error_map, np.float64)
    columns = errors.shape[-1] if errors.ndim > 1 else min(errors.size, WRAP)
    rows = math.ceil(errors.size / max(columns, 1))
    cell = max(3, min(28, WIDTH // columns, 420 // rows))
    cells = []
    for k, index in enumerate(np.ndindex(errors.shape)):
        row, column = divmod(k, columns)
        name = f"[{', '.join(map(str, index))}]"
        cells.append(
            f'<rect x="{column * cell}" y="{row * cell}" width="{cell - 0.5}" height="{cell - 0.5}" '
            f'fill="{colour(float(errors[index]))}"><title>{name}: {errors[index]:.1e}</title></rect>'
        )
    label = f"{TEXT[lang]['heat_map']}, {' × '.join(map(str, errors.shape))}"
    return _svg(columns * cell, rows * cell, label, "".join(cells))


def colour(error: float) -> str:
    """Return the colour of a relative error."""
    low, high = DECADES
    exponent = math.log10(error) if 0 < error < math.inf else (low if error == 0 else high)
    share = min(max((exponent - low) / (high - low), 0.0), 1.0)
    ends = ((238, 241, 246), (246, 190, 110), (176, 22, 44))
    first, second, part = (ends[0], ends[1], 2 * share) if share < 0.5 else (ends[1], ends[2], 2 * share - 1)
    mixed = (round(a + part * (b - a)) for a, b in zip(first, second, strict=True))
    return "#" + "".join(f"{value:02x}" for value in mixed)


def sweep_plot(finding: Finding, lang: str = "en") -> str:
    """Return an SVG of the numerical derivative at each step h: how far it is from its limit, on logarithmic axes."""
    points = [(h, d) for h, d in finding.sweep if h > 0 and math.isfinite(d)]
    if len(points) < 3:
        return ""
    limit = _limit([d for _, d in points])
    scale = abs(limit) or max(abs(d) for _, d in points) or 1.0
    distances = [(math.log10(h), math.log10(max(abs(d - limit) / scale, 1e-16))) for h, d in points]
    told = abs(finding.sweep_analytic - limit) / scale
    level = math.log10(told) if 1e-16 < told < 1e16 else None
    return _lines(distances, level, TEXT[lang])


def _limit(values: list[float]) -> float:
    """Return the limit by one extrapolation, (4 D(h/2) − D(h)) / 3, where two of them agree best."""
    extrapolated = [(4 * b - a) / 3 for a, b in pairwise(values)]
    apart = [abs(b - a) for a, b in pairwise(extrapolated)]
    return extrapolated[int(np.argmin(apart)) + 1]


def _lines(points: list[tuple[float, float]], level: float | None, text: dict[str, Any]) -> str:
    """Return a plot of points, and of the distance of the gradient itself as a dashed line."""
    height, left, bottom, top = 240, 64, 42, 14
    ys = [y for _, y in points] + ([level] if level is not None else [])
    x_low, x_high = math.floor(min(x for x, _ in points)), math.ceil(max(x for x, _ in points))
    y_low, y_high = math.floor(min(ys)), math.ceil(max(ys))
    y_high = max(y_high, y_low + 1)

    def place(x: float, y: float) -> tuple[float, float]:
        across = left + (x - x_low) / (x_high - x_low) * (WIDTH - left - 16)
        return round(across, 1), round(top + (y_high - y) / (y_high - y_low) * (height - top - bottom), 1)

    parts = []
    for x in range(x_low, x_high + 1):
        across, _ = place(x, y_low)
        parts.append(f'<text x="{across}" y="{height - bottom + 16}" text-anchor="middle">1e{x}</text>')
        parts.append(f'<line x1="{across}" x2="{across}" y1="{top}" y2="{height - bottom}" stroke="#dfe3ea"/>')
    for y in range(y_low, y_high + 1, max(1, (y_high - y_low) // 5)):
        _, down = place(x_low, y)
        parts.append(f'<text x="{left - 8}" y="{down + 4}" text-anchor="end">1e{y}</text>')
        parts.append(f'<line x1="{left}" x2="{WIDTH - 16}" y1="{down}" y2="{down}" stroke="#dfe3ea"/>')
    path = " ".join("{},{}".format(*place(*point)) for point in points)
    parts.append(f'<polyline points="{path}" fill="none" stroke="#2563eb" stroke-width="2"/>')
    for point in points:
        across, down = place(*point)
        parts.append(f'<circle cx="{across}" cy="{down}" r="3" fill="#2563eb"/>')
    if level is not None:
        _, down = place(x_low, level)
        line = f'<line x1="{left}" x2="{WIDTH - 16}" y1="{down}" y2="{down}" stroke="#b0162c" stroke-dasharray="6 4"/>'
        beside = down + 16 if down < top + 24 else down - 6
        parts.append(
            f'{line}<text x="{WIDTH - 20}" y="{beside}" text-anchor="end" fill="#b0162c">{text["given"]}</text>'
        )
    parts.append(f'<text x="{(WIDTH + left) / 2}" y="{height - 6}" text-anchor="middle">{text["step"]}</text>')
    return _svg(WIDTH, height, text["distance"], "".join(parts))


def _svg(width: float, height: float, label: str, inside: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        f'height="{height:g}" font-size="12" fill="#5b6472"><title>{label}</title>{inside}</svg>'
    )
