"""Which ATen operators there are, and how chainrule carries them out, by topic."""

from . import (
    activations,
    elements,
    indices,
    layers,
    makers,
    products,
    recurrent,
    reductions,
    resizing,
    shapes,
    sizes,
    windows,
)

__all__ = [
    "activations",
    "elements",
    "indices",
    "layers",
    "makers",
    "products",
    "recurrent",
    "reductions",
    "resizing",
    "shapes",
    "sizes",
    "windows",
]
