"""A model that was converted from PyTorch is explained with the names of its own code."""

import numpy as np

import chainrule as cr
from chainrule import nn
from chainrule.interop.torch import from_torch


def test_arguments_weights_and_norms_have_their_names(torch):
    class Cosine(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.a = torch.nn.Linear(3, 4, bias=False)

        def forward(self, features):
            u, v = self.a(features).chunk(2, -1)
            return torch.nn.functional.normalize(u * v, dim=-1)

    x = np.random.default_rng(0).standard_normal((2, 3))
    model = from_torch(Cosine().double(), torch.tensor(x))
    d = cr.explain(model, x, loss=nn.MSELoss(), target=np.zeros((2, 2)))
    text = d.to_text()
    assert d.ok
    assert "features W⁽ᵃ⁾ᵀ" in text
    assert "√(Σ[axis 1] (u⁽²⁾)²)" in text
    assert "transpose(" not in text


def test_the_input_of_a_sequence_of_layers_is_x(torch):
    x = np.ones((2, 3))
    plain = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Softmin(dim=1)).double()
    model = from_torch(plain, torch.tensor(x), trace=True)
    assert "x W" in cr.explain(model, x, loss=nn.MSELoss(), target=np.zeros((2, 2))).to_text()
