"""A table of a model's layers, with the shape of each output for a given input."""

from dataclasses import dataclass
from functools import partial
from typing import Any

from chainrule.core.transforms.derivatives import no_grad
from chainrule.core.tree import flatten
from chainrule.present.escape import visible
from chainrule.present.page import fragment, paragraphs
from chainrule.present.table import table

from .hooks import Hook
from .mode import in_mode
from .module import Module

_HEAD = ("layer", "class", "output", "parameters")


@dataclass(frozen=True)
class LayerSummary:
    """One module: its path and class, the shape of its last output, and how many parameters it has itself.

    `shape` is None for a module that was not called, a tuple of shapes for one that returns several arrays. A shared
    parameter counts where it first appears.
    """

    path: str
    kind: str
    shape: tuple[Any, ...] | None
    parameters: int


@dataclass(frozen=True)
class Summary:
    """The result of `summary`; it prints as a table."""

    layers: tuple[LayerSummary, ...]
    parameters: int
    trainable: int
    bytes: int

    def __str__(self) -> str:
        rows = [_HEAD, *self._rows()]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join([*map(str.ljust, row[:3], widths), row[3].rjust(widths[3])]).rstrip() for row in rows]
        return visible("\n".join([*lines, self._total()]))

    def _repr_html_(self) -> str:
        return fragment("en", table(_HEAD, self._rows(), "layers", named=True), paragraphs(self._total()))

    def _rows(self) -> list[tuple[str, str, str, str]]:
        counts = (f"{layer.parameters:,}" if layer.parameters else "" for layer in self.layers)
        return [
            (layer.path or "model", layer.kind, _shape_text(layer.shape), own)
            for layer, own in zip(self.layers, counts, strict=True)
        ]

    def _total(self) -> str:
        frozen = self.parameters - self.trainable
        return f"{self.parameters:,} parameters, of which {frozen:,} are frozen; {self.bytes:,} bytes"


def summary(model: Module, *inputs: Any) -> Summary:
    """Run a model on `inputs` and list the shape of each module's output and how many parameters it has.

    It runs in evaluation mode without gradients, and leaves the model unchanged. Without inputs the shapes are unknown.

    >>> import numpy as np
    >>> from chainrule import nn
    >>> print(nn.summary(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3)), np.zeros((5, 4))))
    layer  class       output  parameters
    model  Sequential  5×3
    0      Linear      5×8             40
    1      ReLU        5×8
    2      Linear      5×3             27
    67 parameters, of which 0 are frozen; 268 bytes
    """
    modules = dict(model.named_modules())
    shapes = _shapes(modules, model, inputs) if inputs else {}
    seen: set[int] = set()
    layers = []
    for path, module in modules.items():
        own = {id(p): p for p in module._parameters.values() if p is not None and id(p) not in seen}
        seen |= own.keys()
        size = sum(p.size for p in own.values())
        layers.append(LayerSummary(path, module._class_name(), shapes.get(path), size))
    parameters = list(model.parameters())
    return Summary(
        tuple(layers),
        sum(p.size for p in parameters),
        sum(p.size for p in parameters if p.requires_grad),
        sum(p.size * p.dtype.itemsize for p in parameters),
    )


def _shapes(modules: dict[str, Module], model: Module, inputs: tuple[Any, ...]) -> dict[str, Any]:
    """Return the shape of what each module returns, by path."""
    shapes: dict[str, Any] = {}

    def keep(path: str, module: Module, args: Any, output: Any) -> None:  # noqa: ARG001
        found = tuple(tuple(leaf.shape) for leaf in flatten(output)[0] if hasattr(leaf, "shape"))
        shapes[path] = found[0] if len(found) == 1 else found

    def hook(path: str) -> Hook:
        return partial(keep, path)

    handles = [module.register_forward_hook(hook(path)) for path, module in modules.items()]
    try:
        with in_mode(model, training=False), no_grad():
            model(*inputs)
    finally:
        for handle in handles:
            handle.remove()
    return shapes


def _shape_text(shape: tuple[Any, ...] | None) -> str:
    if shape is None:
        return "not called"
    if shape and isinstance(shape[0], tuple):
        return ", ".join(map(_shape_text, shape))
    return "×".join(map(str, shape)) or "scalar"
