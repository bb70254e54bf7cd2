"""`kl_divergence` of two distributions."""

from collections.abc import Callable
from typing import Any

from ..elementwise import digamma, lgamma
from ..linalg import solve_triangular
from .continuous import Exponential, Laplace, MultivariateNormal, Normal
from .counts import OneHotCategorical
from .discrete import Bernoulli, Categorical, Poisson
from .distribution import Independent
from .positive import Beta, Dirichlet, Gamma

_KNOWN: dict[tuple[type, type], Callable[[Any, Any], Any]] = {}


def register_kl(p: type, q: type) -> Callable[[Any], Any]:
    """Register a function as the divergence of two kinds of distributions."""

    def register(function: Any) -> Any:
        _KNOWN[p, q] = function
        return function

    return register


def kl_divergence(p: Any, q: Any) -> Any:
    """Return the Kullback-Leibler divergence of q from p.

    >>> import chainrule.torch as torch
    >>> from chainrule.torch.distributions import Normal
    >>> kl_divergence(Normal(0.0, 1.0), Normal(1.0, 1.0))
    tensor(0.5000)
    """
    for (a, b), function in _KNOWN.items():
        if isinstance(p, a) and isinstance(q, b):
            return function(p, q)
    raise TypeError(f"kl_divergence: not known for {type(p).__name__} and {type(q).__name__}; use register_kl")


@register_kl(Normal, Normal)
def _normal(p: Normal, q: Normal) -> Any:
    ratio = (p.scale / q.scale) ** 2
    shift = ((p.loc - q.loc) / q.scale) ** 2
    return 0.5 * (ratio + shift - 1 - ratio.log())


@register_kl(Categorical, Categorical)
def _categorical(p: Categorical, q: Categorical) -> Any:
    return (p.probs * (p.logits - q.logits)).masked_fill(p.probs == 0, 0.0).sum(-1)


@register_kl(Bernoulli, Bernoulli)
def _bernoulli(p: Bernoulli, q: Bernoulli) -> Any:
    return p.probs * (p.logits - q.logits) + (-q.probs).log1p() * -1 + (-p.probs).log1p()


@register_kl(Exponential, Exponential)
def _exponential(p: Exponential, q: Exponential) -> Any:
    ratio = q.rate / p.rate
    return ratio - 1 - ratio.log()


@register_kl(Poisson, Poisson)
def _poisson(p: Poisson, q: Poisson) -> Any:
    return p.rate * (p.rate.log() - q.rate.log()) - (p.rate - q.rate)


@register_kl(Independent, Independent)
def _independent(p: Independent, q: Independent) -> Any:
    return p._summed(kl_divergence(p.base_dist, q.base_dist))


@register_kl(Gamma, Gamma)
def _gamma(p: Gamma, q: Gamma) -> Any:
    a, b = p.concentration, q.concentration
    rates = b * (p.rate / q.rate).log() + a * (q.rate / p.rate - 1)
    return rates + lgamma(b) - lgamma(a) + (a - b) * digamma(a)


@register_kl(Beta, Beta)
def _beta(p: Beta, q: Beta) -> Any:
    total = p.concentration1 + p.concentration0
    found = q._log_beta() - p._log_beta()
    for a, b in ((p.concentration1, q.concentration1), (p.concentration0, q.concentration0)):
        found = found + (a - b) * (digamma(a) - digamma(total))
    return found


@register_kl(Dirichlet, Dirichlet)
def _dirichlet(p: Dirichlet, q: Dirichlet) -> Any:
    a, b = p.concentration, q.concentration
    total = a.sum(-1, keepdim=True)
    sizes = lgamma(total.squeeze(-1)) - lgamma(b.sum(-1)) - (lgamma(a) - lgamma(b)).sum(-1)
    return sizes + ((a - b) * (digamma(a) - digamma(total))).sum(-1)


@register_kl(MultivariateNormal, MultivariateNormal)
def _multivariate(p: MultivariateNormal, q: MultivariateNormal) -> Any:
    ratio = solve_triangular(q.scale_tril, p.scale_tril, upper=False)
    shift = solve_triangular(q.scale_tril, (q.loc - p.loc).unsqueeze(-1), upper=False).squeeze(-1)
    spread = (ratio**2).sum((-2, -1)) + (shift**2).sum(-1) - p.event_shape[0]
    return q._half_log_det() - p._half_log_det() + 0.5 * spread


@register_kl(Laplace, Laplace)
def _laplace(p: Laplace, q: Laplace) -> Any:
    ratio, shift = p.scale / q.scale, (p.loc - q.loc).abs()
    return -ratio.log() + shift / q.scale + ratio * (-shift / p.scale).exp() - 1


@register_kl(OneHotCategorical, OneHotCategorical)
def _one_hot(p: OneHotCategorical, q: OneHotCategorical) -> Any:
    return kl_divergence(p._draw, q._draw)
