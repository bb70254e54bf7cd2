"""chainrule and PyTorch: exchange of models, state dicts, tensors and functions.

| in chainrule | in PyTorch |
|---|---|
| `from_torch(module)` | `to_torch(model)` |
| `load_state_dict(model, state)` | `state_dict(model)` |
| `tensor_from_torch(t)` | `tensor_to_torch(x)` |
| `from_torch_function(f)` | `as_torch_function(f)` |

PyTorch is imported on the first call; without it, they say what to install.
"""

from typing import TYPE_CHECKING

from chainrule.base.lacking import lacking

from .arrays import tensor_from_torch, tensor_to_torch
from .as_function import as_torch_function
from .check import check_torch
from .convert import from_torch, to_torch
from .from_function import from_torch_function
from .state import load_state_dict, state_dict

__all__ = [
    "as_torch_function",
    "check_torch",
    "from_torch",
    "from_torch_function",
    "load_state_dict",
    "state_dict",
    "tensor_from_torch",
    "tensor_to_torch",
    "to_torch",
]

if not TYPE_CHECKING:  # to a type checker, any name would be there
    __getattr__ = lacking(__name__)
