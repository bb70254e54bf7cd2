"""Values outside a distribution's support, and the functions that distributions of one's own are written with."""

import numpy as np
import pytest
from tests.named import named

import chainrule.torch as door

OUTSIDE = {
    "Exponential": (lambda t: t.distributions.Exponential(t.tensor(1.0)), -1.0),
    "Uniform": (lambda t: t.distributions.Uniform(0.0, 1.0), 2.0),
    "Bernoulli": (lambda t: t.distributions.Bernoulli(t.tensor(0.5)), 0.5),
    "Categorical": (lambda t: t.distributions.Categorical(t.ones(3)), 5),
    "Poisson": (lambda t: t.distributions.Poisson(t.tensor(1.0)), 1.5),
    "LogNormal": (lambda t: t.distributions.LogNormal(t.tensor(0.0), 1.0), -1.0),
    "Normal": (lambda t: t.distributions.Normal(0.0, 1.0), float("nan")),
    "Independent": (lambda t: t.distributions.Independent(t.distributions.Gamma(t.ones(2), 1.0), 1), -1.0),
    "Pareto": (lambda t: t.distributions.Pareto(t.tensor(1.0), 1.0), 0.5),
    "Binomial": (lambda t: t.distributions.Binomial(3, t.tensor(0.5)), 7.0),
}


def test_values_outside_the_support_are_refused_as_pytorch_does(torch) -> None:
    for name, (make, value) in OUTSIDE.items():
        for library in (torch, door):
            with named(name, library.__name__), pytest.raises(ValueError, match="within the support"):
                make(library).log_prob(library.tensor(value))
    with pytest.raises(ValueError, match="must be a Tensor"):
        door.distributions.Normal(0.0, 1.0).log_prob(0.5)
    with pytest.raises(ValueError, match="within the support"):
        door.distributions.Uniform(0.0, 1.0).cdf(door.tensor(2.0))


def test_the_support_is_not_asked_without_validation_and_in_a_compiled_function() -> None:
    free = door.distributions.Exponential(2.0, validate_args=False)
    assert free.log_prob(door.tensor(-1.0)).item() == pytest.approx(np.log(2) + 2)
    compiled = door.compile(lambda x: door.distributions.Exponential(door.tensor(1.0)).log_prob(x), fullgraph=True)
    assert [compiled(door.tensor(x)).item() for x in (0.5, -2.0)] == [-0.5, 2]


def test_functions_for_distributions_are_pytorchs(torch) -> None:
    for n, diag in ((6, 0), (3, -1), (8, 1), (10, 0)):
        with named(n, diag):
            found = []
            for library in (torch, door):
                of = library.distributions.utils
                matrix = of.vec_to_tril_matrix(library.arange(1.0, n + 1), diag)
                found.append((matrix.tolist(), of.tril_matrix_to_vec(matrix, diag).tolist()))
            assert found[0] == found[1]
    for library in (torch, door):
        of, p = library.distributions.utils, library.tensor([0.0, 0.5, 1.0])
        ones, threes = of.broadcast_all(library.ones(2), 3)
        assert (ones.tolist(), threes.tolist(), threes.dtype) == ([1, 1], [3, 3], library.float32)
        np.testing.assert_allclose(of.probs_to_logits(p, True).numpy()[1:], [0, 15.942385], rtol=1e-6)
        np.testing.assert_allclose(of.logits_to_probs(p, True).numpy(), 1 / (1 + np.exp(-p.numpy())), rtol=1e-6)


def test_a_lazy_property_is_computed_once() -> None:
    calls = []

    class Own:
        @door.distributions.utils.lazy_property
        def half(self):
            calls.append(1)
            return 0.5

    own = Own()
    assert own.half + own.half == 1
    assert len(calls) == 1


def test_half_cauchy_uniform_and_lkj_are_pytorchs(torch) -> None:
    def of(t):
        half, even = t.distributions.HalfCauchy(t.tensor(2.0)), t.distributions.Uniform(1.0, 3.0)
        x, p = t.tensor([0.5, 3.0]), t.tensor([0.2, 0.9])
        factor = t.linalg.cholesky(t.tensor([[1.0, 0.5, 0.2], [0.5, 1.0, -0.3], [0.2, -0.3, 1.0]]))
        lkj = [t.distributions.LKJCholesky(3, t.tensor(c)).log_prob(factor) for c in (0.7, 1.0, [0.5, 3.0])]
        return [half.log_prob(x), half.cdf(x), half.icdf(p), half.entropy(), even.cdf(x / 2 + 1), even.icdf(p), *lkj]

    for found, expected in zip(of(door), of(torch), strict=True):
        np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=2e-5)


def test_samples_of_factors_are_of_correlation_matrices() -> None:
    door.manual_seed(0)
    factors = door.distributions.LKJCholesky(3, door.tensor([1.0, 20.0])).sample((2000,))
    matrices = (factors @ factors.mT).numpy()
    np.testing.assert_allclose(np.diagonal(matrices, 0, -2, -1), 1, rtol=1e-5)
    spread = matrices.var(axis=0)
    for j, k in (
        (1, 0),
        (2, 0),
        (2, 1),
    ):  # beta variables on [-1, 1] of parameters eta + 1/2
        np.testing.assert_allclose(spread[:, j, k], [1 / 4, 1 / 42], rtol=0.1)
