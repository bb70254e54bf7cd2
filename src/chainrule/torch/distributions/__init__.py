"""`torch.distributions`: the everyday ones, with `sample`, `rsample`, `log_prob`, `entropy` and `kl_divergence`."""

from .continuous import Exponential, Laplace, MultivariateNormal, Normal, Uniform
from .discrete import Bernoulli, Categorical, Geometric, Poisson
from .distribution import Distribution, Independent
from .divergence import kl_divergence, register_kl

__all__ = [
    "Bernoulli",
    "Categorical",
    "Distribution",
    "Exponential",
    "Geometric",
    "Independent",
    "Laplace",
    "MultivariateNormal",
    "Normal",
    "Poisson",
    "Uniform",
    "kl_divergence",
    "register_kl",
]
