"""`optim.swa_utils` and names that models and scripts import from further inside, against PyTorch's."""

import importlib

import numpy as np
import pytest
from tests.named import walked

import chainrule.torch as door


def _model(lib):
    model = lib.nn.Sequential(lib.nn.Linear(3, 4), lib.nn.BatchNorm1d(4), lib.nn.Linear(4, 1))
    rng = np.random.default_rng(0)
    with lib.no_grad():
        for p in model.parameters():
            p.copy_(lib.tensor(rng.normal(size=tuple(p.shape))))
    return model


def _batches(lib):
    rng = np.random.default_rng(1)
    return [lib.tensor(rng.normal(size=(5, 3)).astype(np.float32)) for _ in range(4)]


@walked("kind", ["mean", "ema", "one by one"])
@walked("use_buffers", [False, True])
def test_averages_of_weights(torch, kind, use_buffers) -> None:
    found = []
    for lib in (torch, door):
        swa = importlib.import_module(f"{lib.__name__}.optim.swa_utils")
        settings = {
            "mean": {},
            "ema": {"multi_avg_fn": swa.get_ema_multi_avg_fn(0.7)},
            "one by one": {"avg_fn": lambda averaged, new, _count: 0.5 * averaged + 0.5 * new},
        }[kind]
        model = _model(lib)
        averaged = swa.AveragedModel(model, use_buffers=use_buffers, **settings)
        optimizer = lib.optim.SGD(model.parameters(), lr=0.1)
        for batch in _batches(lib):
            optimizer.zero_grad()
            (model(batch) ** 2).mean().backward()
            optimizer.step()
            averaged.update_parameters(model)
        if not use_buffers:
            swa.update_bn(_batches(lib), averaged)
        found.append({name: value.detach().numpy() for name, value in averaged.state_dict().items()})
    assert list(found[0]) == list(found[1])
    for name, expected in found[0].items():
        np.testing.assert_allclose(found[1][name], expected, rtol=2e-5, atol=1e-6, err_msg=name)


@walked("strategy", ["cos", "linear"])
@walked("epochs", [0, 3])
def test_the_rate_for_averages(torch, strategy, epochs) -> None:
    rates = []
    for lib in (torch, door):
        swa = importlib.import_module(f"{lib.__name__}.optim.swa_utils")
        optimizer = lib.optim.SGD(_model(lib).parameters(), lr=0.1)
        schedule = swa.SWALR(optimizer, swa_lr=0.02, anneal_epochs=epochs, anneal_strategy=strategy)
        rates.append([])
        for _ in range(5):
            optimizer.step()
            schedule.step()
            rates[-1].append(optimizer.param_groups[0]["lr"])
    np.testing.assert_allclose(rates[1], rates[0], rtol=1e-12)


def test_mistakes_with_averages() -> None:
    swa, optimizer = door.optim.swa_utils, door.optim.SGD([door.ones(1)], 0.1)
    for call, error, text in (
        (lambda: swa.get_ema_avg_fn(1.5), ValueError, "Invalid decay value 1.5"),
        (lambda: swa.AveragedModel(door.nn.Linear(1, 1), avg_fn=max, multi_avg_fn=max), AssertionError, "Only one"),
        (
            lambda: swa.SWALR(optimizer, 0.1, anneal_strategy="x"),
            ValueError,
            "'cos' or 'linear'",
        ),
        (lambda: swa.SWALR(optimizer, 0.1, -1), ValueError, "greater than 0, got -1"),
        (lambda: swa.SWALR(optimizer, [0.1, 0.2]), ValueError, "swa_lr has 2, optimizer.param_groups has 1"),
        (lambda: door.utils.data.StackDataset([1], [1, 2]), ValueError, "Size mismatch"),
        (lambda: door.utils.data.StackDataset([1], b=[1]), ValueError, "all by position or all by name"),
    ):
        with pytest.raises(error, match=text):
            call()


@pytest.mark.filterwarnings("ignore")  # PyTorch's own, of its linearize
def test_products_with_jacobians(torch) -> None:
    rows = []
    for lib in (torch, door):
        x, y = lib.tensor([1.0, 2.0]), lib.tensor([[0.5], [2.0]])
        functional = lib.autograd.functional
        one = functional.jvp(lambda x, y: (x * y.T).sum() * x, (x, y), (x + 1, y * 2))
        two = functional.jvp(lambda x: (x**2, x.sin()), x, x + 1)
        three = functional.vhp(lambda x: (x**3).sum(), x, x + 1)
        value, derivative = lib.func.linearize(lambda x: x**2, x)
        rows.append([one[0], one[1], *two[0], *two[1], *three, value, derivative(x), derivative(x + 1)])
    for expected, found in zip(*rows, strict=True):
        np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-6)
    with pytest.raises(RuntimeError, match="can only be None"):
        door.autograd.functional.jvp(door.sin, door.ones(2))


def test_names_from_further_inside(torch) -> None:
    for lib in (torch, door):
        inner = importlib.import_module(f"{lib.__name__}.nn.modules.utils")
        assert (inner._pair(3), inner._pair((1, 2)), inner._triple(0)) == ((3, 3), (1, 2), (0, 0, 0))
        with lib.random.fork_rng():
            first = lib.rand(2)
        assert (lib.rand(2) == first).all()
        data = lib.utils.data.StackDataset([1, 2], [3, 4])
        assert (len(data), data[1]) == (2, (2, 4))
        assert not lib.compiler.is_compiling()
    assert door.nn.common_types.size_2_t
    model = door.nn.Sequential(door.nn.BatchNorm1d(2))
    assert door.nn.SyncBatchNorm.convert_sync_batchnorm(model) is model
    assert door.compiler.disable(max) is max
    assert door.compiler.disable()(max) is max
