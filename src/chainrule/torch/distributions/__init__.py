"""`torch.distributions`: the everyday ones, with `sample`, `rsample`, `log_prob`, `entropy` and `kl_divergence`."""

from chainrule.base.aliases import submodules

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
submodules(__name__, [name.lower() for name in __all__ if name[0].isupper() and name != "Distribution"], vars())
submodules(__name__, ["multivariate_normal"], vars())
