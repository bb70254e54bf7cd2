"""PyTorch's networks: the same measurements and verdicts as for the equal network of chainrule, and nothing touched."""

import copy
import math
import random
import subprocess
import sys
from dataclasses import fields

import numpy as np
import pytest
from tests.command import chainrule

import chainrule as cr
from chainrule import nn, optim

from .twins import batches_twin, loss_twin, optimizer_twin, twin


def batches(samples=128, size=32, shift=0.0, factor=1.0):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(samples, 12)).astype(np.float32)
    y = (x @ rng.normal(size=(12, 4))).argmax(axis=1)
    x = (factor * x + shift).astype(np.float32)
    return [(x[i : i + size], y[i : i + size]) for i in range(0, samples, size)]


def mlp(depth, activation=nn.ReLU, init="kaiming", width=16):
    layers, features = [], 12
    for _ in range(depth):
        layers += [nn.Linear(features, width, init=init), activation()]
        features = width
    return nn.Sequential(*layers, nn.Linear(features, 4, init="xavier"))


def scaled(factor):
    return lambda shape, generator=None, dtype=None: (factor * nn.init.kaiming(shape, generator=generator)).astype(
        dtype
    )


def half_dead():
    model = mlp(2)
    model[0].bias.data = np.where(np.arange(16) < 12, -30.0, 0.0)
    return model


def pushed():
    model = mlp(3, nn.Sigmoid, "xavier")
    model[2].bias.data = np.full(16, 9.0)
    return model


def convolutions():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 4)
    )


def images():
    rng = np.random.default_rng(1)
    return [(rng.normal(size=(16, 1, 8, 8)).astype(np.float32), rng.integers(0, 4, 16)) for _ in range(4)]


def residual_blocks():
    blocks = (nn.Residual(nn.Sequential(nn.LayerNorm(12), nn.Linear(12, 12), nn.Tanh())) for _ in range(6))
    return nn.Sequential(*blocks, nn.Linear(12, 4, init="xavier"))


PATIENTS = {
    "vanishing": (lambda: mlp(10, nn.Sigmoid, "xavier"), {}, {}),
    "exploding": (lambda: mlp(14, init=scaled(2.2)), {}, {"lr": 1e-3}),
    "bad-initialisation": (lambda: mlp(4, nn.Tanh, init=scaled(8.0)), {}, {}),
    "dead-units": (half_dead, {}, {}),
    "saturated": (pushed, {}, {}),
    "bad-input-scale": (lambda: mlp(2), {"factor": 255.0}, {"lr": 1e-5}),
    "loss-mismatch": (lambda: nn.Sequential(*mlp(2), nn.Softmax()), {}, {}),
    "learning-rate-too-high": (lambda: mlp(2), {}, {"lr": 20.0}),
    "learning-rate-too-low": (lambda: mlp(2), {}, {"lr": 1e-6}),
    "normalisation-misplaced": (
        lambda: nn.Sequential(nn.Linear(12, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 4)),
        {"samples": 4, "size": 1},
        {},
    ),
    "healthy": (lambda: mlp(2), {}, {}),
    "healthy, tanh": (lambda: mlp(4, nn.Tanh, "xavier"), {}, {}),
    "healthy, GELU and residual blocks": (residual_blocks, {}, {}),
}


def both(torch, model, given, loss=None, lr=0.1, **settings):
    """The diagnosis of a network, and of its twin."""
    loss = loss or nn.CrossEntropyLoss()
    settings = {"steps": 20, "try_remedies": False, **settings}
    optimizer = optim.SGD(model.parameters(), lr=lr)
    other = twin(torch, model)
    its = optimizer_twin(torch, optimizer, other)
    own = cr.doctor(model, loss, given, optimizer, **settings)
    return own, cr.doctor(other, loss_twin(torch, loss), batches_twin(torch, given), its, **settings)


def same_measurements(own, other):
    """All measurements are equal to rounding; how a training moves the weights only nearly, as rounding grows there."""
    assert [(row.name, row.use, row.function, row.shape) for row in own.layers] == [
        (row.name, row.use, row.function, row.shape) for row in other.layers
    ]
    for mine, its in zip(own.layers, other.layers, strict=True):
        for f in fields(mine):
            a, b = getattr(mine, f.name), getattr(its, f.name)
            if f.name.endswith("histogram"):
                assert (a is None) == (b is None)
            elif isinstance(a, float):
                # A step of Adam divides by the gradient: where that is near 0, the rounding of the processor decides.
                rel = 1e-2 if f.name == "update_ratio" else 1e-4
                assert a == pytest.approx(b, rel=rel, abs=1e-7, nan_ok=True), (mine.name, f.name)
            else:
                assert a == b, (mine.name, f.name)


@pytest.mark.slow
@pytest.mark.parametrize("name", PATIENTS)
def test_the_twin_gets_the_same_table_and_the_same_verdicts(torch, name):
    build, data, settings = PATIENTS[name]
    own, other = both(torch, build(), batches(**data), **settings)
    assert own.verdicts[0].code == name.partition(",")[0]
    assert [(v.code, v.layer) for v in other.verdicts] == [(v.code, v.layer) for v in own.verdicts]
    same_measurements(own, other)
    if math.isfinite(own.final_loss):
        assert other.loss == pytest.approx(own.loss, rel=1e-5)
        assert other.chance == pytest.approx(own.chance, rel=1e-5)
    assert [step for step, _, _ in other.history] == [step for step, _, _ in own.history]


def test_convolutions_and_batch_normalisation(torch):
    own, other = both(torch, convolutions(), images())
    assert other.codes == own.codes
    same_measurements(own, other)
    assert own.layers[0].kind == other.layers[0].kind == "convolution"


class Last(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner, self.out = inner, nn.Linear(16, 4, init="xavier")

    def forward(self, x):
        return self.out(self.inner(x)[0][:, -1])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_recurrent_networks_step_by_step(torch, kind):
    class TorchLast(torch.nn.Module):
        def __init__(self, model):
            super().__init__()
            self.inner, self.out = twin(torch, model.inner), twin(torch, model.out)

        def forward(self, x):
            return self.out(self.inner(x)[0][:, -1])

    rng = np.random.default_rng(0)
    given = [(rng.normal(size=(16, 7, 6)).astype(np.float32), rng.integers(0, 4, 16)) for _ in range(3)]
    model = Last(getattr(nn, kind)(6, 16, num_layers=2, batch_first=True))
    other = TorchLast(model)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    own = cr.doctor(model, nn.CrossEntropyLoss(), given, optimizer, steps=6, try_remedies=False)
    its = cr.doctor(
        other,
        torch.nn.CrossEntropyLoss(),
        batches_twin(torch, given),
        torch.optim.SGD(other.parameters(), lr=0.1),
        steps=6,
        try_remedies=False,
    )
    rows = [(row.name, row.use) for row in its.layers]
    assert ("inner.weight_hh_l1", 6) in rows
    assert len(rows) == len(own.layers)
    if kind == "RNN":
        same_measurements(own, its)


@pytest.mark.slow
def test_remedies_have_the_same_outcome(torch):
    own, other = both(torch, mlp(8, nn.Sigmoid, "xavier"), batches(), try_remedies=True)
    mine, its = ({r.key + r.change: r for r in d.verdicts[0].remedies} for d in (own, other))
    assert mine.keys() == its.keys()
    for key, remedy in mine.items():
        assert remedy.helped == its[key].helped, key
        assert remedy.measured_after.loss == pytest.approx(its[key].measured_after.loss, rel=0.02), key
    assert own.winner.change == other.winner.change
    assert "class Residual(nn.Module):" in "".join(r.diff for r in its.values() if r.key == "residual")
    activation = next(r.diff for r in its.values() if r.key == "activation")
    assert "nn.init.kaiming_normal_" in activation
    assert "init=" not in activation


@pytest.mark.slow
def test_the_lines_are_those_of_pytorch(torch):
    _, other = both(torch, mlp(2), batches(), lr=20.0, try_remedies=True)
    shown = {r.key: r.diff for r in other.verdicts[0].remedies}
    assert "torch.optim.SGD" in shown["lr"]
    assert "torch.nn.utils.clip_grad_norm_" in shown["clip"]
    assert "torch.optim.lr_scheduler" in shown["warmup"]
    page = other.to_html(lang="ko")
    assert "학습률" in page
    assert page.count("<figure>") == 3


def functional(torch):
    f = torch.nn.functional

    class Functional(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = torch.nn.Linear(12, 16), torch.nn.Linear(16, 16)
            self.w = torch.nn.Parameter(0.3 * torch.randn(16, 4))
            self.r = torch.nn.ReLU(inplace=True)

        def forward(self, x):
            h = self.r(self.a(x))
            g = self.b(h)
            g += h
            f.relu_(g)
            return g @ self.w

    return Functional()


@pytest.mark.slow
def test_functions_and_what_works_in_place_are_read_like_modules(torch):
    model = functional(torch)
    found = cr.doctor(model, torch.nn.CrossEntropyLoss(), batches_twin(torch, batches()), steps=3, try_remedies=False)
    assert [(row.name, row.function) for row in found.layers] == [("a", "relu"), ("b", "relu"), ("w", "")]
    assert model.r.inplace is True
    x = torch.tensor(batches()[0][0])
    h = torch.relu(model.a(x))
    z = torch.nn.functional.linear(h, model.b.weight, model.b.bias)
    z.retain_grad()
    out = torch.relu(z + h) @ model.w
    torch.nn.CrossEntropyLoss()(out, torch.tensor(batches()[0][1])).backward()
    first = cr.doctor(
        model, torch.nn.CrossEntropyLoss(), batches_twin(torch, batches()[:1]), steps=1, try_remedies=False
    )
    assert first.layers[1].gradient == pytest.approx(float(z.grad.norm()), rel=1e-5)


@pytest.mark.slow
def test_a_cut_gradient_is_found_with_the_line_and_mended_on_trial(torch):
    class Branches(torch.nn.Module):
        def __init__(self, cut):
            super().__init__()
            self.main, self.branch, self.head = (torch.nn.Linear(i, o) for i, o in ((6, 8), (6, 8), (16, 4)))
            self.cut = cut

        def forward(self, x):
            a, b = torch.relu(self.main(x[:, :6])), torch.relu(self.branch(x[:, 6:]))
            return self.head(torch.cat([a, self.cut(b)], 1))

    def without(b):
        with torch.no_grad():
            return b * 1

    for cut, how in (
        (lambda b: b.detach(), ".detach()"),
        (lambda b: b.data, ".data"),
        (without, "torch.no_grad()"),
        (torch.sign, "sign"),
    ):
        model = Branches(cut)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        found = cr.doctor(model, torch.nn.CrossEntropyLoss(), batches_twin(torch, batches()), optimizer, steps=10)
        worst = found.verdicts[0]
        assert (worst.code, worst.layer) == ("gradient-cut", "branch"), how
        assert how in worst.evidence
        assert "test_torch.py" in worst.evidence
        assert worst.winner is not None
    sound = Branches(lambda b: b)
    assert cr.doctor(sound, torch.nn.CrossEntropyLoss(), batches_twin(torch, batches()), try_remedies=False).ok


def test_a_logarithm_of_negative_numbers(torch):
    class Logarithm(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.first = torch.nn.Linear(12, 4)

        def forward(self, x):
            return torch.log(self.first(x))

    found = cr.doctor(Logarithm(), torch.nn.CrossEntropyLoss(), batches_twin(torch, batches()), steps=10)
    assert found.verdicts[0].code == "not-finite"
    assert "log" in found.verdicts[0].evidence
    assert "test_torch.py" in found.verdicts[0].evidence
    guard = next(r for r in found.verdicts[0].remedies if r.key == "guard")
    assert guard.helped
    assert "x.clamp_min(1e-6)" in guard.diff


@pytest.mark.slow
def test_a_transformer_and_classes_in_the_second_place(torch):
    class Tokens(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.table = torch.nn.Embedding(12, 16)
            self.block = torch.nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
            self.out = torch.nn.Linear(16, 12)

        def forward(self, x):
            return self.out(self.block(self.table(x))).transpose(1, 2)

    rows = torch.randint(0, 12, (48, 9), generator=torch.Generator().manual_seed(0))
    given = [(rows[i : i + 12, :-1], rows[i : i + 12, 1:]) for i in range(0, 48, 12)]
    found = cr.doctor(Tokens(), torch.nn.CrossEntropyLoss(), given, steps=4, try_remedies=False)
    names = [row.name for row in found.layers]
    assert names[:3] == ["table", "block.self_attn.in_proj_weight", "block.self_attn.out_proj"]
    assert found.layers[0].kind == "embedding"
    counts = np.bincount(rows[:, 1:].ravel().numpy(), minlength=12) / 384
    assert found.chance == pytest.approx(-(counts * np.log(counts)).sum(), rel=1e-3)


@pytest.mark.slow
def test_nothing_of_the_users_is_changed(torch):
    nn_ = torch.nn
    model = nn_.Sequential(
        nn_.Linear(12, 16), nn_.BatchNorm1d(16), nn_.ReLU(inplace=True), nn_.Dropout(0.3), nn_.Linear(16, 4)
    )
    loss, optimizer = nn_.CrossEntropyLoss(), torch.optim.Adam(model.parameters(), lr=20.0)
    x, y = (torch.cat(parts) for parts in zip(*batches_twin(torch, batches()), strict=True))
    own = torch.Generator().manual_seed(5)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), 32, shuffle=True, generator=own)
    loss(model(x), y).backward()
    optimizer.step()
    model[1].eval()
    seen = []
    model[0].register_forward_hook(lambda m, i, o: seen.append(m))

    def state():
        grads = [p.grad.clone() for p in model.parameters()]
        modes = [(m.training, len(m._forward_hooks), len(m._forward_pre_hooks)) for m in model.modules()]
        hooks = [p._backward_hooks for p in model.parameters()]
        draws = (torch.get_rng_state(), own.get_state(), random.getstate(), np.random.get_state()[1].copy())  # noqa: NPY002
        whole = (model.state_dict(), optimizer.state_dict(), grads, modes, hooks, draws)
        return copy.deepcopy((whole, torch.is_grad_enabled(), torch.get_num_threads(), model[2].inplace))

    before = state()
    pointers = [p.grad.data_ptr() for p in model.parameters()]
    found = cr.doctor(model, loss, loader, optimizer, steps=6)
    assert found.verdicts
    after = state()
    assert _equal(torch, before, after)
    assert [p.grad.data_ptr() for p in model.parameters()] == pointers
    assert model[0] not in seen  # the copy ran, not the model


def _equal(torch, a, b):
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, np.ndarray):
        return np.array_equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_equal(torch, a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(_equal(torch, x, y) for x, y in zip(a, b, strict=True))
    return a == b


def test_the_same_seed_gives_the_same_diagnosis(torch):
    def found():
        torch.manual_seed(3)
        model = torch.nn.Sequential(torch.nn.Linear(12, 8), torch.nn.Dropout(0.5), torch.nn.Linear(8, 4))
        torch.rand(random.randrange(5))
        return cr.doctor(model, torch.nn.CrossEntropyLoss(), batches_twin(torch, batches()), steps=5)

    assert found().to_dict() == found().to_dict()


@pytest.mark.slow
def test_half_precision_and_a_caller_without_gradients(torch):
    model = twin(torch, mlp(2)).to(torch.bfloat16)
    with torch.no_grad():
        found = cr.doctor(model, torch.nn.CrossEntropyLoss(), batches_twin(torch, batches()), steps=3)
    assert found.layers[0].gradient > 0


@pytest.mark.slow
def test_what_only_runs_a_model_is_looked_through(torch):
    model = twin(torch, mlp(2))
    wrapped = torch.nn.DataParallel(model)
    found = cr.doctor(wrapped, torch.nn.CrossEntropyLoss(), batches_twin(torch, batches()), steps=3, try_remedies=False)
    assert [row.name for row in found.layers] == ["0", "2", "4"]


def test_what_cannot_be_watched_or_copied_is_said(torch):
    with pytest.raises(TypeError, match=r"expected a chainrule\.nn\.Module or a torch\.nn\.Module, got Tensor"):
        cr.doctor(torch.ones(3), torch.nn.MSELoss(), batches())
    model = torch.nn.Sequential(torch.nn.Linear(12, 4))
    model.kept = model(torch.ones(1, 12))
    with pytest.raises(ValueError, match="cannot be copied"):
        cr.doctor(model, torch.nn.CrossEntropyLoss(), batches_twin(torch, batches()))
    with pytest.raises(RuntimeError, match="shapes"):
        cr.doctor(torch.nn.Linear(5, 4), torch.nn.CrossEntropyLoss(), batches_twin(torch, batches()))


@pytest.mark.slow
def test_pytorch_is_not_imported_for_a_model_of_chainrule():
    code = (
        "import sys, numpy as np, chainrule as cr; from chainrule import nn\n"
        "x = np.ones((8, 3)); cr.doctor(nn.Linear(3, 2), nn.MSELoss(), [(x, x[:, :2])], steps=2)\n"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_what_cannot_be_tried_is_said(torch):
    class Deep(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = torch.nn.ModuleList(torch.nn.Linear(12, 12) for _ in range(10))
            self.out = torch.nn.Linear(12, 4)

        def forward(self, x):
            for layer in self.layers:
                x = torch.sigmoid(layer(x))
            return self.out(x)

    found = cr.doctor(Deep(), torch.nn.CrossEntropyLoss(), batches_twin(torch, batches()), steps=5)
    worst = found.verdicts[0]
    assert worst.code == "vanishing"
    assert worst.untried == ("activation", "residual")
    assert str(found).count("not tried: ") == 2
    assert found.to_text("ko").count("시도하지 않음: ") == 2
    assert "not tried: another activation" in found.to_html()
    assert found.to_dict()["verdicts"][0]["untried"] == ["activation", "residual"]
    tried = {r.key for r in worst.remedies}
    assert {"init", "norm", "lr"} <= tried


def test_a_step_that_asks_for_a_closure_is_refused(torch):
    model = twin(torch, mlp(1))
    with pytest.raises(TypeError, match="step of LBFGS asks for closure; leave it out"):
        cr.doctor(model, torch.nn.CrossEntropyLoss(), batches(), torch.optim.LBFGS(model.parameters()))
    with pytest.raises(TypeError, match="optimizer: got float, expected an optimiser"):
        cr.doctor(model, torch.nn.CrossEntropyLoss(), batches(), 0.1)


@pytest.mark.slow
def test_a_computed_weight_is_no_layer_of_its_own(torch):
    norm = torch.nn.utils.parametrizations.spectral_norm
    model = torch.nn.Sequential(torch.nn.Linear(12, 16), torch.nn.ReLU(), norm(torch.nn.Linear(16, 4)))
    found = cr.doctor(model, torch.nn.CrossEntropyLoss(), batches_twin(torch, batches()), steps=3, try_remedies=False)
    assert [row.name for row in found.layers] == ["0"]


def test_the_command_line_takes_a_network_of_pytorch(torch, tmp_path):
    (tmp_path / "network.py").write_text(
        "import torch\n"
        "def patient():\n"
        "    torch.manual_seed(0)\n"
        "    layers = [m for _ in range(10) for m in (torch.nn.Linear(8, 8), torch.nn.Sigmoid())]\n"
        "    model = torch.nn.Sequential(*layers, torch.nn.Linear(8, 2))\n"
        "    x = torch.randn(64, 8)\n"
        "    batches = [(x[i : i + 16], (x[i : i + 16, 0] > 0).long()) for i in range(0, 64, 16)]\n"
        "    return model, torch.nn.CrossEntropyLoss(), batches, torch.optim.SGD(model.parameters(), lr=0.3)\n"
    )
    options = ["--steps", "5", "--no-remedies"]
    done = chainrule("doctor", f"{tmp_path / 'network.py'}:patient", *options)
    assert done.exit_code == 1, done.output
    assert "VANISHING [0]" in done.output
