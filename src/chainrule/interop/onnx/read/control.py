"""ONNX's `If`: the branch that the condition chooses is run, and its gradient is the one that is computed."""

from typing import Any

import numpy as np

from chainrule.interop.onnx.call import Call, reads
from chainrule.interop.onnx.running import run


@reads("If", attributes="then_branch else_branch")
def branched(call: Call, condition: Any, *outside: Any) -> list[Any]:
    """Return the outputs of one of the branches; the node's further inputs are what they take from around them."""
    if condition.size != 1 or condition.dtype != np.bool_:
        call.refuse(f"cond: expected one boolean, got {condition.dtype} of shape {list(condition.shape)}")
    branch = call.get("then_branch" if bool(condition.reshape(-1)[0]) else "else_branch")
    return run(branch, dict(zip(call.inputs[1:], outside, strict=True)), call.module)
