"""`load`: an ONNX file as a chainrule model."""

import os
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.base.optional import needed

from .call import ATTRIBUTES, READERS, Call
from .export import PARAMETERS
from .module import Contents, Input, OnnxModule
from .read import (
    control as onnx_read_control,
)
from .read import (
    elements as onnx_read_elements,
)
from .read import (
    layers as onnx_read_layers,
)
from .read import (
    recurrent as onnx_read_recurrent,
)
from .read import (
    resizing as onnx_read_resizing,
)
from .read import (
    shapes as onnx_read_shapes,
)
from .read.elements import ELEMENT_TYPES
from .running import Branch, all_calls, branches

FAMILIES = (
    *(onnx_read_control, onnx_read_elements, onnx_read_shapes),
    *(onnx_read_layers, onnx_read_recurrent, onnx_read_resizing),
)
"""The modules with the functions that run operators; importing them registers them."""

MOST_NODES, MOST_NESTED = 100_000, 100
"""The most nodes a file may have after inlining, and how deep functions and graphs may nest."""
MASKED = 9e3
"""What a mask adds to hide a score is at least as large: BERT has −10⁴, others −∞ or the dtype's smallest number."""
OLDEST_OPSET = 7
"""Before it, broadcasting was set by attributes."""


def load(source: str | os.PathLike[str] | bytes | Any, trainable: Callable[[str], bool] | None = None) -> OnnxModule:
    """Return an ONNX file, its bytes or a ModelProto as a trainable model, in evaluation mode.

    Its outputs agree with onnxruntime's up to rounding. Floating initializers become parameters under their names.
    Integers, the values of Constant nodes, floating scalars and masks of attention (zeros and numbers from 9000 in size
    on) stay constants, unless the file was written by `export`, which lists its parameters. `trainable`, a function of
    the name, overrides this choice; the running moments of a BatchNormalization are always buffers, and the factors of
    a Resize constants. Functions in the file are inlined.

    Raises FileNotFoundError; ValueError for a file that is not ONNX, is damaged or violates the specification, for an
    unsupported operator, attribute or dtype, with the node's name, and for an opset before 7; TypeError for another
    kind of source; ImportError, with what to install, without onnx.

    >>> import numpy as np
    >>> import onnx
    >>> from chainrule import nn
    >>> from chainrule.interop.onnx import export, load
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.Tanh())
    >>> x = np.ones((2, 4), np.float32)
    >>> _ = export(model, "model.onnx", x)
    >>> again = load("model.onnx")
    >>> np.allclose(again(x).numpy(), model(x).numpy(), atol=1e-6)
    True
    >>> [name for name, _ in again.named_parameters()]
    ['0.weight', '0.bias']
    """
    onnx = needed("onnx", "load")
    file = _inlined(onnx, _read(onnx, source))
    try:
        return _made(onnx, file, trainable).eval()
    except (TypeError, AttributeError, UnicodeError) as error:  # names that are not text arrive as bytes
        raise ValueError(f"load: the file is damaged: {_first_lines(error)}") from error


def _made(onnx: Any, file: Any, trainable: Callable[[str], bool] | None) -> OnnxModule:
    opset = _opset(file)
    graph = file.graph
    if graph.sparse_initializer:
        raise ValueError("load: a sparse initializer; write it as a dense one")
    arrays = {one.name: _array(onnx, one) for one in graph.initializer}
    calls = list(_calls(onnx, graph.node, opset))
    _lift(calls, arrays)
    inputs = [_input(one) for one in graph.input if one.name not in arrays]
    outputs = [one.name for one in graph.output]
    _check_names(calls, [*arrays, *(one.name for one in inputs)], outputs)
    moments = {name for call in all_calls(calls) if call.kind == "BatchNormalization" for name in call.inputs[3:5]}
    factors = {name for call in all_calls(calls) if call.kind == "Resize" for name in call.inputs[1:3]}
    told = {one.key: one.value.split("\n") for one in file.metadata_props if one.key == PARAMETERS}
    wanted = trainable or (set(told[PARAMETERS]).__contains__ if told else lambda name: _is_weight(arrays[name]))
    floats = [name for name, array in arrays.items() if array.dtype.kind == "f"]
    buffers = [name for name in floats if name in moments]
    parameters = [name for name in floats if name not in moments | factors and wanted(name)]
    rest = {name: array for name, array in arrays.items() if name not in {*buffers, *parameters}}
    return OnnxModule(
        Contents(inputs, outputs, calls, rest),
        {name: arrays[name] for name in parameters},
        {name: arrays[name] for name in buffers},
    )


def _is_weight(array: Any) -> bool:
    """Whether a floating array may be a weight: it is no scalar, and no mask of zeros and numbers that hide scores."""
    hides = ~(np.abs(array) < MASKED)
    return array.ndim > 0 and not (hides.any() and not array[~hides].any())


def _read(onnx: Any, source: Any) -> Any:
    """Return a ModelProto that onnx's checker accepts."""
    if isinstance(source, onnx.ModelProto):
        name, file = "the model", source
    elif isinstance(source, bytes):
        name, file = "the bytes", _parsed("the bytes", lambda: onnx.load_model_from_string(source))
    elif isinstance(source, str | os.PathLike):
        path = Path(source)
        if not path.is_file():
            raise FileNotFoundError(f"load: there is no file {path}")
        name, file = str(path), _parsed(str(path), lambda: onnx.load(str(path)))
    else:
        raise TypeError(f"load: expected a path, bytes or a ModelProto of onnx, got {type(source).__name__}")
    if not file.graph.node and not file.graph.output:
        raise ValueError(f"load: {name}: an empty graph, expected an ONNX model")
    _check_functions(name, file)
    try:
        onnx.checker.check_model(file)
    except Exception as error:  # the checker raises several types
        raise ValueError(f"load: {name}: breaks the ONNX specification: {_first_lines(error)}") from error
    return file


def _parsed(name: str, parse: Callable[[], Any]) -> Any:
    try:
        return parse()
    except Exception as error:  # from Protocol Buffers, the file system, onnx
        raise ValueError(
            f"load: {name}: expected an ONNX file, got one that cannot be read: {_first_lines(error)}"
        ) from error


def _first_lines(error: Exception) -> str:
    return " ".join(str(error).split())[:400]


def _check_functions(name: str, file: Any) -> None:
    """Raise ValueError if inlining a file's functions would make too many nodes."""
    functions = {(f.domain, f.name): f.node for f in file.functions}
    sizes: dict[tuple[str, str], int] = {}

    def size(nodes: Any, depth: int) -> int:
        if depth > MOST_NESTED:
            raise ValueError(f"load: {name}: functions and graphs in it nest deeper than {MOST_NESTED} levels")
        total = 0
        for node in nodes:
            key = (node.domain, node.op_type)
            if key in functions and key not in sizes:
                sizes[key] = size(functions[key], depth + 1)
            total += sizes.get(key, 1)
            for attribute in node.attribute:
                graphs = [*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])]
                total += sum(size(graph.node, depth + 1) for graph in graphs)
        return total

    count = size(file.graph.node, 0)
    if count > MOST_NODES:
        raise ValueError(
            f"load: {name}: its functions, inlined, would become {count:,} nodes, and at most {MOST_NODES:,} are taken"
        )


def _inlined(onnx: Any, file: Any) -> Any:
    """Return a model with its functions inlined."""
    if not file.functions:
        return file
    try:
        return import_module(f"{onnx.__name__}.inliner").inline_local_functions(file)
    except Exception as error:
        raise ValueError(f"load: the functions in the file cannot be inlined: {_first_lines(error)}") from error


def _opset(file: Any) -> int:
    for one in file.opset_import:
        if one.domain in ("", "ai.onnx"):
            if one.version < OLDEST_OPSET:
                raise ValueError(
                    f"load: opset {one.version}, expected {OLDEST_OPSET} or later; convert the file with "
                    "onnx.version_converter.convert_version"
                )
            return int(one.version)
    raise ValueError("load: the file does not say the version of ONNX's operators (opset_import)")


def _array(onnx: Any, one: Any) -> Any:
    """Return the array of an initializer; data that do not fit its shape are refused before allocating it."""
    what = f"load: initializer {one.name}"
    if one.data_type not in ELEMENT_TYPES:
        raise ValueError(f"{what}: there is no dtype in NumPy for ONNX's element type {one.data_type}")
    try:
        array = onnx.numpy_helper.to_array(one)
    except Exception as error:
        raise ValueError(f"{what}: its data do not fit its shape {list(one.dims)}: {_first_lines(error)}") from error
    return np.array(array)


def _calls(onnx: Any, nodes: Iterable[Any], opset: int) -> Iterator[Call]:
    """Yield the nodes; a ValueError that lists all unsupported operators."""
    nodes = list(nodes)
    unknown = [n for n in nodes if n.op_type not in READERS or n.domain not in ("", "ai.onnx")]
    if unknown:
        named = [f"{n.domain + '.' if n.domain else ''}{n.op_type} (node {n.name or n.output[0]!r})" for n in unknown]
        more = f" and {len(named) - 5} more" if len(named) > 5 else ""
        raise ValueError(
            f"load: there is no operation for {', '.join(named[:5])}{more}; write that part of the model with other "
            f"operators (there are {', '.join(sorted(READERS))})"
        )
    for node in nodes:
        attributes = {a.name: _attribute(onnx, node, a, opset) for a in node.attribute}
        call = Call(node.op_type, node.name, opset, attributes, tuple(node.input), tuple(node.output))
        for name in attributes.keys() - ATTRIBUTES[node.op_type] - _HARMLESS:
            call.refuse(f"attribute {name}: there is no such setting here")
        yield call


_HARMLESS = {"consumed_inputs"}


def _lift(calls: Iterable[Call], arrays: dict[str, Any]) -> None:
    """Move the arrays of branches to the graph's, where they can be parameters; a name that is taken stays inside."""
    for call in calls:
        for branch in [branch for inner in all_calls([call]) for branch in branches(inner)]:
            lifted = [name for name in branch.constants if name not in arrays]
            arrays.update({name: branch.constants.pop(name) for name in lifted})
        _take(call)


def _take(call: Call) -> None:
    """Make what a node's branches use its inputs, innermost first."""
    for branch in branches(call):
        for inner in branch.calls:
            _take(inner)
    taken = dict.fromkeys(name for branch in branches(call) for name in branch.outside)
    call.inputs = (*call.inputs, *taken)


def _branch(onnx: Any, graph: Any, opset: int) -> Branch:
    constants = {one.name: _array(onnx, one) for one in graph.initializer}
    return Branch(list(_calls(onnx, graph.node, opset)), [one.name for one in graph.output], constants)


def _attribute(onnx: Any, node: Any, attribute: Any, opset: int) -> Any:
    kind = onnx.AttributeProto
    if attribute.type == kind.GRAPH:
        return _branch(onnx, attribute.g, opset)
    if attribute.type == kind.TENSOR:
        return _array(onnx, attribute.t)
    if attribute.type not in (kind.FLOAT, kind.INT, kind.STRING, kind.FLOATS, kind.INTS, kind.STRINGS):
        raise ValueError(
            f"load: {node.op_type} ({node.name}): attribute {attribute.name}: a graph or a type inside a node"
        )
    value = onnx.helper.get_attribute_value(attribute)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if attribute.type == kind.STRINGS:
        return [text.decode("utf-8", "replace") for text in value]
    return list(value) if isinstance(value, list | tuple) or hasattr(value, "__len__") else value


def _input(one: Any) -> Input:
    kind = one.type.tensor_type
    if not one.type.HasField("tensor_type") or kind.elem_type not in ELEMENT_TYPES:
        raise ValueError(f"load: input {one.name}: expected an array of numbers that NumPy has")
    shape = None
    if kind.HasField("shape"):
        shape = tuple(int(d.dim_value) if d.HasField("dim_value") else d.dim_param or None for d in kind.shape.dim)
    return Input(one.name, np.dtype(ELEMENT_TYPES[kind.elem_type]), shape)


def _check_names(calls: Iterable[Call], given: Iterable[str], outputs: Iterable[str]) -> None:
    known = set(given)
    for call in calls:
        for name in call.inputs:
            if name and name not in known:
                call.refuse(f"its input {name!r} is made by no node before it")
        known.update(filter(None, call.outputs))
    for name in outputs:
        if name not in known:
            raise ValueError(f"load: the output {name!r} is made by no node")
