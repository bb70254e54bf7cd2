"""A misspelt name is answered with the one that is meant, in every module that a person imports."""

from importlib import import_module

import pytest
from tests.named import named

from chainrule.base.lacking import nearest_of

MODULES = (
    "chainrule",
    "chainrule.nn",
    "chainrule.nn.init",
    "chainrule.nn.functional",
    "chainrule.optim",
    "chainrule.optim.lr_scheduler",
    "chainrule.data",
    "chainrule.train",
    "chainrule.distributed",
    "chainrule.special",
    "chainrule.stats",
    "chainrule.interop",
    "chainrule.interop.torch",
    "chainrule.interop.jax",
    "chainrule.interop.onnx",
    "chainrule.numpy",
    "chainrule.numpy.linalg",
    "chainrule.scipy",
    "chainrule.scipy.special",
    "chainrule.scipy.stats",
    "chainrule.scipy.linalg",
    "chainrule.scipy.signal",
    "chainrule.scipy.optimize",
    "chainrule.scipy.integrate",
    "chainrule.scipy.interpolate",
    "chainrule.scipy.ndimage",
    "chainrule.scipy.fft",
    "chainrule.scipy.sparse",
    "chainrule.autograd",
    "chainrule.explain",
    "chainrule.doctor",
    "chainrule.torch",
    "chainrule.torch.nn",
    "chainrule.torch.nn.init",
    "chainrule.torch.nn.functional",
    "chainrule.torch.nn.utils.rnn",
    "chainrule.torch.nn.utils.prune",
    "chainrule.torch.nn.utils.parametrize",
    "chainrule.torch.optim",
    "chainrule.torch.optim.lr_scheduler",
    "chainrule.torch.optim.swa_utils",
    "chainrule.torch.autograd.functional",
    "chainrule.torch.distributions.constraints",
    "chainrule.torch.func",
    "chainrule.torch.fft",
)


def exchanged(name: str) -> str:
    """Return a name with two letters exchanged."""
    k = next(k for k in range(1, len(name) - 1) if name[k].lower() != name[k + 1].lower())
    return name[:k] + name[k + 1] + name[k] + name[k + 2 :]


def test_a_misspelt_name_is_answered_with_the_one_that_is_meant():
    pytest.importorskip("scipy", reason="chainrule.special needs pip install '.[scipy]'")
    for path in MODULES:
        module = import_module(path)
        listed = getattr(module, "__all__", None) or [name for name in vars(module) if not name.startswith("_")]
        name = max((name for name in listed if callable(getattr(module, name))), key=len, default="linalg")
        with named(f"{path}.{name}"):
            with pytest.raises(AttributeError, match="did you mean") as caught:
                getattr(module, exchanged(name))
            assert repr(name) in str(caught.value)
            assert not hasattr(module, "_nothing_of_the_kind")


def test_a_name_like_no_other_is_not_guessed():
    assert nearest_of("quantise", ["Linear", "Conv2d"]) is None
    with pytest.raises(AttributeError, match="PyTorch's other layers") as caught:
        import_module("chainrule.nn").AdaptiveMaxPool3d  # noqa: B018
    assert "did you mean" not in str(caught.value)


def test_a_name_of_pytorch_that_is_like_one_here_is_said_to_be_there():
    with pytest.raises(
        AttributeError, match=r"did you mean 'Adam'\? PyTorch's other optimisers are in chainrule\.torch"
    ):
        import_module("chainrule.optim").NAdam  # noqa: B018
