"""Functions, and what happens to the world between their calls: what a replay has to see."""

import array
import collections
import dataclasses
import enum
import functools
import sys
import types
from collections.abc import Callable
from typing import Any

import numpy as np

import chainrule as cr
from chainrule import nn, optim

Pair = tuple[Callable[..., Any], Callable[[int], Any]]
SETTINGS: dict[str, Any] = {}
CONSTANT = 1.0


class Settings:
    """An object of the user's, with a class attribute and a property."""

    power = 1.0

    def __init__(self, scale: float = 1.0, inner: Any = None) -> None:
        self.scale, self.inner, self._hidden = scale, inner, 1.0

    @property
    def hidden(self) -> float:
        return self._hidden

    @classmethod
    def of_class(cls) -> float:
        return cls.power

    def __getitem__(self, key: int) -> float:
        return self._hidden + key

    def scaled(self, x: Any) -> Any:
        return x * self.scale * self.power


class Slotted:
    __slots__ = ("scale",)

    def __init__(self) -> None:
        self.scale = 1.0


@dataclasses.dataclass
class Data:
    scale: float = 1.0


class Mode(enum.Enum):
    UP = 2.0
    DOWN = 3.0


class Net(nn.Module):
    """A network of the user's that reads things in every way."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(3, 3, dtype=np.float64)])
        self.norm = nn.BatchNorm1d(3, dtype=np.float64)
        self.drop = nn.Dropout(0.0)
        self.cfg = Settings()
        self.table = {"a": {"b": [1.0, 2.0]}}
        self.scale = 1.0

    def forward(self, x: Any) -> Any:
        for layer in self.layers:
            x = layer(x)
        return x * self.scale * self.cfg.scale * self.table["a"]["b"][1]


def fixed(f: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(f)
    def call(*args: Any) -> Any:
        return f(*args)

    return call


def on(make: Callable[[], Any], f: Callable[[Any, Any], Any], change: Callable[[Any, int], Any]) -> Callable[[], Pair]:
    """An entry: what `make` returns stands in the closure of a function."""

    def build() -> Pair:
        cr.seed(0)
        thing = make()
        return lambda x: f(thing, x), lambda k: change(thing, k)

    return build


def attribute(name: str) -> Callable[[Any, int], Any]:
    return lambda thing, k: setattr(thing, name, k + 2.0)


def item(*path: Any) -> Callable[[Any, int], Any]:
    def change(thing: Any, k: int) -> None:
        for key in path[:-1]:
            thing = thing[key]
        thing[path[-1]] = k + 2.0

    return change


def _rebound(first: Any, f: Callable[[Any, Any], Any], later: Callable[[int], Any]) -> Callable[[], Pair]:
    """An entry: a variable of the closure that gets another value."""

    def build() -> Pair:
        thing = first() if callable(first) else first

        def change(k: int) -> None:
            nonlocal thing
            thing = later(k)

        return lambda x: f(thing, x), change

    return build


def _set_constant(k: int) -> None:
    global CONSTANT
    CONSTANT = k + 2.0


def reading_constant(x: Any) -> Any:
    return x * CONSTANT


def _global(f: Callable[..., Any]) -> Callable[[], Pair]:
    def build() -> Pair:
        _set_constant(-1)
        return f, _set_constant

    return build


def _module_constant() -> Pair:
    module = types.ModuleType("settings_of_a_test")
    module.__file__ = "/somewhere/settings.py"
    module.scale = 1.0  # type: ignore[attr-defined]
    sys.modules[module.__name__] = module

    def f(x: Any) -> Any:
        from settings_of_a_test import scale  # type: ignore[import-not-found]

        return x * scale * module.scale  # type: ignore[attr-defined]

    return f, lambda k: setattr(module, "scale", k + 2.0)


def _class_attribute() -> Pair:
    class Local(Settings):
        pass

    thing = Local()
    return lambda x: thing.scaled(x), lambda k: setattr(Local, "power", k + 2.0)


def _class_method_replaced() -> Pair:
    class Local(Settings):
        def scaled(self, x: Any) -> Any:
            return x

    thing = Local()
    return lambda x: thing.scaled(x), lambda k: setattr(Local, "scaled", lambda self, x: x * (k + 2.0))


def _forward_of_class() -> Pair:
    class Local(nn.Module):
        def forward(self, x: Any) -> Any:
            return x

    thing = Local()
    return lambda x: thing(x), lambda k: setattr(Local, "forward", lambda self, x: x * (k + 2.0))


def forward_of_layer_class(monkeypatch_to: list[Any]) -> Pair:
    thing = nn.Tanh()
    before = nn.Tanh.forward
    monkeypatch_to.append(lambda: setattr(nn.Tanh, "forward", before))
    return lambda x: thing(x), lambda k: setattr(nn.Tanh, "forward", lambda self, x: x * (k + 2.0))


def _decorated() -> Pair:
    thing = Settings()
    return fixed(lambda x: x * thing.scale), lambda k: setattr(thing, "scale", k + 2.0)


def _through_transform() -> Pair:
    thing = Settings()
    g = cr.grad(lambda x: (x * x * thing.scale).sum())
    return lambda x: g(x), lambda k: setattr(thing, "scale", k + 2.0)


def _custom() -> Pair:
    thing = Settings()

    @cr.custom
    def double(x: Any) -> Any:
        return x * thing.scale

    @double.def_vjp
    def _(y_bar: Any, x: Any) -> Any:
        return y_bar * thing.scale

    return lambda x: double(x), lambda k: setattr(thing, "scale", k + 2.0)


def _inner_compiled() -> Pair:
    thing = Settings()
    inner = cr.compile(lambda x: x * thing.scale)
    return lambda x: inner(x) + 1, lambda k: setattr(thing, "scale", k + 2.0)


def _method() -> Pair:
    thing = Settings(inner=Settings())

    class Trainer:
        def __init__(self) -> None:
            self.model = thing

        def step(self, x: Any) -> Any:
            return x * self.model.inner.scale

    return Trainer().step, lambda k: setattr(thing.inner, "scale", k + 2.0)


def _kwdefaults() -> Pair:
    def f(x: Any, *, scale: float = 1.0) -> Any:
        return x * scale

    return f, lambda k: setattr(f, "__kwdefaults__", {"scale": k + 2.0})


def _function_attribute() -> Pair:
    def f(x: Any) -> Any:
        return x * f.scale  # type: ignore[attr-defined]

    f.scale = 1.0  # type: ignore[attr-defined]
    return f, lambda k: setattr(f, "scale", k + 2.0)


def _grads(change: Callable[[Any, int], Any], f: Callable[[Any, Any], Any]) -> Callable[[], Pair]:
    def build() -> Pair:
        w = cr.tensor([1.0, 2.0, 3.0], requires_grad=True)
        w.grad = np.ones(3)
        return lambda x: f(w, x), lambda k: change(w, k)

    return build


def _optimizer(f: Callable[[Any, Any], Any], change: Callable[[Any, int], Any]) -> Callable[[], Pair]:
    return on(lambda: optim.SGD(nn.Linear(2, 2).parameters(), lr=0.5), f, change)


def _add_group(optimizer: Any, k: int) -> None:
    optimizer.add_param_group({"params": list(nn.Linear(2, 2).parameters()), "lr": 0.1})


def _norms_of_all(model: Any, x: Any) -> Any:
    return x * sum((p.detach() ** 2).sum() for p in model.parameters())


def _add_parameter(model: Any, k: int) -> None:
    setattr(model, f"extra{k}", nn.Parameter(np.full(2, k + 1.0)))


def _training_of_part(model: Any, k: int) -> None:
    model.drop.train(k % 2 == 0)


ARRAY = lambda: np.array([1.0, 2.0, 3.0])  # noqa: E731
write = item(0)

CHANGES: dict[str, Callable[[], Pair]] = {
    # Modules
    "append to a ModuleList": on(
        Net, lambda m, x: m(x), lambda m, k: m.layers.append(nn.Linear(3, 3, dtype=np.float64))
    ),
    "append to a ModuleList that only a loop reads": on(
        lambda: nn.ModuleList([nn.Tanh()]),
        lambda m, x: functools.reduce(lambda y, layer: layer(y), m, x),
        lambda m, k: m.append(nn.Sigmoid()),
    ),
    "a layer replaced": on(Net, lambda m, x: m(x), lambda m, k: setattr(m.layers, "0", nn.Tanh())),
    "forward of an instance": on(Net, lambda m, x: m(x), lambda m, k: setattr(m, "forward", lambda x: x * (k + 2.0))),
    "forward of a part": on(
        Net, lambda m, x: m(x), lambda m, k: setattr(m.layers[0], "forward", lambda x: x * (k + 2.0))
    ),
    "forward of a class": _forward_of_class,
    "a number of a module": on(Net, lambda m, x: m(x), attribute("scale")),
    "a number of a module, past its setattr": on(Net, lambda m, x: m(x), lambda m, k: vars(m).update(scale=k + 2.0)),
    "an attribute of an object in a module": on(Net, lambda m, x: m(x), lambda m, k: setattr(m.cfg, "scale", k + 2.0)),
    "an item deep in a module": on(Net, lambda m, x: m(x), lambda m, k: item("a", "b", 1)(m.table, k)),
    "an object in a module replaced": on(Net, lambda m, x: m(x), lambda m, k: setattr(m, "cfg", Settings(k + 2.0))),
    "the mode of a part that is only read": on(
        Net, lambda m, x: x * (2.0 if m.drop.training else 3.0), _training_of_part
    ),
    "the mode": on(Net, lambda m, x: m.norm(np.stack([x, x * x])), lambda m, k: m.eval()),
    "momentum of a batch norm": on(
        Net,
        lambda m, x: (m.norm(np.stack([x, -x * 2])), m.norm.running_mean)[1] * 1.0,
        lambda m, k: setattr(m.norm, "momentum", 0.5 + 0.1 * k),
    ),
    "eps of a norm": on(lambda: nn.LayerNorm(3, dtype=np.float64), lambda m, x: m(x), attribute("eps")),
    "a parameter added that a loop reads": on(Net, _norms_of_all, _add_parameter),
    "a parameter replaced": on(
        Net, _norms_of_all, lambda m, k: setattr(m.layers[0], "weight", nn.Parameter(np.full((3, 3), k + 1.0)))
    ),
    "a parameter's values": on(Net, _norms_of_all, lambda m, k: setattr(m.layers[0].weight, "data", np.ones((3, 3)))),
    "a parameter frozen": on(
        Net, lambda m, x: x * (1.0 if m.layers[0].weight.requires_grad else 2.0), lambda m, k: m.requires_grad_(k > 1)
    ),
    "a buffer replaced": on(
        Net, lambda m, x: x + m.norm.running_mean, lambda m, k: setattr(m.norm, "running_mean", np.full(3, k + 1.0))
    ),
    "a module's method": on(Net, lambda m, x: m(x), lambda m, k: setattr(m, "scale", -0.0)),
    "dtype": on(Net, lambda m, x: m(x), lambda m, k: m.to(np.float32 if k % 2 else np.float64)),
    # Objects
    "an attribute": on(Settings, lambda t, x: x * t.scale, attribute("scale")),
    "an attribute of a helper whose method is called": on(Settings, lambda t, x: t.scaled(x), attribute("scale")),
    "an attribute through another object": on(
        lambda: Settings(inner=Settings()),
        lambda t, x: x * t.inner.scale,
        lambda t, k: setattr(t.inner, "scale", k + 2.0),
    ),
    "an attribute three objects deep": on(
        lambda: Settings(inner=Settings(inner=Settings())),
        lambda t, x: x * t.inner.inner.scale,
        lambda t, k: setattr(t.inner.inner, "scale", k + 2.0),
    ),
    "an object between replaced": on(
        lambda: Settings(inner=Settings()),
        lambda t, x: x * t.inner.scale,
        lambda t, k: setattr(t, "inner", Settings(k)),
    ),
    "what a method of the owner reads": _method,
    "a property": on(Settings, lambda t, x: x * t.hidden, attribute("_hidden")),
    "an operator of the user's": on(Settings, lambda t, x: x * t[1], attribute("_hidden")),
    "getattr with a name": on(Settings, lambda t, x: x * getattr(t, "scale"), attribute("scale")),  # noqa: B009
    "getattr with a computed name": on(Settings, lambda t, x: x * getattr(t, "sc" + "ale"), attribute("scale")),
    "vars": on(Settings, lambda t, x: x * vars(t)["scale"], attribute("scale")),
    "an instance attribute over one of the class": on(Settings, lambda t, x: t.scaled(x), attribute("power")),
    "a class attribute": _class_attribute,
    "a class method": on(
        lambda: type("Local", (Settings,), {}), lambda t, x: x * t.of_class(), lambda t, k: setattr(t, "power", k + 2.0)
    ),
    "a method replaced in the class": _class_method_replaced,
    "slots": on(Slotted, lambda t, x: x * t.scale, attribute("scale")),
    "a dataclass": on(Data, lambda t, x: x * t.scale, attribute("scale")),
    "a dataclass as a dict": on(Data, lambda t, x: x * dataclasses.asdict(t)["scale"], attribute("scale")),
    "a namespace": on(lambda: types.SimpleNamespace(scale=1.0), lambda t, x: x * t.scale, attribute("scale")),
    "an enum": _rebound(Mode.UP, lambda t, x: x * t.value, lambda k: Mode.DOWN),
    "−0.0": on(
        Settings, lambda t, x: np.copysign(x, t.scale), lambda t, k: setattr(t, "scale", -0.0 if k % 2 else 0.0)
    ),
    "NaN": on(Settings, lambda t, x: x * t.scale, lambda t, k: setattr(t, "scale", float("nan"))),
    "an integer that becomes a float": on(
        Settings, lambda t, x: (x.astype(np.float32) * np.asarray(t.scale)).dtype.itemsize * x, attribute("scale")
    ),
    # Containers
    "a dict": on(lambda: {"w": 1.0}, lambda t, x: x * t["w"], item("w")),
    "a dict in a dict": on(lambda: {"loss": {"w": 1.0}}, lambda t, x: x * t["loss"]["w"], item("loss", "w")),
    "a list in a dict in a list": on(lambda: [{"w": [1.0]}], lambda t, x: x * t[0]["w"][0], item(0, "w", 0)),
    "a key added": on(lambda: {"w": 1.0}, lambda t, x: x * sum(t.values()), lambda t, k: t.update({k: 2.0})),
    "a key removed": on(lambda: {"w": 1.0, "v": 2.0}, lambda t, x: x * sum(t.values()), lambda t, k: t.pop("v", None)),
    "the order of keys": on(
        lambda: {"a": 1.0, "b": 2.0}, lambda t, x: x * next(iter(t.values())), lambda t, k: t.update(a=t.pop("a"))
    ),
    "OrderedDict": on(lambda: collections.OrderedDict(w=1.0), lambda t, x: x * t["w"], item("w")),
    "OrderedDict moved": on(
        lambda: collections.OrderedDict(a=1.0, b=2.0),
        lambda t, x: x * next(iter(t.values())),
        lambda t, k: t.move_to_end("a" if k % 2 else "b"),
    ),
    "defaultdict": on(lambda: collections.defaultdict(float, w=1.0), lambda t, x: x * (t["w"] + 1), item("w")),
    "UserDict": on(lambda: collections.UserDict(w=1.0), lambda t, x: x * t["w"], item("w")),
    "deque": on(lambda: collections.deque([1.0]), lambda t, x: x * t[0], item(0)),
    "set": on(lambda: {1.0}, lambda t, x: x * sum(t), lambda t, k: t.add(k + 2.0)),
    "a list that grows": on(lambda: [1.0], lambda t, x: x * len(t), lambda t, k: t.append(1.0)),
    "a list made anew with the same numbers": _rebound(lambda: [1.0], lambda t, x: x * t[0], lambda k: [1.0]),
    "a list made anew, then changed": _rebound(lambda: [1.0], lambda t, x: x * t[0], lambda k: [1.0 if k < 1 else 5.0]),
    "a tuple of lists": on(lambda: ([1.0],), lambda t, x: x * t[0][0], item(0, 0)),
    "functions in a dict": on(
        lambda: {"f": np.sin}, lambda t, x: t["f"](x), lambda t, k: t.__setitem__("f", np.cos if k % 2 else np.tanh)
    ),
    "partial": on(
        lambda: functools.partial(lambda cfg, x: x * cfg["w"], {"w": 1.0}),
        lambda t, x: t(x),
        lambda t, k: item("w")(t.args[0], k),
    ),
    "keywords of a partial": on(
        lambda: functools.partial(lambda x, cfg: x * cfg["w"], cfg={"w": 1.0}),
        lambda t, x: t(x),
        lambda t, k: item("cfg", "w")(t.keywords, k),
    ),
    # Variables
    "a global": _global(lambda x: x * CONSTANT),
    "a global of a helper": _global(lambda x: reading_constant(x)),
    "a global of a helper in a dict": _global(lambda x: {"f": reading_constant}["f"](x)),
    "a module's variable": _module_constant,
    "keyword defaults": _kwdefaults,
    "an attribute of a function": _function_attribute,
    "what a decorated function reads": _decorated,
    "what a function under a transform reads": _through_transform,
    "what a custom operation reads": _custom,
    "what an inner compiled function reads": _inner_compiled,
    "a string": _rebound("up", lambda t, x: x if t == "up" else -x, lambda k: "down"),
    "None": _rebound(None, lambda t, x: x if t is None else -x, lambda k: 1),
    "a function": _rebound(lambda: np.sin, lambda t, x: t(x), lambda k: np.cos),
    # Arrays
    "an array as an operand": on(ARRAY, lambda a, x: x * a, write),
    "an array as float": on(ARRAY, lambda a, x: x * float(a[0]), write),
    "an array of one as float": on(lambda: np.ones(()), lambda a, x: x * float(a), lambda a, k: a.fill(k + 2.0)),
    "a 0-d array as an operand": on(lambda: np.ones(()), lambda a, x: x * a, lambda a, k: a.fill(k + 2.0)),
    "an array in a condition": on(ARRAY, lambda a, x: x if a[0] > 2.5 else -x, write),
    "an array as a list": on(ARRAY, lambda a, x: x * a.tolist()[0], write),
    "item": on(ARRAY, lambda a, x: x * a.item(0), write),
    "max of an array": on(ARRAY, lambda a, x: x * a.max(), write),
    "np.max of an array": on(ARRAY, lambda a, x: x * np.max(a), write),
    "argmax of an array": on(ARRAY, lambda a, x: x * a.argmax(), lambda a, k: a.__setitem__(k % 3, 9.0 + k)),
    "a sum of two plain arrays": on(ARRAY, lambda a, x: x * (a + 1.0), write),
    "np.exp of a plain array": on(ARRAY, lambda a, x: x * np.exp(a), write),
    "astype": on(ARRAY, lambda a, x: x * a.astype(np.float32), write),
    "a copy": on(ARRAY, lambda a, x: x * a.copy(), write),
    "np.array of an array": on(ARRAY, lambda a, x: x * np.array(a), write),
    "np.asarray as another dtype": on(ARRAY, lambda a, x: x * np.asarray(a, np.float32), write),
    "cr.tensor of an array": on(ARRAY, lambda a, x: x * cr.tensor(a), write),
    "iteration": on(ARRAY, lambda a, x: x * sum(float(v) for v in a), write),
    "in": on(ARRAY, lambda a, x: x if 2.0 in a else -x, lambda a, k: a.__setitem__(1, 7.0 + k)),
    "a slice, then a condition": on(
        ARRAY, lambda a, x: x if a[1:].sum() > 6 else -x, lambda a, k: a.__setitem__(2, 9.0)
    ),
    "a slice as an operand": on(ARRAY, lambda a, x: x[1:] * a[1:], lambda a, k: a.__setitem__(2, 9.0 + k)),
    "a transposed operand": on(lambda: np.ones((2, 3)), lambda a, x: x @ a.T, lambda a, k: a.fill(k + 2.0)),
    "a mask": on(
        lambda: np.array([True, False, True]), lambda a, x: np.where(a, x, 0.0), lambda a, k: a.fill(k % 2 == 0)
    ),
    "a mask as an index": on(
        lambda: np.array([True, False, True]), lambda a, x: x[a].sum(), lambda a, k: a.fill(k % 2 == 0)
    ),
    "an index": on(lambda: np.array([0, 1]), lambda a, x: x[a], lambda a, k: a.fill(k % 3)),
    "the number of an index": on(lambda: np.array(0), lambda a, x: x[int(a)], lambda a, k: a.fill(k % 3)),
    "an array in an object": on(
        lambda: Settings(ARRAY()), lambda t, x: x * t.scale.max(), lambda t, k: write(t.scale, k)
    ),
    "an array in a dict": on(lambda: {"a": ARRAY()}, lambda t, x: x * t["a"].max(), lambda t, k: write(t["a"], k)),
    "an array in a list": on(lambda: [ARRAY()], lambda t, x: x * t[0].max(), lambda t, k: write(t[0], k)),
    "an array in a tuple": on(lambda: (ARRAY(),), lambda t, x: x * t[0].max(), lambda t, k: write(t[0], k)),
    "an array of a large table": on(
        lambda: np.ones((300, 300)), lambda a, x: x * a.mean(), lambda a, k: a[k].fill(k + 5.0)
    ),
    "bytearray": on(lambda: bytearray([1, 2]), lambda a, x: x * a[0], lambda a, k: a.__setitem__(0, k + 3)),
    "array.array": on(lambda: array.array("d", [1.0]), lambda a, x: x * a[0], item(0)),
    "memoryview": on(
        lambda: memoryview(bytearray([1, 2])), lambda a, x: x * a[0], lambda a, k: a.__setitem__(0, k + 3)
    ),
    "labels in the closure": on(
        lambda: np.array([0, 1]),
        lambda y, x: nn.functional.cross_entropy(np.stack([x, x * x]), y),
        lambda y, k: y.fill(k % 3),
    ),
    "targets in the closure": on(ARRAY, lambda y, x: nn.functional.mse_loss(x, y), write),
    "float32 targets in the closure": on(
        lambda: np.ones(3, np.float32), lambda y, x: nn.functional.mse_loss(x, y), write
    ),
    "inputs in the closure": on(ARRAY, lambda a, x: nn.functional.softmax(a, axis=-1) * x, write),
    "inputs of a layer in the closure": on(
        lambda: (nn.Linear(3, 3), ARRAY()), lambda t, x: t[0](t[1]) * x, lambda t, k: write(t[1], k)
    ),
    "a constant tensor": on(
        lambda: cr.tensor([1.0, 2.0, 3.0]), lambda t, x: x * t, lambda t, k: setattr(t, "data", np.full(3, k + 2.0))
    ),
    # Gradients and optimisers
    "p.grad is not None": _grads(
        lambda w, k: setattr(w, "grad", None), lambda w, x: x * (2.0 if w.grad is not None else 1.0)
    ),
    "p.grad is None, then not": on(
        lambda: cr.tensor([1.0, 2.0, 3.0], requires_grad=True),
        lambda w, x: x * (2.0 if w.grad is not None else 1.0),
        lambda w, k: setattr(w, "grad", np.ones(3)),
    ),
    "p.grad": _grads(lambda w, k: setattr(w, "grad", np.full(3, k + 2.0)), lambda w, x: x * w.grad),
    "a learning rate that the function reads": _optimizer(
        lambda o, x: x * o.param_groups[0]["lr"], lambda o, k: o.param_groups[0].__setitem__("lr", k + 2.0)
    ),
    "a parameter group added": _optimizer(lambda o, x: x * len(o.param_groups), _add_group),
}
