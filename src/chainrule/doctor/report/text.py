"""A diagnosis as text: the verdicts, the table of layers, what was tried."""

import math
from collections.abc import Sequence

from chainrule.doctor.examine.measure import Layer, named_use
from chainrule.doctor.found import Diagnosed, Remedy, Verdict, titled
from chainrule.present.columns import set_left, set_right, width_of
from chainrule.present.escape import terminal

from .words import called, said

ROWS = 24
"""How many layers the table shows; of more, the first and the last half of these."""
COLUMNS = (
    *("layer", "activation", "mean", "spread", "flat", "dead", "gradient", "ratio", "slope", "weights"),
    *("singular", "update", "noise", "rank"),
)


def text_of(d: Diagnosed, lang: str) -> str:
    """Return the report."""
    lines = [f"{said('well' if d.ok else 'sick', lang)}  {d.named(lang)}", summary(d, lang), ""]
    for verdict in d.verdicts:
        lines += [*_verdict(verdict, lang), ""]
    lines += table(d.layers, lang)
    if d.winner is not None:
        lines += [
            "",
            f"{said('winner', lang)} {d.winner.text(lang)}",
            *(f"  {line}" for line in d.winner.diff.splitlines()),
        ]
    return terminal("\n".join([*lines, *d.notes, *d.left_out(lang)]))


def summary(d: Diagnosed, lang: str) -> str:
    """Return the line with the losses and the noise scale."""
    values = {"loss": d.loss, "chance": d.chance, "steps": d.steps, "final": d.final_loss}
    return said("summary", lang, {**values, "noise": d.noise_scale, "batch": d.batch_size})


def _verdict(v: Verdict, lang: str) -> list[str]:
    limit = v.limit(lang)
    title = titled(called(v.code, lang, v.code.upper()), v.layer)
    lines = [f"{title}: {v.text(lang)}", *([f"  {limit}"] if limit else [])]
    return lines + [f"  {line}" for line in remedy_lines(v, lang)]


def remedy_lines(v: Verdict, lang: str) -> list[str]:
    """Return a line on each remedy against a verdict: those tried, then those that could not be."""
    untried = (said("not tried", lang, {"change": said(f"untried {key}", lang)}) for key in v.untried)
    return [*(remedy_line(r, lang) for r in v.remedies), *untried]


def remedy_line(r: Remedy, lang: str) -> str:
    """Return one line on a remedy: the change, before and after, whether it helped."""
    before, after = r.measured_before.text(lang), r.measured_after.text(lang)
    line = said("tried", lang, {"change": r.text(lang), "before": before, "after": after})
    outcome = said("failed", lang, {"error": r.error}) if r.error else said("helped" if r.helped else "no help", lang)
    return f"{line}: {outcome}"


def table(layers: Sequence[Layer], lang: str) -> list[str]:
    """Return the table's lines, columns that no layer has left out."""
    rows = list(layers)
    left_out = len(rows) - ROWS
    if left_out > 0:
        rows = [*rows[: ROWS // 2], *rows[-ROWS // 2 :]]
    cells = [cells_of(row) for row in rows]
    used = [k for k, _ in enumerate(COLUMNS) if any(row[k] for row in cells)]
    grid = [[said(COLUMNS[k], lang) for k in used], *([row[k] for k in used] for row in cells)]
    widths = [max(map(width_of, column)) for column in zip(*grid, strict=True)]
    sides = [set_left if k < 2 else set_right for k in range(len(used))]
    lines = ["  ".join(side(c, w) for side, c, w in zip(sides, row, widths, strict=True)).rstrip() for row in grid]
    if left_out > 0:
        lines.insert(1 + ROWS // 2, said("more", lang, {"count": left_out}))
    return lines


def cells_of(row: Layer) -> list[str]:
    """Return a layer's cells, in the order of COLUMNS; empty where there is no figure."""
    singular = "" if math.isnan(row.largest) else f"{row.largest:.3g}/{row.smallest:.2g}"
    return [
        named_use(row.name, row.use),
        row.function,
        number(row.mean),
        number(row.spread),
        share(row.saturated),
        share(row.dead),
        number(row.gradient),
        number(row.ratio),
        number(row.activation_factor),
        number(row.weight_factor),
        singular,
        number(row.update_ratio),
        number(row.noise_scale),
        number(row.effective_rank),
    ]


def number(value: float) -> str:
    """Return a number with three digits, "" for nan."""
    return "" if math.isnan(value) else f"{value:.3g}"


def share(value: float) -> str:
    """Return a share in percent, "" for nan."""
    return "" if math.isnan(value) else f"{value:.0%}"
