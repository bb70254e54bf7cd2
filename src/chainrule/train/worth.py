"""Whether a training is long enough to be compiled: what compiling costs, against what each step saves.

Both are estimates from the model and the first batch alone, never a measurement in the run: the same training is
compiled on every machine, whatever else that machine does. The figures are of two cores and of caches that are empty;
with code in the cache compiling takes half as long.
"""

from typing import Any

from chainrule.kernels.suitable import HAS_COMPILER

START, EACH = 0.2, 0.008
"""Seconds that capturing and compiling takes for any step, and more for each module."""
CALLS, CALL = 150e-6, 40e-6
"""Seconds of Python that a compiled step saves in any network, and more for each module."""
PRODUCT = 1e-11
"""Seconds of passes over memory that it saves for each product of a parameter with a sample."""


def cost(modules: int) -> float:
    """Return about how many seconds it takes to compile the step of a network of so many modules.

    >>> cost(3) < 0.25
    True
    """
    return START + EACH * modules


def saving(modules: int, parameters: int, samples: int) -> float:
    """Return about how many seconds a compiled step saves; `samples` counts each position of a sequence."""
    return CALLS + CALL * modules + PRODUCT * parameters * samples


def pays(steps: float, modules: int, parameters: int, samples: int) -> bool:
    """Whether so many steps save more than compiling costs; never without the extra `fast`.

    >>> pays(100, 3, 5_000, 32), pays(1000, 3, 5_000, 32)
    (False, True)
    """
    return HAS_COMPILER and steps * saving(modules, parameters, samples) > cost(modules)


def size(model: Any) -> tuple[int, int]:
    """Return how many modules without parts a model has, and how many numbers its parameters are."""
    modules = sum(1 for module in model.modules() if not list(module.children()))
    return modules, sum(parameter.size for parameter in model.parameters())


def samples(x: Any, y: Any) -> int:
    """Return how many samples a batch has: class indices for each position of a sequence count one by one."""
    return int(y.size) if y.dtype.kind in "iu" else len(x)
