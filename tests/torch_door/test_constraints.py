"""Where parameters and values of distributions lie, and what is said of those that lie elsewhere, as in PyTorch."""

import numpy as np
import pytest

import chainrule.torch as door

VALUES = {
    "numbers": [-1.0, -0.5, 0.0, 0.5, 1.0, 2.0, np.nan, np.inf],
    "rows": [[0.2, 0.8], [0.5, 0.6], [0.0, 1.0], [-0.5, 1.5], [1.0, 2.0]],
    "matrices": [
        [[2.0, 0.0], [0.5, 1.0]],
        [[2.0, 0.5], [0.5, 1.0]],
        [[1.0, 2.0], [2.0, 1.0]],
        [[1.0, 0.0], [0.6, 0.8]],
    ],
    "wide": [[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]],
}
SETS = {
    "numbers": [
        "boolean", "nonnegative", "nonnegative_integer", "positive", "positive_integer", "real", "unit_interval",
    ],
    "rows": ["one_hot", "real_vector", "simplex"],
    "matrices": [
        "corr_cholesky", "lower_cholesky", "lower_triangular", "positive_definite", "positive_semidefinite", "square",
        "symmetric",
    ],
    "wide": ["square", "positive_definite", "lower_triangular"],
}  # fmt: skip
MADE = {
    "numbers": [
        lambda c, t: c.greater_than(0.5),
        lambda c, t: c.greater_than_eq(0.5),
        lambda c, t: c.less_than(0.5),
        lambda c, t: c.interval(-0.5, 1.0),
        lambda c, t: c.half_open_interval(-0.5, 1.0),
        lambda c, t: c.integer_interval(0, 1),
        lambda c, t: c.cat([c.positive, c.boolean], 0, [4, 4]),
        lambda c, t: c.stack([c.positive] * 4 + [c.boolean] * 4),
        lambda c, t: c.independent(c.real, 1),
    ],
    "rows": [lambda c, t: c.multinomial(1), lambda c, t: c.independent(c.positive, 1)],
}


def test_constraints_hold_where_pytorchs_do(torch) -> None:
    for kind, rows in VALUES.items():
        makers = [lambda c, t, name=name: getattr(c, name) for name in SETS[kind]] + MADE.get(kind, [])
        for make in makers:
            ours, theirs = ((make(lib.distributions.constraints, lib), lib) for lib in (door, torch))
            found = [np.asarray(c.check(lib.tensor(rows, dtype=lib.float64)).numpy()) for c, lib in (ours, theirs)]
            np.testing.assert_array_equal(*found, err_msg=repr(theirs[0]))
            assert ours[0].event_dim == theirs[0].event_dim
            assert ours[0].is_discrete == theirs[0].is_discrete
            text = repr(theirs[0])
            assert repr(ours[0]).lower() == text.lower()


GOOD = {
    "Normal": {"loc": 0.0, "scale": 1.0}, "Laplace": {"loc": 0.0, "scale": 1.0}, "Exponential": {"rate": 1.0},
    "Uniform": {"low": 0.0, "high": 1.0}, "Bernoulli": {"probs": 0.5}, "Geometric": {"probs": 0.5},
    "Poisson": {"rate": 1.0}, "Gamma": {"concentration": 1.0, "rate": 1.0}, "Chi2": {"df": 2.0},
    "Beta": {"concentration1": 1.0, "concentration0": 1.0}, "StudentT": {"df": 3.0, "scale": 1.0},
    "LogNormal": {"loc": 0.0, "scale": 1.0}, "HalfNormal": {"scale": 1.0}, "Cauchy": {"loc": 0.0, "scale": 1.0},
    "Gumbel": {"loc": 0.0, "scale": 1.0}, "Weibull": {"scale": 1.0, "concentration": 1.0},
    "Pareto": {"scale": 1.0, "alpha": 1.0}, "Binomial": {"total_count": 3.0, "probs": 0.5},
    "NegativeBinomial": {"total_count": 3.0, "probs": 0.5}, "Categorical": {"probs": [0.5, 0.5]},
    "OneHotCategorical": {"logits": [0.0, 1.0]}, "Dirichlet": {"concentration": [1.0, 2.0]},
    "MultivariateNormal": {"loc": [0.0, 0.0], "covariance_matrix": [[1.0, 0.5], [0.5, 1.0]]},
}  # fmt: skip
BAD = [-1.0, 0.0, float("nan"), 1.5]


def outcome(lib, name, given) -> str:
    try:
        with np.errstate(all="ignore"):
            made = getattr(lib.distributions, name)(
                **{key: lib.tensor(x, dtype=lib.float64) for key, x in given.items()}
            )
    except ValueError as error:
        return " ".join(str(error).split()[:2])
    return f"{tuple(made.batch_shape)} {tuple(made.event_shape)} {made.support.event_dim} {made.support.is_discrete}"


def test_a_parameter_out_of_its_place_is_refused_as_by_pytorch(torch) -> None:
    for name, given in GOOD.items():
        assert outcome(door, name, given) == outcome(torch, name, given), name
        for key, x in given.items():
            for bad in BAD:
                row = (np.zeros_like(x) + bad).tolist()
                case = {**given, key: row}
                assert outcome(door, name, case) == outcome(torch, name, case), (name, key, bad)


def test_a_check_can_be_left_out() -> None:
    with pytest.raises(
        ValueError, match=r"Expected parameter scale .*GreaterThan\(lower_bound=0.0\).*\n.*\n.*validate_args=False"
    ):
        door.distributions.Normal(0.0, -1.0)
    assert door.distributions.Normal(0.0, -1.0, validate_args=False).scale == -1
    try:
        door.distributions.Distribution.set_default_validate_args(False)
        door.distributions.Normal(0.0, -1.0)
    finally:
        door.distributions.Distribution.set_default_validate_args(True)


def test_parameters_with_unknown_values_are_not_looked_at() -> None:
    def score(scale):
        return door.distributions.Normal(0.0, scale).log_prob(door.tensor(1.0))

    scales = door.tensor([0.5, 2.0])
    one_by_one = door.stack([score(s) for s in scales])
    assert door.allclose(door.func.vmap(score)(scales), one_by_one)
    assert door.allclose(door.compile(score)(scales), one_by_one)


def test_expanded_distributions_are_pytorchs(torch) -> None:
    def found(lib):
        d, c = lib.distributions, lib.tensor
        cases = [
            (d.Normal(c([0.0, 1.0]), c(1.0)).expand((3, 2)), c([0.5, 0.2])),
            (d.Independent(d.Normal(c([0.0, 1.0]), c(1.0)), 1).expand((3,)), c([0.5, 0.2])),
            (d.Categorical(c([0.2, 0.8])).expand((4,)), c(1)),
            (d.MultivariateNormal(c([0.0, 1.0]), lib.eye(2)).expand((2,)), c([0.5, 0.2])),
        ]
        return [(tuple(x.batch_shape), tuple(x.sample().shape), x.log_prob(y).tolist()) for x, y in cases]

    for ours, theirs in zip(found(door), found(torch), strict=True):
        assert ours[:2] == theirs[:2]
        np.testing.assert_allclose(ours[2], theirs[2], rtol=1e-6)


def test_a_normal_vector_given_by_its_precision(torch) -> None:
    def found(lib):
        p = lib.tensor([[[2.0, 0.5], [0.5, 1.0]], [[3.0, -1.0], [-1.0, 1.0]]], dtype=lib.float64, requires_grad=True)
        made = lib.distributions.MultivariateNormal(lib.zeros(2, dtype=lib.float64), precision_matrix=p)
        score = made.log_prob(lib.ones(2, dtype=lib.float64))
        (gradient,) = lib.autograd.grad(score.sum(), p)
        return score, gradient, made.covariance_matrix, made.precision_matrix, made.variance

    for ours, theirs in zip(found(door), found(torch), strict=True):
        np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=1e-9)


def test_values_out_of_the_support_are_refused_by_the_check_that_subclasses_call() -> None:
    uniform = door.distributions.Uniform(0.0, door.tensor([1.0, 2.0]))
    uniform._validate_sample(door.tensor([0.5, 1.5]))
    with pytest.raises(ValueError, match="to be within the support"):
        uniform._validate_sample(door.tensor([1.5, 1.5]))
    with pytest.raises(ValueError, match="not broadcastable"):
        uniform._validate_sample(door.ones(3))


def test_distributions_of_ones_own_expand_as_the_base_class_lets_them(torch) -> None:
    def made(lib):
        class Shifted(lib.distributions.Distribution):
            arg_constraints = {"loc": lib.distributions.constraints.real}

            def __init__(self, loc, validate_args=None):
                self.loc = loc
                super().__init__(loc.shape[:-1], loc.shape[-1:], validate_args=validate_args)

            def expand(self, batch_shape, _instance=None):
                new = self._get_checked_instance(Shifted, _instance)
                new.loc = self.loc.expand(*batch_shape, *self._event_shape)
                super(Shifted, new).__init__(batch_shape, self._event_shape, validate_args=False)
                return new

            def log_prob(self, value):
                return -(value - self.loc).abs().sum(-1)

        class Renamed(Shifted):
            pass

        class WithItsOwn(Shifted):
            def __init__(self, n):
                super().__init__(lib.zeros(n))

        one = Renamed(lib.tensor([0.0, 1.0])).expand((3,))
        with pytest.raises(RuntimeError, match="WithItsOwn"):
            WithItsOwn(2).expand((3,))
        return (
            type(one).__name__,
            tuple(one._batch_shape),
            tuple(one.event_shape),
            one.log_prob(lib.ones(3, 2)).tolist(),
        )

    assert made(door) == made(torch)
