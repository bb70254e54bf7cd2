"""Whole training steps: each replays to what it does by itself."""

from typing import Any

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr
from chainrule import nn, optim
from chainrule.optim import lr_scheduler

from .worlds import World, batches, compare, network

OPTIMIZERS = {
    "sgd": lambda p: optim.SGD(p, lr=0.1),
    "sgd weight decay": lambda p: optim.SGD(p, lr=0.1, weight_decay=0.1),
    "sgd momentum": lambda p: optim.SGD(p, lr=0.1, momentum=0.9),
    "sgd dampening": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, dampening=0.3),
    "sgd nesterov": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "sgd maximize": lambda p: optim.SGD(p, lr=0.01, momentum=0.9, maximize=True),
    "adam": lambda p: optim.Adam(p, lr=0.01),
    "adam weight decay": lambda p: optim.Adam(p, lr=0.01, weight_decay=0.1),
    "adam amsgrad": lambda p: optim.Adam(p, lr=0.01, amsgrad=True),
    "adam maximize": lambda p: optim.Adam(p, lr=0.01, maximize=True),
    "adamw": lambda p: optim.AdamW(p, lr=0.01, weight_decay=0.1),
    "adamw amsgrad": lambda p: optim.AdamW(p, lr=0.01, amsgrad=True, maximize=True),
    "rmsprop": lambda p: optim.RMSprop(p, lr=0.01),
    "rmsprop all": lambda p: optim.RMSprop(p, lr=0.01, momentum=0.9, centered=True, weight_decay=0.1),
    "rmsprop maximize": lambda p: optim.RMSprop(p, lr=0.001, maximize=True),
    "adagrad": lambda p: optim.Adagrad(p, lr=0.1, lr_decay=0.1, weight_decay=0.01, initial_accumulator_value=0.1),
    "adagrad maximize": lambda p: optim.Adagrad(p, lr=0.01, maximize=True),
}


@walked("name", OPTIMIZERS)
def test_every_optimizer_with_every_option(name: str) -> None:
    def make() -> World:
        model = network()
        return World(model, OPTIMIZERS[name](model.parameters()))

    assert repr(compare(make, batches(5))) == "<compiled train_step: 1 plan>"


@walked("name", ["sgd nesterov", "adam amsgrad", "adagrad"])
def test_optimizers_in_float64(name: str) -> None:
    def make() -> World:
        model = network(dtype=np.float64)
        return World(model, OPTIMIZERS[name](model.parameters()))

    compare(make, batches(5, dtype=np.float64), np.float64)


def test_as_machine_code(compiled_ways: str) -> None:
    def make() -> World:
        model = network()
        return World(model, optim.Adam(model.parameters(), lr=0.01))

    compiled = compare(make, batches(6))
    calls = len(compiled.plan.calls)
    assert calls == 1 if compiled_ways == "one function" else calls > 5


def test_groups_with_settings_of_their_own() -> None:
    def make() -> World:
        model = network()
        groups = [
            {"params": model[0].parameters(), "lr": 0.3},
            {"params": [model[2].weight], "momentum": 0.0, "weight_decay": 0.1},
            {"params": [model[2].bias], "nesterov": True, "maximize": True},
        ]
        return World(model, optim.SGD(groups, lr=0.1, momentum=0.9))

    compare(make, batches(5))


def test_frozen_parameters_do_not_move() -> None:
    def make() -> World:
        model = network()
        model[0].weight.requires_grad_(False)
        return World(model, optim.Adam([p for p in model.parameters() if p.requires_grad], lr=0.01))

    compare(make, batches(5))


def test_an_optimizer_over_parameters_of_which_some_get_no_gradient() -> None:
    class Partly(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.unused = network(), nn.Linear(2, 2)

        def forward(self, x: Any) -> Any:
            return self.used(x)

    def make() -> World:
        model = Partly()
        return World(model, optim.Adam(model.parameters(), lr=0.01))

    compare(make, batches(4))


def test_shared_parameters() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.Linear(4, 4), nn.Linear(4, 3)
            self.again = self.first

        def forward(self, x: Any) -> Any:
            return self.last(np.tanh(self.again(np.tanh(self.first(x)) @ self.first.weight.T)))

    def make() -> World:
        model = Tied()
        return World(model, optim.SGD(model.parameters(), lr=0.1, momentum=0.9))

    compare(make, batches(5))


@walked("max_norm", [0.05, 100.0])
@walked("how", ["raise", "zero", "ignore"])
def test_clipping_the_norm(max_norm: float, how: Any) -> None:
    def make() -> World:
        world = World(network())

        def step(x: Any, y: Any) -> Any:
            world.optimizer.zero_grad()
            value = world.loss(world.model(x), y)
            value.backward()
            norm = optim.clip_grad_norm_(world.model.parameters(), max_norm, how)
            world.optimizer.step()
            return value, norm

        world.step = step
        return world

    compare(make, batches(4))


def test_clipping_values_and_scaling() -> None:
    def make() -> World:
        world = World(network())

        def step(x: Any, y: Any) -> Any:
            world.optimizer.zero_grad()
            value = world.loss(world.model(x), y)
            (value * 64).backward()
            optim.scale_grads_(world.model.named_parameters(), 1 / 64)
            optim.clip_grad_value_(world.model.parameters(), 0.02)
            world.optimizer.step()
            return value

        world.step = step
        return world

    compare(make, batches(4))


def _scheduled(make_schedule: Any, optimizer: Any = None, measured: bool = False) -> Any:
    def make() -> World:
        model = network()
        made = (optimizer or (lambda p: optim.SGD(p, lr=0.1, momentum=0.5)))(model.parameters())
        world = World(model, made)
        schedule = make_schedule(made)

        def step(x: Any, y: Any) -> Any:
            value = world.train_step(x, y)
            schedule.step(value) if measured else schedule.step()
            return value

        world.step = step
        return world

    return make


SCHEDULES = {
    "step": lambda o: lr_scheduler.StepLR(o, 2, 0.5),
    "cosine": lambda o: lr_scheduler.CosineAnnealingLR(o, 4, 0.01),
    "warmup": lambda o: lr_scheduler.LinearWarmup(o, 3),
    "one cycle": lambda o: lr_scheduler.OneCycleLR(o, 0.3, 6),
}


@walked("name", SCHEDULES)
def test_every_schedule(name: str) -> None:
    assert len(compare(_scheduled(SCHEDULES[name]), batches(6)).plans) == 1


def test_one_cycle_moves_the_betas_of_adam() -> None:
    compare(_scheduled(SCHEDULES["one cycle"], lambda p: optim.Adam(p, lr=0.01)), batches(6))


@pytest.mark.parametrize("mode", ["min", "max"])
def test_a_schedule_that_takes_a_measure(mode: Any) -> None:
    make = _scheduled(lambda o: lr_scheduler.ReduceLROnPlateau(o, mode, 0.5, patience=1), measured=True)
    compare(make, batches(8))


@pytest.mark.parametrize("order", ["after", "before"])
def test_averages_of_the_weights(order: str) -> None:
    def make() -> World:
        world = World(network())
        ema = optim.EMA(world.model.named_parameters(), decay=0.7)
        world.more = ema.averages

        def step(x: Any, y: Any) -> Any:
            if order == "before":
                ema.update()
            value = world.train_step(x, y)
            if order == "after":
                ema.update()
            return value

        world.step = step
        return world

    compare(make, batches(5))


def test_dropout_draws_anew_and_as_eagerly() -> None:
    def make() -> World:
        return World(network(nn.Dropout(0.5), nn.ReLU()))

    x, y = batches(1)[0]
    compiled = compare(make, [(x, y)] * 4)
    assert len(compiled.plans) == 1
    masked = cr.compile(lambda x: nn.functional.dropout(x, 0.5))
    drawn = [masked(np.ones(64)).tobytes() for _ in range(4)]
    assert len(set(drawn)) == 4


@pytest.mark.parametrize("own", [False, True])
def test_generators_of_their_own(own: bool) -> None:
    def make() -> World:
        generator = np.random.default_rng(7) if own else None
        return World(network(nn.Dropout(0.5, generator), nn.ReLU(), nn.Dropout(0.2, generator)))

    compare(make, batches(4))


def test_batch_norm_follows_the_batches_over_many_steps() -> None:
    compare(lambda: World(network(nn.BatchNorm1d(6), nn.ReLU())), batches(60))


def test_training_and_evaluation_alternate() -> None:
    def make() -> World:
        world = World(network(nn.BatchNorm1d(6), nn.Dropout(0.3), nn.ReLU()))

        def step(x: Any, y: Any) -> Any:
            if world.model.training:
                return world.train_step(x, y)
            return world.loss(world.model(x), y).detach()

        world.step = step
        return world

    def drive(step: Any, world: World) -> Any:
        for k, batch in enumerate(batches(8)):
            world.model.train(k % 3 != 2)
            yield step(*batch)

    compiled = compare(make, drive)
    assert repr(compiled) == "<compiled step: 2 plans>"


def test_a_model_in_evaluation_mode_and_back_without_an_argument() -> None:
    def make() -> World:
        world = World(network(nn.Dropout(0.5)))
        world.step = lambda x, y: world.model(x).detach()
        return world

    def drive(step: Any, world: World) -> Any:
        for k, batch in enumerate(batches(6)):
            (world.model.eval if k % 2 else world.model.train)()
            yield step(*batch)

    compare(make, drive)


def test_gradients_add_up_over_calls() -> None:
    def make() -> World:
        world = World(network())

        def step(x: Any, y: Any) -> Any:
            value = world.loss(world.model(x), y)
            value.backward()
            return value

        world.step = step
        return world

    def drive(step: Any, world: World) -> Any:
        for k, batch in enumerate(batches(7)):
            yield step(*batch)
            if k % 3 == 2:
                world.optimizer.step()
                world.optimizer.zero_grad(set_to_none=k == 2)

    compiled = compare(make, drive)
    assert sum(map(len, compiled.plans.values())) == 2  # without a gradient from before, and with one


def test_a_step_without_zero_grad_accumulates_as_eagerly() -> None:
    def make() -> World:
        world = World(network(), None)

        def step(x: Any, y: Any) -> Any:
            value = world.loss(world.model(x), y)
            value.backward()
            world.optimizer.step()
            return value

        world.step = step
        return world

    compare(make, batches(5))


def test_zero_grad_to_zeros() -> None:
    def make() -> World:
        world = World(network())

        def step(x: Any, y: Any) -> Any:
            world.optimizer.zero_grad(set_to_none=False)
            value = world.loss(world.model(x), y)
            value.backward()
            world.optimizer.step()
            return value

        world.step = step
        return world

    compare(make, batches(4))


def test_zero_grad_at_the_end() -> None:
    def make() -> World:
        world = World(network())

        def step(x: Any, y: Any) -> Any:
            value = world.loss(world.model(x), y)
            value.backward()
            world.optimizer.step()
            world.optimizer.zero_grad()
            return value

        world.step = step
        return world

    compare(make, batches(4))


def test_zero_grad_of_the_model() -> None:
    def make() -> World:
        world = World(network())

        def step(x: Any, y: Any) -> Any:
            world.model.zero_grad()
            value = world.loss(world.model(x), y)
            value.backward()
            world.optimizer.step()
            return value

        world.step = step
        return world

    compare(make, batches(4))


def test_two_steps_in_one_function() -> None:
    def make() -> World:
        world = World(network(), None)
        world.optimizer = optim.Adam(world.model.parameters(), lr=0.01)
        world.step = lambda x, y: (world.train_step(x, y), world.train_step(x * 0.5, y))
        return world

    compare(make, batches(4))


def test_several_backward_passes_before_a_step() -> None:
    def make() -> World:
        world = World(network())

        def step(xs: Any, ys: Any) -> Any:
            world.optimizer.zero_grad()
            values = []
            for x, y in zip(xs, ys, strict=True):
                value = world.loss(world.model(x), y) / len(xs)
                value.backward()
                values.append(value)
            world.optimizer.step()
            return values

        world.step = step
        return world

    some = batches(6)
    calls = [([a[0], b[0]], [a[1], b[1]]) for a, b in zip(some[::2], some[1::2], strict=True)]
    compare(make, calls)


def test_two_optimizers_of_two_models() -> None:
    """As in an adversarial pair: each steps on the other's result."""

    def make() -> World:
        model = nn.Sequential(network(), network())
        world = World(model, optim.SGD(model[0].parameters(), lr=0.1))
        other = optim.Adam(model[1].parameters(), lr=0.01)

        def step(x: Any, y: Any) -> Any:
            other.zero_grad()
            one = world.loss(model[1](np.pad(model[0](x), ((0, 0), (0, 1)))), y)
            one.backward()
            other.step()
            world.optimizer.zero_grad()
            two = world.loss(model[1](np.pad(model[0](x), ((0, 0), (0, 1)))), y)
            two.backward()
            world.optimizer.step()
            return one, two

        world.step = step
        return world

    compare(make, batches(4))


def test_the_last_short_batch() -> None:
    calls = [*batches(3), *batches(1, size=2), *batches(3, seed=1), *batches(1, size=2, seed=2)]
    compiled = compare(lambda: World(network(nn.Dropout(0.2), nn.ReLU())), calls)
    assert len(compiled.plans) == 2


def test_two_fresh_runs_agree_bit_for_bit(compiled_ways: str) -> None:
    states = []
    for _ in range(2):
        cr.seed(3)
        model = network()
        world = World(model, optim.Adam(model.parameters(), lr=0.01))
        step = cr.compile(world.step)
        losses = [np.array(step(*batch).numpy()) for batch in batches(5)]
        states.append([*losses, *world.state().values()])
    for a, b in zip(*states, strict=True):
        np.testing.assert_array_equal(a, b)


@walked(
    "loss",
    [
        nn.CrossEntropyLoss(label_smoothing=0.1),
        nn.CrossEntropyLoss(reduction="sum"),
        nn.CrossEntropyLoss(ignore_index=1),
    ],
    ids=["smoothing", "sum", "ignored"],
)
def test_settings_of_the_cross_entropy(loss: Any) -> None:
    def make() -> World:
        world = World(network())
        world.loss = loss
        return world

    compare(make, batches(5))


def test_weighted_cross_entropy() -> None:
    def make() -> World:
        world = World(network())
        world.loss = nn.CrossEntropyLoss(weight=np.asarray([0.5, 1.0, 2.0], np.float32))
        return world

    compare(make, batches(5))


REGRESSIONS = {
    "mse": nn.MSELoss,
    "l1": nn.L1Loss,
    "huber": nn.HuberLoss,
    "smooth l1": nn.SmoothL1Loss,
    "bce with logits": nn.BCEWithLogitsLoss,
    "soft margin": nn.SoftMarginLoss,
    "poisson": nn.PoissonNLLLoss,
}


@walked("name", REGRESSIONS)
def test_other_losses(name: str) -> None:
    def make() -> World:
        world = World(network())
        world.loss = REGRESSIONS[name]()
        return world

    rng = np.random.default_rng(0)
    compare(make, [(x, rng.integers(0, 2, (5, 3)).astype(np.float32)) for x, _ in batches(4)])


LAYERS: dict[str, Any] = {
    "gelu": lambda: [nn.GELU()],
    "elu": lambda: [nn.ELU()],
    "silu": lambda: [nn.SiLU()],
    "leaky": lambda: [nn.LeakyReLU(0.2)],
    "softplus": lambda: [nn.Softplus()],
    "softmax": lambda: [nn.Softmax(axis=-1)],
    "sigmoid": lambda: [nn.Sigmoid()],
    "layer norm": lambda: [nn.LayerNorm(6), nn.Tanh()],
    "rms norm": lambda: [nn.RMSNorm(6)],
    "residual": lambda: [nn.Residual(nn.Sequential(nn.Linear(6, 6), nn.ReLU()))],
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers(name: str) -> None:
    compare(lambda: World(network(*LAYERS[name]())), batches(4))


def test_convolutions_and_pools() -> None:
    def make() -> World:
        model = nn.Sequential(
            nn.Conv2d(1, 2, 3, padding=1), nn.BatchNorm2d(2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(2, 3, 2),
            nn.AvgPool2d(2), nn.Flatten(), nn.Linear(3, 3),
        )  # fmt: skip
        return World(model, optim.SGD(model.parameters(), lr=0.1, momentum=0.9))

    rng = np.random.default_rng(0)
    calls = [(rng.normal(size=(2, 1, 6, 6)).astype(np.float32), rng.integers(0, 3, 2)) for _ in range(3)]
    compare(make, calls)


class _Words(nn.Module):
    def __init__(self, kind: str) -> None:
        super().__init__()
        self.table, self.head = nn.Embedding(7, 4), nn.Linear(4, 3)
        self.middle = nn.TransformerBlock(4, 2) if kind == "attention" else getattr(nn, kind)(4, 4)

    def forward(self, x: Any) -> Any:
        found = self.middle(self.table(x))
        found = found[0] if isinstance(found, tuple) else found
        return self.head(found[:, -1])


@pytest.mark.parametrize("kind", ["attention", "GRU", "LSTM", "RNN"])
def test_sequences(kind: str) -> None:
    def make() -> World:
        # Not Adam: the gradient of a key's bias is rounding alone, and Adam takes it for something.
        model = _Words(kind)
        return World(model, optim.SGD(model.parameters(), lr=0.1, momentum=0.9))

    rng = np.random.default_rng(0)
    compare(make, [(rng.integers(0, 7, (2, 3)), rng.integers(0, 3, 2)) for _ in range(4)])
