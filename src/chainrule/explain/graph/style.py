"""The style of a graph: light and dark colours safe for colour-blind readers, and an animation of both passes.

The hues are those of Okabe and Ito ("Color Universal Design", 2008). No meaning relies on colour alone: kinds differ in
outline, gradients are marked ∂, and the two orders with arrows.
"""

from .folding import Fold
from .scene import Item, Scene
from .vertices import Vertex

STEP = 0.35
"""Seconds per step of the animation if there are few steps; a pass takes at most `LONGEST` seconds."""
LONGEST = 12.0

_LIGHT = {
    "ground": "#ffffff", "ink": "#1b1f24", "quiet": "#57606a", "line": "#8c959f", "grad": "#a8410a", "down": "#00598c",
    "op": "#f6f8fa", "parameter": "#fdeccb", "parameter-line": "#b57600", "input": "#dceffa", "input-line": "#2a7db0",
    "output": "#d6f2e7", "output-line": "#007a58", "block": "#f7e3ee", "block-line": "#a4557f", "focus": "#0050b3",
    "panel": "#ffffff",
}  # fmt: skip
_DARK = {
    "ground": "#14171d", "ink": "#f0f3f6", "quiet": "#a9b4bf", "line": "#768390", "grad": "#ff9a62", "down": "#7cc7f2",
    "op": "#222a32", "parameter": "#4a3505", "parameter-line": "#e6a625", "input": "#12374d", "input-line": "#56b4e9",
    "output": "#0b3d2f", "output-line": "#2fc79b", "block": "#45243a", "block-line": "#dd8fb9", "focus": "#9ecbff",
    "panel": "#1c222b",
}  # fmt: skip

_RULES = """
.cr-graph{font-family:system-ui,"Segoe UI",Roboto,"Noto Sans","Noto Sans CJK KR",sans-serif}
.cr-graph text{fill:var(--ink);text-anchor:middle}
.cr-graph .paper{fill:var(--paper,var(--ground))}
.cr-graph text.heading{font-size:16px;font-weight:600;text-anchor:start}
.cr-graph text.hint,.cr-graph text.note{font-size:12px;fill:var(--quiet);text-anchor:start}
.cr-graph text.note{fill:var(--grad);font-weight:600}
.cr-graph .tip text{text-anchor:start}
.cr-graph .panel{fill:var(--panel);stroke:var(--line);stroke-width:1}
.cr-graph text.name{font-weight:600}
.cr-graph text.times{font-weight:700;fill:var(--block-line)}
.cr-graph text.small,.cr-graph text.value{fill:var(--quiet)}
.cr-graph text.value{fill:var(--ink)}
.cr-graph text.gradient,.cr-graph text.up{fill:var(--grad)}
.cr-graph text.down{fill:var(--down)}
.cr-graph text.up{text-anchor:end}
.cr-graph text.down,.cr-graph .legend text{text-anchor:start}
.cr-graph .edge{fill:none;stroke:var(--line);stroke-width:1.2;stroke-dasharray:4 3}
.cr-graph .edge.flows{stroke-width:1.5;stroke-dasharray:none}
.cr-graph .arrow{fill:var(--line)}
.cr-graph .rule{stroke:var(--line);stroke-width:.5}
.cr-graph .back{fill:var(--paper,var(--ground))}
.cr-graph .shape{fill:var(--op);stroke:var(--ink);stroke-width:1.3}
.cr-graph .parameter .shape{fill:var(--parameter);stroke:var(--parameter-line)}
.cr-graph .input .shape{fill:var(--input);stroke:var(--input-line)}
.cr-graph .constant .shape{fill:var(--paper,var(--ground));stroke:var(--line);stroke-dasharray:3 2}
.cr-graph .output .shape{fill:var(--output);stroke:var(--output-line)}
.cr-graph .block .shape{fill:var(--block);stroke:var(--block-line)}
.cr-graph .earlier .shape{fill:none;stroke:var(--line);stroke-dasharray:3 3}
.cr-graph .node{outline:none}
.cr-graph .node:hover .shape{stroke-width:2.4}
.cr-graph .node:focus-visible .shape{stroke:var(--focus);stroke-width:3.4;stroke-dasharray:none}
@media print{.cr-graph .hint{visibility:hidden}}
"""


def turns(item: Item) -> tuple[int, int]:
    """Return when each pass first reaches an item, counted from 1; 0 if it does not."""
    if isinstance(item, Fold):
        operations = [v for copy in item.copies for v in copy if v.op is not None]
        return min(v.forward for v in operations), min((v.backward for v in operations if v.backward), default=0)
    return (item.forward, item.backward) if isinstance(item, Vertex) else (0, 0)


def style() -> str:
    """Return the style sheet; it applies only to elements inside `.cr-graph`.

    A standalone file follows the reader's colour preference; inside a page or a notebook, the drawing follows the
    host's colours and background.
    """
    colours = "".join(f"--{key}:light-dark({_LIGHT[key]},{_DARK[key]});" for key in _LIGHT)
    return f"svg.cr-graph:root{{color-scheme:light dark}}.cr-graph{{{colours}}}{_RULES}"


def animation(scene: Scene) -> str:
    """Return a style sheet that lights up the boxes in the order of the forward pass, then of the backward pass.

    One box at a time is lit. It runs twice and stops, pauses while the pointer is over the drawing, and does not run at
    all for readers who prefer reduced motion.
    """
    drawn = {item: turns(item) for item in scene.items if turns(item) != (0, 0)}
    if not drawn:
        return ""
    down = sorted(drawn, key=lambda item: drawn[item][0])
    up = sorted((item for item in drawn if drawn[item][1]), key=lambda item: drawn[item][1])
    step = min(STEP, LONGEST / len(drawn))
    total = step * (len(down) + len(up) + 2)
    share = 100 * step / total
    frames = "".join(
        f"@keyframes cr-{way}{{0%{{stroke:var(--{colour});stroke-width:4}}{share:.2f}%,100%{{}}}}"
        for way, colour in (("down", "down"), ("up", "grad"))
    )
    begins = {item: [("down", k)] for k, item in enumerate(down)}
    for k, item in enumerate(up, len(down) + 1):
        begins[item].append(("up", k))
    rules = "".join(
        f".cr-graph .n{drawn[item][0]} .shape{{animation:"
        + ",".join(f"cr-{way} {total:.2f}s step-end {k * step:.2f}s 2" for way, k in ways)
        + "}"
        for item, ways in begins.items()
    )
    rest = ".cr-graph:hover .shape,.cr-graph:focus-within .shape{animation-play-state:paused!important}"
    return f"@media (prefers-reduced-motion:no-preference){{{frames}{rules}{rest}}}"
