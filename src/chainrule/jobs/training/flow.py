"""The report's section on gradients: by epoch, over depth and steps, and the warnings given during training."""

from collections.abc import Sequence
from typing import Protocol

from chainrule.jobs.training.job import Job
from chainrule.present.chart import line_chart
from chainrule.present.heat_map import heat_map
from chainrule.present.html import Markup, join, tag
from chainrule.present.page import paragraphs
from chainrule.present.texts import Words


class Watch(Protocol):
    """The protocol of a gradient monitor, such as `doctor.GradientWatch`."""

    @property
    def names(self) -> Sequence[str]:
        """The layers, from the first to the last."""

    @property
    def history(self) -> Sequence[tuple[int, float, Sequence[float]]]:
        """The step, the loss and the norm of ∂L/∂z in each layer, for each measurement."""

    @property
    def ok(self) -> bool:
        """Whether no problem was found."""

    asked: int
    """The step after which the diagnosis was made; 0 for never."""

    def verdicts(self, lang: str = "en") -> Sequence[tuple[str, str, str]]:
        """Return each problem, its evidence, and the limit that it exceeds."""


def watched(watch: Watch | None, words: Words) -> Markup | None:
    """Return the display of a watch: its warning, and a heat map of the norms over layers and steps."""
    if watch is None or not (watch.history or watch.asked):
        return None
    drawn = Markup("")
    if watch.history:
        by_layer = list(zip(*(norms for _, _, norms in watch.history), strict=True))
        steps = [str(step) for step, _, _ in watch.history]
        step, layer = words["step"], words["layer"]
        drawn = heat_map(words["heat"], by_layer, watch.names, steps, words.lang, x_label=step, y_label=layer)
    explained = tag("p", words["heat_text"]) if drawn else None
    return join(_warning(watch, words) if watch.asked else None, explained, drawn)


def _warning(watch: Watch, words: Words) -> Markup:
    said = (
        join(tag("p", tag("code", verdict), " ", evidence), paragraphs(limit, soft=True))
        for verdict, evidence, limit in watch.verdicts(words.lang)
    )
    title = words("watch_ok" if watch.ok else "watch_sick", step=watch.asked)
    return tag("div", tag("strong", title), said, class_="box well" if watch.ok else "box warning")


def flow_by_epoch(job: Job, words: Words) -> Markup:
    """Return a chart of the gradient's size for each weight matrix, from the first layer to the last."""
    rows = job.flow.rows
    weights = [name for name, p in job.model.named_parameters() if p.ndim > 1]
    lines = [(name, [row[name] for row in rows]) for name in weights]
    epochs = [float(row["epoch"]) for row in rows]
    title, epoch = words["gradient_norm"], words["epoch"]
    return line_chart(title, epochs, lines, words.lang, x_label=epoch, log_y=True, ordered=True)
