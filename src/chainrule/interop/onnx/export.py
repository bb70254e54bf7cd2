"""`export`: a model as an ONNX file."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from chainrule import nn
from chainrule._version import __version__
from chainrule.base.optional import needed
from chainrule.core.tensor import Tensor, value_of
from chainrule.nn.mode import in_mode

from .graph import Graph
from .tracing import Axes, Size, Traces
from .write import (
    elements as onnx_write_elements,
)
from .write import (
    layers as onnx_write_layers,
)
from .write import (
    modules as onnx_write_modules,
)
from .write import (
    shapes as onnx_write_shapes,
)

FAMILIES = (onnx_write_elements, onnx_write_shapes, onnx_write_layers, onnx_write_modules)
"""The modules with the writers of operations; importing them registers them."""

OPSET, OLDEST_OPSET = 23, 20
IR_VERSIONS = {20: 9, 21: 10, 22: 10, 23: 11}
"""The file format version introduced with each opset; the last one applies to all later opsets."""
LARGEST = 2**31 - 2**20
"""The most bytes of parameters one file can hold, limited by Protocol Buffers."""
PARAMETERS = "chainrule.parameters"
"""The key of a file's metadata that lists the names of trainable parameters, one per line."""

Dynamic = Literal["batch"] | Sequence[Mapping[int, str]] | None


def export(
    model: Callable[..., Any],
    path: str | os.PathLike[str] | None,
    *examples: Any,
    dynamic: Dynamic = "batch",
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    settings: Mapping[str, Any] | None = None,
    opset: int = OPSET,
    check: bool = True,
    tolerance: float = 1e-5,
) -> Any:
    """Export a model in evaluation mode to an ONNX file at `path` (None: no file); return the ModelProto.

    The model is traced on `examples`, so your own modules and any function of chainrule operations can be exported as
    well as the layers of `chainrule.nn`. Python control flow is not traced: a branch on a value is an error, and a loop
    is unrolled. Recurrent layers, BatchNorm and GroupNorm become the single node that ONNX has for each. Parameters
    keep their names and layout. Floating examples are converted to the dtype of the parameters, and so are the inputs
    of the file.

    `dynamic` says which axes may change in length when the file is run: "batch", the first axis of every input; None
    for no axis; or for each input a dict of axes and names, as in `({0: "batch", 1: "time"},)`. The model is traced at
    several lengths to find what depends on them. `settings` are keyword arguments of the model's call, such as
    `{"causal": True}`. Inputs are called `input_names` ("x", or "x0", "x1", …), outputs `output_names` ("y", …).

    `opset` is the version of ONNX's operators, from 20. With `check`, onnxruntime runs the file at two lengths of the
    dynamic axes, and each output may differ from the model's by at most `tolerance` times the larger of 1 and its
    largest value.

    Raises ValueError, with the line of code, for an operation that ONNX cannot express, for one that draws random
    numbers, for operations that depend on a dynamic length, and for a file whose results differ; CaptureError for a
    branch on a value; ImportError, with what to install, without onnx or onnxruntime.

    Source: the ONNX specification, https://onnx.ai/onnx/operators/.

    >>> import numpy as np
    >>> import onnx
    >>> from chainrule import nn
    >>> from chainrule.interop.onnx import export
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    >>> made = export(model, "model.onnx", np.zeros((2, 4), np.float32))
    >>> [node.op_type for node in onnx.load("model.onnx").graph.node]
    ['Gemm', 'Relu', 'Gemm']
    >>> [one.name for one in made.graph.initializer]
    ['0.weight', '0.bias', '2.weight', '2.bias']
    """
    onnx = needed("onnx", "export")
    if not callable(model):
        raise TypeError(f"export: expected a module or a function, got {type(model).__name__}")
    if not examples:
        raise TypeError("export: expected an example of each input after the path, got none")
    _check_opset(onnx, opset)
    if isinstance(model, nn.Module):
        with in_mode(model, False):
            return _exported(onnx, model, path, examples, locals())
    return _exported(onnx, model, path, examples, locals())


def _check_opset(onnx: Any, opset: int) -> None:
    newest = onnx.defs.onnx_opset_version()
    if not OLDEST_OPSET <= opset <= newest:
        raise ValueError(
            f"export: opset: expected {OLDEST_OPSET} to {newest}, the newest of onnx {onnx.__version__}, got {opset}"
        )


def _exported(onnx: Any, model: Any, path: Any, examples: Any, given: Mapping[str, Any]) -> Any:
    arrays = [_example(x, model) for x in examples]
    axes = _axes(given["dynamic"], arrays)
    settings = dict(given["settings"] or {})
    traces = Traces(model, arrays, axes, settings)
    graph = Graph(traces, given["opset"], _names(model, traces))
    inputs = _named("input_names", given["input_names"], "x", len(arrays))
    outputs = _named("output_names", given["output_names"], "y", len(traces.first.outputs))
    for value, name, moving in zip(traces.first.inputs, inputs, axes, strict=True):
        graph.input(value, name, moving)
    graph.reserve(outputs)
    for instruction, args, keywords in traces.instructions():
        graph.write(instruction, args, keywords)
    made = _model(onnx, graph, inputs, outputs, given["opset"])
    if given["check"]:
        _compare(made, traces, inputs, given["tolerance"])
    if path is not None:
        onnx.save(made, os.fspath(path))
    return made


def _example(x: Any, model: Any) -> Any:
    """Return an example as an array, floats in the dtype of the parameters."""
    array = np.array(value_of(x) if isinstance(x, Tensor) else x)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"export: expected examples that are arrays of numbers, got {type(x).__name__}")
    if array.dtype.kind == "f" and isinstance(model, nn.Module):
        like = next((p.dtype for p in model.parameters()), np.dtype(np.float32))
        return array.astype(like)
    return array


def _axes(dynamic: Any, arrays: Sequence[Any]) -> Axes:
    if dynamic == "batch":
        return [{0: "batch"} if x.ndim else {} for x in arrays]
    if dynamic is None:
        return [{} for _ in arrays]
    if isinstance(dynamic, str | Mapping) or len(dynamic) != len(arrays):
        raise ValueError(
            f"export: dynamic: expected 'batch', None or one dict of axes and names for each of the {len(arrays)} "
            f"inputs, got {dynamic!r}"
        )
    found = []
    for x, given in zip(arrays, dynamic, strict=True):
        wrong = [axis for axis in given if not -x.ndim <= axis < x.ndim]
        if wrong:
            raise ValueError(f"export: dynamic: an input of shape {list(x.shape)} has no axis {wrong[0]}")
        found.append({axis % x.ndim: str(name) for axis, name in given.items()})
    return found


def _names(model: Any, traces: Traces) -> dict[int, str]:
    """Return the names of a model's arrays, keyed by the identity of the array."""
    tensors = traces.first.capture.tensors.values()
    found = {id(array): tensor.name or "tensor" for tensor, array, _ in tensors}
    if isinstance(model, nn.Module):
        found |= {id(value_of(p)): name for name, p in model.named_parameters()}
        found |= {id(buffer): name for name, buffer in model.named_buffers()}
    return found


def _named(what: str, given: Sequence[str] | None, letter: str, count: int) -> list[str]:
    if given is None:
        return [letter] if count == 1 else [f"{letter}{k}" for k in range(count)]
    if isinstance(given, str) or len(given) != count or len(set(given)) != count or "" in given:
        raise ValueError(f"export: {what}: expected {count} different names in a list, got {given!r}")
    return [str(name) for name in given]


def _model(onnx: Any, graph: Graph, inputs: list[str], outputs: list[str], opset: int) -> Any:
    helper, traces = onnx.helper, graph.traces
    for value, name in zip(traces.first.outputs, outputs, strict=True):
        graph.nodes.append(helper.make_node("Identity", [graph.ref(value).name], [name], name=f"output_{name}"))
    _join_outputs(graph, outputs)
    graph.prune(outputs)

    def described(name: str, value: Any) -> Any:
        kind = helper.np_dtype_to_tensor_dtype(value.dtype)
        shape = [repr(n) if isinstance(n, Size) else n for n in graph.shape_of(value)]
        return helper.make_tensor_value_info(name, kind, shape)

    total = sum(array.nbytes for array in graph.initializers.values())
    if total > LARGEST:
        raise ValueError(f"export: {total / 2**30:.1f} GiB of parameters, and one file of ONNX holds at most 2")
    body = helper.make_graph(
        graph.nodes,
        "chainrule",
        [described(*pair) for pair in zip(inputs, traces.first.inputs, strict=True)],
        [described(*pair) for pair in zip(outputs, traces.first.outputs, strict=True)],
        [onnx.numpy_helper.from_array(array, name) for name, array in graph.initializers.items()],
    )
    made = helper.make_model(
        body,
        producer_name="chainrule",
        producer_version=__version__,
        opset_imports=[helper.make_opsetid("", opset)],
        ir_version=IR_VERSIONS.get(opset, max(IR_VERSIONS.values())),
    )
    helper.set_model_props(made, {PARAMETERS: "\n".join(graph.parameters)})
    try:
        onnx.checker.check_model(made, full_check=True)
    except Exception as error:  # the checker has several kinds
        raise ValueError(f"export: the checker of onnx refuses the file: {' '.join(str(error).split())}") from error
    return made


def _join_outputs(graph: Graph, outputs: list[str]) -> None:
    """Rename the output of the node that makes it, instead of adding an Identity."""
    behind = graph.nodes[-len(outputs) :]
    before = graph.nodes[: -len(outputs)]
    makers = {name: node for node in before for name in node.output}
    kept = list(before)
    for last in behind:
        old, new = last.input[0], last.output[0]
        used = sum(name == old for node in graph.nodes for name in node.input)
        if old in makers and used == 1:
            makers[old].output[list(makers[old].output).index(old)] = new
        else:
            kept.append(last)
    graph.nodes[:] = kept


def _compare(made: Any, traces: Traces, inputs: list[str], tolerance: float) -> None:
    """Run a file in onnxruntime on the examples, at the original and at other lengths, and compare the outputs."""
    install = "python -m pip install 'chainrule[onnx]', or pass check=False"
    runtime = needed("onnxruntime", "export: comparing the file with the model", install)
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    try:
        session = runtime.InferenceSession(made.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        dtypes = {str(x.dtype) for x in traces.first.examples}
        step = "call model.float() first, or pass check=False" if "float64" in dtypes else "pass check=False"
        raise ValueError(f"export: onnxruntime cannot run the file ({str(error).strip()}); {step}") from error
    for trace in traces.all[:: max(1, len(traces.all) - 1)]:
        found = session.run(None, dict(zip(inputs, trace.examples, strict=True)))
        for k, (theirs, ours) in enumerate(zip(found, trace.results, strict=True)):
            _close(k, np.asarray(theirs), np.asarray(ours), tolerance)


def _close(k: int, theirs: Any, ours: Any, tolerance: float) -> None:
    if theirs.shape != ours.shape:
        raise ValueError(f"export: output {k}: the file gives shape {theirs.shape}, the model {ours.shape}")
    known = np.isfinite(ours)
    if not np.array_equal(known, np.isfinite(theirs)):
        raise ValueError(f"export: output {k}: the file and the model are not finite at different places")
    if ours.size == 0 or not known.any():
        return
    apart = np.abs(theirs[known].astype(np.float64) - ours[known].astype(np.float64)).max()
    largest = max(1.0, float(np.abs(ours[known].astype(np.float64)).max()))
    if not apart <= tolerance * largest:
        raise ValueError(
            f"export: output {k}: the file differs from the model by {apart:.3g}, more than {tolerance:g} times "
            f"{largest:.3g}; pass another tolerance if the dtype allows no more"
        )
