"""Averages of weights against PyTorch's, their state, and what they leave alone."""

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr
from chainrule import nn, optim


def steps(parameters, count=20, seed=0):
    rng = np.random.default_rng(seed)
    for _ in range(count):
        for parameter in parameters:
            parameter.data = parameter.numpy() + 0.1 * rng.standard_normal(parameter.shape)
        yield


def model(dtype=np.float64):
    cr.seed(0)
    return nn.Sequential(nn.Linear(3, 4, dtype=dtype), nn.Tanh(), nn.Linear(4, 2, dtype=dtype))


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.999, 1.0])
def test_it_is_torchs(torch, decay):
    swa_utils = pytest.importorskip("torch.optim.swa_utils", reason="a comparison with torch")
    ours = model()
    theirs = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2)).double()
    averaged = swa_utils.AveragedModel(theirs, multi_avg_fn=swa_utils.get_ema_multi_avg_fn(decay))
    ema = optim.EMA(ours.parameters(), decay)
    for _ in steps(list(ours.parameters())):
        theirs.load_state_dict({name: torch.tensor(a.T.copy()) for name, a in ours.state_dict().items()})
        ema.update()
        averaged.update_parameters(theirs)
    ema.copy_to_parameters()
    for mine, its in zip(ours.parameters(), averaged.module.parameters(), strict=True):
        np.testing.assert_allclose(mine.numpy().T, its.detach().numpy(), atol=1e-13)


def test_the_parameters_come_back_also_after_an_error():
    network = model()
    ema = optim.EMA(network.parameters(), 0.5)
    for _ in steps(list(network.parameters()), 3):
        ema.update()
    before = network.state_dict()
    during = {}

    def fail():
        with ema.applied():
            during.update(network.state_dict())
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert all((during[name] != before[name]).any() for name in before)
    assert all(np.array_equal(network.state_dict()[name], before[name]) for name in before)


def test_a_saved_state_goes_on_to_the_bit_through_a_file(tmp_path):
    network = model(np.float32)
    ema = optim.EMA(network.named_parameters(), 0.9)
    walk = steps(list(network.parameters()), 10)
    for _ in range(5):
        next(walk)
        ema.update()
    cr.save(tmp_path / "ema.safetensors", network, ema)
    other_network = model(np.float32)
    other = optim.EMA(other_network.named_parameters(), 0.1)
    cr.load(tmp_path / "ema.safetensors", other_network, other)
    assert (other.decay, other.updates) == (0.9, 5)
    for _ in walk:
        ema.update()
        other_network.load_state_dict(network.state_dict())
        other.update()
    for name, average in ema.averages.items():
        assert average.dtype == np.float32
        np.testing.assert_array_equal(average, other.averages[name])


BROKEN = {
    "expected a dict": lambda s: s.pop("decay"),
    "got the averages of": lambda s: s["averages"].pop("0.bias"),
    r"0.bias: expected floats of shape \[4\]": lambda s: s["averages"].update({"0.bias": np.ones(3)}),
    "decay: expected": lambda s: s.update(decay=2.0),
    "updates: expected": lambda s: s.update(updates=-1),
}


@walked(("message", "change"), BROKEN.items(), ids=BROKEN)
def test_a_broken_state_changes_nothing(message, change):
    ema = optim.EMA(model().named_parameters())
    state = ema.state_dict()
    change(state)
    before = ema.state_dict()
    with pytest.raises((TypeError, ValueError), match=message):
        ema.load_state_dict(state)
    after = ema.state_dict()
    assert (after["decay"], after["updates"]) == (before["decay"], before["updates"])
    assert all(np.array_equal(after["averages"][name], array) for name, array in before["averages"].items())


def test_a_wrong_call_says_what_is_wrong():
    with pytest.raises(ValueError, match="no parameters"):
        optim.EMA([])
    with pytest.raises(ValueError, match=r"EMA: decay: expected a number from 0 to 1, got 1\.5"):
        optim.EMA(model().parameters(), 1.5)
