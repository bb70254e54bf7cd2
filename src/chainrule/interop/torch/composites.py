"""`TransformerBlock` and `TransformerEncoderLayer`: the same computation, with differently named parts."""

from collections.abc import Callable
from typing import Any

from chainrule import nn
from chainrule.base.optional import needed

from .arrays import Torch

Convert = Callable[[Any, str], Any]
"""From a module and its path to the module of the other library."""


def block_to_torch(block: nn.TransformerBlock, what: str, convert: Convert) -> Torch:
    """Return PyTorch's layer for a block whose parts have their original types."""
    torch = needed("torch", "to_torch")
    names = list(block.mlp._modules)
    if names not in (["0", "1", "2"], ["0", "1", "dropout", "2"]):
        raise ValueError(f"{what}: mlp: expected Linear, an activation, Linear, got modules named {', '.join(names)}")
    parts = {"norm1": nn.LayerNorm, "norm2": nn.LayerNorm, "attention": nn.MultiheadAttention, "drop": nn.Dropout}
    found = {name: getattr(block, name) for name in parts}
    found |= {f"mlp.{name}": module for name, module in block.mlp.named_children()}
    wanted = parts | {"mlp.0": nn.Linear, "mlp.2": nn.Linear, "mlp.dropout": nn.Dropout}
    for name, module in found.items():
        if name in wanted and type(module) is not wanted[name]:
            raise ValueError(f"{what}: {name}: expected {wanted[name].__name__}, got {type(module).__name__}")
    made = {name: convert(module, name) for name, module in found.items()}
    attention = made["attention"]
    with torch.device("meta"):
        layer = torch.nn.TransformerEncoderLayer(
            attention.embed_dim,
            attention.num_heads,
            block.mlp[0].out_features,
            activation=_activation(torch, made["mlp.1"]),
            batch_first=True,
            norm_first=block.norm_first,
            bias=attention.in_proj_bias is not None,
        )
    # Their own attention in its place: the layer calls it by PyTorch's signature.
    layer.self_attn.load_state_dict(attention.state_dict(), assign=True)
    layer.self_attn.dropout = attention.dropout
    layer.norm1, layer.norm2, layer.linear1, layer.linear2 = (
        made[name] for name in ("norm1", "norm2", "mlp.0", "mlp.2")
    )
    layer.dropout = made.get("mlp.dropout", torch.nn.Dropout(0.0))
    layer.dropout1.p = layer.dropout2.p = block.drop.p
    layer.train(block.training)
    layer.self_attn.train(block.attention.training)
    layer.dropout1.training = layer.dropout2.training = block.drop.training
    layer.dropout.training = block.mlp.dropout.training if "mlp.dropout" in made else block.mlp.training
    return layer


def block_from_torch(layer: Torch, what: str, convert: Convert) -> nn.TransformerBlock:
    """Return a block for PyTorch's layer; its dropout between the two matrices becomes a part of the mlp."""
    torch = needed("torch", "from_torch")
    if layer.dropout1.p != layer.dropout2.p:
        raise ValueError(f"{what}: dropout1 and dropout2: expected one p, got {layer.dropout1.p}, {layer.dropout2.p}")
    activation = layer.activation
    known = {torch.nn.functional.relu: torch.nn.ReLU, torch.nn.functional.gelu: torch.nn.GELU}
    if not isinstance(activation, torch.nn.Module):
        if activation not in known:
            name = getattr(activation, "__name__", activation)
            raise ValueError(f"{what}: activation: expected relu, gelu or a torch.nn.Module, got {name}")
        activation = known[activation]().train(layer.training)
    attention = convert(layer.self_attn, "self_attn")
    hidden, width = layer.linear1.out_features, attention.embed_dim
    block = nn.TransformerBlock(width, attention.num_heads, hidden, layer.dropout1.p, bool(layer.norm_first))
    block.attention = attention
    block.norm1, block.norm2 = convert(layer.norm1, "norm1"), convert(layer.norm2, "norm2")
    between = {"dropout": convert(layer.dropout, "dropout")} if layer.dropout.p else {}
    first, second = convert(layer.linear1, "linear1"), convert(layer.linear2, "linear2")
    block.mlp = nn.Sequential({"0": first, "1": convert(activation, "activation"), **between, "2": second})
    block.mlp.training = layer.training
    block.drop.training = layer.dropout1.training
    return block


def _activation(torch: Any, module: Torch) -> Any:
    """Return a module, or the function behind it if PyTorch has a fast path for that."""
    if type(module) is torch.nn.ReLU:
        return torch.nn.functional.relu
    if type(module) is torch.nn.GELU and module.approximate == "none":
        return torch.nn.functional.gelu
    return module
