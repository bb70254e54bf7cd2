"""What is not offered, and the nearest thing: the end of the error for each such name."""

from collections.abc import Callable, Iterable
from typing import Any

from chainrule.base.lacking import nearest_of, offered_by

_QUANTIZED = "use chainrule's ONNX export, and quantize there"
_PROFILER = "use chainrule.cost, or Python's cProfile"
_FUNCTIONAL = "use dict(model.named_parameters()) and torch.func.functional_call"
_MASKED = "pass mask= to torch.masked.sum and its kin"
_OWN = "write the operation as a torch.autograd.Function"
NEAREST = {
    **dict.fromkeys(("quantization", "ao", "quantized", "quantize_per_tensor", "quantize_per_channel"), _QUANTIZED),
    **dict.fromkeys(("profiler", "bottleneck"), _PROFILER),
    **dict.fromkeys(("make_functional", "make_functional_with_buffers", "stateless"), _FUNCTIONAL),
    **dict.fromkeys(("MaskedTensor", "masked_tensor", "as_masked_tensor", "is_masked_tensor"), _MASKED),
    **dict.fromkeys(("library", "cpp_extension", "ops"), _OWN),
    "combine_state_for_ensemble": "use torch.func.stack_module_state",
    "flex_attention": "use torch.nn.functional.scaled_dot_product_attention with attn_mask",
    "SparseAdam": "use torch.optim.Adam",
    "Muon": "use torch.optim.AdamW",
    "storage": "use x.numpy()",
    "UntypedStorage": "use x.numpy()",
    "dlpack": "use x.numpy() and torch.from_numpy",
    "utils.model_zoo": "load weights with torch.load of a safetensors file",
    "ScriptModule": "use torch.nn.Module; torch.jit.script returns it as it is",
    "jit.save": "save model.state_dict() with torch.save",
    "fx": "cr.compile(f).program shows the captured program, cr.graph(loss) the graph",
    "sparse_bsr_tensor": "use torch.sparse_coo_tensor or torch.sparse_csr_tensor",
    "sparse_csc_tensor": "use torch.sparse_coo_tensor or torch.sparse_csr_tensor",
    "multiprocessing": "use the standard library's multiprocessing",
    "hub": "load weights with torch.load of a safetensors file",
    "export": "use torch.onnx.export",
    "lobpcg": "use torch.linalg.eigh",
    "nested": "pad to one length with torch.nn.utils.rnn.pad_sequence",
}


METHODS = {
    "astype": "x.to(dtype)",
    "copy": "x.clone()",
    "sizes": "x.shape",
    "length": "len(x)",
    "append": "torch.cat, or a list of tensors and torch.stack",
    "extend": "torch.cat",
    "as_tensor": "torch.as_tensor(x)",
    "from_numpy": "torch.from_numpy(array)",
    "to_numpy": "x.numpy()",
    "asnumpy": "x.numpy()",
    "to_list": "x.tolist()",
    "reduce_mean": "x.mean()",
    "reduce_sum": "x.sum()",
    "cat": "torch.cat",
    "stack": "torch.stack",
    "to_device": "x.to(device)",
    "gradient": "x.grad",
    "value": "x.item()",
}
"""What is meant by names that tensors do not have, here and in PyTorch."""


def explain(name: str, offered: Iterable[str] = ()) -> str:
    """Return the message for a name that is not here, in a module that offers some others.

    >>> explain("lobpcg")
    "chainrule.torch has no 'lobpcg': use torch.linalg.eigh"
    >>> explain("nn.Lstm", ["LSTM", "Linear"])
    "chainrule.torch has no 'nn.Lstm': did you mean 'LSTM'?"
    """
    last = name.rpartition(".")[2]
    nearest = NEAREST.get(name) or NEAREST.get(last) or _meant(last, offered)
    return f"chainrule.torch has no {name!r}: {nearest}"


def _meant(name: str, offered: Iterable[str]) -> str:
    """Return the name that is written nearly so, or where all are listed."""
    if found := nearest_of(name, offered):
        return f"did you mean {found!r}?"
    return "docs/torch.md lists what is offered; chainrule.interop.torch works with PyTorch itself"


def lacking(module: str) -> Callable[[str], Any]:
    """Return the `__getattr__` of a module of this package, which says what is nearest to a missing name."""
    where = module.partition("chainrule.torch.")[2]

    def look_up(name: str) -> Any:
        raise AttributeError(explain(f"{where}.{name}", offered_by(module)))

    return look_up
