"""PyTorch's names, arguments and conventions over chainrule: `import chainrule.torch as torch`.

The face holds no mathematics: names, arguments and calls of the engine. docs/torch.md says what is the same and what
differs.

>>> import chainrule.torch as torch
>>> x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
>>> (x**2).sum().backward()
>>> x.grad
tensor([2., 4., 6.])
"""

import math
from types import ModuleType
from typing import Any

from . import _dynamo as _dynamo
from . import _inductor as _inductor
from . import amp as amp
from . import autograd as autograd
from . import backends as backends
from . import compiler as compiler
from . import creation as _creation
from . import cuda as cuda
from . import diagonals as _diagonals
from . import distributed as distributed
from . import distributions as distributions
from . import dtypes as _dtypes
from . import elementwise as _elementwise
from . import fft as fft
from . import func as func
from . import functional as functional
from . import further as _further
from . import fx as fx
from . import hub as hub
from . import indexing as _indexing
from . import jit as jit
from . import linalg as linalg
from . import masked as masked
from . import methods as _methods
from . import multiprocessing as multiprocessing
from . import nn as nn
from . import onnx as onnx
from . import optim as optim
from . import printing as _printing
from . import products as _products
from . import profiler as profiler
from . import quantiles as _quantiles
from . import random as random
from . import reductions as _reductions
from . import serialization as serialization
from . import shapes as _shapes
from . import signal as signal
from . import sparse as sparse
from . import special as special
from . import spectral as _spectral
from . import testing as testing
from . import typed as _typed
from . import utils as utils
from . import version as version
from .absent import accelerator, mps, xpu
from .amp import GradScaler, autocast
from .autograd import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from .compiled import compile
from .face import Tensor, values_of
from .factoring import lu_solve, lu_unpack
from .func import vmap
from .installing import install
from .lapack import geqrf, lu, ormqr
from .linalg import (
    LinAlgError,
    cholesky,
    cholesky_inverse,
    cholesky_solve,
    det,
    inverse,
    logdet,
    matrix_exp,
    qr,
    slogdet,
)
from .linalg import householder_product as orgqr
from .linalg import pinv as pinverse
from .missing import explain
from .native import batch_norm, embedding, embedding_bag, instance_norm
from .nn.functional import (
    adaptive_avg_pool1d,
    adaptive_max_pool1d,
    alpha_dropout,
    avg_pool1d,
    bilinear,
    binary_cross_entropy_with_logits,
    celu,
    conv1d,
    conv2d,
    conv3d,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
    cosine_embedding_loss,
    cosine_similarity,
    ctc_loss,
    dropout,
    feature_alpha_dropout,
    group_norm,
    hardshrink,
    hinge_embedding_loss,
    kl_div,
    layer_norm,
    margin_ranking_loss,
    max_pool1d,
    max_pool2d,
    max_pool3d,
    pairwise_distance,
    poisson_nll_loss,
    prelu,
    relu_,
    rms_norm,
    rrelu,
    selu,
    threshold,
    triplet_margin_loss,
)
from .random import Generator
from .serialization import load, save
from .sparse.tensors import sparse_coo, sparse_coo_tensor, sparse_csr, sparse_csr_tensor
from .threads import (
    get_float32_matmul_precision,
    get_num_threads,
    set_float32_matmul_precision,
    set_num_interop_threads,
    set_num_threads,
    use_deterministic_algorithms,
)
from .version import __version__

_INTERNAL = frozenset(
    [
        *(
            "pair",
            "axes",
            "plain",
            "picked",
            "sizes",
            "order_of",
            "finished",
            "cast",
            "promoted",
            "floating",
            "result_numpy",
        ),
        *("numpy_dtype", "of_numpy", "of_name", "check_device", "is_engine", "max_of", "vector_norm_of", "distances"),
        *(
            "symmetric",
            "SHAPES",
            "SVD",
            "dtype_named",
            "gammainc",
            "gammaincc",
            "faced",
            "wrapped",
            "unwrapped",
            "values_of",
            "as_values",
        ),
        *("cross_along", "is_tensor_value", "rng_of", "text_of", "getitem", "AMinMax", "FillMethod"),
    ]
)
_RENAMED = {"bool_": "bool", "float_": "float", "int_": "int", "range_": "range", "complex_": "complex"}
_RENAMED |= {"broadcast_to_": "broadcast_to", "default_generator_": "default_generator"}


def _public(module: ModuleType) -> dict[str, Any]:
    """Return the names of a module that are PyTorch's."""
    own = {
        name: value
        for name, value in vars(module).items()
        if not name.startswith("_")
        and name not in _INTERNAL
        and (getattr(value, "__module__", "").startswith(__name__) or isinstance(value, _dtypes.dtype))
    }
    return {_RENAMED.get(name, name): value for name, value in own.items()}


e, inf, nan, newaxis, pi = math.e, math.inf, math.nan, None, math.pi
_MODULES = (
    _dtypes,
    _typed,
    _creation,
    _elementwise,
    _reductions,
    _quantiles,
    _shapes,
    _diagonals,
    _indexing,
    _products,
    random,
    _printing,
    _further,
    _spectral,
)
_NAMES: dict[str, Any] = {}
for _module in _MODULES:
    _NAMES |= _public(_module)
globals().update({name: value for name, value in _NAMES.items() if name not in globals()})
globals().update(sparse.OF_EITHER)


def __getattr__(name: str) -> Any:
    raise AttributeError(explain(name, globals()))


def __dir__() -> list[str]:
    return sorted(name for name in globals() if not name.startswith("_") or name == "__version__")


__all__ = [name for name in globals() if not name.startswith("_")]
