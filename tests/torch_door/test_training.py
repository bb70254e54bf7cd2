"""Optimisers, schedules, loaders and distributions, held against PyTorch's."""

import numpy as np
import pytest
from tests.named import walked

import chainrule.torch as door

OPTIMIZERS = {
    "sgd": lambda t, p: t.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "adam": lambda t, p: t.optim.Adam(p, lr=0.1, weight_decay=0.1),
    "amsgrad": lambda t, p: t.optim.Adam(p, lr=0.1, amsgrad=True),
    "adamw": lambda t, p: t.optim.AdamW(p, lr=0.1),
    "rmsprop": lambda t, p: t.optim.RMSprop(p, lr=0.01, momentum=0.9, centered=True),
    "adagrad": lambda t, p: t.optim.Adagrad(p, lr=0.1, lr_decay=0.1),
    "adadelta": lambda t, p: t.optim.Adadelta(p, lr=0.5, weight_decay=0.1),
    "adamax": lambda t, p: t.optim.Adamax(p, lr=0.1),
    "nadam": lambda t, p: t.optim.NAdam(p, lr=0.1),
    "radam": lambda t, p: t.optim.RAdam(p, lr=0.1),
    "rprop": lambda t, p: t.optim.Rprop(p, lr=0.1),
    "asgd": lambda t, p: t.optim.ASGD(p, lr=0.1),
    "groups": lambda t, p: t.optim.SGD([{"params": p[:1]}, {"params": p[1:], "lr": 0.01}], lr=0.1, maximize=True),
}


def steps(lib, make, count, state=None):
    rng = np.random.default_rng(0)
    params = [lib.tensor(rng.normal(size=n)).requires_grad_() for n in (3, 2)]
    optimizer = make(lib, params)
    if state is not None:
        optimizer.load_state_dict(state)
    data = lib.tensor(rng.normal(size=3))
    for _ in range(count):
        optimizer.zero_grad()
        (((params[0] - data) ** 2).sum() * (params[1] ** 2).sum()).sqrt().backward()
        optimizer.step()
    return np.concatenate([p.detach().numpy() for p in params]), optimizer


@walked("name", OPTIMIZERS)
def test_steps_are_pytorchs(torch, name) -> None:
    ours, optimizer = steps(door, OPTIMIZERS[name], 12)
    theirs, other = steps(torch, OPTIMIZERS[name], 12)
    np.testing.assert_allclose(ours, theirs, 1e-6, 1e-7)
    assert len(optimizer.state_dict()["state"]) == len(other.state_dict()["state"])
    state = door.load(_through_file(optimizer.state_dict()))
    again, _ = steps(door, OPTIMIZERS[name], 2, state)
    assert np.isfinite(again).all()


def _through_file(obj):
    import io

    file = io.BytesIO()
    door.save(obj, file)
    file.seek(0)
    return file


@walked("name", ["sgd", "adam", "rmsprop"])
def test_states_of_pytorchs_optimisers_are_continued(torch, name) -> None:
    _, other = steps(torch, OPTIMIZERS[name], 5)
    found, _ = steps(door, OPTIMIZERS[name], 4, other.state_dict())
    expected, _ = steps(torch, OPTIMIZERS[name], 4, other.state_dict())  # which changes that state
    np.testing.assert_allclose(found, expected, 1e-6, 1e-7)


def test_lbfgs_finds_the_minimum() -> None:
    x = door.tensor([-1.2, 1.0], dtype=door.float64, requires_grad=True)
    optimizer = door.optim.LBFGS([x], max_iter=100, line_search_fn="strong_wolfe", tolerance_change=1e-14)

    def closure():
        optimizer.zero_grad()
        loss = 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == pytest.approx(24.2)
    np.testing.assert_allclose(x.tolist(), [1, 1], atol=1e-5)


SEARCHES = {
    "none": {"lr": 0.1, "max_iter": 7},
    "Wolfe": {"line_search_fn": "strong_wolfe", "max_iter": 9},
    "short": {"line_search_fn": "strong_wolfe", "max_iter": 4, "history_size": 2, "lr": 0.01},
    "long": {"line_search_fn": "strong_wolfe", "lr": 3.0, "max_iter": 5},
    "few": {"line_search_fn": "strong_wolfe", "max_eval": 3},
}


@walked("search", SEARCHES)
@walked("batches", [1, 3])
def test_lbfgs_calls_its_closure_where_pytorch_does(torch, search, batches) -> None:
    rng = np.random.default_rng(0)
    rows, targets = rng.normal(size=(batches, 8, 3)), rng.normal(size=(batches, 8))

    def found(lib):
        w = lib.tensor([0.5, -1.0, 2.0], dtype=lib.float64, requires_grad=True)
        optimizer, values = lib.optim.LBFGS([w], **SEARCHES[search]), []
        for k in range(4):
            x, y = lib.tensor(rows[k % batches]), lib.tensor(targets[k % batches])

            def closure(x=x, y=y):
                optimizer.zero_grad()
                loss = ((lib.tanh(x @ w) - y) ** 2).mean() + 0.1 * (w**4).sum()
                loss.backward()
                values.append([loss.item(), *w.tolist()])
                return loss

            values.append([optimizer.step(closure).item(), *w.tolist()])
        return values

    ours, theirs = found(door), found(torch)
    assert len(ours) == len(theirs)
    np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-9)


SCHEDULES = {
    "step": lambda s, o: s.StepLR(o, 3, 0.5),
    "milestones": lambda s, o: s.MultiStepLR(o, [2, 5], 0.1),
    "exponential": lambda s, o: s.ExponentialLR(o, 0.9),
    "lambda": lambda s, o: s.LambdaLR(o, lambda e: 1 / (e + 1)),
    "multiplicative": lambda s, o: s.MultiplicativeLR(o, lambda e: 0.8),
    "constant": lambda s, o: s.ConstantLR(o, 0.5, 3),
    "linear": lambda s, o: s.LinearLR(o, 0.25, total_iters=4),
    "polynomial": lambda s, o: s.PolynomialLR(o, 6, 2.0),
    "cosine": lambda s, o: s.CosineAnnealingLR(o, 4, 0.001),
    "restarts": lambda s, o: s.CosineAnnealingWarmRestarts(o, 3, 2),
    "cyclic": lambda s, o: s.CyclicLR(o, 0.01, 0.1, 3, mode="triangular2"),
    "one_cycle": lambda s, o: s.OneCycleLR(o, 0.5, total_steps=13),
    "three_phases": lambda s, o: s.OneCycleLR(o, 0.5, total_steps=13, three_phase=True, anneal_strategy="linear"),
    "sequential": lambda s, o: s.SequentialLR(o, [s.ConstantLR(o, 0.1, 2), s.ExponentialLR(o, 0.9)], [3]),
    "chained": lambda s, o: s.ChainedScheduler([s.ConstantLR(o, 0.1, 2), s.ExponentialLR(o, 0.9)]),
}


@pytest.mark.filterwarnings("ignore")
@walked("name", SCHEDULES)
def test_schedules_are_pytorchs(torch, name) -> None:
    found = []
    for lib in (door, torch):
        optimizer = lib.optim.SGD([lib.zeros(1, requires_grad=True)], lr=0.2, momentum=0.9)
        schedule = SCHEDULES[name](lib.optim.lr_scheduler, optimizer)
        rates = []
        for _ in range(12):
            optimizer.step()
            rates.append((optimizer.param_groups[0]["lr"], optimizer.param_groups[0]["momentum"]))
            schedule.step()
        found.append(rates)
    np.testing.assert_allclose(*found, rtol=1e-9, atol=1e-12)


def test_plateaus(torch) -> None:
    found = []
    for lib in (door, torch):
        optimizer = lib.optim.SGD([lib.zeros(1, requires_grad=True)], lr=1.0)
        schedule = lib.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=1, cooldown=1, factor=0.5)
        rates = []
        for value in (3, 2, 2, 2, 2, 2, 1, 1, 1, 1):
            schedule.step(value)
            rates.append(optimizer.param_groups[0]["lr"])
        found.append(rates)
    assert found[0] == found[1]


def test_loaders_batch_shuffle_and_collate() -> None:
    data = door.utils.data
    rows = data.TensorDataset(door.arange(10), door.arange(10.0) * 2)
    batches = list(data.DataLoader(rows, batch_size=4, drop_last=True))
    assert [x.tolist() for x, _ in batches] == [[0, 1, 2, 3], [4, 5, 6, 7]]
    shuffled = [x for xs, _ in data.DataLoader(rows, 3, shuffle=True) for x in xs.tolist()]
    assert sorted(shuffled) == list(range(10))
    parts = data.random_split(rows, [0.7, 0.3], generator=door.Generator().manual_seed(0))
    assert [len(part) for part in parts] == [7, 3]
    assert len(data.ConcatDataset(parts)) == 10
    assert data.default_collate([{"a": 1, "b": "x"}, {"a": 2, "b": "y"}])["a"].tolist() == [1, 2]

    class Stream(data.IterableDataset):
        def __iter__(self):
            return iter(range(5))

    assert [x.tolist() for x in data.DataLoader(Stream(), 2)] == [[0, 1], [2, 3], [4]]
    drawn = list(data.WeightedRandomSampler([0.0, 1.0], 4))
    assert drawn == [1, 1, 1, 1]


def test_distributions_are_pytorchs(torch) -> None:
    x = np.array([0.3, 0.7])
    for make, values in (
        (lambda d, t: d.Normal(t([0.0, 1.0]), t([1.0, 2.0])), x),
        (lambda d, t: d.Bernoulli(t([0.2, 0.6])), np.array([0.0, 1.0])),
        (lambda d, t: d.Bernoulli(logits=t([0.2, 0.6])), np.array([0.0, 1.0])),
        (lambda d, t: d.Categorical(t([[0.2, 0.8], [0.5, 0.5]])), np.array([0, 1])),
        (lambda d, t: d.Categorical(logits=t([[0.2, 0.8], [0.5, 0.5]])), np.array([0, 1])),
        (lambda d, t: d.Laplace(t([0.0, 1.0]), t([1.0, 2.0])), x),
        (lambda d, t: d.Exponential(t([0.5, 1.0])), x),
        (lambda d, t: d.Independent(d.Normal(t([0.0, 1.0]), t([1.0, 2.0])), 1), x),
    ):
        found = []
        for lib in (door, torch):
            p = make(lib.distributions, lambda v, lib=lib: lib.tensor(v, dtype=lib.float64))
            found.append((p.log_prob(lib.tensor(values)).numpy(), p.entropy().numpy(), tuple(p.sample((3,)).shape)))
        np.testing.assert_allclose(found[0][0], found[1][0], 1e-6)
        np.testing.assert_allclose(found[0][1], found[1][1], 1e-6)
        assert found[0][2] == found[1][2]
    d = door.distributions
    mean = door.zeros(2, requires_grad=True)
    d.kl_divergence(d.Normal(mean, 1.0), d.Normal(1.0, 2.0)).sum().backward()
    np.testing.assert_allclose(mean.grad.tolist(), [-0.25, -0.25])


def test_a_network_learns() -> None:
    door.manual_seed(0)
    x = door.randn(64, 2)
    y = (x[:, 0] * x[:, 1] > 0).long()
    net = door.nn.Sequential(door.nn.Linear(2, 16), door.nn.Tanh(), door.nn.Linear(16, 2))
    optimizer = door.optim.Adam(net.parameters(), lr=0.05)
    loader = door.utils.data.DataLoader(door.utils.data.TensorDataset(x, y), 32, shuffle=True)
    for _ in range(30):
        for inputs, labels in loader:
            optimizer.zero_grad()
            loss = door.nn.functional.cross_entropy(net(inputs), labels)
            loss.backward()
            optimizer.step()
    with door.no_grad():
        assert (net(x).argmax(1) == y).float().mean().item() > 0.9


def test_samplers_without_end_draw_a_few_at_a_time() -> None:
    sampler = door.utils.data.RandomSampler(range(5), replacement=True, num_samples=10**12)
    first = [next(order) for order in [iter(sampler)] for _ in range(50)]
    assert len(sampler) == 10**12
    assert set(first) <= set(range(5))
    assert len(list(door.utils.data.RandomSampler(range(5), replacement=True, num_samples=70))) == 70
