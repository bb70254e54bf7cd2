"""`explain`: the derivation of a computation's gradient, step by step."""

from typing import Any

import numpy as np

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

    `model_or_f` is a module, called with `args`, whose output `loss(output, target)` reduces to a scalar, or a function
    of `args` that returns a scalar. If it returns several results, such as (logits, loss) or a dict, the only scalar
    among them is the loss.

    Gradients are derived for a module's parameters. For a function they are derived for its floating-point arguments,
    pytrees included (if some are tensors with `requires_grad`, for those; if `argnums` is given, for the ones it
    selects), and for the modules and tensors that it uses from closures, globals, attributes and containers.
    Everything is computed in float64 on copies: your objects, buffers and random state are left unchanged.

    `level` "brief" gives the formulas and folds repeated blocks, "full" (the default) adds the numbers and the algebra
    of fused operations, "proof" adds the index proof of matrix products. `lang` is "en" or "ko".

    Each formula is evaluated on its own and compared with the tape; `Derivation.ok` says whether all agree and whether
    numerical differentiation confirms the gradients.

    With respect to a complex z = x + iy, the gradient is ∂L/∂x - i ∂L/∂y, which the derivation then says.

    Raises TypeError if `model_or_f` is neither a module nor a function or the loss is complex, and ValueError if the
    loss is not a finite scalar or does not depend on anything that has a gradient.

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
    recording = record(model_or_f, args, loss, target, argnums, calling_line())
    with np.errstate(all="ignore"):  # the run has warned; what is computed again is compared
        return derive(recording, lang, level)
