"""How a model is traced: modes, constants, dtypes, arguments; what is refused, and what stays as it was."""

import copy
import dataclasses
import pickle
from typing import NamedTuple

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.core.tree import flatten, unflatten
from chainrule.interop.torch import from_torch, load_state_dict, state_dict
from chainrule.interop.torch.traced import tracing
from chainrule.interop.torch.traced.from_module import graph_of
from chainrule.interop.torch.traced.module import TracedModule
from chainrule.interop.torch.traced.tracing import traced_by_fx

X = np.random.default_rng(0).normal(size=(3, 4))


@pytest.fixture(autouse=True)
def fixed(request, monkeypatch):
    """Leave no axis open, which takes PyTorch a third of the time, but where a test is about that."""
    if "lengths" not in request.node.name:
        monkeypatch.setattr(tracing, "_free_axes", lambda *_: None)


@pytest.fixture(scope="module")
def module_of(torch):
    """Makes a module in float64 of a forward `(self, x)`, with a Linear, a BatchNorm and a buffer."""

    def make(forward, training=False):
        class Model(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.inner, self.norm = torch.nn.Linear(4, 4), torch.nn.BatchNorm1d(4)
                self.register_buffer("seen", torch.zeros(4))

        Model.forward = forward
        torch.manual_seed(0)
        return Model().double().train(training)

    return make


@pytest.fixture(scope="module")
def training(torch, module_of):
    """A model with dropout, batch norm and a running buffer, traced in training mode."""

    def forward(self, x):
        self.seen += x.mean(0).detach()
        return torch.nn.functional.dropout(self.norm(self.inner(x)), 0.5, self.training)

    module = module_of(forward, training=True)
    return module, from_torch(module, X)


@pytest.mark.slow
def test_a_model_of_ones_own_is_traced_where_inputs_are_given(training):
    assert type(training[1]) is TracedModule
    assert "x [batch, 4]" in repr(training[1])


@pytest.mark.slow
def test_known_layers_stay_layers_unless_a_trace_is_asked_for(torch):
    module = torch.nn.Sequential(torch.nn.Linear(4, 2), torch.nn.Tanh()).double().eval()
    assert type(from_torch(module, X)) is nn.Sequential
    traced = from_torch(module, X, trace=True)
    assert type(traced) is TracedModule
    np.testing.assert_allclose(traced(X).numpy(), module(torch.tensor(X)).detach().numpy())


@pytest.mark.slow
def test_a_trace_in_training_mode_has_both_modes(torch, training):
    module, model = training
    module, model = copy.deepcopy(module), copy.deepcopy(model)
    y = model(X).numpy()
    assert 0 < (y == 0).sum() < y.size
    module(torch.tensor(X))
    for name, buffer in model.named_buffers():
        np.testing.assert_allclose(buffer, dict(module.named_buffers())[name].numpy(), err_msg=name)
    model.eval()
    module.eval()
    np.testing.assert_allclose(model(X).numpy(), module(torch.tensor(X)).detach().numpy())


@pytest.mark.slow
def test_a_trace_in_evaluation_mode_says_that_it_has_no_other(torch):
    model = from_torch(torch.nn.Linear(4, 2).double().eval(), X, trace=True)
    with pytest.raises(ValueError, match=r"not in training mode; call module.train\(\) in PyTorch before"):
        model.train()(X)


@pytest.mark.slow
def test_tracing_leaves_the_module_and_the_random_states_as_they_were(torch, training):
    module, _ = training
    module = copy.deepcopy(module)
    module.norm.eval()
    before = {name: t.clone() for name, t in module.state_dict().items()}
    numbers, ours = torch.get_rng_state(), cr.random.normal(size=1, generator=np.random.default_rng(0))
    from_torch(module, X)
    assert torch.equal(torch.get_rng_state(), numbers)
    assert all(torch.equal(t, before[name]) for name, t in module.state_dict().items())
    assert (module.training, module.norm.training) == (True, False)
    assert ours.shape == (1,)


def gradients(torch, module, model):
    module.zero_grad()
    model.zero_grad()
    (module(torch.tensor(X)) ** 2).sum().backward()
    (model(X) ** 2).sum().backward()
    for name, parameter in module.named_parameters():
        ours = dict(model.named_parameters())[name].grad
        expected = np.zeros(parameter.shape) if parameter.grad is None else parameter.grad.numpy()
        np.testing.assert_allclose(0 if ours is None else ours.numpy(), expected, atol=1e-10, err_msg=name)


@pytest.mark.slow
def test_what_is_detached_or_computed_without_gradients_is_constant(torch, module_of):
    def forward(self, x):
        y = self.inner(x)
        with torch.no_grad():
            scale = self.inner(x).exp().mean()
        return y * scale + y.detach() * y + y.data * y + self.norm(y)

    module = module_of(forward)
    gradients(torch, module, from_torch(module, X))


@pytest.mark.slow
def test_writes_in_place_are_followed(torch, module_of):
    def forward(self, x):
        y = self.inner(x) * 2
        y[:, 1] = 2.0
        y[0] += x[1]
        return y.mul_(3)

    module = module_of(forward)
    gradients(torch, module, from_torch(module, X))


def function_of(torch, sign):
    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            return sign * 2 * g * ctx.saved_tensors[0]

    return Square


@pytest.mark.slow
def test_a_function_of_the_users_is_traced_if_its_backward_is_its_derivative(torch, module_of):
    module = module_of(lambda self, x: function_of(torch, 1).apply(self.inner(x)))
    gradients(torch, module, from_torch(module, X))
    with pytest.raises(TypeError, match=r"autograd.Function Square, whose backward is not the derivative"):
        from_torch(module_of(lambda self, x: function_of(torch, -1).apply(self.inner(x))), X)


@pytest.mark.slow
def test_what_torch_fx_records_is_the_same(torch, module_of):
    def forward(self, x):
        y = self.norm(self.inner(x))
        with torch.no_grad():
            scale = self.inner(x).exp().mean()
            self.seen += scale
        return {"y": y * scale + y.detach() * y}

    module = module_of(forward, training=True)
    graph = graph_of(traced_by_fx(module, (torch.tensor(X),), {}), module)
    model = from_torch(module, X)
    model.graphs[True] = graph
    expected, found = module(torch.tensor(X))["y"], model(X)["y"]
    np.testing.assert_allclose(found.numpy(), expected.detach().numpy())
    (expected**2).sum().backward()
    (found**2).sum().backward()
    for name, parameter in module.named_parameters():
        np.testing.assert_allclose(
            dict(model.named_parameters())[name].grad.numpy(), parameter.grad.numpy(), atol=1e-10
        )
    for name, buffer in module.named_buffers():
        np.testing.assert_allclose(dict(model.named_buffers())[name], buffer.numpy())


# Refused


@pytest.mark.slow
@pytest.mark.parametrize(
    ("forward", "said"),
    [
        (lambda self, x: self.inner(x) if x.sum() > 0 else x, "Model: PyTorch cannot trace it: .*not depend on values"),
        (lambda self, x: self.inner(x).bfloat16(), "computes in bfloat16"),
    ],
    ids=["branch", "bfloat16"],
)
def test_what_cannot_be_converted_is_refused_with_its_place(module_of, forward, said):
    with pytest.raises(TypeError, match=said):
        from_torch(module_of(forward), X)


@pytest.mark.slow
def test_an_operator_without_a_function_is_named_with_its_module(torch):
    class Inner(torch.nn.Module):
        def forward(self, x):
            return x.kthvalue(2)[0]

    model = torch.nn.Sequential(torch.nn.Linear(4, 4), Inner()).double().eval()
    with pytest.raises(TypeError, match=r"no function for kthvalue, in 1 \(Inner\): write that module as a chainrule"):
        from_torch(model, X)


def test_without_inputs_the_refusal_says_that_they_would_help(torch, module_of):
    with pytest.raises(TypeError, match=r"no such layer.*from_torch\(module, inputs\), to trace it"):
        from_torch(module_of(lambda self, x: x))
    with pytest.raises(TypeError, match="pass an example"):
        from_torch(torch.nn.Linear(4, 2), trace=True)


def test_backward_hooks_are_refused(torch):
    module = torch.nn.Linear(4, 2).double()
    module.register_full_backward_hook(lambda *_: None)
    with pytest.raises(ValueError, match=r"the model \(Linear\): has backward hooks"):
        from_torch(module, X, trace=True)


# Arguments


@pytest.mark.slow
def test_arguments_are_those_of_the_trace(torch, module_of):
    def forward(self, x, pair, scale=1.0, flag=None):
        return {"y": self.inner(x) * scale, "rest": [pair["a"] + 1, None]}

    module = module_of(forward)
    model = from_torch(module, {"x": X, "pair": {"a": X[0]}, "scale": 2.0})
    found = model(X, {"a": X[0]}, scale=2.0, flag=None)
    expected = module(torch.tensor(X), {"a": torch.tensor(X[0])}, 2.0)
    assert list(found) == ["y", "rest"]
    assert found["rest"][1] is None
    np.testing.assert_allclose(found["y"].numpy(), expected["y"].detach().numpy())
    np.testing.assert_allclose(found["rest"][0], expected["rest"][0])
    with pytest.raises(TypeError, match=r"scale: expected 2.0, with which the model was traced, got 3.0"):
        model(X, {"a": X[0]}, 3.0)
    with pytest.raises(TypeError, match="expected x, pair, scale, as in the trace, got x, pair"):
        model(X, {"a": X[0]})
    with pytest.raises(TypeError, match="pair: expected a, as in the trace, got b"):
        model(X, {"b": X[0]}, 2.0)
    with pytest.raises(TypeError, match="got x twice"):
        model(X, x=X)


@pytest.mark.slow
def test_lengths_that_were_alike_must_be_alike(torch):
    model = from_torch(torch.nn.Bilinear(4, 4, 2).double().eval(), (X, X))
    assert model(X[:2], X[:2]).shape == (2, 2)
    with pytest.raises(ValueError, match="input2: expected shape"):
        model(X[:2], X)


@pytest.mark.slow
def test_integers_do_not_become_indices_from_floats(torch):
    model = from_torch(torch.nn.Embedding(4, 2, padding_idx=1).eval(), np.array([0, 1]))
    with pytest.raises(TypeError, match=r"input: expected int64, got float64"):
        model(np.array([0.0, 1.0]))


# As a model of ours


@pytest.mark.slow
def test_it_is_pickled_copied_saved_and_loaded(tmp_path, training):
    _, model = training
    model = copy.deepcopy(model).eval()
    y = model(X).numpy()
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model))(X).numpy(), y)
    cr.save(tmp_path / "model.safetensors", model)
    other = copy.deepcopy(model)
    for parameter in other.parameters():
        parameter.data = 0 * parameter.numpy()
    cr.load(tmp_path / "model.safetensors", other)
    np.testing.assert_array_equal(other(X).numpy(), y)


def test_state_dicts_go_both_ways(torch, training):
    module, model = training
    state = state_dict(model)
    assert state.keys() == module.state_dict().keys()
    assert not any(load_state_dict(copy.deepcopy(model), module.state_dict()))


@pytest.mark.slow
def test_it_computes_in_the_dtype_it_is_converted_to(torch, module_of):
    def forward(self, x):
        return self.inner(x) + torch.arange(4, dtype=x.dtype) + torch.full((4,), 0.5, dtype=x.dtype)

    model = from_torch(module_of(forward), X)
    y = model(X)
    single = model.float()(X)
    assert (y.dtype, single.dtype) == (np.float64, np.float32)
    np.testing.assert_allclose(single.numpy(), y.numpy(), rtol=1e-5)


@pytest.mark.slow
def test_frozen_parameters_stay_frozen(torch):
    module = torch.nn.Linear(4, 2).double().eval()
    module.bias.requires_grad_(False)
    model = from_torch(module, X, trace=True)
    assert {name: p.requires_grad for name, p in model.named_parameters()} == {"weight": True, "bias": False}


def test_its_gradient_is_checked_and_its_flow_examined(training):
    _, model = training
    model = copy.deepcopy(model).eval()
    report = cr.check(lambda weight: (X @ weight.T).sum(), dict(model.named_parameters())["inner.weight"].numpy())
    assert report.verdict == "right"
    batches = [(X + k, np.ones((3, 4))) for k in range(2)]
    diagnosis = cr.doctor(model, lambda y, target: ((y - target) ** 2).mean(), batches, try_remedies=False)
    assert "inner" in str(diagnosis)


def test_a_compiled_step_trains_it(training):
    _, model = training
    model = copy.deepcopy(model)
    optimizer = cr.optim.SGD(model.parameters(), 0.05)

    @cr.compile
    def step(x, target):
        optimizer.zero_grad()
        loss = ((model(x) - target) ** 2).mean()
        loss.backward()
        optimizer.step()
        return loss

    losses = [float(step(X, np.ones((3, 4)))) for _ in range(60)]
    assert np.mean(losses[-10:]) < np.mean(losses[:10])
    assert dict(model.named_buffers())["norm.num_batches_tracked"] == 60


@pytest.mark.slow
def test_numbers_are_drawn_anew(torch, module_of):
    def forward(self, x):
        return self.inner(x) + torch.randn_like(x) + torch.rand(4, dtype=x.dtype) + torch.bernoulli(torch.sigmoid(x))

    model = from_torch(module_of(forward), X)
    cr.seed(0)
    first, second = model(X).numpy(), model(X).numpy()
    assert not np.array_equal(first, second)
    cr.seed(0)
    np.testing.assert_array_equal(model(X).numpy(), first)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dropout", "feature_dropout", "alpha_dropout"])
def test_elements_are_dropped_in_place(torch, module_of, name):
    drop = {"feature_dropout": "dropout1d"}.get(name, name)

    def forward(self, x):
        return getattr(torch.nn.functional, drop)(self.inner(x)[:, None] * 1.0, 0.5, self.training, inplace=True)

    rows = np.tile(X, (50, 1))
    module = module_of(forward, training=True)
    model = from_torch(module, rows, trace=True)
    cr.seed(0)
    y = model(rows).numpy()
    assert np.ptp(y.reshape(50, *X.shape), axis=0).max() > 0  # equal rows, dropped differently
    model.eval()
    module.eval()
    np.testing.assert_allclose(model(rows).numpy(), module(torch.tensor(rows)).detach().numpy())


@dataclasses.dataclass
class Scored:
    logits: object
    hidden: object = None


class Pair(NamedTuple):
    logits: object
    hidden: object


@pytest.mark.slow
@pytest.mark.parametrize("kind", [Scored, Pair])
def test_an_output_with_fields_has_them(torch, module_of, kind):
    def forward(self, x):
        z = self.inner(x)
        return kind(z, {"inside": kind(torch.tanh(z), 2 * z)})

    module = module_of(forward)
    model = from_torch(module, X, trace=True)
    y, expected = model(X), module(torch.tensor(X))
    np.testing.assert_allclose(y.logits.numpy(), expected.logits.detach().numpy())
    np.testing.assert_allclose(y[1]["inside"].hidden.numpy(), expected.hidden["inside"].hidden.detach().numpy())
    total = cr.explain(model, X, loss=lambda y, t: ((y.logits - t) ** 2).mean(), target=np.ones(X.shape))
    assert total.ok
    leaves, structure = flatten(y)
    assert len(leaves) == 3
    assert unflatten(structure, leaves).hidden["inside"].logits is y.hidden["inside"].logits
    assert len(pickle.loads(pickle.dumps(model))(X)) == 2
    with pytest.raises(AttributeError, match="logit"):
        y.logit  # noqa: B018


def test_an_output_that_cannot_be_looked_into_is_named(torch):
    class Cache:
        def __init__(self, x):
            self.kept = x

    class Cached(torch.nn.Module):
        def forward(self, x):
            return 2 * x, Cache(x)

    with pytest.raises(TypeError, match=r"Cached: returns a Cache, expected tensors .* config.use_cache = False"):
        from_torch(Cached(), torch.ones(2, 3), trace=True)


@pytest.mark.slow
@pytest.mark.parametrize("warm", [False, True])
def test_what_a_model_keeps_between_calls_has_its_gradient(torch, warm):
    class Biased(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.biases = torch.nn.Parameter(torch.arange(3.0, dtype=torch.float64))
            self.places, self.kept = torch.tensor([0, 1, 1, 2]), {}

        def forward(self, x):
            if "cpu" not in self.kept:
                self.kept["cpu"] = self.biases[self.places]
            return x * self.kept["cpu"]

    module, x = Biased().eval(), torch.ones(2, 4, dtype=torch.float64)
    before = module(x) if warm else None
    model = from_torch(module, x, trace=True)
    assert list(module.kept) == (["cpu"] if warm else [])
    assert before is None or module.kept["cpu"].grad_fn is not None
    model(x.numpy()).sum().backward()
    np.testing.assert_array_equal(dict(model.named_parameters())["biases"].grad.numpy(), [2, 4, 2])


@pytest.mark.slow
def test_a_tensor_kept_elsewhere_is_named(torch):
    class Kept(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(3))
            self.doubled = [2 * self.weight]

        def forward(self, x):
            return x * self.doubled[0]

    with pytest.raises(TypeError, match=r"Kept: keeps a tensor of shape \[3\] that it computed from parameters"):
        from_torch(Kept(), torch.ones(2, 3), trace=True)
