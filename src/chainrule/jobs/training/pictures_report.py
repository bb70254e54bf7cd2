"""The report's sections for pictures: accuracy by class, mistakes with what they hang on, filters, the data."""

from collections.abc import Iterator
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from chainrule.core.tensor import value_of
from chainrule.core.transforms.derivatives import grad
from chainrule.data.pictures.augment import Augmentation
from chainrule.jobs.training.pictures import PictureJob, Score
from chainrule.jobs.training.pictures_text import TEXT
from chainrule.jobs.training.sections import Sections, confusion_map
from chainrule.nn.mode import in_mode
from chainrule.present.html import Markup, join, tag
from chainrule.present.image import grey_image, image
from chainrule.present.page import pairs, paragraphs
from chainrule.present.table import table
from chainrule.present.texts import Words

T = TypeVar("T", bound=np.generic)
MISTAKES, FILTERS, CLASSES = 12, 32, 60
"""The most mistakes, filters and classes that are shown."""
MOST_SIDE = 96
"""The most pixels of a side that a picture has in the report; of more, every second one, or every third, is shown."""


def _result(job: PictureJob, score: Score, words: Words) -> Markup:  # noqa: ARG001
    figure = f"{100 * score.accuracy:.2f} %"
    return join(tag("div", figure, class_="large"), tag("p", words("held_out_pictures", n=score.samples)))


def _held_out(job: PictureJob, score: Score, words: Words) -> Iterator[tuple[str, Markup | None]]:
    names = job.found.class_names
    yield words["confusion"], join(confusion_map(score.confusion, names, words), _by_class(score, names, words))
    yield words["mistakes"], _mistakes(job, score, words)
    yield words["filters"], _filters(job, words)


def _by_class(score: Score, names: tuple[str, ...], words: Words) -> Markup:
    counts = score.confusion.sum(axis=1)
    right, wrong = score.confusion.diagonal(), score.confusion - np.diag(score.confusion.diagonal())
    share = np.divide(right, counts, out=np.full(len(names), np.inf), where=counts > 0)
    # All classes in their own order; of very many, the worst.
    order = np.arange(len(names)) if len(names) <= CLASSES else np.argsort(share, kind="stable")[:CLASSES]
    rows = [
        [
            names[k],
            str(counts[k]),
            str(right[k]),
            f"{100 * share[k]:.1f} %" if counts[k] else "",
            names[wrong[k].argmax()] if wrong[k].any() else "",
        ]
        for k in order
    ]
    head = [words[key] for key in ("class", "samples", "right", "share", "taken_for")]
    note = words("by_class_least", shown=CLASSES, total=len(names)) if len(names) > CLASSES else ""
    return join(table(head, rows, words["by_class"], named=True), paragraphs(note, soft=True))


def _mistakes(job: PictureJob, score: Score, words: Words) -> Markup:
    wrong = np.flatnonzero(score.truth != score.predicted)
    if not len(wrong):
        return tag("p", words("no_mistakes", n=score.samples))
    chosen = wrong[np.argsort(-score.confidence[wrong], kind="stable")][:MISTAKES]
    x, _ = job.held_out.stacked(chosen)
    shown = zip(chosen, job.held_out.raw(chosen), saliency(job, x, score.predicted[chosen]), strict=True)
    text = tag("p", words("mistakes_text", shown=len(chosen), total=len(wrong)))
    return join(text, tag("div", [_mistake(job, score, words, *each) for each in shown], class_="images"))


def _mistake(
    job: PictureJob,
    score: Score,
    words: Words,
    k: np.intp,
    picture: NDArray[np.uint8],
    salient: NDArray[np.float64],
) -> Markup:
    truth, predicted = (job.found.class_names[classes[k]] for classes in (score.truth, score.predicted))
    pixels = picture[0] if len(picture) == 1 else picture.transpose(1, 2, 0)
    drawn = image(_small(pixels), words("mistake", truth=truth, predicted=predicted))
    beside = grey_image(_small(salient), words("saliency", predicted=predicted))
    caption = words("mistake_caption", truth=truth, predicted=predicted, share=score.confidence[k])
    return tag("figure", drawn, " ", beside, tag("figcaption", caption))


def saliency(job: PictureJob, x: NDArray[np.float32], classes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return |∂score/∂pixel| `[n, H, W]` of a class's score for each picture `[n, C, H, W]`: the largest channel's.

    Source: Simonyan, Vedaldi & Zisserman, "Deep Inside Convolutional Networks: Visualising Image Classification Models
    and Saliency Maps" (2014), section 3.
    """
    # In evaluation mode no picture's score depends on another picture, so the gradient of the sum is each one's own.
    with in_mode(job.model, training=False):
        found = grad(lambda pictures: job.model(pictures)[np.arange(len(x)), classes].sum())(x)
    # The parameters require gradients, too, so it is a tensor.
    size: NDArray[np.float64] = np.abs(np.asarray(value_of(found), np.float64)).max(axis=1)
    return size


def _filters(job: PictureJob, words: Words) -> Markup:
    weight = next(p for name, p in job.model.named_parameters() if name.endswith("weight") and p.ndim > 1).numpy()
    if weight.ndim == 2:  # of a perceptron, a column of weights for each unit
        weight = weight.T.reshape(-1, *job.form.shape)
    chosen = weight[:FILTERS]
    least, most = float(chosen.min()), float(chosen.max())
    scaled = np.round(255 * (chosen - least) / ((most - least) or 1.0)).astype(np.uint8)
    drawn = [
        image(_small(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0)), words("filter", number=k))
        for k, pixels in enumerate(scaled, 1)
    ]
    height, width = weight.shape[2:]
    said = words("filters_text", shown=len(chosen), total=len(weight), height=height, width=width)
    return join(tag("p", said), tag("div", drawn, class_="images"))


def _small(pixels: NDArray[T]) -> NDArray[T]:
    step = -(-max(pixels.shape[:2]) // MOST_SIDE)
    return pixels[::step, ::step]


def _data(job: PictureJob, words: Words) -> Markup:
    form = job.form
    colours = words("grey" if form.channels == 1 else "rgb", height=form.height, width=form.width)
    said = {
        "pictures": words("training_pictures", kept=len(job.training), held=len(job.held_out)),
        "classes": ", ".join(job.found.class_names),
        "form": colours,
        "changes": _changes(job.augmentation, words),
    }
    return pairs((words[key], value) for key, value in said.items())


def _changes(change: Augmentation, words: Words) -> str:
    parts = [
        *([words["mirrored"]] if change.mirror else []),
        *([words("shifted", n=change.shift)] if change.shift else []),
        *([words("hole", n=change.hole)] if change.hole else []),
    ]
    return ", ".join(parts) or words["unchanged"]


SECTIONS = Sections(_result, _held_out, _data, text=TEXT)
