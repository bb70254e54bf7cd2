"""The two libraries of the extra `chainrule[onnx]`."""

from importlib import import_module
from typing import Any

from chainrule.interop.optional import needed


def onnx_for(caller: str) -> Any:
    """Return the package onnx, or raise an ImportError that says how to get it."""
    return needed("onnx", caller)


def onnxruntime_for(caller: str) -> Any:
    """Return the package onnxruntime, or raise an ImportError that says how to get it, or to do without."""
    try:
        return import_module("onnxruntime")
    except ModuleNotFoundError as error:
        raise ImportError(
            f"{caller} runs the file with onnxruntime to compare it with the model ({error.name} is missing); run: "
            "python -m pip install 'chainrule[onnx]', or pass check=False"
        ) from error
