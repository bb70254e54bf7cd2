"""NumPy's `fft`, differentiable: a list that holds tensors is one tensor here.

>>> import chainrule.numpy as cnp
>>> cnp.fft.fftfreq(4)
array([ 0.  ,  0.25, -0.5 , -0.25])
"""

from typing import Any

import numpy as _np

from chainrule.numpy.wrapping import namespace as _namespace

_look_up = _namespace(__name__, _np.fft)


def __getattr__(name: str) -> Any:
    """Look a name up as `numpy.fft` would."""
    return _look_up(name)


def __dir__() -> list[str]:
    return [name for name in dir(_np.fft) if not name.startswith("_")]
