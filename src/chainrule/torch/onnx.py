"""`torch.onnx`: `export` by chainrule's own exporter."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from .face import unwrapped
from .missing import lacking
from .nn.adapted import adapted
from .nn.module import Module

__all__ = ["export"]


def export(
    model: Any,
    args: Any = (),
    f: Any = None,
    *,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    opset_version: int | None = None,
    dynamic_axes: Mapping[str, Any] | None = None,
    **_: Any,
) -> None:
    """Write a model in evaluation mode to an ONNX file: a path, or a file that is open for bytes.

    `args` are examples of its inputs. Axes have fixed lengths unless `dynamic_axes` names them, for each of
    `input_names`: `{"x": {0: "batch"}}`. How PyTorch would trace the model does not matter here, so that its other
    settings are accepted and ignored. Errors are those of `chainrule.interop.onnx.export`.
    """
    from chainrule.interop.onnx import export as exported  # onnx is optional

    examples = [unwrapped(x) for x in (args if isinstance(args, tuple | list) else (args,))]
    settings: dict[str, Any] = {} if opset_version is None else {"opset": opset_version}
    if dynamic_axes:
        settings["dynamic"] = tuple(_named_axes(dynamic_axes.get(name, {})) for name in input_names or ())
    else:
        settings["dynamic"] = None
    path = f if isinstance(f, str | os.PathLike) else None
    made = exported(
        adapted(model) if isinstance(model, Module) else model,
        path,
        *examples,
        input_names=list(input_names)[: len(examples)] if input_names else None,
        output_names=output_names,
        **settings,
    )
    if path is None and f is not None:
        f.write(made.SerializeToString())


def _named_axes(axes: Any) -> dict[int, str]:
    """Return axes with names, which PyTorch makes up for a list of axes."""
    return dict(axes) if isinstance(axes, Mapping) else {axis: f"axis_{axis}" for axis in axes}


__getattr__ = lacking(__name__)
