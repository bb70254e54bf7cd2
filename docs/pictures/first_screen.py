"""Draw the README's picture: python docs/pictures/first_screen.py writes first_screen.svg.

On the left a derivation by `cr.explain`, on the right the same neuron as the explorer draws it, halfway through the
backward pass. All numbers, and the formulas on the left, are those of the package.
"""

from html import escape
from pathlib import Path

import chainrule as cr
from chainrule.explain.derivation import Step
from chainrule.present.unicode_math import to_unicode

FOLDER = Path(__file__).parent
WIDTH, HEIGHT, SPLIT = 900, 330, 452
STYLE = """
svg { font-family: system-ui, "Segoe UI", Roboto, "Noto Sans", sans-serif; --ink: #1b1f24; --quiet: #57606a;
  --ground: #ffffff; --box: #f6f8fa; --line: #b6bec8; --grad: #a8410a; --down: #00598c; --here: #fdeccb;
  --ok: #1a6b34; }
@media (prefers-color-scheme: dark) { svg { --ink: #f0f3f6; --quiet: #a9b4bf; --ground: #14171d; --box: #222a32;
  --line: #545d68; --grad: #ff9a62; --down: #7cc7f2; --here: #4a3505; --ok: #6fd08c; } }
text { fill: var(--ink); font-size: 14px; }
rect { fill: var(--box); stroke: var(--line); }
rect.card { fill: var(--ground); }
rect.here { fill: var(--here); stroke: var(--grad); stroke-width: 2; }
rect.later { stroke-dasharray: 4 3; }
path { fill: none; stroke: var(--line); }
.head { font-weight: 600; font-size: 13px; fill: var(--quiet); }
.math { font-family: "STIX Two Text", "Cambria", "Noto Serif", Georgia, serif; font-size: 16px; }
.number { font-size: 13px; fill: var(--quiet); }
.ok { fill: var(--ok); font-size: 13px; }
.value { fill: var(--down); font-size: 12px; }
.grad { fill: var(--grad); font-size: 12px; }
.middle { text-anchor: middle; }
.end { text-anchor: end; }
"""


def neuron(x: float, w: float, b: float, y: float) -> float:
    """Return the loss of one neuron."""
    z = w * x + b
    a = cr.sigmoid(z)
    return 0.5 * (a - y) ** 2


def text(x: float, y: float, words: str, look: str) -> str:
    """Return a line of text."""
    return f'<text x="{x:g}" y="{y:g}" class="{look}">{escape(words)}</text>'


def box(x: float, y: float, width: float, height: float, look: str = "") -> str:
    """Return a rectangle."""
    return f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="6" class="{look}"/>'


def line_of(step: Step, y: float) -> list[str]:
    """Return a step of the derivation: its formula, its value, and whether it is verified."""
    sides = to_unicode(step.formula).split(" = ")
    formula = " = ".join(sides if sum(map(len, sides)) < 30 else [sides[0], sides[-1]])
    return [
        text(30, y, formula, "math"),
        text(SPLIT - 70, y, f"= {float(step.value):.4g}", "number end"),
        *([text(SPLIT - 58, y, "✓", "ok")] if step.verified else []),
    ]


def derivation_card(d: cr.explain.Derivation) -> list[str]:
    """Return the derivation's lines, the backward pass below the forward pass."""
    parts = [box(8, 8, SPLIT - 24, HEIGHT - 16, "card")]
    parts.append(text(30, 36, "cr.explain: from the loss to each weight", "head"))
    y = 66
    for step in d.steps:
        parts += line_of(step, y)
        y += 30
    checked = sum(step.verified for step in d.steps)
    parts.append(text(30, HEIGHT - 26, f"{checked} of {len(d.steps)} equations verified, each by itself", "ok"))
    return parts


def explorer_card(d: cr.explain.Derivation) -> list[str]:
    """Return the explorer's graph: what has been computed, the step at hand, and what is still hidden."""
    parts = [box(SPLIT, 8, WIDTH - SPLIT - 8, HEIGHT - 16, "card")]
    parts.append(text(SPLIT + 22, 36, "cr.explore: one operation at a time", "head"))
    z, a, loss = (float(d[name].value) for name in ("z", "a", "L"))
    da, dz = (float(d[name].value) for name in ("∂L/∂a", "∂L/∂z"))
    left, width = SPLIT + 22, 118
    places = [left, left + width + 22, left + 2 * (width + 22)]
    boxes = [("z = w x + b", z, dz, "here"), ("a = σ(z)", a, da, ""), ("L = ½ (a − y)²", loss, 1.0, "")]
    for k, (x, (name, value, gradient, look)) in enumerate(zip(places, boxes, strict=True)):
        parts.append(box(x, 66, width, 74, look))
        parts.append(text(x + width / 2, 90, name, "math middle"))
        parts.append(text(x + width / 2, 110, f"{value:.4g}", "value middle"))
        parts.append(text(x + width / 2, 128, f"∂ {gradient:.4g}", "grad middle"))
        if k:
            parts.append(f'<path d="M{x - 22} 103h22m-6 -4l6 4l-6 4"/>')
    for x, name in zip((left, left + 58), ("w", "b"), strict=True):
        parts += [box(x, 176, 50, 30, "later"), text(x + 25, 196, name, "math middle")]
        parts.append(f'<path d="M{x + 25} 176V140"/>')
    parts.append(text(left + 130, 196, "∂L/∂w, ∂L/∂b: the next steps", "number"))
    local = dz / da
    parts += [
        text(left, 244, "∂L/∂z: incoming × local = outgoing", "head"),
        text(left, 270, f"{da:.4g} × {local:.4g} = {dz:.4g}", "math"),
        text(left, 302, "Change any number, and see what follows.", "number"),
    ]
    return parts


def picture() -> str:
    """Return the drawing as SVG."""
    d = cr.explain(neuron, 2.0, 0.5, 0.1, 1.0, argnums=(1, 2))
    said = "The derivation of one neuron's gradients with numbers, and the explorer at a step of its backward pass"
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'role="img" aria-label="{said}">'
    )
    return "\n".join([head, f"<style>{STYLE}</style>", *derivation_card(d), *explorer_card(d), "</svg>", ""])


if __name__ == "__main__":
    (FOLDER / "first_screen.svg").write_text(picture(), encoding="utf-8")
