"""NumPy's `linalg`, differentiable: a list that holds tensors is one tensor here.

>>> import chainrule as cr
>>> import chainrule.numpy as cnp
>>> float(cr.grad(lambda x: cnp.linalg.norm([x, 4.0]))(3.0))
0.6
"""

from typing import Any

import numpy as _np

from chainrule.numpy.wrapping import namespace as _namespace

_look_up = _namespace(__name__, _np.linalg)


def __getattr__(name: str) -> Any:
    """Look a name up as `numpy.linalg` would."""
    return _look_up(name)


def __dir__() -> list[str]:
    return [name for name in dir(_np.linalg) if not name.startswith("_")]
