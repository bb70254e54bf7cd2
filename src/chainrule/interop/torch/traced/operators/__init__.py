"""The supported ATen operators and how chainrule runs them, by topic."""

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
    spectra,
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
    "spectra",
    "windows",
]
