"""The training as pictures: the loss, and the gradients' norms across depth."""

from collections.abc import Sequence

from chainrule.present.chart import line_chart
from chainrule.present.heat_map import heat_map
from chainrule.present.html import Markup, join, tag
from chainrule.present.texts import Words

from .texts import TEXT
from .training import Moment

MOST = 60
"""The most moments in a picture; of more, so many at equal distances."""


def charts(moments: Sequence[Moment], index: int | None, lang: str) -> Markup:
    """Return the loss curve, the heat map of the norms, and what the doctor found; nothing before the first step.

    The curve marks the loss of the moment `index`; None marks none.
    """
    if len(moments) < 2:
        return _findings(moments, lang)
    words = Words(TEXT, lang)
    count = min(len(moments), MOST)
    shown = sorted({round(k * (len(moments) - 1) / (count - 1)) for k in range(count)})
    losses = [moments[k].loss for k in shown]
    level = None if index is None else (words("time said", k=index, n=len(moments) - 1), moments[index].loss)
    names = list(moments[0].norms)
    rows = [[moments[k].norms.get(name, float("nan")) for k in shown] for name in names]
    return join(
        line_chart(
            words["curve"],
            [float(k) for k in shown],
            [(words["Loss"], losses)],
            lang,
            x_label=words["training step"],
            log_y=min(losses) > 0 and max(losses) > 100 * min(losses),
            level=level,
        ),
        heat_map(
            words["norms"],
            rows,
            names,
            [str(k) for k in shown],
            lang,
            x_label=words["training step"],
            y_label=words["parameter name"],
        )
        if names
        else None,
        _findings(moments, lang),
    )


def _findings(moments: Sequence[Moment], lang: str) -> Markup:
    words = Words(TEXT, lang)
    return join(
        tag("div", tag("h3", words("doctor", k=k)), tag("p", moment.finding), class_="finding")
        for k, moment in enumerate(moments)
        if moment.finding
    )
