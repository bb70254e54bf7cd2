"""What a graph saves, and dual tensors: `autograd.graph`, `autograd.forward_ad`, and what `torch.func` says more."""

import threading

import numpy as np
import pytest

import chainrule.torch as door
from chainrule.torch.autograd import forward_ad, graph

# PyTorch's forward mode compiles parts of itself at its first call.
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.script.*:DeprecationWarning")


def of_both(torch, f):
    """The results of one function with the door and with PyTorch, as arrays."""
    return [[np.asarray(x.detach().numpy()) for x in f(lib)] for lib in (door, torch)]


def agree(torch, f) -> None:
    for ours, theirs in zip(*of_both(torch, f), strict=True):
        np.testing.assert_allclose(ours, theirs, 1e-6, 1e-6)


# Saved tensors


def test_what_is_saved_passes_through_the_hooks(torch) -> None:
    def f(t):
        x = t.tensor([1.0, -2.0], requires_grad=True)
        with t.autograd.graph.saved_tensors_hooks(lambda x: x * 4, lambda x: x / 4):
            y = (t.exp(x) * x**3).sum()
        y.backward()
        return [x.grad]

    agree(torch, f)


def test_what_the_unpacking_hook_returns_is_used() -> None:
    x = door.tensor([1.0, 2.0], requires_grad=True)
    with graph.saved_tensors_hooks(lambda x: None, lambda _: door.full((2,), 10.0)):
        y = (x**2).sum()
    y.backward()
    assert x.grad.tolist() == [20.0, 20.0]


def test_the_innermost_hooks_count_and_outside_there_are_none() -> None:
    seen = []

    def hooks(name):
        return graph.saved_tensors_hooks(lambda x: (seen.append(name), x)[1], lambda x: x)

    x = door.tensor(2.0, requires_grad=True)
    with hooks("outer"):
        with hooks("inner"):
            x.exp()
        x.exp()
    x.exp()
    assert seen == ["inner", "outer"]


def test_packed_values_serve_a_second_derivative() -> None:
    x = door.tensor([1.0, 2.0], requires_grad=True)
    stored = []
    with graph.saved_tensors_hooks(lambda x: stored.append(x.detach().clone()) or len(stored) - 1, stored.__getitem__):
        y = (x * x * x).sum()
    (first,) = door.autograd.grad(y, x, create_graph=True)
    assert door.autograd.grad(first.sum(), x)[0].tolist() == [6.0, 12.0]


def test_layers_train_with_packed_values(torch) -> None:
    def f(t):
        model = t.nn.Sequential(
            t.nn.Conv1d(2, 3, 3), t.nn.BatchNorm1d(3), t.nn.ReLU(), t.nn.Flatten(), t.nn.Linear(9, 4)
        )
        state = {
            name: t.tensor(np.random.default_rng(k).normal(size=tuple(p.shape)).astype(np.float32))
            for k, (name, p) in enumerate(model.named_parameters())
        }
        model.load_state_dict(state, strict=False)
        x = t.tensor(np.random.default_rng(9).normal(size=(5, 2, 5)).astype(np.float32))
        with t.autograd.graph.saved_tensors_hooks(lambda x: x.numpy(force=True).copy(), lambda x: t.tensor(x)):
            loss = t.nn.functional.cross_entropy(model(x), t.tensor([0, 1, 2, 3, 0]))
        loss.backward()
        return [p.grad for p in model.parameters()]

    agree(torch, f)


def test_a_hook_must_return_a_tensor_and_can_be_forbidden() -> None:
    x = door.tensor(2.0, requires_grad=True)
    with graph.saved_tensors_hooks(lambda x: x, lambda x: 3):
        y = x.exp()
    with pytest.raises(TypeError, match="unpack_hook returned int"):
        y.backward()
    with (
        graph.disable_saved_tensors_hooks("not here"),
        pytest.raises(RuntimeError, match="not here"),
        graph.save_on_cpu(),
    ):
        pass


def test_hooks_are_refused_in_the_thread_of_the_block_only() -> None:
    entered = []

    def enter() -> None:
        with graph.save_on_cpu():
            entered.append(True)

    with graph.disable_saved_tensors_hooks("not here"):
        other = threading.Thread(target=enter)
        other.start()
        other.join()
    enter()
    assert entered == [True, True]


def test_an_operation_shows_what_it_saved(torch) -> None:
    def f(t):
        a, b = t.tensor([1.0, 2.0], requires_grad=True), t.tensor([3.0, 4.0], requires_grad=True)
        return [(a * b).grad_fn._saved_self, (a * b).grad_fn._saved_other, a.exp().grad_fn._saved_result]

    agree(torch, f)
    y = door.ones(2, requires_grad=True) * 2
    with pytest.raises(AttributeError, match="_saved_self"):
        y.grad_fn._saved_self  # noqa: B018
    z = door.ones(2, requires_grad=True).exp()
    z.sum().backward()
    with pytest.raises(RuntimeError, match="second time"):
        z.grad_fn._saved_result  # noqa: B018


def test_a_hook_at_several_tensors() -> None:
    a, b = door.ones(2, requires_grad=True), door.ones(2, requires_grad=True)
    seen = []
    handle = graph.register_multi_grad_hook((a, b), lambda grads: seen.append([g.tolist() for g in grads]))
    (a * b * 3).sum().backward()
    handle.remove()
    (a * b).sum().backward()
    assert seen == [[[3.0, 3.0], [3.0, 3.0]]]


# Dual tensors


def test_tangents_of_functions_and_modules(torch) -> None:
    def f(t):
        fw = t.autograd.forward_ad
        x = t.tensor([[0.1, 0.2, 0.3]])
        linear = t.nn.Linear(3, 2)
        with t.no_grad():
            linear.weight.copy_(t.arange(6.0).reshape(2, 3))
            linear.bias.zero_()
        parameters = dict(linear.named_parameters())
        with fw.dual_level():
            for name, p in parameters.items():
                delattr(linear, name)
                setattr(linear, name, fw.make_dual(p, t.ones_like(p) * 0.5))
            y = t.tanh(linear(fw.make_dual(x, t.ones(1, 3))))
            primal, tangent = fw.unpack_dual(y)
        return [primal, tangent]

    agree(torch, f)


def test_a_level_ends_with_its_block() -> None:
    x, t = door.tensor([1.0, 2.0]), door.tensor([1.0, 0.0])
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(x, t)
        assert forward_ad.unpack_dual(dual).tangent is t
        assert forward_ad.unpack_dual(x).tangent is None
        with pytest.raises(RuntimeError, match="Nested"), forward_ad.dual_level():
            pass
        with pytest.raises(RuntimeError, match="shape"):
            forward_ad.make_dual(x, door.ones(3))
    assert forward_ad.unpack_dual(dual).tangent is None
    with pytest.raises(RuntimeError, match="no level"):
        forward_ad.make_dual(x, t)


def test_a_function_with_a_tangent_of_its_own(torch) -> None:
    def f(t):
        class Exp(t.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                ctx.result = t.exp(x)
                return ctx.result

            @staticmethod
            def jvp(ctx, x_dot):
                return x_dot * ctx.result * 2  # twice what is right, to see that it is used

        fw = t.autograd.forward_ad
        with fw.dual_level():
            return [fw.unpack_dual(Exp.apply(fw.make_dual(t.tensor([0.0, 1.0]), t.tensor([1.0, 2.0])))).tangent]

    agree(torch, f)


def test_a_function_without_one_says_so() -> None:
    class Twice(door.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

    with forward_ad.dual_level(), pytest.raises(RuntimeError, match="define jvp"):
        Twice.apply(forward_ad.make_dual(door.ones(2), door.ones(2)))


# What comes along


def test_values_beside_a_derivative(torch) -> None:
    def f(t):
        x = t.tensor([1.0, 2.0])
        y, pull, extra = t.func.vjp(lambda x: (x**2, x.long()), x, has_aux=True)
        _, dot, more = t.func.jvp(lambda x: (x**3, x + 1), (x,), (t.ones(2),), has_aux=True)
        by_rows, kept = t.func.jacrev(lambda x: (x**2, x + 2), has_aux=True)(x)
        by_columns, also = t.func.jacfwd(lambda x: (x**2, x + 2), has_aux=True)(x)
        return [y, *pull(t.ones(2)), extra, dot, more, by_rows, kept, by_columns, also]

    agree(torch, f)


def test_a_batch_of_cotangents(torch) -> None:
    def f(t):
        x = t.tensor([1.0, 2.0, 3.0], requires_grad=True)
        return t.autograd.grad(x**2 * x.sum(), x, t.eye(3), is_grads_batched=True)

    agree(torch, f)
    x = door.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="is_grads_batched"):
        door.autograd.grad(x * 2, x, door.ones(0, 2), is_grads_batched=True)
