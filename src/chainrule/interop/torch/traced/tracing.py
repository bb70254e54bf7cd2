"""The PyTorch side: the graph of a model's ATen operators, by torch.export.

Two things would get lost on the way. Decomposing the operators drops `detach` and `no_grad`, so a marker operator of
our own is inserted first to keep those values constant. And a user's `torch.autograd.Function` is traced through its
forward only, without its custom backward, so the gradients are compared afterwards.
"""

import functools
import inspect
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from chainrule.base.optional import needed
from chainrule.interop.torch.functions import functions_behind

from .caches import check_constants, without_caches

Torch = Any

WHOLE = (
    *("linear", "conv1d", "conv2d", "conv3d", "conv1d.padding", "conv2d.padding", "conv3d.padding"),
    *("conv_transpose1d", "conv_transpose2d.input", "conv_transpose3d.input", "group_norm", "layer_norm", "rms_norm"),
    *("scaled_dot_product_attention", "softmax.int", "log_softmax.int", "adaptive_avg_pool1d", "adaptive_avg_pool2d"),
    *("adaptive_avg_pool3d", "_adaptive_avg_pool2d", "_adaptive_avg_pool3d", "max_pool1d", "max_pool2d", "max_pool3d"),
    *("adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d", "avg_pool1d", "avg_pool2d", "avg_pool3d"),
    *("lstm.input", "gru.input", "rnn_tanh.input", "rnn_relu.input", "pixel_shuffle", "pixel_unshuffle", "einsum"),
    *("channel_shuffle", "silu", "mish", "hardswish", "hardsigmoid", "hardtanh", "relu6", "elu", "celu", "selu", "glu"),
    *("leaky_relu", "softplus", "log_sigmoid", "prelu", "gelu", "embedding", "lerp.Scalar", "lerp.Tensor", "addcmul"),
    *("softshrink", "hardshrink", "threshold", "logit", "masked_fill.Scalar", "masked_fill.Tensor", "roll"),
    *("upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d", "upsample_linear1d", "upsample_bilinear2d"),
    *("upsample_trilinear3d", "upsample_bicubic2d", "upsample_nearest1d.vec", "upsample_nearest2d.vec"),
    *("upsample_nearest3d.vec", "upsample_linear1d.vec", "upsample_bilinear2d.vec", "upsample_trilinear3d.vec"),
    *("upsample_bicubic2d.vec", "_upsample_nearest_exact1d", "_upsample_nearest_exact2d", "_upsample_nearest_exact3d"),
    *("_upsample_nearest_exact1d.vec", "_upsample_nearest_exact2d.vec", "_upsample_nearest_exact3d.vec"),
    *("im2col", "col2im", "unfold", "index_add", "index_copy", "index_fill.int_Scalar", "logsumexp", "cumprod", "std"),
    *("linalg_vector_norm", "var_mean.correction", "std_mean.correction", "std.correction", "stack", "unbind.int"),
    *("reflection_pad1d", "reflection_pad2d", "reflection_pad3d", "replication_pad1d", "replication_pad2d"),
    *("replication_pad3d", "native_group_norm", "native_layer_norm", "split.Tensor", "split_with_sizes"),
    *("repeat_interleave.self_int", "channel_shuffle", "one_hot", "aminmax", "logcumsumexp", "xlogy.Tensor"),
)
"""Operators that PyTorch would decompose, but which chainrule has whole."""
MARK = "chainrule::stop_gradient"


class TracingError(Exception):
    """PyTorch could not trace a model."""


@dataclass
class Traced:
    """A torch.fx graph, and the meaning of its placeholders and outputs.

    `state` maps placeholders to the names of parameters and buffers, `constants` to tensors; `inputs` are the
    placeholders of the leaves of the arguments; `writes` maps buffers to the nodes with their new values; `outputs` has
    nodes at its leaves.
    """

    graph: Torch
    state: Mapping[str, str]
    inputs: list[str]
    constants: Mapping[str, Torch]
    outputs: Any
    writes: Mapping[str, Torch] = field(default_factory=dict)
    leaves: list[Any] = field(default_factory=list)
    """For each leaf of the arguments: the fake tensor of the trace, whose lengths may be symbols, or the value."""


@contextmanager
def _tracing(torch: Torch) -> Iterator[None]:
    """Prepare PyTorch for tracing, and silence the warnings that it raises about its own files.

    `x.data` would become a constant array in the graph, so it is `x.detach()` meanwhile. `nn.Transformer` does not
    check whether a mask is causal, which would only select a kernel. The random generators keep their state.
    """

    class Data(torch.overrides.TorchFunctionMode):  # type: ignore[misc]
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            return args[0].detach() if func == torch.Tensor.data.__get__ else func(*args, **(kwargs or {}))

    transformer = torch.nn.modules.transformer
    detect = transformer._detect_is_causal_mask
    transformer._detect_is_causal_mask = lambda mask, is_causal=None, size=None: is_causal is True  # noqa: ARG005
    with ExitStack() as stack:
        stack.callback(setattr, transformer, "_detect_is_causal_mask", detect)
        for context in (warnings.catch_warnings(), torch.random.fork_rng(devices=[]), Data()):
            stack.enter_context(context)
        for category in (FutureWarning, DeprecationWarning):
            warnings.simplefilter("ignore", category)
        warnings.filterwarnings("ignore", category=UserWarning, module=r"torch\.")
        for told in ("The tensor attributes? .* assigned during export", "The .grad attribute of a Tensor that is not"):
            warnings.filterwarnings("ignore", told, UserWarning)
        yield


def traced(module: Torch, args: tuple[Any, ...], settings: dict[str, Any]) -> Traced:
    """Return the graph of a module at arguments; the first axis of each tensor is dynamic if PyTorch allows it."""
    torch = needed("torch", "from_torch")
    with without_caches(torch, module):
        found = _exported(torch, module, args, settings)
    check_constants(torch, found.constants, type(module).__name__)
    return found


def _exported(torch: Torch, module: Torch, args: tuple[Any, ...], settings: dict[str, Any]) -> Traced:
    _library()
    errors: list[str] = []
    for free in (True, False):
        shapes = _free_axes(torch, module, args, settings) if free else None
        if free and shapes is None:
            continue
        try:
            with _tracing(torch):
                exported = torch.export.export(module, args, settings, dynamic_shapes=shapes)
                _mark(torch, exported.graph_module)
                exported = exported.run_decompositions(_table(torch))
            return _of_exported(torch, exported)
        except Exception as error:  # PyTorch raises errors of many kinds here
            errors.append(_first_lines(error))
    try:
        return traced_by_fx(module, args, settings)
    except Exception as error:
        raise TracingError(errors[-1]) from error


def _first_lines(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {' '.join(lines[:2])[:400]}"


def _free_axes(torch: Torch, module: Torch, args: tuple[Any, ...], settings: dict[str, Any]) -> Any:
    """Return dynamic shapes with the first axis of each tensor open, or None if no axis can be."""
    given = inspect.signature(module.forward).bind(*args, **settings).arguments
    spec = torch.utils._pytree.tree_map(lambda x: _first_axis(torch, x), dict(given))
    return spec if any(torch.utils._pytree.tree_leaves(spec)) else None


def _first_axis(torch: Torch, x: Any) -> Any:
    long = isinstance(x, torch.Tensor) and x.ndim > 0 and x.shape[0] > 1
    return {0: torch.export.Dim.AUTO} if long else None


def _table(torch: Torch) -> Any:
    table = torch.export.default_decompositions()
    for name in WHOLE:
        packet, _, overload = name.partition(".")
        operator = getattr(getattr(torch.ops.aten, packet, None), overload or "default", None)
        table.pop(operator, None)
    return table


# Markers for constants


@functools.cache
def _library() -> Any:
    """Define the operator that marks a constant; it stays registered in PyTorch while this object is alive."""
    torch = needed("torch", "from_torch")
    library = torch.library.Library("chainrule", "FRAGMENT")
    library.define("stop_gradient(Tensor x) -> Tensor")
    library.impl("stop_gradient", lambda x: x.clone(), "CompositeExplicitAutograd")
    return library


def _mark(torch: Torch, graph_module: Torch) -> None:
    """Insert the marker at each call of `detach`, and on the outputs of regions without gradients."""
    aten = torch.ops.aten
    for _, child in graph_module.named_children():
        if isinstance(child, torch.fx.GraphModule):
            _mark(torch, child)
    for node in graph_module.graph.nodes:
        if node.target in (aten.detach.default, aten.detach_.default, aten.detach_copy.default):
            node.target = torch.ops.chainrule.stop_gradient.default
        elif str(node.target) == "wrap_with_set_grad_enabled" and not node.args[0]:
            _stop_outputs(torch, getattr(graph_module, node.args[1].target))
    graph_module.recompile()


def _stop_outputs(torch: Torch, graph_module: Torch) -> None:
    graph = graph_module.graph
    (output,) = [node for node in graph.nodes if node.op == "output"]
    with graph.inserting_before(output):
        for node in list(output.all_input_nodes):
            value = node.meta.get("val")
            if isinstance(value, torch.Tensor) and value.is_floating_point():
                stop = graph.call_function(torch.ops.chainrule.stop_gradient.default, (node,))
                stop.meta = dict(node.meta)
                output.replace_input_with(node, stop)
    graph_module.recompile()


def functions_of_users(outputs: Any) -> list[str]:
    """Return the names of the autograd.Functions, other than PyTorch's own, that produced the outputs."""
    torch = needed("torch", "from_torch")
    leaves = [y for y in torch.utils._pytree.tree_leaves(outputs) if isinstance(y, torch.Tensor)]
    return [cls.__name__ for cls in functions_behind(leaves) if not cls.__module__.startswith("torch.")]


def run_once(module: Torch, args: tuple[Any, ...], settings: dict[str, Any]) -> Any:
    """Run the module and return its outputs, leaving its buffers, caches and the random generators unchanged."""
    torch = needed("torch", "from_torch")
    buffers = {name: buffer.detach().clone() for name, buffer in module.named_buffers()}
    with torch.random.fork_rng(devices=[]), torch.enable_grad(), without_caches(torch, module):
        return torch.func.functional_call(module, buffers, args, settings)


# Reading the program of torch.export


def _of_exported(torch: Torch, exported: Torch) -> Traced:
    signature, graph = exported.graph_signature, exported.graph_module.graph
    nodes = {node.name: node for node in graph.nodes}
    kinds = torch.export.graph_signature.InputKind
    state: dict[str, str] = {}
    constants: dict[str, Torch] = {}
    inputs: list[str] = []
    leaves: list[Any] = []
    for spec in signature.input_specs:
        if spec.kind in (kinds.PARAMETER, kinds.BUFFER):
            state[spec.arg.name] = spec.target
        elif spec.kind is kinds.CONSTANT_TENSOR:
            constants[spec.arg.name] = exported.constants[spec.target]
        elif spec.kind is kinds.USER_INPUT:
            inputs.append(spec.arg.name)
            node = nodes.get(spec.arg.name)
            leaves.append(getattr(spec.arg, "value", None) if node is None else node.meta.get("val"))
        else:
            raise TracingError(f"it takes {spec.arg.name}, an object that is no tensor")
    results, writes = _outputs_of(torch, exported, graph)
    outputs = torch.utils._pytree.tree_unflatten(results, exported.call_spec.out_spec)
    return Traced(graph, state, inputs, constants, outputs, writes, leaves)


def _outputs_of(torch: Torch, exported: Torch, graph: Torch) -> tuple[list[Any], dict[str, Torch]]:
    kinds = torch.export.graph_signature.OutputKind
    (output,) = [node for node in graph.nodes if node.op == "output"]
    results: list[Any] = []
    writes: dict[str, Torch] = {}
    for spec, made in zip(exported.graph_signature.output_specs, output.args[0], strict=True):
        if spec.kind is kinds.BUFFER_MUTATION:
            writes[spec.target] = made
        elif spec.kind is kinds.USER_OUTPUT:
            results.append(made)
        else:
            raise TracingError(f"it writes into {spec.target or 'an argument'}, which is not one of its buffers")
    return results, writes


# Fallback where torch.export fails: torch.fx


def traced_by_fx(module: Torch, args: tuple[Any, ...], settings: dict[str, Any]) -> Traced:
    """Record the module with torch.fx, export the recorded graph instead of the module's code, and return the result.

    Parameters and buffers are passed as arguments.
    """
    torch = needed("torch", "from_torch")
    make_fx, pytree = torch.fx.experimental.proxy_tensor.make_fx, torch.utils._pytree
    names = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    state = {name: t.detach().clone() for name, t in names.items()}
    leaves, form = pytree.tree_flatten((args, settings))
    places = [k for k, leaf in enumerate(leaves) if isinstance(leaf, torch.Tensor)]
    found: list[Any] = []

    def run(values: list[Torch], tensors: list[Torch]) -> list[Any]:
        filled = list(leaves)
        for k, tensor in zip(places, tensors, strict=True):
            filled[k] = tensor
        there = dict(zip(state, values, strict=True))
        own_args, own_settings = pytree.tree_unflatten(filled, form)
        results: list[Any]
        results, after = pytree.tree_flatten(torch.func.functional_call(module, there, own_args, own_settings))
        found[:] = [after]
        return results

    given = [list(state.values()), [leaves[k].clone() for k in places]]
    _library()
    with _tracing(torch):
        written = make_fx(run, pre_dispatch=True)(*given)
        _mark_regions(torch, written)
        exported = torch.export.export(written, ([t.clone() for t in given[0]], given[1]))
        exported = exported.run_decompositions(_table(torch))
    return _of_arguments(torch, exported, list(state), leaves, found[0])


def _mark_regions(torch: Torch, graph_module: Torch) -> None:
    """Insert the marker at each call of `detach`, and where a value leaves a region without gradients."""
    _mark(torch, graph_module)
    graph, enabled, silent = graph_module.graph, True, []
    for node in list(graph.nodes):
        if node.target is torch._C._set_grad_enabled:
            enabled = bool(node.args[0])
            graph.erase_node(node)
        elif node.op == "call_function" and not enabled:
            silent.append(node)
    for node in silent:
        outside = [user for user in node.users if user not in silent]
        value = node.meta.get("val")
        if outside and isinstance(value, torch.Tensor) and value.is_floating_point():
            with graph.inserting_after(node):
                stop = graph.call_function(torch.ops.chainrule.stop_gradient.default, (node,))
            for user in outside:
                user.replace_input_with(node, stop)
    graph_module.recompile()


def _of_arguments(torch: Torch, exported: Torch, state: list[str], leaves: list[Any], form: Any) -> Traced:
    """Return the trace of an exported graph whose first arguments are the parameters and buffers."""
    program, kinds = exported.graph_signature, torch.export.graph_signature
    places = [spec.arg.name for spec in program.input_specs if spec.kind is kinds.InputKind.USER_INPUT]
    held = {**exported.state_dict, **exported.constants}
    constants = {
        spec.arg.name: held[spec.target]
        for spec in program.input_specs
        if spec.kind in (kinds.InputKind.CONSTANT_TENSOR, kinds.InputKind.BUFFER)
    }
    of_state = dict(zip(places, state, strict=False))
    tensors = iter(places[len(state) :])
    inputs = [next(tensors) if isinstance(leaf, torch.Tensor) else "" for leaf in leaves]
    (output,) = [node for node in exported.graph_module.graph.nodes if node.op == "output"]
    results, writes = [], {}
    for spec, made in zip(program.output_specs, output.args[0], strict=True):
        if spec.kind is kinds.OutputKind.USER_OUTPUT:
            results.append(made)
        elif spec.target in of_state:
            writes[of_state[spec.target]] = made
        else:
            raise TracingError(f"it writes into {spec.target}, which is not one of its buffers")
    outputs = torch.utils._pytree.tree_unflatten(results, form)
    return Traced(exported.graph_module.graph, of_state, inputs, constants, outputs, writes, leaves)
