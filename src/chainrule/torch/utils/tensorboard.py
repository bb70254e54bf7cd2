"""`SummaryWriter`: numbers, histograms and texts in files that TensorBoard reads, written without TensorBoard."""

import os
import socket
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.base.provenance import stacklevel
from chainrule.core.operands.plain import NUMPY
from chainrule.train.event_file import EventFile, Histogram

from ..face import Tensor, values_of


def _number(x: Any) -> float:
    return float(values_of(x)) if isinstance(x, Tensor) else float(x)


class SummaryWriter:
    """Writes what a training run logs to event files in a folder; each value is on disk when the call returns.

    The folder is `log_dir`, or else a new one in `runs`, named by the time and the machine, with `comment` at its end.
    Images, graphs, figures and the like are left out, with a warning.

    >>> with SummaryWriter("runs/a") as writer:
    ...     writer.add_scalar("loss", 0.5, global_step=1)
    >>> writer.log_dir
    'runs/a'
    """

    def __init__(self, log_dir: str | os.PathLike[str] | None = None, comment: str = "", **_: Any) -> None:
        started = time.strftime("%b%d_%H-%M-%S")
        self.log_dir = str(log_dir or Path("runs") / f"{started}_{socket.gethostname()}{comment}")
        self._files: dict[str, EventFile] = {}

    def _file(self, folder: str = "") -> EventFile:
        path = str(Path(self.log_dir) / folder)
        if path not in self._files:
            self._files[path] = EventFile(path)
        return self._files[path]

    def get_logdir(self) -> str:
        """Return the folder."""
        return self.log_dir

    def add_scalar(
        self, tag: str, scalar_value: Any, global_step: int | None = None, walltime: float | None = None, **_: Any
    ) -> None:
        """Write one number at a step."""
        self._file().write(int(global_step or 0), {tag: _number(scalar_value)}, walltime)

    def add_scalars(
        self, main_tag: str, tag_scalar_dict: Mapping[str, Any], global_step: int | None = None, walltime: Any = None
    ) -> None:
        """Write several numbers that one chart shows, each in a folder of its own, as PyTorch does."""
        for tag, value in tag_scalar_dict.items():
            folder = f"{main_tag.replace('/', '_')}_{tag}"
            self._file(folder).write(int(global_step or 0), {main_tag: _number(value)}, walltime)

    def add_histogram(
        self, tag: str, values: Any, global_step: int | None = None, bins: Any = None, walltime: Any = None, **_: Any
    ) -> None:
        """Write how often an array has which values, in `bins` intervals if that is a number."""
        array = values_of(values) if isinstance(values, Tensor) else np.asarray(values)
        found = Histogram.of(array, bins) if isinstance(bins, int) else Histogram.of(array)
        if found is None:
            raise ValueError(f"add_histogram: {tag!r}: got no finite value, expected at least one")
        self._file().write(int(global_step or 0), {}, walltime, {tag: found})

    def add_text(
        self, tag: str, text_string: str, global_step: int | None = None, walltime: float | None = None
    ) -> None:
        """Write a text in Markdown."""
        self._file().write(int(global_step or 0), {}, walltime, None, {tag: text_string})

    def add_hparams(self, hparam_dict: Mapping[str, Any], metric_dict: Mapping[str, Any], *_: Any, **__: Any) -> None:
        """Write the settings of a run as a table, and the numbers that it came to."""
        rows = "\n".join(f"| {name} | {value} |" for name, value in hparam_dict.items())
        file = self._file(str(time.time()))
        file.write(0, {k: _number(x) for k, x in metric_dict.items()}, None, None, {"hparams": f"|||\n|-|-|\n{rows}"})

    def flush(self) -> None:
        """Do nothing: every call writes at once."""

    def close(self) -> None:
        """Close the files; a later call begins new ones."""
        for file in self._files.values():
            file.close()
        self._files.clear()

    def __enter__(self) -> "SummaryWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _left_out(name: str) -> Callable[..., None]:
    def add(self: SummaryWriter, *_: Any, **__: Any) -> None:
        message = f"{name}: event files have numbers, histograms and texts here; this call wrote nothing"
        warnings.warn(message, UserWarning, stacklevel=stacklevel(NUMPY))

    add.__name__ = name
    add.__doc__ = "Write nothing, with a warning."
    return add


for _name in (
    *("image", "images", "image_with_boxes", "figure", "video", "audio", "graph", "onnx_graph", "embedding", "mesh"),
    *("pr_curve", "pr_curve_raw", "custom_scalars", "custom_scalars_multilinechart", "tensor", "histogram_raw"),
):
    setattr(SummaryWriter, f"add_{_name}", _left_out(f"add_{_name}"))

__all__ = ["SummaryWriter"]
