"""`torch.nn.utils.prune`: parameters of which some entries are held at zero by a mask.

A pruned parameter `weight` becomes `weight_orig`, the buffer `weight_mask` holds ones and zeros, and `weight` is their
product. Pruning again looks at what is left only.
"""

from collections.abc import Iterable
from typing import Any

from ... import creation, random, shapes
from ...autograd.modes import no_grad
from ...face import Tensor
from ...missing import lacking as _lacking
from .norms import weight_of
from .parametrize import compute, computed


def _count(amount: Any, size: int) -> int:
    """Return how many of `size` entries an amount is: a whole number, or a part of them."""
    if isinstance(amount, bool) or not isinstance(amount, int | float):
        raise TypeError(f"prune: got amount={amount!r}, expected a whole number or a fraction")
    if amount < 0 or (isinstance(amount, float) and amount > 1):
        raise ValueError(f"amount={amount} should either be a float in the range [0.0, 1.0] or a non-negative integer")
    if isinstance(amount, int) and amount > size:
        raise ValueError(f"amount={amount} should be smaller than the number of parameters to prune={size}")
    return amount if isinstance(amount, int) else round(amount * size)


class BasePruningMethod:
    """How a mask is chosen: a subclass defines `compute_mask(t, default_mask)`, and `PRUNING_TYPE`.

    The type is "unstructured" for entries, "structured" for whole slices along the axis `dim`, or "global".
    """

    PRUNING_TYPE = "unstructured"
    dim = -1
    _tensor_name: str

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """Return a mask like `default_mask` with more zeros, given what the entries of `t` are worth."""
        raise TypeError(f"{type(self).__name__} does not define compute_mask(t, default_mask)")

    def apply_mask(self, module: Any) -> Any:
        """Return the pruned parameter."""
        return getattr(module, f"{self._tensor_name}_mask") * getattr(module, f"{self._tensor_name}_orig")

    def prune(self, t: Any, default_mask: Any = None, importance_scores: Any = None) -> Any:
        """Return a tensor with the pruned entries at zero."""
        mask = creation.ones_like(t) if default_mask is None else default_mask
        return t * self._narrowed(t if importance_scores is None else importance_scores, mask)

    def _narrowed(self, scores: Any, mask: Any) -> Any:
        """Return a mask after this method has looked at what it leaves."""
        with no_grad():
            scores, mask = scores.detach(), mask.detach()
            if self.PRUNING_TYPE == "structured":
                return self._of_slices(scores, mask)
            left = mask == 1
            new = mask.clone()
            new[left] = self.compute_mask(scores[left], mask[left]).to(mask.dtype)
            return new

    def _of_slices(self, scores: Any, mask: Any) -> Any:
        if not -scores.dim() <= self.dim < scores.dim():
            raise IndexError(f"Invalid index {self.dim} for tensor of size {tuple(scores.shape)}")
        axis = self.dim % scores.dim()
        others = [k for k in range(scores.dim()) if k != axis]
        left = (mask.sum(others) != 0) if others else mask != 0
        kept = left.nonzero().flatten()
        chosen = self.compute_mask(scores.index_select(axis, kept), mask.index_select(axis, kept))
        return mask.clone().index_copy_(axis, kept, chosen.to(mask.dtype))

    @classmethod
    def apply(cls, module: Any, name: str, *args: Any, importance_scores: Any = None, **kwargs: Any) -> Any:
        """Prune the parameter `name` of a module; returns the method."""
        method = cls(*args, **kwargs)
        method._tensor_name = name
        again = name in computed(module) and f"{name}_mask" in module._buffers
        weight = getattr(module, f"{name}_orig") if again else weight_of(module, name, "prune")
        scores = getattr(module, name) if importance_scores is None else importance_scores
        if scores.shape != weight.shape:
            raise ValueError(f"prune: got importance_scores {scores.shape}, expected {weight.shape}, the parameter's")
        mask = getattr(module, f"{name}_mask") if again else creation.ones_like(weight.detach())
        mask = method._narrowed(scores, mask)
        if again:
            setattr(module, f"{name}_mask", mask)
        else:
            delattr(module, name)
            module.register_parameter(f"{name}_orig", weight)
            module.register_buffer(f"{name}_mask", mask)
            compute(module, {**computed(module), name: property(method.apply_mask)})
        return method

    def remove(self, module: Any) -> None:
        """Make the parameter a plain one, with its zeros."""
        remove(module, self._tensor_name)


class Identity(BasePruningMethod):
    """Nothing is pruned; there is a mask of ones."""

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """Return the mask as it is."""
        return default_mask


class RandomUnstructured(BasePruningMethod):
    """Random entries: `amount` of them, or that part of all."""

    def __init__(self, amount: Any) -> None:
        _count(amount, 2**62)
        self.amount = amount

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """Return a mask with random zeros."""
        return _without(default_mask, random.rand_like(t), _count(self.amount, t.nelement()), largest=True)


class L1Unstructured(RandomUnstructured):
    """The entries with the least absolute values."""

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """Return a mask with zeros for the least entries."""
        return _without(default_mask, t.abs(), _count(self.amount, t.nelement()), largest=False)


def _without(mask: Any, order: Any, count: int, largest: bool) -> Any:
    mask = mask.clone()
    if count:
        mask.view(-1)[order.reshape(-1).topk(count, largest=largest).indices] = 0
    return mask


class RandomStructured(BasePruningMethod):
    """Random slices along an axis."""

    PRUNING_TYPE = "structured"

    def __init__(self, amount: Any, dim: int = -1) -> None:
        _count(amount, 2**62)
        self.amount, self.dim = amount, dim

    def _worth(self, t: Any) -> Any:
        return random.rand(t.shape[self.dim])

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """Return a mask with zeros for the slices of the least worth."""
        if t.dim() < 2:
            raise ValueError(f"prune: slices need a tensor of two axes or more, got shape {tuple(t.shape)}")
        n = t.shape[self.dim]
        count = _count(self.amount, n)
        kept = creation.zeros(n)
        if count < n:
            kept[self._worth(t).topk(n - count, largest=True).indices] = 1
        shape = [1] * t.dim()
        shape[self.dim] = n
        return default_mask * kept.reshape(shape).to(default_mask.dtype)


class LnStructured(RandomStructured):
    """The slices along an axis with the least norms of order `n`."""

    def __init__(self, amount: Any, n: Any, dim: int = -1) -> None:
        super().__init__(amount, dim)
        self.n = n

    def _worth(self, t: Any) -> Any:
        axis = self.dim % t.dim()
        return t.norm(p=self.n, dim=[k for k in range(t.dim()) if k != axis])


class CustomFromMask(BasePruningMethod):
    """What a given mask says."""

    PRUNING_TYPE = "global"

    def __init__(self, mask: Any) -> None:
        self.mask = mask

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """Return the product of both masks."""
        return default_mask * self.mask.to(default_mask.dtype)

    def _narrowed(self, scores: Any, mask: Any) -> Any:
        return self.compute_mask(scores, mask)


def identity(module: Any, name: str) -> Any:
    """Give a parameter a mask of ones."""
    Identity.apply(module, name)
    return module


def random_unstructured(module: Any, name: str, amount: Any) -> Any:
    """Prune random entries of a parameter: so many, or that part of them."""
    RandomUnstructured.apply(module, name, amount)
    return module


def l1_unstructured(module: Any, name: str, amount: Any, importance_scores: Any = None) -> Any:
    """Prune the entries of the least absolute value, or of the least `importance_scores`.

    >>> import chainrule.torch as torch
    >>> layer = torch.nn.Linear(4, 2)
    >>> pruned = torch.nn.utils.prune.l1_unstructured(layer, "weight", amount=0.5)
    >>> int((layer.weight == 0).sum()), sorted(layer.state_dict())
    (4, ['bias', 'weight_mask', 'weight_orig'])
    """
    L1Unstructured.apply(module, name, amount, importance_scores=importance_scores)
    return module


def random_structured(module: Any, name: str, amount: Any, dim: int) -> Any:
    """Prune random slices along an axis."""
    RandomStructured.apply(module, name, amount, dim)
    return module


def ln_structured(module: Any, name: str, amount: Any, n: Any, dim: int, importance_scores: Any = None) -> Any:
    """Prune the slices along an axis whose norms of order `n` are the least."""
    LnStructured.apply(module, name, amount, n, dim, importance_scores=importance_scores)
    return module


def custom_from_mask(module: Any, name: str, mask: Any) -> Any:
    """Prune what a mask says."""
    CustomFromMask.apply(module, name, mask)
    return module


def global_unstructured(
    parameters: Iterable[Any], pruning_method: Any, importance_scores: Any = None, **kwargs: Any
) -> None:
    """Prune entries of several parameters, pairs of a module and a name, as if they were one tensor."""
    pairs = list(parameters)
    if pruning_method.PRUNING_TYPE != "unstructured":
        raise TypeError("Only 'unstructured' PRUNING_TYPE is supported for global pruning")
    given = importance_scores or {}
    values = [getattr(module, name) for module, name in pairs]
    scores: list[Any] = [given.get(pair, value) for pair, value in zip(pairs, values, strict=True)]
    masks: list[Any] = [getattr(module, f"{name}_mask", None) for module, name in pairs]
    masks = [creation.ones_like(v.detach()) if m is None else m for m, v in zip(masks, values, strict=True)]
    flat = [shapes.cat([x.detach().reshape(-1) for x in part]) for part in (scores, masks)]
    whole = pruning_method(**kwargs)._narrowed(*flat)
    for (module, name), part in zip(pairs, whole.split([v.nelement() for v in values]), strict=True):
        custom_from_mask(module, name, part.reshape(getattr(module, name).shape))


def is_pruned(module: Any) -> bool:
    """Return whether a parameter of a module or of one inside it is pruned."""
    return any(f"{name}_mask" in each._buffers for each in module.modules() for name in computed(each))


def remove(module: Any, name: str) -> Any:
    """Make a pruned parameter a plain one, with its zeros."""
    if name not in computed(module) or f"{name}_mask" not in module._buffers:
        raise ValueError(f"Parameter '{name}' of module {module} has to be pruned before pruning can be removed")
    with no_grad():
        value: Tensor = getattr(module, name).detach().clone()
    weight = weight_of(module, f"{name}_orig", "prune.remove")
    delattr(module, f"{name}_orig")
    delattr(module, f"{name}_mask")
    compute(module, {key: each for key, each in computed(module).items() if key != name})
    weight.data = value
    module.register_parameter(name, weight)
    return module


__getattr__ = _lacking(__name__)
