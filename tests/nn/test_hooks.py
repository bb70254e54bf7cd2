"""Hooks against PyTorch's, inside transforms, and how they are taken away; the summary, which uses them."""

import copy

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr
from chainrule import nn

RNG = np.random.default_rng(0)
X = RNG.standard_normal((3, 4))


def test_a_forward_hook_sees_and_may_replace_the_output():
    layer, seen = nn.Linear(4, 2), []
    plain = layer(X).numpy()
    watching = layer.register_forward_hook(lambda module, args, output: seen.append((module, args, output.shape)))
    layer.register_forward_hook(lambda module, args, output: output * 2)
    np.testing.assert_array_equal(layer(X).numpy(), 2 * plain)
    assert seen[0][0] is layer
    assert seen[0][1][0] is X
    assert seen[0][2] == (3, 2)
    watching.remove()
    watching.remove()
    layer(X)
    assert len(seen) == 1


def networks(torch):
    ours = nn.Sequential(nn.Linear(4, 5, dtype=np.float64), nn.Tanh(), nn.Linear(5, 2, dtype=np.float64))
    theirs = torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.Tanh(), torch.nn.Linear(5, 2)).double()
    theirs.load_state_dict({name: torch.tensor(array.T.copy()) for name, array in ours.state_dict().items()})
    return ours, theirs


@pytest.mark.filterwarnings("ignore:Full backward hook is firing:UserWarning")  # PyTorch's, without an input gradient
@walked("input_has_gradient", [True, False])
@walked("where", [0, 1, 2])
def test_a_backward_hook_is_torchs(torch, where, input_has_gradient):
    ours, theirs = networks(torch)
    x, reference = cr.tensor(X, requires_grad=input_has_gradient), torch.tensor(X, requires_grad=input_has_gradient)
    seen, expected = [], []

    def hook(module, grad_input, grad_output):
        seen.append((grad_input, grad_output))
        return tuple(g if g is None else 3 * g for g in grad_input)

    def torchs_hook(module, grad_input, grad_output):
        expected.append((grad_input, grad_output))
        return tuple(g if g is None else 3 * g for g in grad_input)

    ours[where].register_full_backward_hook(hook)
    theirs[where].register_full_backward_hook(torchs_hook)
    (ours(x) ** 2).sum().backward()
    (theirs(reference) ** 2).sum().backward()
    assert len(seen) == len(expected) == 1
    for mine, its in zip(seen[0], expected[0], strict=True):
        assert [g is None for g in mine] == [g is None for g in its]
        for a, b in zip(mine, its, strict=True):
            if a is not None:
                np.testing.assert_allclose(a, b.numpy(), atol=1e-12)
    for parameter, its in zip(ours.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(parameter.grad.numpy().T, its.grad.numpy(), atol=1e-12)
    if input_has_gradient:
        np.testing.assert_allclose(x.grad.numpy(), reference.grad.numpy(), atol=1e-12)


def test_a_backward_hook_sees_every_output_and_each_argument():
    layer, seen = nn.LSTM(4, 2, dtype=np.float64), []
    layer.register_full_backward_hook(lambda module, inputs, outputs: seen.append((inputs, outputs)))
    x = cr.tensor(X[:, None], requires_grad=True)
    y, (_, _) = layer(x, (np.zeros((1, 1, 2)), np.zeros((1, 1, 2))))
    y.sum().backward()
    ((grad_input, grad_output),) = seen
    np.testing.assert_array_equal(grad_input[0], x.grad.numpy())
    assert grad_input[1] is None
    assert [g.shape for g in grad_output] == [(3, 1, 2), (1, 1, 2), (1, 1, 2)]
    assert not grad_output[1].any()


def test_hooks_work_in_every_transform():
    layer, seen = nn.Linear(4, 1, dtype=np.float64).requires_grad_(False), []

    def f(x):
        return (layer(x) ** 3).sum()

    expected = cr.grad(f)(X), cr.hessian(f)(X), cr.jvp(f, (X,), (X,))
    layer.register_full_backward_hook(lambda *_: seen.append(1))
    found = cr.grad(f)(X), cr.hessian(f)(X), cr.jvp(f, (X,), (X,))
    for mine, its in zip(found[:2], expected[:2], strict=True):
        np.testing.assert_allclose(mine, its, atol=1e-12)
    np.testing.assert_allclose(found[2][1], expected[2][1])
    assert seen
    gradient = cr.grad(lambda m: (m(X) ** 2).sum())(layer)
    assert gradient.weight.shape == (4, 1)


def test_hooks_are_left_out_without_gradients_and_copied_with_the_module():
    layer, seen = nn.Linear(4, 1), []
    layer.register_full_backward_hook(lambda *_: seen.append(1))
    with cr.no_grad():
        assert layer(X).shape == (3, 1)
    copied = copy.deepcopy(layer)
    copied(X).sum().backward()
    assert seen == [1]


@pytest.mark.parametrize(
    ("answer", "message"),
    [((), "returned 0 gradients, expected 1"), (np.ones(3), r"for argument 0, .* shape \[3\], expected \[3, 4\]")],
)
def test_a_wrong_gradient_of_a_hook_is_refused(answer, message):
    layer = nn.Linear(4, 1)
    layer.register_full_backward_hook(lambda *_: answer)
    x = cr.tensor(X, requires_grad=True)
    with pytest.raises(ValueError, match=f"Linear: a backward hook .*{message}"):
        layer(x).sum().backward()


def test_a_summary_counts_and_changes_nothing():
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Dropout(0.5), nn.Linear(144, 3))
    model[0].requires_grad_(False)
    before = model.state_dict()
    found = nn.summary(model, np.ones((2, 1, 8, 8)))
    assert [layer.shape for layer in found.layers] == [(2, 3), (2, 4, 6, 6), (2, 4, 6, 6), (2, 144), (2, 144), (2, 3)]
    assert [layer.parameters for layer in found.layers] == [0, 40, 8, 0, 0, 435]
    assert (found.parameters, found.trainable) == (483, 443)
    assert "483 parameters, of which 40 are frozen; 1,932 bytes" in str(found)
    assert model.training
    assert all(np.array_equal(model.state_dict()[name], array) for name, array in before.items())
    assert all(not module._hooks.forward for module in model.modules())


def test_a_summary_counts_shared_parameters_once_and_knows_several_outputs():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(3, 3), nn.Linear(3, 3)
            self.b.weight = self.a.weight
            self.layer, self.unused = nn.LSTM(3, 2), nn.ReLU()

        def forward(self, x):
            return self.layer(self.b(self.a(x)))

    found = nn.summary(Tied(), np.zeros((5, 1, 3)))
    rows = {layer.path: layer for layer in found.layers}
    assert (rows["a"].parameters, rows["b"].parameters) == (12, 3)
    assert rows["layer"].shape == ((5, 1, 2), (1, 1, 2), (1, 1, 2))
    assert "not called" in str(found)
    assert nn.summary(nn.Linear(2, 1)).layers[0].shape is None
