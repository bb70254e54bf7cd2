"""`explain`: where the gradient of a computation comes from, step by step."""

from typing import Any

from .derivation import Derivation
from .derive.build import LEVELS, derive
from .derive.subject import calling_line, record
from .write.catalogue import Catalogue


def explain(
    model_or_f: Any,
    *args: Any,
    loss: Any = None,
    target: Any = None,
    lang: str = "en",
    level: str = "full",
    argnums: Any = None,
) -> Derivation:
    """Return the derivation of a network's gradient, from the tape that computed it, with every step verified.

    `model_or_f` is a module, called with `args` (then `loss(output, target)` makes the scalar), or a function of `args`
    that returns one. The gradients are those of the module's parameters; of a function, those of its floating arguments
    (tensors: those with `requires_grad`; or those that `argnums` picks), pytrees too, and those of the modules and
    tensors that it finds outside: in closures, globals, attributes, containers. All of it is computed in float64, on
    copies: the user's objects, buffers and random numbers stay what they were. Of several results, (logits, loss) or a
    dict, the one scalar is the loss.

    `level` "brief" gives the formulas and folds what repeats, "full" adds the numbers and the algebra of fused
    operations, "proof" the index proof of matrix products. `lang` is "en" or "ko".

    Each formula is evaluated by itself and compared with the tape; `Derivation.ok` says whether all agree and whether
    numerical differentiation confirms the gradients.

    Raises TypeError for what is no model or function, and ValueError for a result that is no finite scalar or depends
    on nothing that has a gradient.

    >>> import chainrule as cr
    >>> def neuron(x, w, b, y):
    ...     a = cr.sigmoid(w * x + b)
    ...     return 0.5 * (a - y) ** 2
    >>> d = cr.explain(neuron, 2.0, 0.5, 0.1, 1.0, argnums=(1, 2))
    >>> d
    <Derivation of neuron: 7 of 7 equations verified>
    >>> round(float(d["w"].value), 7), d["w"].formula
    (-0.0935875, '...')
    """
    Catalogue(lang)
    if level not in LEVELS:
        raise ValueError(f"explain: level: expected one of {', '.join(LEVELS)}, got {level!r}")
    return derive(record(model_or_f, args, loss, target, argnums, calling_line()), lang, level)
