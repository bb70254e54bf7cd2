"""What scripts written for PyTorch use besides tensors and layers: older names, switches, lazy layers, `install`."""

import importlib
import io
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.named import named, walked

import chainrule.torch as door
from chainrule.torch import nn

SOURCE = str(Path(__file__).parents[2] / "src")


def run(code: str) -> str:
    command = [sys.executable, "-W", "error", "-c", f"import sys; sys.path.insert(0, {SOURCE!r})\n{code}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or done.stderr.strip().splitlines()[-1]


@pytest.mark.slow
def test_import_torch_gives_this_package() -> None:
    code = """
import chainrule.torch
chainrule.torch.install()
import torch, torch.nn.functional as F, torch.backends.cudnn as cudnn
from torch.cuda.amp import GradScaler
from torch.nn.modules.conv import _ConvNd
from torch.optim.adam import Adam
from torch.distributions.categorical import Categorical
from torch.utils.data.dataloader import DataLoader
assert torch is chainrule.torch and F is torch.nn.functional and isinstance(torch.nn.Conv2d(1, 1, 1), _ConvNd)
from functorch import vmap, grad
assert vmap is torch.func.vmap
from torch.distributed import init_process_group
from torch.nn.parallel import DistributedDataParallel as DDP
import torch.onnx, torch.multiprocessing as mp
from torch.hub import load_state_dict_from_url
try:
    import torch.export
except ModuleNotFoundError as error:
    print(error)
"""
    assert run(code) == "chainrule.torch has no 'export': use torch.onnx.export"
    late = 'import types; sys.modules["torch"] = types.ModuleType("torch")\nimport chainrule.torch as t\nt.install()'
    assert "install: PyTorch has been imported already" in run(late)


def test_typed_constructors_and_variables() -> None:
    assert door.FloatTensor([1, 2]).dtype is door.float32
    assert door.LongTensor(2, 3).shape == (2, 3)
    assert door.DoubleTensor(np.zeros(2)).dtype is door.float64
    assert isinstance(door.ones(1), door.FloatTensor)
    for array in (np.zeros(2), np.array([1, 2]), np.array([True])):  # of the default dtype, whatever the array's is
        assert door.Tensor(array).dtype is door.float32
    assert door.Tensor(door.ones(2).double()).dtype is door.float64
    assert not isinstance(door.ones(1), door.LongTensor)
    x = door.autograd.Variable(door.ones(2), requires_grad=True)
    (x * x).sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]
    assert isinstance(x, door.autograd.Variable)
    assert (door.pi, door.inf) == (math.pi, math.inf)


def test_tensors_of_tensors(torch) -> None:
    for lib in (torch, door):
        one = lib.tensor([2.0])
        assert lib.tensor([one, lib.tensor(3.0), 4.0]).tolist() == [2.0, 3.0, 4.0]
        assert lib.tensor([[one], [one]]).shape == (2, 1)


def test_shapes_by_name_and_results_into_tensors() -> None:
    assert door.randn(size=(3,)).shape == door.zeros(size=(3,)).shape == door.randint(high=2, size=(3,)).shape == (3,)
    assert door.ones(1).new_zeros(size=(2,)).tolist() == [0.0, 0.0]
    out = door.ones(2)
    assert door.zeros(2, out=out) is out
    assert out.tolist() == [0.0, 0.0]
    for make in (door.zeros, door.randn, door.eye):
        with pytest.raises(TypeError, match="foo"):
            make(2, foo=1)


def test_switches_of_accelerators() -> None:
    scaler, w = door.amp.GradScaler(), door.ones(2, requires_grad=True)
    optimizer = door.optim.SGD([w], lr=0.5)
    with door.autocast("cuda", dtype=door.float16):
        loss = (w * w).sum()
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    scaler.step(optimizer)
    scaler.update()
    assert w.tolist() == [0.0, 0.0]
    door.backends.cudnn.benchmark = True
    with door.backends.cuda.sdp_kernel(enable_math=True, enable_flash=False):
        assert door.backends.cuda.math_sdp_enabled()
    assert door.cuda.max_memory_allocated() == door.cuda.device_count() == 0
    assert door.jit.script(door.exp) is door.exp
    assert door.version.cuda is None
    assert nn.DataParallel(nn.Linear(2, 1))(door.ones(3, 2)).shape == (3, 1)
    with pytest.raises(AttributeError, match=r"torch.cuda.current_device: chainrule computes on the CPU"):
        door.cuda.current_device()


def test_lazy_layers(torch) -> None:
    for lib in (torch, door):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("warnings.warn", lambda *_, **__: None)  # PyTorch's: lazy modules are new
            model = lib.nn.Sequential(
                lib.nn.LazyConv2d(4, 3), lib.nn.LazyBatchNorm2d(), lib.nn.Flatten(), lib.nn.LazyLinear(2)
            )
        weight = model[0].weight
        with pytest.raises(RuntimeError, match="shape"):
            _ = weight.shape
        optimizer = lib.optim.SGD(model.parameters(), lr=0.1)
        model.eval()
        assert model(lib.ones(2, 3, 5, 5)).shape == (2, 2)
        assert model[0].weight is weight
        assert weight.shape == (4, 3, 3, 3)
        assert not model[1].training
        before = weight.detach().clone()
        model(lib.ones(2, 3, 5, 5)).sum().backward()
        optimizer.step()
        assert not bool((weight == before).all())
        assert type(model[3]) is lib.nn.Linear


def test_lazy_layers_take_their_shapes_from_a_state_dict() -> None:
    def layers(*first):
        lazy = not first
        conv, norm = (nn.LazyConv2d, nn.LazyBatchNorm2d) if lazy else (nn.Conv2d, nn.BatchNorm2d)
        turned, full = (nn.LazyConvTranspose2d, nn.LazyLinear) if lazy else (nn.ConvTranspose2d, nn.Linear)
        widths = [()] * 4 if lazy else [(4,), (6,), (6,), (5,)]
        return nn.Sequential(
            conv(*widths[0], 6, 3, groups=2),
            norm(*widths[1]),
            turned(*widths[2], 4, 2),
            full(*widths[3], 2, bias=False),
        )

    known, unknown = layers(1), layers()
    assert unknown.load_state_dict(known.state_dict()) == ([], [])
    x = door.randn(2, 4, 6, 6)
    assert door.equal(known.eval()(x), unknown.eval()(x))
    assert str(known) == str(unknown)


def test_a_lazy_layer_draws_only_what_the_state_dict_lacks(torch) -> None:
    for kind, *sizes in (("Linear", 2), ("Conv2d", 2, 3), ("ConvTranspose2d", 2, 3)):
        for lib, lacks in ((torch, None), (door, None), (door, "bias")):
            with named(kind, lib.__name__, lacks), pytest.MonkeyPatch.context() as patch:
                patch.setattr("warnings.warn", lambda *_, **__: None)  # PyTorch's: lazy modules are new
                state = getattr(lib.nn, kind)(3, *sizes).state_dict()
                state.pop(lacks, None)
                layer = getattr(lib.nn, f"Lazy{kind}")(*sizes)
                lib.manual_seed(1)
                first = lib.rand(())
                lib.manual_seed(1)
                layer.load_state_dict(state, strict=not lacks)
                layer(lib.ones(1, 3, 3, 3))
                assert bool(lib.rand(()) == first) == (not lacks)
                assert bool((layer.weight == state["weight"]).all())
                assert bool(layer.bias.abs().min() > 0)
                lib.manual_seed(2)
                layer.reset_parameters()
                assert not bool((layer.weight == state["weight"]).all())


def test_assertions() -> None:
    door.testing.assert_close(door.ones(2), door.ones(2) + 1e-7)
    door.testing.assert_close({"a": [door.ones(1), 2]}, {"a": [door.ones(1), 2]})
    for a, b, text in (
        (door.ones(2), door.zeros(2), r"Mismatched elements: 2 / 2"),
        (door.ones(2), door.ones(3), "shape"),
        (door.ones(2), door.ones(2).double(), "dtype"),
    ):
        with pytest.raises(AssertionError, match=text):
            door.testing.assert_close(a, b)


def test_forms_in_place_and_copies_of_views() -> None:
    x = door.tensor([1.0, 4.0])
    assert door.sqrt_(x) is x
    assert x.tolist() == [1.0, 2.0]
    door.permute_copy(x.view(1, 2), (1, 0)).zero_()
    assert x.tolist() == [1.0, 2.0]
    with pytest.raises(RuntimeError, match="bfloat16"):
        x.bfloat16()
    assert x.new([3]).dtype is door.float32
    assert door.view_as_real(door.view_as_complex(x)).tolist() == x.tolist()


def test_what_scripts_import_and_do_not_use_is_refused_when_it_is_used() -> None:
    parts = ("hub.load", "profiler.profile", "multiprocessing.Process", "distributed.init_process_group")
    for name in (*parts, "utils.model_zoo.load_url"):
        module, _, function = name.rpartition(".")
        with named(name), pytest.raises(RuntimeError, match=rf"torch\.{name}: .*(use|train|load)"):
            getattr(importlib.import_module(f"chainrule.torch.{module}"), function)("x")


@pytest.mark.slow
def test_models_are_exported_to_onnx(tmp_path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2))
    stream = io.BytesIO()
    axes = {"rows": {0: "batch"}, "scores": [0]}
    door.onnx.export(
        model, (door.ones(2, 3),), stream, input_names=["rows"], output_names=["scores"], dynamic_axes=axes
    )
    door.onnx.export(model, door.ones(2, 3), tmp_path / "fixed.onnx", do_constant_folding=True)
    assert model.training
    model.eval()
    x = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    (found,) = onnxruntime.InferenceSession(stream.getvalue()).run(["scores"], {"rows": x})
    np.testing.assert_allclose(found, model(door.tensor(x)).detach().numpy(), rtol=1e-5)
    (fixed,) = onnxruntime.InferenceSession(str(tmp_path / "fixed.onnx")).get_inputs()
    assert fixed.shape == [2, 3]
    with pytest.raises(ValueError, match="opset: expected 20"):
        door.onnx.export(model, door.ones(2, 3), stream, opset_version=9)


def test_other_devices_can_be_named_and_are_refused_where_something_is_put_there(torch) -> None:
    for name in ("cuda", "cuda:1", "mps", "cpu", "meta"):
        with named(name):
            ours, theirs = door.device(name), torch.device(name)
            assert (str(ours), ours.type, ours.index, repr(ours)) == (
                str(theirs), theirs.type, theirs.index, repr(theirs)
            )  # fmt: skip
    assert door.device("cuda", 1) == door.device("cuda:1") != door.device("cuda:0")
    with pytest.raises(RuntimeError, match="expected one of cpu, cuda"):
        door.device("gpu")
    uses = {
        "zeros": lambda: door.zeros(2, device=door.device("cuda")),
        "to": lambda: door.zeros(2).to(door.device("cuda:1")),
        "module": lambda: nn.Linear(2, 2).to("cuda"),
        "with": lambda: door.device("cuda").__enter__(),
    }
    for name, use in uses.items():
        with named(name), pytest.raises(RuntimeError, match="computes on the CPU"):
            use()
    assert nn.Linear(2, 2).to(door.device("meta")).weight.shape == (2, 2)


@walked(
    ("code", "meant"),
    [("torch.zerso", "zeros"), ("torch.nn.Lstm", "LSTM"), ("torch.optim.Adamm", "Adam"), ("torch.vmapp", "vmap")],
)
def test_a_name_that_is_written_nearly_so_is_named(code: str, meant: str) -> None:
    with pytest.raises(AttributeError, match=f"has no .*: did you mean '{meant}'"):
        eval(code, {"torch": door})
    assert not hasattr(door, "a_name_like_no_other")
