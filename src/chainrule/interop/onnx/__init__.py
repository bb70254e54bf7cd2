"""chainrule and ONNX: models exported to files for other programs, and ONNX files loaded as trainable models.

| from chainrule to ONNX | from ONNX to chainrule |
|---|---|
| `export(model, path, *examples)` | `load(path)` |

onnx is imported on the first call, and onnxruntime when `export` compares the file with the model; without them, an
error says what to install.
"""

from typing import TYPE_CHECKING

from chainrule.base.lacking import lacking

from .export import export
from .load import load
from .module import OnnxModule

__all__ = ["OnnxModule", "export", "load"]

if not TYPE_CHECKING:  # to a type checker, any name would be there
    __getattr__ = lacking(__name__)
