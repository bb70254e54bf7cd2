"""`graph`: the computational graph of a loss, drawn."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chainrule.base.files import write_text
from chainrule.core.operands.faces import opened
from chainrule.core.tensor import Tensor
from chainrule.explain.derive.subject import calling_line, record
from chainrule.present.html import Markup, tag
from chainrule.present.page import fragment, page
from chainrule.present.texts import Words, check_lang

from .page import content
from .scene import Scene, stage
from .svg import draw, inside
from .texts import TEXT
from .vertices import Vertex, read_recording, read_tensor


class Graph:
    """A computational graph: `to_svg()`, `to_html()`, `save(path)`; notebooks display it as is.

    `vertices` holds everything in order of creation, drawn or not.
    """

    def __init__(self, vertices: Sequence[Vertex], title: str, fold: bool, most: int, lang: str) -> None:
        self.vertices = list(vertices)
        self.title = title
        self.lang = lang
        self._scene: Scene = stage(self.vertices, fold, most)

    @property
    def operations(self) -> int:
        """The number of operations, including folded ones and those left out."""
        return sum(v.op is not None for v in self.vertices)

    @property
    def parameters(self) -> int:
        """The number of parameters: arrays with a requested gradient."""
        return sum(v.kind == "parameter" for v in self.vertices)

    @property
    def folds(self) -> list[int]:
        """How often each folded block repeats, from the top."""
        return [len(fold.copies) for fold in self._scene.folds]

    @property
    def left_out(self) -> int:
        """The number of operations left out to keep the drawing small enough."""
        return self._scene.left_out

    def _heading(self) -> str:
        summary = ", ".join(_counts(self).values())
        return f"{self.title}: {summary}" if self.title else summary

    def _notes(self) -> list[str]:
        words, output = Words(TEXT, self.lang), self.vertices[-1]
        notes = [words("left_out", n=f"{self.left_out:,}")] if self.left_out else []
        return notes if output.gradient is not None else [*notes, words["no_gradient"]]

    def to_svg(self, animate: bool = False, opened: bool = True) -> str:
        """Return the drawing as SVG; with `animate`, the boxes light up in the order of the two passes.

        Below it, if `opened`, is the drawing of what each folded block contains.
        """
        folds = self._scene.folds if opened else []
        first = len(self._scene.items)
        below = []
        for fold in folds:
            below.append(inside(fold, self.lang, first))
            first += len(fold.copies[0]) * 3
        return draw(self._scene, self.lang, self._heading(), self._notes(), animate, below)

    def to_html(self, animate: bool = False) -> str:
        """Return a page with the drawing, the inside of each folded block, and the formulas of the operations."""
        title = TEXT["title"][self.lang]
        return page(title, self.lang, tag("h1", title), self._content(animate))

    def _content(self, animate: bool = False) -> Markup:
        return content(self.to_svg(animate, opened=False), self.vertices, self._scene, self.lang)

    def save(self, path: str | Path, animate: bool = False) -> None:
        """Write the drawing to a file: `.svg` or `.html`."""
        path = Path(path)
        writers = {".svg": self.to_svg, ".html": self.to_html}
        if path.suffix not in writers:
            raise ValueError(f"graph: save: expected a path that ends in .svg or .html, got {str(path)!r}")
        write_text(path, writers[path.suffix](animate))

    def _repr_svg_(self) -> str:
        return self.to_svg()

    def _repr_html_(self) -> str:
        return fragment(self.lang, self._content())

    def __repr__(self) -> str:
        words = Words(TEXT, self.lang)
        folded = words("folded_into", times=", ".join(f"×{n}" for n in self.folds)) if self.folds else ""
        left = words("not_drawn", n=self.left_out) if self.left_out else ""
        return f"<{words('graph_of', **_counts(self))}{folded}{left}>"


def _counts(graph: Graph) -> dict[str, str]:
    """Return how many operations and parameters there are, as the language of the graph counts them."""
    words = Words(TEXT, graph.lang)
    counts = {"operations": graph.operations, "parameters": graph.parameters}
    return {key: words(f"{key}_1" if n == 1 else f"{key}_n", n=f"{n:,}") for key, n in counts.items()}


def graph(
    subject: Any,
    *args: Any,
    loss: Any = None,
    target: Any = None,
    argnums: Any = None,
    fold: bool = True,
    most: int = 100,
    lang: str = "en",
) -> Graph:
    """Return the computational graph of a loss: operations, values, gradients, and the order of both passes.

    `subject` is a tensor that has been computed but not yet differentiated, or a function of `args`, or a model with
    its data, `loss` and `target`. A function's parameters are its floating-point arguments, or those that `argnums`
    selects. A tape keeps only what the backward pass needs, so for a tensor some values may be missing; a function or
    a model is run once, in float64, and all values are shown. No `.grad` is set.

    Blocks that repeat at least three times are drawn once, as ×N, unless `fold` is False. If there are more than `most`
    operations and blocks, only the last ones are drawn, with a note on how many were left out. `lang` is "en" or "ko".

    Raises TypeError for any other subject, GradientError for a tensor without a tape, FreedTapeError for one whose
    backward pass has been run, and whatever `subject` raises.

    The layout is that of Sugiyama, Tagawa and Toda (1981).

    >>> import chainrule as cr
    >>> w = cr.tensor(0.5, requires_grad=True, name="w")
    >>> b = cr.tensor(0.1, requires_grad=True, name="b")
    >>> g = cr.graph((cr.sigmoid(2.0 * w + b) - 1.0) ** 2 / 2)
    >>> g
    <Graph of 6 operations and 2 parameters>
    >>> g.save("neuron.svg")
    """
    check_lang(lang, "graph: ")
    subject, args, loss, target = opened(subject, args, loss, target)
    if isinstance(subject, Tensor):
        if args or any(x is not None for x in (loss, target, argnums)):
            raise TypeError(
                "graph: got a tensor and more arguments; pass the tensor alone, or the function with its arguments"
            )
        return Graph(read_tensor(subject), "", fold, most, lang)
    if not callable(subject):
        raise TypeError(
            f"graph: expected a tensor with a tape, a function or a model, got {type(subject).__name__}; for numbers, "
            f"make them tensors first: cr.tensor(x, requires_grad=True)"
        )
    try:
        recording = record(subject, args, loss, target, argnums, calling_line())
    except (TypeError, ValueError) as error:  # recorded by `explain`'s code, whose messages say "explain"
        if not str(error).startswith("explain: "):
            raise
        raise type(error)(str(error).replace("explain", "graph")) from error
    return Graph(read_recording(recording), recording.title, fold, most, lang)
