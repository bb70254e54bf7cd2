"""The functions that `functorch` had before `torch.func`."""

import numpy as np
import pytest

import chainrule.torch as door
import chainrule.torch.functorch as ours


def states(lib, normalized: bool):
    layers = [lib.nn.Linear(3, 4), *([lib.nn.BatchNorm1d(4)] if normalized else []), lib.nn.Tanh(), lib.nn.Linear(4, 1)]
    model = lib.nn.Sequential(*layers).eval()
    rng = np.random.default_rng(0)
    for p in model.parameters():
        p.data = lib.tensor(rng.standard_normal(tuple(p.shape)).astype("float32"))
    return model


def arrays(values):
    return [value.detach().numpy() for value in values]


@pytest.mark.filterwarnings("ignore:We.ve integrated functorch:FutureWarning")
def test_functions_of_parameters_are_functorchs(torch) -> None:
    import functorch as theirs

    def found(lib, old):
        x, shift = lib.ones(2, 3), lib.linspace(0, 1, 6).reshape(2, 3)
        f, parameters = old.make_functional(states(lib, False))
        gradients = old.grad(lambda p: f(p, x + shift).sum())(parameters)
        g, weights, buffers = old.make_functional_with_buffers(states(lib, True), disable_autograd_tracking=True)
        many, stacked, buffered = old.combine_state_for_ensemble([states(lib, True) for _ in range(3)])
        out = old.vmap(many, in_dims=(0, 0, None))(stacked, buffered, x)
        flags = [all(p.requires_grad for p in parameters), any(p.requires_grad for p in weights)]
        return flags, arrays([*parameters, *gradients, g(weights, buffers, x), *stacked, *buffered, out])

    for mine, others in zip(*(found(*pair)[1] for pair in ((door, ours), (torch, theirs))), strict=True):
        np.testing.assert_allclose(mine, others, atol=1e-6)
    assert found(door, ours)[0] == found(torch, theirs)[0] == [True, False]


def test_the_model_stays_as_it_is() -> None:
    model = states(door, False)
    f, parameters = ours.make_functional(model)
    before = arrays(model.parameters())
    with door.no_grad():
        for p in parameters:
            p.mul_(0)
    assert all(np.array_equal(a, b) for a, b in zip(before, arrays(model.parameters()), strict=True))
    assert f(parameters, door.ones(1, 3)).item() == 0


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(RuntimeError, match="make_functional_with_buffers"):
        ours.make_functional(states(door, True))
    with pytest.raises(RuntimeError, match="no models"):
        ours.combine_state_for_ensemble([])


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")
def test_tangents_of_parameters_are_tensors(torch) -> None:
    def found(lib):
        layer = lib.nn.Linear(2, 1)
        with lib.no_grad():
            for p in layer.parameters():
                p.fill_(0.5)

        def f(weight, bias):
            return (lib.ones(1, 2) @ weight.T + bias) ** 2

        at = tuple(layer.parameters())
        along = tuple(lib.full_like(p, 2.0) for p in at)
        by_name = dict(layer.named_parameters()), {"weight": along[0], "bias": along[1]}
        nested = lib.func.jvp(lambda p: f(p["weight"], p["bias"]), by_name[:1], by_name[1:])
        slope = lib.func.grad(lambda p: f(*p).sum())
        second = lib.func.jvp(slope, (at,), (along,))[1]
        if lib is door:  # PyTorch's own warns of what it uses
            assert lib.equal(lib.func.linearize(f, *at)[1](*along), lib.func.jvp(f, at, along)[1])
        return arrays([*lib.func.jvp(f, at, along), *nested, *second])

    for mine, others in zip(found(door), found(torch), strict=True):
        np.testing.assert_allclose(mine, others, rtol=1e-6)
