"""`torch.autograd.Function`s of packages, taken as they are installed: written by others, for themselves.

None of their code is here. Each is looked up at run time, is used only where it is right, and is left out where its
package is missing: `python -m pip install --no-deps --target LIBRARIES entmax e3nn gpytorch diffsort …`.
"""

import importlib
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

import chainrule as cr
from chainrule.check.report.report import CheckReport

from .packages import looked_up, package_of
from .passes import Pass, classes, definite, drawn, positive

Array = Any


@dataclass(frozen=True)
class Fixed:
    """A value that is passed as it is: an array that has no gradient, or a function."""

    value: Any


@dataclass(frozen=True)
class TorchPass(Pass):
    """A `Function`, and how its arguments are drawn: a shape, a function of a generator, or the value itself."""

    function: Any = None

    @property
    def changed(self) -> Callable[..., Any]:
        """Its backward pass."""
        found = inspect.unwrap(getattr(self.function.backward, "__func__", self.function.backward))
        assert callable(found)
        return found

    def drawn(self, seed: int) -> list[Any]:
        """Return arguments drawn at random, as tensors."""
        torch = importlib.import_module("torch")
        rng = np.random.default_rng(seed)
        found: list[Any] = []
        for a in self.arguments:
            value = a.value if isinstance(a, Fixed) else drawn(a, rng)
            if isinstance(value, np.ndarray):
                wanted = value.dtype.kind == "f" and not isinstance(a, Fixed)
                value = torch.from_numpy(np.array(value)).requires_grad_(wanted)
            found.append(value)
        return found

    def with_rule(self, rule: Callable[..., Any] | None) -> Any:
        """Return the `Function`, with another backward pass if one is given."""
        cls = self.function
        if rule is None:
            return cls
        kind = classmethod if inspect.ismethod(cls.backward) else staticmethod
        return type(cls)(cls.__name__, (cls,), {"backward": kind(rule), "__module__": cls.__module__})

    def gradients(self, rule: Callable[..., Any] | None, seed: int) -> list[Any]:
        """Return the gradients at arguments drawn at random."""
        torch = importlib.import_module("torch")
        args = self.drawn(seed)
        leaves = [a for a in args if isinstance(a, torch.Tensor) and a.requires_grad]
        made = self.with_rule(rule).apply(*args)
        outputs = [y for y in (made if isinstance(made, tuple) else (made,)) if y.requires_grad]
        rng = np.random.default_rng(seed)
        bars = [torch.from_numpy(np.array(rng.standard_normal(tuple(y.shape)))) for y in outputs]
        found = torch.autograd.grad(outputs, leaves, bars, allow_unused=True)
        return [np.zeros(()) if g is None else g.numpy() for g in found]

    def report(self, rule: Callable[..., Any] | None, explain: bool = True) -> CheckReport:
        """Check the `Function` as it is, or with another backward pass; a cause is always sought."""
        del explain
        return cr.check_torch(self.with_rule(rule), *self.drawn(0))


def _distances(a: Any, b: Any) -> Any:
    return importlib.import_module("torch").cdist(a, b)


def _squares(a: Any, b: Any) -> Any:
    return _distances(a, b) ** 2


_RNG = np.random.default_rng(7)
_POINTS = Fixed(_RNG.standard_normal((4, 2)))
_CENTRES = Fixed(_RNG.standard_normal((3, 2)))
_LOW, _HIGH = (Fixed(_RNG.standard_normal((1, 1, 4))) for _ in range(2))
_EDGES = Fixed(np.array([[0, 1, 3], [2, 0, 4]]))

FUNCTIONS: tuple[tuple[str, str, tuple[Any, ...]], ...] = (
    ("entmax.activations", "SparsemaxFunction", ((4, 5), -1, None)),
    ("entmax.activations", "Entmax15Function", ((4, 5), -1, None)),
    ("entmax.root_finding", "EntmaxBisectFunction", ((3, 5), 1.4, -1, 60, True)),
    ("entmax.root_finding", "SparsemaxBisectFunction", ((3, 5), -1, 60, True)),
    ("entmax.root_finding", "NormmaxBisectFunction", ((3, 5), 2.0, -1, 60)),
    ("entmax.losses", "SparsemaxLossFunction", ((4, 5), classes(4, 5), None)),
    ("entmax.losses", "Entmax15LossFunction", ((4, 5), classes(4, 5), None)),
    ("sparsemax.sparsemax", "SparsemaxFunction", ((4, 5), 1)),
    ("timm.layers.activations_me", "SwishAutoFn", ((4, 5),)),
    ("timm.layers.activations_me", "MishAutoFn", ((4, 5),)),
    ("timm.layers.activations_me", "HardSigmoidAutoFn", (lambda rng: 3 * rng.standard_normal((4, 5)),)),
    ("timm.layers.activations_me", "HardSwishAutoFn", (lambda rng: 3 * rng.standard_normal((4, 5)),)),
    ("timm.layers.activations_me", "HardMishAutoFn", (lambda rng: 2 * rng.standard_normal((4, 5)),)),
    ("e3nn.math._soft_unit_step", "_SoftUnitStep", ((9,),)),
    ("torchrl.modules.distributions.utils", "_SafeTanh", ((4, 5), 1e-6)),
    ("torchrl.modules.distributions.utils", "_SafeaTanh", (positive(4, 5), 1e-6)),
    (
        "torchrl.modules.tensordict_module.rnn",
        "_GRUScanFunction",
        ((3, 2, 4), (2, 3), (3, 2, 3), lambda rng: rng.random((3, 2)) < 0.3, (9, 4), (9, 3), (9,), (9,)),
    ),
    (
        "gpytorch.functions.rbf_covariance",
        "RBFCovariance",
        (_POINTS, _CENTRES, positive(1, 1), Fixed(_squares)),
    ),
    (
        "gpytorch.functions.matern_covariance",
        "MaternCovariance",
        (_POINTS, _CENTRES, positive(1, 1), 2.5, Fixed(_distances)),
    ),
    ("gpytorch.variational.large_batch_variational_strategy", "QuadFormDiagonal", (definite(4), (4, 3))),
    ("diffsort.functional", "NormalCDF", ((4, 5), 0.7)),
    ("kornia.losses.focal", "_TargetLogSoftmax", ((4, 5), lambda rng: rng.integers(0, 5, (4, 1)), None)),
    ("torch_geometric.utils.cross_entropy", "SparseCrossEntropy", ((4, 5), _EDGES, None)),
    ("pytorch_optimizer.loss.bi_tempered", "ComputeNormalization", ((4, 5), 1.3, 60)),
    ("pytorch_wavelets.scatternet.lowlevel", "SmoothMagFn", ((4, 5), (4, 5), 0.3)),
    (
        "pytorch_wavelets.dwt.lowlevel",
        "AFB1D",
        ((2, 3, 8), _LOW, _HIGH, 0),
    ),
    (
        "pytorch_wavelets.dwt.lowlevel",
        "SFB1D",
        (
            (2, 3, 5),
            (2, 3, 5),
            _LOW,
            _HIGH,
            0,
        ),
    ),
    ("monai.networks.blocks.activation", "SwishImplementation", ((4, 5),)),
    ("pyro.ops.special", "_SafeLog", (positive(4, 5),)),
)
"""Module, class, and arguments. Functions whose gradient is a surrogate are not here: no change of one is a mistake."""


def torch_packages() -> Iterator[tuple[str, list[Pass]]]:
    """Yield the `Function`s of each package that is there, and an empty list for one that is not."""
    for name in dict.fromkeys(package_of(module) for module, _, _ in FUNCTIONS):
        made = (_made(*one) for one in FUNCTIONS if package_of(one[0]) == name)
        yield name, [one for one in made if one is not None]


def _made(module: str, name: str, args: tuple[Any, ...]) -> Pass | None:
    function = looked_up(module, name)
    return None if function is None else TorchPass(function.forward, function.backward, args, function=function)
