"""autograd.scipy.misc: `logsumexp`, where old code looks for it."""

from .special import logsumexp

__all__ = ["logsumexp"]
