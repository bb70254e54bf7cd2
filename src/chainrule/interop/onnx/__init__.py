"""chainrule and ONNX: models written to files that other programs run, and files of theirs as models to train.

| from chainrule to ONNX | from ONNX to chainrule |
|---|---|
| `export(model, path, *examples)` | `load(path)` |

onnx is imported when one of them is called, and onnxruntime when `export` compares the file with the model; without
them they say what to install.
"""

from .export import export
from .load import load
from .module import OnnxModule

__all__ = ["OnnxModule", "export", "load"]
