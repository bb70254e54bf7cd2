"""What is not offered, and the nearest thing: the end of the error for each such name."""

NEAREST = {
    "quantization": "use chainrule's ONNX export, and quantize there",
    "jit.save": "save model.state_dict() with torch.save",
    "fx": "cr.compile(f).program shows the captured program, cr.graph(loss) the graph",
    "onnx": "use chainrule.interop.onnx.export",
    "sparse_bsr_tensor": "use torch.sparse_coo_tensor or torch.sparse_csr_tensor",
    "sparse_csc_tensor": "use torch.sparse_coo_tensor or torch.sparse_csr_tensor",
    "multiprocessing": "use the standard library's multiprocessing",
    "profiler": "use chainrule.cost, or Python's cProfile",
    "hub": "load weights with torch.load of a safetensors file",
    "export": "use chainrule.interop.onnx.export",
    "lobpcg": "use torch.linalg.eigh",
    "nested": "pad to one length with torch.nn.utils.rnn.pad_sequence",
}


def explain(name: str) -> str:
    """Return the message for a name that is not here.

    >>> explain("lobpcg")
    "chainrule.torch has no 'lobpcg': use torch.linalg.eigh"
    """
    nearest = NEAREST.get(
        name, "docs/torch.md lists what is offered; chainrule.interop.torch works with PyTorch itself"
    )
    return f"chainrule.torch has no {name!r}: {nearest}"
