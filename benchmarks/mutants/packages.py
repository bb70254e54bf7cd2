"""Backward passes of packages, taken as they are installed: written by others, for themselves.

None of their code is here. Each is looked up at run time, is used only where it is right at several points, and is left
out where its package is missing: `python -m pip install --target LIBRARIES autograd mygrad numpy-ml`.
"""

import ast
import collections
import importlib
import importlib.util
import inspect
import linecache
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from .passes import Pass, classes, positive

Array = Any


def package_of(module: str) -> str:
    """Return the package that a module belongs to."""
    return module.partition(".")[0]


def looked_up(module: str, name: str) -> Any:
    """Return what a module calls so; None where the package is missing, needs another one, or is another version."""
    try:
        return getattr(importlib.import_module(module), name)
    except Exception:
        return _alone(module, name)


def _alone(module: str, name: str) -> Any:
    """Return it from the module's file alone, without importing its package."""
    for folder in sys.path:
        file = Path(folder, *module.split(".")).with_suffix(".py")
        spec = importlib.util.spec_from_file_location(module, file) if file.is_file() else None
        if spec is not None and spec.loader is not None:
            made = importlib.util.module_from_spec(spec)
            try:
                spec.loader.exec_module(made)
            except Exception:
                return None
            return getattr(made, name, None)
    return None


def packages() -> Iterator[tuple[str, list[Pass]]]:
    """Yield the passes of each package that is there, and an empty list for one that is not."""
    for name, found in (("autograd", of_autograd), ("mygrad", of_mygrad), ("numpy_ml", of_numpy_ml)):
        yield name, list(found()) if importlib.util.find_spec(name) else []


# autograd: one lambda for each argument, which takes what was computed and returns the backward pass


def of_autograd() -> Iterator[Pass]:
    """Yield its rules for single functions of arrays."""
    vjps = importlib.import_module("autograd.numpy.numpy_vjps")
    tree = ast.parse(inspect.getsource(vjps))
    calls = [n.value for n in tree.body if isinstance(n, ast.Expr) and isinstance(n.value, ast.Call)]
    for call in calls:
        if getattr(call.func, "id", "") != "defvjp" or not isinstance(call.args[0], ast.Attribute):
            continue
        function = getattr(np, call.args[0].attr, None)
        for number, maker in enumerate(call.args[1:]):
            rule = _rule_of(maker, f"{call.args[0].attr}_rule_{number}", vjps)
            if function is None or rule is None:
                continue
            count = len(maker.args.args) - 1
            yield _of_one(function, rule, number, count)


def _rule_of(maker: ast.expr, name: str, module: ModuleType) -> FunctionType | None:
    """Return `lambda ans, x: lambda g: …` as one function of g, ans and x."""
    if not isinstance(maker, ast.Lambda) or maker.args.defaults or maker.args.vararg:
        return None
    inner = maker.body
    if isinstance(inner, ast.Call):  # unbroadcast_f(x, lambda g: …)
        inner = inner.args[-1]
    if not isinstance(inner, ast.Lambda):
        return None
    names = ["g", *(a.arg for a in maker.args.args)]
    text = f"def {name}({', '.join(names)}):\n    return {ast.unparse(inner.body)}\n"
    file = f"<{name} of autograd, line {maker.lineno}>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    space = dict(vars(module))
    exec(compile(text, file, "exec"), space)
    made: FunctionType = space[name]
    return made


def _of_one(function: Callable[..., Any], rule: FunctionType, number: int, count: int) -> Pass:
    """Return a pass for one argument; the others are fixed."""
    rng = np.random.default_rng(3)
    fixed = [rng.uniform(0.1, 0.9, (3, 4)) for _ in range(count)]

    def all_of(x: Array) -> list[Array]:
        return [*fixed[:number], x, *fixed[number + 1 :]]

    def forward(x: Array) -> Array:
        return function(*all_of(x))

    def made(rule: Callable[..., Any]) -> Callable[..., Any]:
        def backward(dout: Array, x: Array) -> Any:
            return rule(dout, forward(x), *all_of(x))

        return backward

    return Pass(forward, made(rule), (positive(3, 4),), rule, made)


# mygrad: a class for each operation, with a method for the gradients of all its arguments

CALLED: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "ELU": (((3, 4),), {"alpha": 0.7}),
    "Softmax": (((3, 4),), {}),
    "LogSoftmax": (((3, 4),), {}),
    "BatchNorm": (((5, 3), (3,), (3,)), {"eps": 1e-2}),
    "ConvND": (((2, 3, 7), (2, 3, 3)), {"stride": (2,)}),
    "MaxPoolND": (((2, 6),), {"pool": (2,), "stride": (2,)}),
    "MatMul": (((3, 4), (4, 5)), {}),
    "EinSum": (((3, 4), (4, 5)), {"in_lbls": "ij,jk", "out_lbls": "ik"}),
    "Norm": (((3, 4),), {"axis": (1,)}),
    "Sum": (((3, 4),), {"axis": 1}),
    "Mean": (((3, 4),), {"axis": 1}),
    "Prod": (((3, 4),), {"axis": 1}),
    "CumSum": (((3, 4),), {"axis": 1}),
    "CumProd": (((3, 4),), {"axis": 1}),
    "Variance": (((3, 4),), {"axis": 1}),
    "StdDev": (((3, 4),), {"axis": 1}),
    "MaxMin": (((3, 4),), {"axis": 1, "maxmin": "max"}),
    "FocalLoss": (((5, 4),), {"targets": np.array([0, 3, 1, 2, 1]), "alpha": 0.8, "gamma": 2.0}),
    "MulticlassHinge": (((5, 4),), {"y": np.array([0, 3, 1, 2, 1])}),
    "SoftmaxCrossEntropy": (((5, 4),), {"y_true": np.array([0, 3, 1, 2, 1])}),
    "MarginRanking": (((5,), (5,)), {"y": np.array([1.0, -1, 1, 1, -1]), "margin": 0.1}),
}
"""The shapes and settings of operations that need some; the others are tried with one array and with two."""


def of_mygrad() -> Iterator[Pass]:
    """Yield its operations."""
    base = importlib.import_module("mygrad.operation_base").Operation
    importlib.import_module("mygrad")
    tensor = importlib.import_module("mygrad.tensor_base").Tensor
    seen: set[type] = set()
    waiting = list(base.__subclasses__())
    while waiting:
        cls = waiting.pop()
        waiting += cls.__subclasses__()
        if cls in seen or "backward_var" not in vars(cls):
            continue
        seen.add(cls)
        shapes, settings = CALLED.get(cls.__name__, (((3, 4), (3, 4)), {}))
        alone = _of_operation(cls, tensor, shapes[:1], settings)
        yield alone if cls.__name__ not in CALLED and _runs(alone) else _of_operation(cls, tensor, shapes, settings)


def _runs(one: Pass) -> bool:
    try:
        one.forward(*one.drawn(0))
    except Exception:  # it takes more than one array
        return False
    return True


def _of_operation(cls: Any, tensor: Any, shapes: tuple[Any, ...], settings: dict[str, Any]) -> Pass:
    def ran(arrays: tuple[Array, ...]) -> tuple[Any, Array]:
        operation = cls()
        operation.where = True
        return operation, np.array(operation(*(tensor(a) for a in arrays), **settings))

    def forward(*arrays: Array) -> Array:
        return ran(arrays)[1]

    def made(rule: Callable[..., Any]) -> Callable[..., Any]:
        def backward(dout: Array, *arrays: Array) -> Any:
            operation = ran(arrays)[0]
            return tuple(rule(operation, dout, k) for k in range(len(arrays)))

        return backward

    rule = cls.backward_var
    forward.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(f"x{k}", inspect.Parameter.POSITIONAL_OR_KEYWORD) for k in range(len(shapes))]
    )
    return Pass(forward, made(rule), tuple(positive(*shape) for shape in shapes), rule, made)


# numpy-ml: layers with a method for the gradients, activations with one for the derivative


def of_numpy_ml() -> Iterator[Pass]:
    """Yield its activations, and its layers that keep nothing from one run to the next."""
    collections.Hashable = collections.abc.Hashable  # type: ignore[attr-defined]  # written for Python 3.9
    spec = importlib.util.find_spec("numpy_ml")
    if "numpy_ml" not in sys.modules and spec is not None:  # whose own imports need more packages
        bare = ModuleType("numpy_ml")
        bare.__path__ = list(spec.submodule_search_locations or [])
        sys.modules["numpy_ml"] = bare
    activations = importlib.import_module("numpy_ml.neural_nets.activations.activations")
    for cls in vars(activations).values():
        if inspect.isclass(cls) and "grad" in vars(cls) and cls is not activations.ActivationBase:
            yield _of_activation(cls)
    layers = importlib.import_module("numpy_ml.neural_nets.layers.layers")
    for name, settings, x, parameters in LAYERS:
        yield _of_layer(getattr(layers, name), settings, x, parameters)


LAYERS: tuple[tuple[str, dict[str, Any], Any, dict[str, Any]], ...] = (
    ("FullyConnected", {"n_out": 3, "act_fn": "Tanh"}, (5, 4), {"W": (4, 3), "b": (1, 3)}),
    ("FullyConnected", {"n_out": 3, "act_fn": "ReLU"}, (5, 4), {"W": (4, 3), "b": (1, 3)}),
    ("Softmax", {}, (4, 5), {}),
    ("LayerNorm1D", {}, (4, 6), {"scaler": (6,), "intercept": (6,)}),
    ("LayerNorm2D", {}, (3, 2, 2, 3), {"scaler": (2, 2, 3), "intercept": (2, 2, 3)}),
    ("BatchNorm1D", {}, (6, 4), {"scaler": (4,), "intercept": (4,)}),
    ("BatchNorm2D", {}, (3, 2, 2, 3), {"scaler": (3,), "intercept": (3,)}),
    ("Embedding", {"n_out": 3, "vocab_size": 6}, classes(5, 6), {"W": (6, 3)}),
    ("Conv1D", {"out_ch": 2, "kernel_width": 3, "act_fn": "Tanh"}, (2, 6, 3), {"W": (3, 3, 2), "b": (1, 1, 2)}),
    (
        "Conv2D",
        {"out_ch": 2, "kernel_shape": (2, 2), "act_fn": "Tanh"},
        (2, 4, 4, 2),
        {"W": (2, 2, 2, 2), "b": (1, 1, 1, 2)},
    ),
)
"""Layers with their settings, the shape of what they take, and of their parameters, in the order of their gradients."""


def _of_activation(cls: Any) -> Pass:
    def forward(x: Array) -> Array:
        return cls().fn(x)

    def made(rule: Callable[..., Any]) -> Callable[..., Any]:
        def backward(dout: Array, x: Array) -> Any:
            return dout * rule(cls(), x)

        return backward

    return Pass(forward, made(cls.grad), ((4, 3),), cls.grad, made)


def _of_layer(cls: Any, settings: dict[str, Any], x: Any, parameters: dict[str, Any]) -> Pass:
    names = list(parameters)

    def ran(arrays: tuple[Array, ...]) -> tuple[Any, Array]:
        layer = cls(**settings)
        layer.forward(np.array(arrays[0]))  # it learns the shapes
        layer.parameters.update(zip(names, arrays[1:], strict=True))
        layer.X = []
        return layer, layer.forward(arrays[0])

    def forward(*arrays: Array) -> Array:
        return ran(arrays)[1]

    def made(rule: Callable[..., Any]) -> Callable[..., Any]:
        def backward(dout: Array, *arrays: Array) -> Any:
            layer = ran(arrays)[0]
            kept = [layer.derived_variables["Z"][-1]] if len(inspect.signature(rule).parameters) == 4 else []
            found = rule(layer, dout, arrays[0], *kept)
            return found[: len(arrays)] if isinstance(found, tuple) else found

        return backward

    forward.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in ("x", *names)]
    )
    return Pass(forward, made(cls._bwd), (x, *parameters.values()), cls._bwd, made)
