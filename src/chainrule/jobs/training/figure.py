"""The figures of the training report: drawn by matplotlib, as SVG that keeps its text."""

import io
import warnings
from collections.abc import Sequence
from contextlib import contextmanager
from typing import Any

from chainrule.present.escape import visible

INK, ACCENT, SECOND = "#1f2430", "#2563eb", "#d97706"


@contextmanager
def figure(columns: int, height: float) -> Any:
    """Yield a figure's axes and a list that receives its SVG text."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    # Text stays text: the browser has the fonts, Korean ones among them, that matplotlib warns of not having.
    style: Any = {"svg.fonttype": "none", "font.family": "sans-serif", "font.size": 10, "svg.hashsalt": "chainrule"}
    with mpl.rc_context(style):
        drawn = Figure(figsize=(4.6 * columns, height), layout="constrained")
        axes = drawn.subplots(1, columns, squeeze=False)[0]
        for ax in axes:
            ax.spines[["top", "right"]].set_visible(False)
        svg: list[str] = []
        yield axes, svg
        buffer = io.StringIO()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
            drawn.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
        svg.append(buffer.getvalue().partition("<svg")[2])


def drawn(name: str) -> str:
    """Return a name as text of a figure: matplotlib takes what stands between dollars for mathematics."""
    return visible(name.replace("\n", " ")).replace("$", r"\$")


def as_markup(svg: Sequence[str]) -> Any:
    """Return a figure's text as what a template does not escape."""
    from markupsafe import Markup

    return Markup("<svg" + svg[0])
