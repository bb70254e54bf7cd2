"""`copy.copy`, `copy.deepcopy` and `pickle` of all that a user holds: the same thing again, and nothing shared."""

import copy
import gc
import pickle
import subprocess
import sys
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr
from chainrule import data, nn, optim, train
from chainrule.check.subjects.subject import BackwardError
from chainrule.doctor.nonfinite import NonFiniteOperation, detect_nonfinite
from chainrule.formula.tokens import FormulaError
from chainrule.train.step import NonFiniteError

X = np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)
Y = np.arange(8) % 2
Way = Callable[[Any], Any]
DEEP: dict[str, Way] = {
    "deepcopy": copy.deepcopy,
    "pickle": lambda x: pickle.loads(pickle.dumps(x)),
    "pickle, the oldest protocol": lambda x: pickle.loads(pickle.dumps(x, 2)),
}
WAYS = {"copy": copy.copy, **DEEP}


def arrays_of(tree: Any) -> list[Any]:
    """Return every array that can be reached, but for those of code and of modules."""
    seen: dict[int, Any] = {}
    found, stack = [], [tree]
    while stack:
        x = stack.pop()
        if id(x) in seen or isinstance(x, type | types.ModuleType | types.FunctionType | types.BuiltinFunctionType):
            continue
        seen[id(x)] = x
        if isinstance(x, np.ndarray):
            found.append(x)
        stack += gc.get_referents(x)
    return found


def assert_nothing_is_shared(first: Any, second: Any) -> None:
    ours = [a for a in arrays_of(first) if a.size]
    for theirs in arrays_of(second):
        assert not any(np.shares_memory(theirs, a) for a in ours)


def value(y: Any) -> Any:
    return np.array(y.numpy() if isinstance(y, cr.Tensor) else y)


# Functions


def plain(x: Any) -> Any:
    return np.tanh(x) * 2.0


@cr.compile
def decorated(x: Any) -> Any:
    return np.tanh(x) * 2.0


class Holder:
    """Something with a compiled method."""

    def __init__(self) -> None:
        self.factor = 3.0

    @cr.compile
    def method(self, x: Any) -> Any:
        return x * self.factor


@cr.custom
def cube(x: Any) -> Any:
    return x**3


@cube.def_vjp
def _(y_bar: Any, x: Any) -> Any:
    return y_bar * 3 * x**2


COMPILED: dict[str, Callable[[], Any]] = {
    "a function": lambda: cr.compile(plain),
    "decorated": lambda: decorated,
    "a model": lambda: cr.compile(nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3)).train(False)),
    "a method": lambda: Holder().method,
    "of a function of NumPy": lambda: cr.compile(np.tanh),
}


@walked("way", WAYS.values(), ids=WAYS)
@walked("make", COMPILED.values(), ids=COMPILED)
@walked("used", [False, True])
def test_compiled(make: Callable[[], Any], way: Way, used: bool) -> None:
    compiled = make()
    Holder.method.clear()  # which belongs to all of them
    expected = value(compiled(X)) if used else None
    twin = way(compiled)
    assert twin.__name__ == compiled.__name__
    found = value(twin(X))
    np.testing.assert_array_equal(found, value(compiled(X)) if expected is None else expected)
    np.testing.assert_allclose(value(twin(X[:2])), found[:2], rtol=1e-6)


@walked("way", DEEP.values(), ids=DEEP)
def test_a_copied_compiled_model_has_parameters_of_its_own(way: Way) -> None:
    compiled = cr.compile(nn.Linear(3, 2))
    before = value(compiled(X))
    twin = way(compiled)
    assert twin.plans == {}
    twin(X)
    assert_nothing_is_shared(compiled.function, twin.function)
    for p in twin.function.parameters():
        p.data[...] = 0.0
    assert not value(twin(X)).any()
    np.testing.assert_array_equal(value(compiled(X)), before)


def test_what_is_decorated_is_found_by_its_name() -> None:
    assert pickle.loads(pickle.dumps(decorated)) is decorated
    assert pickle.loads(pickle.dumps(cube)) is cube
    assert pickle.loads(pickle.dumps(Holder.method)) is Holder.method
    assert float(cr.grad(copy.deepcopy(cube))(2.0)) == 12.0


@pytest.mark.slow
def test_in_another_process() -> None:
    program = (
        "import sys, pickle, numpy as np; f, w = pickle.loads(sys.stdin.buffer.read()); "
        "print(f(np.zeros(2)).tolist(), w.requires_grad, w.name, w.grad.tolist())"
    )
    w = cr.tensor([1.0, 2.0], requires_grad=True, name="w")
    (w * w).sum().backward()
    sent = pickle.dumps((cr.compile(nn.functional.softmax), w))
    ended = subprocess.run([sys.executable, "-c", program], input=sent, capture_output=True, check=True, timeout=120)
    assert ended.stdout.decode().strip() == "[0.5, 0.5] True w [2.0, 4.0]"


# Models, optimisers and what goes with them


def network() -> Any:
    cr.seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Dropout(0.5), nn.Linear(4, 2))


OPTIMISERS: dict[str, Callable[[Any], Any]] = {
    "SGD": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    "Adam": lambda p: optim.Adam(p, lr=0.01, amsgrad=True),
    "AdamW": lambda p: optim.AdamW(p, lr=0.01),
    "RMSprop": lambda p: optim.RMSprop(p, lr=0.01, momentum=0.9, centered=True),
    "Adagrad": lambda p: optim.Adagrad(p, lr=0.1),
}


def stepping(model: Any, optimizer: Any, scheduler: Any, compiled: bool) -> Callable[[], Any]:
    def step() -> Any:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(X), Y)
        loss.backward()
        optimizer.step()
        return loss

    run = cr.compile(step) if compiled else step

    def whole() -> Any:
        loss = run()
        scheduler.step()
        return float(np.asarray(loss.detach() if isinstance(loss, cr.Tensor) else loss))

    return whole


def after(world: Any, steps: int, compiled: bool) -> list[Any]:
    cr.seed(1)
    model, optimizer, scheduler, ema = world
    step = stepping(model, optimizer, scheduler, compiled)
    losses = []
    for _ in range(steps):
        losses.append(step())
        ema.update()
    values = [np.array(p.numpy()) for p in model.parameters()]
    buffers = [np.array(b.numpy() if isinstance(b, cr.Tensor) else b) for b in model.buffers()]
    return [losses, *values, *buffers, *ema.averages.values(), optimizer.param_groups[0]["lr"]]


@pytest.mark.parametrize("way", DEEP.values(), ids=DEEP)
@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("make", OPTIMISERS.values(), ids=OPTIMISERS)
def test_a_model_and_its_optimiser_together(make: Callable[[Any], Any], compiled: bool, way: Way) -> None:
    model = network()
    optimizer = make(model.parameters())
    scheduler = optim.lr_scheduler.StepLR(optimizer, 2, gamma=0.5)
    world = (model, optimizer, scheduler, optim.EMA(model.parameters()))
    after(world, 3, compiled)
    twin = way(world)
    assert_nothing_is_shared(world, twin)
    copied_model, copied_optimizer, copied_scheduler, _ = twin
    used = [p for group in copied_optimizer.param_groups for p in group["params"]]
    assert [id(p) for p in used] == [id(p) for p in copied_model.parameters()]
    assert copied_scheduler.optimizer is copied_optimizer
    assert set(map(id, copied_optimizer.state)) <= set(map(id, used))
    kept = [np.array(p.numpy()) for p in model.parameters()]
    first = after(twin, 3, compiled)
    for p, before in zip(model.parameters(), kept, strict=True):
        np.testing.assert_array_equal(p.numpy(), before)
    for found, expected in zip(first, after(world, 3, compiled), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7)
    assert_nothing_is_shared(world, twin)


@walked("way", DEEP.values(), ids=DEEP)
def test_a_copy_from_within_a_tape(way: Way) -> None:
    """A model whose parameters a tape has saved, whose memory is lent, and that has gradients."""
    model = network()
    loss = nn.functional.cross_entropy(model(X), Y)
    views = [np.asarray(p.data) for p in model.parameters()]
    twin = way(model)
    assert_nothing_is_shared(model, twin)
    for p in twin.parameters():
        p.data[...] = 0.0
    loss.backward()
    assert all(p.grad is not None for p in model.parameters())
    assert all(p.grad is None for p in twin.parameters())
    assert len(views) == 6


@walked("way", DEEP.values(), ids=DEEP)
def test_a_loader_in_the_middle_of_an_epoch(way: Way) -> None:
    loader = data.DataLoader(np.arange(12), batch_size=2, shuffle=True, seed=3)
    epoch = iter(loader)
    next(epoch), next(epoch)
    with loader.sharded(0, 1):
        twin = way(loader)
    assert twin.state_dict() == loader.state_dict()
    assert len(list(epoch)) == 4
    assert [x.tolist() for (x,) in twin] == [x.tolist() for (x,) in loader]
    assert_nothing_is_shared(loader, twin)


def test_shared_parameters_stay_shared() -> None:
    w = nn.Parameter(np.ones((2, 2)))
    first, second = nn.Linear(2, 2), nn.Linear(2, 2)
    first.weight = second.weight = w
    for way in DEEP.values():
        one, two = way((first, second))
        assert one.weight is two.weight
        assert one.weight is not w


# Tensors


@walked("way", WAYS.values(), ids=WAYS)
@walked("dtype", [np.float64, np.float32, np.float16, np.int64, np.bool_])
@walked("shape", [(), (3,), (2, 0), (2, 3)])
def test_tensors(way: Way, dtype: Any, shape: tuple[int, ...]) -> None:
    floating = np.issubdtype(dtype, np.floating)
    x = cr.tensor(np.ones(shape, dtype), requires_grad=floating, name="x")
    if floating:
        (x * x).sum().backward()
    twin = way(x)
    assert type(twin) is cr.Tensor
    assert (twin.shape, twin.dtype, twin.requires_grad, twin.name) == (x.shape, x.dtype, x.requires_grad, "x")
    assert (twin.grad is None) == (x.grad is None)
    if floating:
        np.testing.assert_array_equal(twin.grad.numpy(), x.grad.numpy())
    assert_nothing_is_shared(x, twin)


@walked("way", WAYS.values(), ids=WAYS)
def test_results_of_operations(way: Way) -> None:
    x = cr.tensor(np.ones(3), requires_grad=True)
    for y in (x * 2, x[1:], np.split(x, 3)[0]):
        with pytest.raises(cr.GradientError, match=r"is the result of an operation.*x\.detach\(\) instead"):
            way(y)
        assert way(y.detach()).tolist() == y.tolist()
    if way is WAYS["copy"] or way is WAYS["deepcopy"]:  # inside a transform a copy is an operation
        assert cr.grad(lambda x: way(x) * x)(1.0) == 2.0
        return
    with pytest.raises(cr.GradientError, match="result of an operation"):
        cr.grad(lambda x: way(x) * x)(1.0)


@walked("way", WAYS.values(), ids=WAYS)
def test_arrays_of_tensors(way: Way) -> None:
    """`x.data` is an array that tells of writes: a copy of it tells nobody."""
    x = cr.tensor(np.ones(3), requires_grad=True)
    loss = (x * x).sum()
    for array in (x.data, x.numpy(), x.data[1:]):
        twin = way(array)
        twin = twin if twin.flags.writeable else twin.copy()
        twin[0] = 7.0
        assert not np.shares_memory(twin, x.numpy())
    loss.backward()
    assert x.grad.tolist() == [2.0] * 3


# Reports, histories, errors


def history() -> Any:
    cr.seed(0)
    model = nn.Linear(3, 1)
    batches = [(X, X[:, :1])] * 3
    return train.fit(model, nn.MSELoss(), optim.SGD(model.parameters(), lr=0.1), batches, epochs=2)


REPORTS: dict[str, Callable[[], Any]] = {
    "History": history,
    "CheckReport": lambda: cr.check(np.tanh, np.ones(3)),
    "CheckReport of a layer": lambda: cr.check(nn.Linear(2, 2), np.ones((3, 2))),
    "CheckReport that found something": lambda: cr.check(wrong, np.array([1.0, 2.0])),
    "Diagnosis": lambda: cr.doctor(
        nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 1)), nn.MSELoss(), [(X, X[:, :1])]
    ),
    "Derivation": lambda: cr.explain(lambda x: (np.tanh(x) ** 2).sum(), np.ones(2)),
}
wrong = cr.custom(lambda x: x**2)
wrong.def_vjp(lambda y_bar, x: y_bar * x)


@walked("way", WAYS.values(), ids=WAYS)
@walked("make", REPORTS.values(), ids=REPORTS)
def test_reports(make: Callable[[], Any], way: Way) -> None:
    report = make()
    twin = way(report)
    assert type(twin) is type(report)
    assert str(twin) == str(report)
    for name in ("to_html", "to_dict", "to_markdown", "to_latex"):
        if hasattr(report, name):
            assert str(getattr(twin, name)()) == str(getattr(report, name)())


def nonfinite_operation() -> BaseException:
    x = cr.tensor([1.0, 0.0], requires_grad=True)
    with pytest.raises(NonFiniteOperation) as caught, detect_nonfinite():
        np.log(x - 1.0)
    return caught.value


ERRORS: dict[str, Callable[[], BaseException]] = {
    "NonFiniteOperation": nonfinite_operation,
    "NonFiniteError": lambda: NonFiniteError(1, 2, "the loss is nan"),
    "FormulaError": lambda: FormulaError("a message", "x^2", 1),
    "BackwardError": lambda: BackwardError("verdict", "detail", "x"),
    "InPlaceError": lambda: cr.InPlaceError("a message"),
    "CaptureError": lambda: cr.CaptureError("a message"),
}


@walked("way", WAYS.values(), ids=WAYS)
@walked("make", ERRORS.values(), ids=ERRORS)
def test_errors(make: Callable[[], BaseException], way: Way) -> None:
    error = make()
    twin = way(error)
    assert (type(twin), str(twin), twin.args) == (type(error), str(error), error.args)
    assert {k: str(v) for k, v in vars(twin).items()} == {k: str(v) for k, v in vars(error).items()}


@walked("way", WAYS.values(), ids=WAYS)
def test_functions_and_what_can_be_called(way: Way) -> None:
    """A model may have any of them as an attribute."""
    functions = [cr.tanh, cr.relu, cr.matmul, cr.softmax, cr.check, cr.compile, cr.doctor, cr.explain]
    functions += [nn.functional.relu, nn.functional.softmax, nn.functional.cross_entropy, nn.functional.mish]
    for f in functions:
        assert way(f) is f
    # A check tries other rules on a copy of an operation; elsewhere it is the function of that name.
    assert (way(cube) is cube) is (way is not copy.copy)


@walked("way", WAYS.values(), ids=WAYS)
def test_generators(way: Way) -> None:
    layer = nn.Dropout(0.5, generator=np.random.default_rng(3))
    twin = way(layer)
    shared = twin.generator is layer.generator
    assert shared == (way is copy.copy)
    expected = way(layer)(X) if not shared else None
    if expected is not None:
        np.testing.assert_array_equal(twin(X), expected)
        np.testing.assert_array_equal(layer(X), expected)
