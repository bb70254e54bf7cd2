"""Hand-written layers under check: `forward(x)`, `backward(dout)`, parameters found by the names of their gradients."""

import copy
import inspect
from collections.abc import Callable, Collection, Iterator, Mapping
from types import FunctionType, MethodType
from typing import Any

import numpy as np

from chainrule.base.copies import copied
from chainrule.check.checker import examine
from chainrule.check.measuring.measure import BUDGET
from chainrule.check.report.report import CheckReport
from chainrule.core.custom import is_floating
from chainrule.core.tensor import value_of

from .editing import is_users, with_helpers
from .functions import argument_names
from .subject import (
    Array,
    Arrays,
    BackwardError,
    Subject,
    cut,
    joined,
    located,
    parted,
    shortened,
)

GRADIENT_NAMES = ("d{}", "d_{}", "grad_{}", "{}_grad", "grad{}", "{}_bar", "g{}", "delta_{}")
"""The possible names of a parameter's gradient."""
TARGETS = ("t", "y", "target", "targets", "label", "labels", "truth", "y_true", "true", "actual", "mask")
"""What an input is called that needs no gradient, also where it is of floats."""
POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
STORES = (("params", "grads"), ("parameters", "gradients"), ("weights", "grads"))
"""The dictionaries, or lists, that may hold parameters and gradients."""


def check_layer(
    layer: Any,
    *inputs: Any,
    full: bool = False,
    explain: bool = True,
    seed: int = 0,
    expected: str | Collection[str] = (),
    budget: float = BUDGET,
) -> CheckReport:
    """Say whether the backward pass of a hand-written layer is right; see `check` for the report.

    `layer` is any object with `forward(*inputs)` and `backward(dout)`, which returns the gradient of the input, or one
    for each floating-point input; targets (`t`, `y`, `labels`, …) may go without. Its parameters are those of its
    floating-point arrays that have a gradient next to them after the backward pass: `W` and `dW`, `b` and `db`, `gamma`
    and `dgamma`, `W` and `grad_W` or `W_grad`, `params["W"]` and `grads["W"]`. The layer itself does not change: copies
    of it run.

    Raises TypeError if there is no forward or backward method, and what `forward` raises.

    >>> import numpy as np
    >>> class Linear:
    ...     def __init__(self, W):
    ...         self.W = W
    ...
    ...     def forward(self, x):
    ...         self.x = x
    ...         return x @ self.W
    ...
    ...     def backward(self, dout):
    ...         self.dW = self.x.T @ dout
    ...         return dout @ self.W.T
    >>> report = check_layer(Linear(np.eye(3, 2)), np.arange(12.0).reshape(4, 3))
    >>> report.verdict, [row.name for row in report.rows]
    ('right', ['x', 'W'])
    """
    for method in ("forward", "backward"):
        if not callable(getattr(layer, method, None)):
            raise TypeError(f"check_layer: {type(layer).__name__} has no method {method!r}; it needs forward, backward")
    subject = LayerSubject(layer, inputs)
    return examine(subject, full=full, explain=explain, seed=seed, expected=expected, budget=budget)


class LayerSubject(Subject):
    """A layer at given inputs. Every run uses a fresh copy, so that nothing carries over from one to the next."""

    def __init__(self, layer: Any, inputs: tuple[Any, ...]) -> None:
        self.layer = layer
        self.inputs = tuple(value_of(x) if hasattr(x, "_trace") else x for x in inputs)
        self.name = type(layer).__name__
        self.source = located(layer.backward)
        self.backward_name = f"{self.name}.backward"
        names = argument_names(layer.forward, len(inputs))
        self.input_names = {name: k for k, name in enumerate(names) if is_floating(self.inputs[k])}
        self.takes = _arguments_of(layer.backward)
        twin = copied(layer)
        with np.errstate(all="ignore"):
            outputs = _outputs_of(twin.forward(*copied(self.inputs)))
            try:
                result = self._call_backward(twin, [np.ones(y.shape, y.dtype) for y in outputs])
                self.input_names = self._with_gradients(result)
            except Exception:
                twin = layer  # the check itself will run into the error and report it; only the original layer is known
        # What is a number only after a run, such as a state that begins with None, is no parameter.
        self.parameters = {p.name: p for p in parameters_of(twin) if is_floating(p.read(layer))}
        clash = set(self.parameters) & set(self.input_names)
        self.parameters = {(f"layer.{n}" if n in clash else n): p for n, p in self.parameters.items()}
        self.arguments = {n: np.array(self.inputs[k]) for n, k in self.input_names.items()}
        self.arguments |= {n: np.array(p.read(layer)) for n, p in self.parameters.items()}

    def _with_gradients(self, result: Any) -> dict[str, int]:
        """Return the inputs that a backward pass has gradients for: where there are fewer, a target needs none."""
        count = len(result) if isinstance(result, tuple | list) else 1
        others = {name: k for name, k in self.input_names.items() if name.lower() not in TARGETS}
        return others if others and count <= len(others) < len(self.input_names) else self.input_names

    def given(self) -> dict[str, Any]:
        """Return inputs and parameters as they were passed."""
        inputs = {n: self.inputs[k] for n, k in self.input_names.items()}
        return {**inputs, **{n: p.read(self.layer) for n, p in self.parameters.items()}}

    def _run(self, arguments: Arrays) -> tuple[Any, list[Any]]:
        layer = copied(self.layer)
        for name, parameter in self.parameters.items():
            parameter.write(layer, arguments[name])
        inputs = list(copied(self.inputs))
        for name, k in self.input_names.items():
            inputs[k] = arguments[name] if isinstance(self.inputs[k], np.ndarray) else arguments[name][()]
        return layer, _outputs_of(layer.forward(*inputs))

    def forward(self, arguments: Arrays) -> Array:
        """Run a copy forwards."""
        return joined(self._run(arguments)[1])

    def backward(self, arguments: Arrays, y_bar: Array) -> dict[str, Any]:
        """Run a copy forwards and backwards, and collect the returned gradients and those stored next to the
        parameters.
        """
        layer, outputs = self._run(arguments)
        scale = 1.0
        if not self.takes:
            scale = float(np.ravel(y_bar)[0])  # a loss whose backward() implies a cotangent of 1
        bars = parted(y_bar, outputs)
        try:
            result = self._call_backward(layer, [y_bar] if len(bars) == 1 else bars)
        except (TypeError, AttributeError) as error:
            raise BackwardError("signature", f"{self.backward_name} raised {type(error).__name__}: {error}") from error
        except (ValueError, IndexError) as error:
            raise BackwardError("shape", f"{self.backward_name} raised {type(error).__name__}: {error}") from error
        except Exception as error:
            raise BackwardError("raises", f"{self.backward_name} raised {type(error).__name__}: {error}") from error
        found = list(result) if isinstance(result, tuple | list) else [result]
        names = [*self.input_names]
        if len(found) != len(names):
            if not (len(found) == 1 and found[0] is None):
                names = [*names, *self.parameters]
            if len(found) != len(names) and not (len(found) == 1 and found[0] is None):
                raise BackwardError(
                    "signature",
                    f"{self.backward_name} returned {len(found)} gradients, expected one for each of the "
                    f"{len(self.input_names)} floating inputs",
                )
        gradients = {n: p.gradient(layer) for n, p in self.parameters.items()}
        gradients |= dict(zip(names, found, strict=False))
        return {n: None if g is None else np.asarray(value_of(g)) * _one(scale, g) for n, g in gradients.items()}

    def _call_backward(self, layer: Any, bars: list[Any]) -> Any:
        if not self.takes:
            return layer.backward()
        if self.takes == len(bars):
            return layer.backward(*bars)
        return layer.backward(bars[0] if len(bars) == 1 else tuple(bars))

    def widened(self) -> "LayerSubject | None":
        """Return a copy with parameters and inputs in float64."""
        layer = copied(self.layer)
        for parameter in self.parameters.values():
            parameter.write(layer, np.asarray(parameter.read(layer), np.float64))
        return LayerSubject(layer, tuple(np.asarray(x, np.float64) if is_floating(x) else x for x in self.inputs))

    def editable(self) -> Iterator[tuple[FunctionType, Callable[[FunctionType], Subject | None]]]:
        """Yield the method `backward`, the other methods of the layer, and the functions that they call."""

        def with_method(name: str) -> Callable[[FunctionType], Subject | None]:
            def rebuilt(method: FunctionType) -> Subject | None:
                twin = copy.copy(self)
                twin.layer = copied(self.layer)
                try:
                    setattr(twin.layer, name, MethodType(method, twin.layer))
                except AttributeError:  # slots
                    return None
                return twin

            return rebuilt

        for name in ("backward", *(n for n in dir(type(self.layer)) if not n.startswith("__") and n != "backward")):
            method = inspect.getattr_static(type(self.layer), name)
            if is_users(method) and name != "forward":
                yield from with_helpers(method, with_method(name))

    def sizes(self) -> set[int]:
        """Return the lengths of all axes."""
        return {n for x in (*self.inputs, *self.arguments.values()) for n in np.shape(x)}

    def reduced(self, sizes: Mapping[int, int]) -> "LayerSubject":
        """Return the layer with inputs and parameters shortened."""
        layer = copied(self.layer)
        for parameter in self.parameters.values():
            parameter.write(layer, cut(np.array(parameter.read(layer)), sizes))
        return LayerSubject(layer, tuple(cut(x, sizes) for x in self.inputs))

    def recut(self, cuts: Mapping[str, tuple[int, ...]]) -> "LayerSubject | None":
        """Return the layer with some axes of inputs and parameters shorter."""
        layer, inputs = copied(self.layer), list(self.inputs)
        for name, axes in cuts.items():
            if name in self.input_names:
                inputs[self.input_names[name]] = shortened(inputs[self.input_names[name]], axes)
            else:
                self.parameters[name].write(layer, shortened(np.array(self.parameters[name].read(layer)), axes))
        return LayerSubject(layer, tuple(inputs))

    def code(self) -> str:
        """Return Python text that recreates the layer."""
        kind = type(self.layer)
        lines = ["import numpy as np", "import chainrule as cr"]
        if kind.__module__ != "__main__" and kind.__qualname__.isidentifier():
            lines.append(f"from {kind.__module__} import {kind.__qualname__}")
        lines.append(f"layer = {kind.__name__}.__new__({kind.__name__})")
        lines.append("layer.__dict__.update({")
        state = vars(self.layer)
        lines += [f"    {key!r}: {_text_of(value)}," for key, value in state.items()]
        lines.append("})")
        inputs = [_text_of(x) for x in self.inputs]
        lines.append(f"print(cr.check_layer(layer, {', '.join(inputs)}))")
        return "\n".join(lines) if sum(map(len, lines)) < 3000 else ""


class LayerParameter:
    """A parameter of a layer: where it is stored, and where its gradient is."""

    def __init__(
        self, name: str, store: str | None, gradient_store: str | None, gradient_name: str, place: int | None = None
    ) -> None:
        self.name, self.store = name, store
        self.place: Any = name if place is None else place
        self.gradient_store, self.gradient_name = gradient_store, gradient_name

    def read(self, layer: Any) -> Any:
        return value_of(getattr(layer, self.name) if self.store is None else getattr(layer, self.store)[self.place])

    def write(self, layer: Any, value: Any) -> None:
        value = value if isinstance(self.read(layer), np.ndarray) else np.asarray(value)[()]
        kept = self.gradient(layer)
        if isinstance(kept, np.ndarray) and kept.shape == np.shape(self.read(layer)) != np.shape(value):
            replaced(layer, kept, np.zeros(np.shape(value), kept.dtype))  # what a gradient is written into
        if isinstance(self.place, int):
            replaced(layer, self.read(layer), value)
        elif self.store is None:
            setattr(layer, self.name, value)
        else:
            getattr(layer, self.store)[self.place] = value

    def gradient(self, layer: Any) -> Any:
        if self.gradient_store is None:
            return getattr(layer, self.gradient_name, None)
        if isinstance(self.place, int):
            return getattr(layer, self.gradient_store)[self.place]
        return getattr(layer, self.gradient_store).get(self.gradient_name)


def parameters_of(layer: Any) -> Iterator[LayerParameter]:
    """Yield the parameters of a layer that has run backwards."""
    for store, gradients in STORES:
        held, found = getattr(layer, store, None), getattr(layer, gradients, None)
        if isinstance(held, dict) and isinstance(found, dict):
            for name, value in held.items():
                if is_floating(value_of(value)):
                    own = next((g for g in (name, *(p.format(name) for p in GRADIENT_NAMES)) if g in found), name)
                    yield LayerParameter(name, store, gradients, own)
        elif isinstance(held, list) and isinstance(found, list) and len(held) == len(found):
            yield from _listed(store, gradients, held, found)
    state = vars(layer) if hasattr(layer, "__dict__") else {}
    for name, value in state.items():
        if not is_floating(value_of(value)) or any(_is_gradient_of(name, other) for other in state):
            continue
        patterns = (p.format(n) for p in GRADIENT_NAMES for n in (name, name.lower(), name.lstrip("_")))
        gradient = next((g for g in patterns if g != name and hasattr(layer, g)), None)
        if gradient is not None:
            yield LayerParameter(name, None, None, gradient)


def _listed(store: str, gradients: str, held: list[Any], found: list[Any]) -> Iterator[LayerParameter]:
    for k, (value, gradient) in enumerate(zip(held, found, strict=True)):
        if is_floating(value_of(value)) and np.shape(value_of(gradient)) == np.shape(value_of(value)):
            yield LayerParameter(f"{store}[{k}]", store, gradients, "", k)


def replaced(holder: Any, old: Any, new: Any, seen: set[int] | None = None) -> None:
    """Put an array in another one's place wherever an object, or one that it holds, refers to that."""
    seen = set() if seen is None else seen
    if id(holder) in seen or isinstance(holder, np.ndarray | str | bytes | type):
        return
    seen.add(id(holder))
    if isinstance(holder, list | tuple):
        pairs: Any = list(enumerate(holder))
    else:
        own = holder if isinstance(holder, dict) else getattr(holder, "__dict__", {})
        holder, pairs = own, list(own.items())
    for key, value in pairs:
        if value is old and not isinstance(holder, tuple):
            holder[key] = new
        else:
            replaced(value, old, new, seen)


def _is_gradient_of(name: str, other: str) -> bool:
    return name != other and name in (pattern.format(other) for pattern in GRADIENT_NAMES)


def _text_of(value: Any) -> str:
    return f"np.array({value.tolist()}, np.{value.dtype})" if isinstance(value, np.ndarray) else repr(value)


def _arguments_of(method: Any) -> int:
    """Return how many arguments a method needs; at least one if it takes one."""
    signature = inspect.signature(method)
    needed = sum(p.default is p.empty and p.kind in POSITIONAL for p in signature.parameters.values())
    try:
        signature.bind("dout")
    except TypeError:
        return needed
    return max(needed, 1)


def _outputs_of(result: Any) -> list[Any]:
    """Return the arrays of floats that a forward pass returns."""
    outputs = list(result) if isinstance(result, tuple | list) else [result]
    return [np.asarray(value_of(y)) for y in outputs if is_floating(value_of(y))]


def _one(scale: float, like: Any) -> Any:
    return np.asarray(scale, np.asarray(value_of(like)).dtype) if scale != 1.0 else 1


__all__ = ["LayerSubject", "check_layer"]
