"""The same network twice: what a model of chainrule is in PyTorch, with the same weights."""

import numpy as np

from chainrule import nn

PLAIN = ("ReLU", "Sigmoid", "Tanh", "LeakyReLU", "GELU", "SiLU", "ELU", "Softplus", "Flatten")


def twin(torch, module):
    """A module of PyTorch that computes what a module of chainrule computes."""
    name, own = type(module).__name__, torch.nn
    if isinstance(module, nn.Sequential):
        return own.Sequential(*(twin(torch, child) for child in module))
    if name == "Residual":
        return _residual(torch, twin(torch, module.inner))
    if name == "Softmax":
        return own.Softmax(-1)
    if name in PLAIN:
        return getattr(own, name)()
    made = _weighted(own, module, name)
    # A matrix is [in, out] here and [out, in] there; kernels and everything else have the same layout.
    turn = name == "Linear" or isinstance(module, nn.RNN | nn.LSTM | nn.GRU)
    state = {k: v.T if turn and v.ndim == 2 else v for k, v in module.state_dict().items()}
    made.load_state_dict({k: torch.tensor(v) for k, v in state.items()}, strict=False)
    for (_, p), (_, q) in zip(module.named_parameters(), made.named_parameters(), strict=True):
        q.requires_grad_(p.requires_grad)
    return made.train(module.training)


def _weighted(own, module, name):
    if name == "Linear":
        return own.Linear(module.in_features, module.out_features, bias=module.bias is not None)
    if name == "LayerNorm":
        return own.LayerNorm(module.normalized_shape, module.eps)
    if name in ("BatchNorm1d", "BatchNorm2d"):
        return getattr(own, name)(module.channels)
    if name == "Conv2d":
        shape = module.weight.shape
        return own.Conv2d(shape[1], shape[0], shape[2:], stride=module.stride, padding=module.padding)
    if name in ("RNN", "LSTM", "GRU"):
        extra = {"nonlinearity": module.nonlinearity} if name == "RNN" else {}
        return getattr(own, name)(
            module.input_size, module.hidden_size, module.num_layers, batch_first=module.batch_first, **extra
        )
    raise AssertionError(f"no twin for {name}")


def _residual(torch, inner):
    class Residual(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = inner

        def forward(self, x):
            return x + self.inner(x)

    return Residual()


def loss_twin(torch, loss):
    """A loss of PyTorch for one of chainrule."""
    reduction = getattr(loss, "settings", {}).get("reduction", "mean")
    return getattr(torch.nn, type(loss).__name__)(reduction=reduction)


def optimizer_twin(torch, optimizer, model):
    """An optimiser of PyTorch for one of chainrule."""
    if optimizer is None:
        return None
    kind, group = type(optimizer).__name__, optimizer.param_groups[0]
    names = {"SGD": ("lr", "momentum"), "Adam": ("lr",), "AdamW": ("lr", "weight_decay")}[kind]
    return getattr(torch.optim, kind)(model.parameters(), **{k: group[k] for k in names if k in group})


def batches_twin(torch, batches):
    """Batches of tensors."""
    return [tuple(torch.tensor(np.asarray(part)) for part in batch) for batch in batches]
