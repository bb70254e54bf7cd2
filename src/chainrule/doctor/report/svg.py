"""The report's figures as SVG, drawn by hand: they need no library, and text in them stays text."""

import math
from collections.abc import Sequence

from chainrule.present.escape import html as escape

INK, ACCENT, PALE = "#1f2430", "#2563eb", "#d5d9e2"
WIDTH, HEIGHT, LEFT, BOTTOM = 640, 220, 64, 34

Histogram = tuple[list[int], float, float]


def flow(names: Sequence[str], gradients: Sequence[float], title: str) -> str:
    """Draw a norm for each layer, on a logarithmic axis."""
    logs = [math.log10(g) if g > 0 and math.isfinite(g) else math.nan for g in gradients]
    known = [x for x in logs if not math.isnan(x)]
    if not known:
        return ""
    low, high = math.floor(min(known)), max(math.ceil(max(known)), math.floor(min(known)) + 1)
    none = [k for k, g in enumerate(gradients) if g == 0]  # has no logarithm: it lies on the floor
    low -= bool(none)
    logs = [low if k in none else v for k, v in enumerate(logs)]
    x = _places(len(logs))
    points = [(x[k], _height(v, low, high)) for k, v in enumerate(logs) if not math.isnan(v)]
    line = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
    body = [f'<polyline points="{line}" fill="none" stroke="{ACCENT}" stroke-width="1.5"/>']
    body += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{ACCENT}"/>' for a, b in points]
    body += [
        f'<circle class="zero" cx="{x[k]:.1f}" cy="{_height(low, low, high):.1f}" r="5" fill="none" stroke="{ACCENT}"/>'
        for k in none
    ]
    body += [_text(x[k], _height(low, low, high) - 8, "0", "middle") for k in none]
    step = max(1, math.ceil((high - low) / 6))
    for power in range(low + bool(none), high + 1, step):
        y = _height(power, low, high)
        body.append(f'<line x1="{LEFT}" x2="{WIDTH - 10}" y1="{y:.1f}" y2="{y:.1f}" stroke="{PALE}"/>')
        body.append(_text(LEFT - 8, y + 4, f"1e{power}", "end"))
    return _figure([*body, *_names(names, x)], title)


def heat_map(names: Sequence[str], rows: Sequence[tuple[int, Sequence[float]]], title: str, step: str) -> str:
    """Draw the norms of each layer (across) at each moment (down) as shades of their logarithm."""
    logs = [[math.log10(g) if g > 0 and math.isfinite(g) else math.nan for g in row] for _, row in rows]
    known = [x for row in logs for x in row if not math.isnan(x)]
    if not known or any(len(row) != len(names) for row in logs):
        return ""
    low, high = min(known), max(max(known), min(known) + 1e-9)
    wide, tall = (WIDTH - LEFT - 10) / len(names), (HEIGHT - BOTTOM - 10) / len(rows)
    body = []
    for j, (moment, _) in enumerate(rows):
        y = 10 + j * tall
        body.append(_text(LEFT - 8, y + tall / 2 + 4, f"{step} {moment}", "end"))
        for k, value in enumerate(logs[j]):
            share = 0.0 if math.isnan(value) else (value - low) / (high - low)
            fill = (
                PALE
                if math.isnan(value)
                else f"rgb({255 - 218 * share:.0f},{255 - 156 * share:.0f},{255 - 20 * share:.0f})"
            )
            is_zero = rows[j][1][k] == 0
            fill = "#ffffff" if is_zero else fill
            shown = "0" if is_zero else "" if math.isnan(value) else f"1e{value:.2f}"
            label = f"<title>{escape(names[k])}: {shown}</title>" if shown else ""
            body.append(_bar(LEFT + k * wide, y, wide, tall, fill, label))
    centres = [LEFT + (k + 0.5) * wide for k in range(len(names))]
    return _figure([*body, *_names(names, centres)], title)


def histograms(named: Sequence[tuple[str, Histogram]], title: str) -> str:
    """Draw small histograms side by side, each on its own axis."""
    across, size = 8, 70
    body = []
    for k, (name, (counts, low, high)) in enumerate(named):
        left, top = 4 + (k % across) * (size + 9), 14 + (k // across) * 74
        most = max(counts) or 1
        bar = size / len(counts)
        for j, count in enumerate(counts):
            tall = 44 * count / most
            body.append(_bar(left + j * bar, top + 46 - tall, bar, tall, ACCENT))
        body.append(_text(left + size / 2, top + 1, name, "middle", 9))
        body.append(_text(left, top + 57, f"{low:.2g}", "start", 9))
        body.append(_text(left + size - 4, top + 57, f"{high:.2g}", "end", 9))
    return _figure(body, title, 20 + 74 * math.ceil(len(named) / across)) if body else ""


def _figure(body: Sequence[str], title: str, height: float = HEIGHT) -> str:
    opening = f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(title)}">'
    return f"<figure><figcaption>{escape(title)}</figcaption>{opening}{''.join(body)}</svg></figure>"


def _text(x: float, y: float, text: str, anchor: str, size: int = 11) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}"'
    return f'<text {place} fill="{INK}">{escape(text)}</text>'


def _bar(x: float, y: float, wide: float, tall: float, fill: str, label: str = "") -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{tall:.1f}" fill="{fill}">{label}</rect>'


def _places(count: int) -> list[float]:
    room = WIDTH - LEFT - 30
    return [LEFT + 10 + (room * k / (count - 1) if count > 1 else room / 2) for k in range(count)]


def _height(value: float, low: float, high: float) -> float:
    return 10 + (HEIGHT - BOTTOM - 10) * (high - value) / (high - low)


def _names(names: Sequence[str], places: Sequence[float]) -> list[str]:
    """Write as many names below as there is room for."""
    every = max(1, math.ceil(len(names) * max((len(n) for n in names), default=1) * 7 / (WIDTH - LEFT)))
    return [_text(places[k], HEIGHT - 12, name, "middle") for k, name in enumerate(names) if k % every == 0]
