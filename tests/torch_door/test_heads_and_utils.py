"""Attention in heads with all of PyTorch's settings, timing, swapping of tensors, and the modules' tables of hooks."""

from collections import OrderedDict, defaultdict, deque, namedtuple

import numpy as np
import pytest
from tests.named import named, walked

import chainrule.torch as door
from chainrule.torch.utils import benchmark
from chainrule.torch.utils.tensorboard import SummaryWriter

SETTINGS = [
    {"add_bias_kv": True},
    {"add_zero_attn": True},
    {"add_bias_kv": True, "add_zero_attn": True, "batch_first": True},
    {"kdim": 6, "vdim": 4, "add_zero_attn": True},
]


def drawn(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).normal(size=shape).astype(np.float32)


@walked("settings", SETTINGS, ids=str)
def test_attention_with_keys_of_its_own(torch, settings) -> None:
    theirs, ours = (t.nn.MultiheadAttention(8, 2, **settings) for t in (torch, door))
    ours.load_state_dict(theirs.state_dict())
    assert list(ours.state_dict()) == list(theirs.state_dict())
    q, k, v = drawn(3, 3, 8), drawn(3, 3, settings.get("kdim", 8)), drawn(3, 3, settings.get("vdim", 8))
    padding, left_out = np.array([[False, True, False]] * 3), np.triu(np.ones((3, 3), bool), 1)
    found = []
    for t, module in ((door, ours), (torch, theirs)):
        query = t.tensor(q, requires_grad=True)
        rest = {"key_padding_mask": t.tensor(padding), "attn_mask": t.tensor(left_out)}
        y, weights = module(query, t.tensor(k), t.tensor(v), **rest)
        also, none = module(query, t.tensor(k), t.tensor(v), **rest, need_weights=False)
        (y**2).sum().backward()
        assert none is None
        found.append(
            [x.detach().numpy() for x in (y, weights, also, query.grad, *(p.grad for p in module.parameters()))]
        )
    for mine, right in zip(*found, strict=True):
        np.testing.assert_allclose(mine, right, 1e-4, 1e-5)


def test_attention_as_a_function(torch) -> None:
    found = []
    for t in (door, torch):
        w_in, b_in, w_out = t.tensor(drawn(24, 8)), t.tensor(drawn(24)), t.tensor(drawn(8, 8))
        x = t.tensor(drawn(4, 2, 8))
        y, weights = t.nn.functional.multi_head_attention_forward(
            x, x, x, 8, 2, w_in, b_in, None, None, False, 0.0, w_out, None, average_attn_weights=False
        )
        alone, _ = t.nn.functional.multi_head_attention_forward(
            *(x[:, 0],) * 3, 8, 2, None, b_in, None, None, True, 0.0, w_out, None, use_separate_proj_weight=True,
            q_proj_weight=w_in[:8], k_proj_weight=w_in[8:16], v_proj_weight=w_in[16:],
        )  # fmt: skip
        found.append([one.numpy() for one in (y, weights, alone)])
    for mine, right in zip(*found, strict=True):
        np.testing.assert_allclose(mine, right, 1e-4, 1e-5)


def test_a_timer_measures_what_it_is_given() -> None:
    calls = []
    found = benchmark.Timer("calls.append(1)", globals={"calls": calls}, label="append").timeit(10)
    assert len(calls) >= 10
    assert (found.number_per_run, len(found.times), found.mean) == (10, 1, found.median)
    assert "append" in repr(found)
    several = benchmark.Timer("pass").blocked_autorange(min_run_time=0.001)
    assert sum(several.raw_times) >= 0.001
    assert several.iqr >= 0
    with pytest.raises(ValueError, match="language"):
        benchmark.Timer("1;", language="cpp")


def test_swapped_tensors_trade_places(torch) -> None:
    def f(t):
        a, b = t.tensor([1.0, 2.0], requires_grad=True), t.tensor([3.0], requires_grad=True)
        (a * 5).sum().backward()
        t.utils.swap_tensors(a, b)
        return a.tolist(), b.tolist(), b.grad.tolist(), a.grad

    assert f(door) == f(torch)
    with pytest.raises(RuntimeError, match="one type"):
        door.utils.swap_tensors(door.ones(1), door.nn.Parameter(door.ones(1)))


def test_the_tables_of_hooks_can_be_read(torch) -> None:
    def f(t):
        module = t.nn.Linear(2, 2)
        module.register_forward_pre_hook(lambda m, x: None)
        handle = module.register_forward_hook(lambda m, x, y: None)
        counts = len(module._forward_pre_hooks), len(module._forward_hooks)
        handle.remove()
        return counts, len(module._forward_hooks)

    assert f(door) == f(torch)


def test_operations_before_an_operation(torch) -> None:
    def f(t):
        x = t.tensor([1.0], requires_grad=True)
        y = (2 * x.exp()).grad_fn
        return [y.next_functions[1][0], y.next_functions[0][0].next_functions[0][0].name()]

    ours, theirs = f(door), f(torch)
    assert ours[1] == theirs[1].removeprefix("torch::autograd::")
    assert ours[0] is theirs[0] is None


def test_the_class_takes_sizes_or_data(torch) -> None:
    for t in (door, torch):
        assert [tuple(x.shape) for x in (t.Tensor(), t.Tensor(3), t.Tensor(2, 3), t.Tensor(t.Size([4])))] == [
            *((0,), (3,), (2, 3), (4,)),
        ]
        assert t.Tensor([2, 3]).tolist() == [2.0, 3.0]
        with pytest.raises(TypeError):
            t.Tensor([1.0], [2.0])


TOLD = [
    *("LeakyReLU()", "ELU()", "GELU(approximate='tanh')", "Hardtanh()", "Softplus()", "RReLU()", "GLU()", "PReLU()"),
    *(
        "ReLU()",
        "ReLU(inplace=True)",
        "Softmax(1)",
        "Dropout()",
        "Dropout2d(0.2)",
        "MultiheadAttention(4, 2)",
        "MaxPool2d(2)",
        "MaxPool2d(3, 2, 1)",
    ),
    *("AvgPool2d(2)", "AdaptiveAvgPool2d(1)", "Flatten()", "Unfold(2)", "Fold(4, 2)", "MSELoss()", "Identity()"),
    *("ConvTranspose2d(1, 2, 3, output_padding=1, stride=2)", "Conv2d(1, 2, 3, padding=1, padding_mode='reflect')"),
    *("ModuleList([Linear(2, 2), Linear(2, 2), ReLU()])", "ModuleList([])", "Upsample(size=4, mode='bilinear')"),
]


def test_layers_tell_their_settings_as_in_pytorch(torch) -> None:
    for text in TOLD:
        ours, theirs = (repr(eval(text, dict(vars(t.nn)))) for t in (door, torch))
        assert ours == theirs


def test_tensorboard_reads_what_a_summary_writer_wrote(tmp_path) -> None:
    reader = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator",
        reason="reads what was written: pip install tensorboard",
    )
    with SummaryWriter(tmp_path, comment="of no use here") as writer:
        for step in range(3):
            writer.add_scalar("loss", door.tensor(0.5 * step, requires_grad=True), step)
        writer.add_scalars("both", {"train": 1, "test": door.tensor(2.0)}, 7)
        writer.add_histogram("weights", door.arange(4.0), 1, bins=4)
        writer.add_text("note", "**slow**")
        writer.flush()
    found = reader.EventAccumulator(str(tmp_path), size_guidance={"histograms": 0, "tensors": 0}).Reload()
    assert [(event.step, event.value) for event in found.Scalars("loss")] == [(0, 0.0), (1, 0.5), (2, 1.0)]
    assert found.Histograms("weights")[0].histogram_value.num == 4
    assert found.Tensors("note")[0].tensor_proto.string_val == [b"**slow**"]
    for name, value in (("both_train", 1.0), ("both_test", 2.0)):
        apart = reader.EventAccumulator(str(tmp_path / name)).Reload()
        assert [(event.step, event.value) for event in apart.Scalars("both")] == [(7, value)]


def test_a_summary_writer_says_what_it_leaves_out(tmp_path) -> None:
    writer = SummaryWriter(tmp_path)
    with pytest.warns(UserWarning, match="add_graph: event files have numbers, histograms and texts here"):
        writer.add_graph(None, None)
    with pytest.raises(ValueError, match="add_histogram: 'w': got no finite value"):
        writer.add_histogram("w", door.tensor([float("nan")]))
    writer.close()


def test_nested_containers_are_taken_apart_as_by_pytorch(torch):
    from torch.utils import _pytree as theirs

    from chainrule.torch.utils import _pytree as ours

    Pair = namedtuple("Pair", "a b")
    trees = [
        *(1, None, [], (), {}, [1, (2, None)], {"b": [1], "a": {"c": (2,)}}, Pair(1, [2])),
        *(OrderedDict(z=1, y=[2, 3]), defaultdict(list, k=[4]), deque([1, (2,)], 5), {"x": {1}}, "text"),
    ]
    for tree in trees:
        with named(repr(tree)):
            leaves, spec = ours.tree_flatten(tree)
            assert leaves == theirs.tree_flatten(tree)[0]
            assert spec.num_leaves == theirs.tree_structure(tree).num_leaves
            back = ours.tree_unflatten(leaves, spec)
            assert type(back) is type(tree)
            assert back == tree
            assert spec == ours.tree_structure(back)
            for name, args in (
                ("tree_map", (str, tree)),
                ("tree_map", (lambda a, b: (a, b), tree, tree)),
                ("tree_map_only", (int, lambda x: x + 1, tree)),
                ("tree_leaves", (tree,)),
                ("tree_all", (bool, tree)),
                ("tree_any", (bool, tree)),
            ):
                assert getattr(ours, name)(*args) == getattr(theirs, name)(*args)
    assert ours.tree_map(len, [(1, 2), (3,)], is_leaf=lambda x: isinstance(x, tuple)) == [2, 1]
    for wrong in ([1], [1, 2, 3], (1, 2)):
        with pytest.raises(ValueError, match="tree_map: expected a list of 2 items"):
            ours.tree_map(max, [1, 2], wrong)
    with pytest.raises(ValueError, match="got 1 leaves, expected 2"):
        ours.tree_unflatten([1], ours.tree_structure([1, 2]))
