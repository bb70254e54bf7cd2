"""A network that `chainrule train` wrote as an ONNX file: everything from the data as they were read to the prediction.

A kind of data adds a module here, entered in `KINDS`, with `parts(predictor, source) -> Parts`.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.base.files import replace_file
from chainrule.base.optional import needed
from chainrule.train.saved.predictor import predictor_of
from chainrule.train.saved.saving import load

KINDS: Mapping[str, str] = MappingProxyType({"table": "table", "pictures": "pictures", "series": "series"})
"""The module `chainrule.jobs.export.<module>` of each kind of data, by the file's entry "trained_on"."""
INSTALL = "pip install 'chainrule[onnx]'"
TOLERANCE = 1e-5
"""How far the file's results may be from the network's, relative to the larger of 1 and the largest of them."""


@dataclass(frozen=True)
class Parts:
    """What is exported: a function of one array, the names of its input and output, rows, and what is known of both."""

    function: Callable[[Any], Any]
    input: str
    output: str
    rows: NDArray[Any]
    expected: NDArray[Any]
    """The network's own predictions for the rows."""
    said: str
    """Which rows they are."""
    about: Mapping[str, str]
    """Entries of the file's metadata."""


@dataclass(frozen=True)
class Exported:
    """A file that was written: its input and output, and how far it is from the network at most, on which rows."""

    input: str
    output: str
    difference: float
    said: str

    def __str__(self) -> str:
        return f"input {self.input}; output {self.output}; largest difference {self.difference:.1e} on {self.said}"


def export(model: str | Path, out: str | Path, source: str | None = None) -> Exported:
    """Write a network as an ONNX file, after comparing both on the rows of `source`, or else on rows made up.

    Raises ValueError for a kind of network that cannot be exported, and if the file predicts anything else; DataError
    for rows that do not fit the network; ImportError, with what to install, without onnx or onnxruntime.
    """
    if Path(out).suffix.lower() != ".onnx":
        raise ValueError(f"--out: expected a name that ends in .onnx, got {out}")
    file = load(model)
    predictor = predictor_of(file)
    kind = str(file.meta.get("trained_on", "table"))
    if kind not in KINDS:
        raise ValueError(
            f"{model}: was trained on {kind}, and cannot be exported; expected a network for {', '.join(KINDS)}"
        )
    needed("onnx", "chainrule export", INSTALL)
    runtime = needed("onnxruntime", "chainrule export", INSTALL)
    from chainrule.interop.onnx import export as to_onnx

    parts: Parts = import_module(f"chainrule.jobs.export.{KINDS[kind]}").parts(predictor, source)
    made = to_onnx(parts.function, None, parts.rows[:3], input_names=[parts.input], output_names=[parts.output])
    for key, value in parts.about.items():
        made.metadata_props.add(key=key, value=value)
    content = made.SerializeToString()
    session = runtime.InferenceSession(content, providers=["CPUExecutionProvider"])
    found = session.run(None, {parts.input: parts.rows})[0]
    difference = _difference(found, parts)
    replace_file(Path(os.path.realpath(out)), [content])
    return Exported(_described(parts.input, parts.rows), _described(parts.output, found), difference, parts.said)


def _difference(found: NDArray[Any], parts: Parts) -> float:
    """How far the file's results are from the network's at most. Raises ValueError if that is too far."""
    difference = float(np.abs(found - parts.expected).max())
    largest = max(1.0, float(np.abs(parts.expected).max()))
    if not difference <= TOLERANCE * largest:
        raise ValueError(
            f"export: the file's predictions differ by {difference:.1e} from the network's, which are up to "
            f"{largest:.3g}; nothing was written"
        )
    return difference


def _described(name: str, array: NDArray[Any]) -> str:
    return f"{name} {array.dtype}[{', '.join(['N', *map(str, array.shape[1:])])}]"
