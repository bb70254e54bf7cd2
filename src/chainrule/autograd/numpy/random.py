"""autograd.numpy.random: NumPy's own; drawn numbers are constants."""

from numpy.random import *  # noqa: F403
from numpy.random import __all__  # noqa: F401

from chainrule.core.random import SPACES

SPACES.append(globals())
