"""`kl_divergence` of two distributions."""

from collections.abc import Callable
from typing import Any

from .continuous import Exponential, Normal
from .discrete import Bernoulli, Categorical, Poisson
from .distribution import Independent

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
