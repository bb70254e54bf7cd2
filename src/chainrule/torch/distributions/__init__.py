"""`torch.distributions`: the everyday ones, with `sample`, `rsample`, `log_prob`, `entropy` and `kl_divergence`."""

from chainrule.base.aliases import submodules

from ..missing import lacking as _lacking
from . import constraints, utils
from .continuous import Exponential, Laplace, MultivariateNormal, Normal, Uniform
from .correlations import LKJCholesky
from .counts import (
    Binomial,
    Multinomial,
    NegativeBinomial,
    OneHotCategorical,
    OneHotCategoricalStraightThrough,
    RelaxedOneHotCategorical,
)
from .discrete import Bernoulli, Categorical, Geometric, Poisson
from .distribution import Distribution, Independent
from .divergence import kl_divergence, register_kl
from .positive import (
    Beta,
    Cauchy,
    Chi2,
    Dirichlet,
    Gamma,
    Gumbel,
    HalfCauchy,
    HalfNormal,
    LogNormal,
    Pareto,
    StudentT,
    Weibull,
)
from .transformed import (
    AffineTransform,
    ComposeTransform,
    ExpTransform,
    MixtureSameFamily,
    PowerTransform,
    SigmoidTransform,
    SoftplusTransform,
    TanhTransform,
    Transform,
    TransformedDistribution,
)

__all__ = [name for name in dir() if name[0].isupper()] + ["constraints", "kl_divergence", "register_kl", "utils"]

# PyTorch has a file for each distribution.
_FILES = {
    *(name.lower() for name in __all__ if name[0].isupper() and "Transform" not in name and name != "Distribution"),
    *(
        "log_normal",
        "half_normal",
        "half_cauchy",
        "lkj_cholesky",
        "multivariate_normal",
        "negative_binomial",
        "one_hot_categorical",
        "studentT",
    ),
    *("relaxed_categorical", "mixture_same_family", "transformed_distribution", "transforms", "kl"),
}
submodules(__name__, _FILES, vars())

__getattr__ = _lacking(__name__)
