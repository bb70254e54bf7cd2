"""Each simplification of a program by itself, on programs written down by a capture."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr
from chainrule import nn
from chainrule.compile.capture.capture import Capture
from chainrule.compile.capture.captured import Captured
from chainrule.compile.program import passes
from chainrule.compile.program.program import Instruction, Program, Value, waits_for
from chainrule.core.tensor import Tensor
from chainrule.core.traces.capturing import captured_in, replaced
from chainrule.core.traces.tape import EAGER
from chainrule.core.tree import flatten
from chainrule.rules.network.linear import LinearMap


def written(f: Callable[..., Any], *arrays: Any) -> Program:
    """Return the program that a function writes, with its arguments as inputs and its results as outputs."""
    capture = Capture()
    values = [capture.program.value("input", np.array(x)) for x in arrays]
    boxes = [Tensor(Captured(v.array, capture, v), EAGER, None) for v in values]
    with capture.watching():
        result = f(*boxes)
    capture.program.inputs = values
    capture.program.outputs = [captured_in(y)._link for y in flatten(result)[0]]
    return capture.program


def run(program: Program, *arrays: Any) -> list[Any]:
    """Carry a program out, one instruction after the other."""
    known: dict[Value, Any] = dict(zip(program.inputs, arrays, strict=True))

    def get(x: Any) -> Any:
        return known.get(x, x.array) if isinstance(x, Value) else x

    for i in program.instructions:
        result = i.function(*replaced(i.args, get), **replaced(i.settings, get))
        if i.structure is None:
            if i.outputs:
                known[i.outputs[0]] = result
        else:
            found = dict(zip(flatten(i.structure)[0], flatten(result)[0], strict=True))
            known |= {v: found[k] for k, v in enumerate(i.outputs)}
    return [get(v) for v in program.outputs]


def names(program: Program) -> list[str]:
    return [i.name for i in program.instructions]


def holds(simplify: Callable[[Program], None], f: Callable[..., Any], *arrays: Any, atol: float = 0) -> Program:
    """Simplify what a function writes, check that it computes the same, and return it.

    `atol` is for elements that are 0 in one way of rounding only.
    """
    program = written(f, *arrays)
    expected = run(program, *arrays)
    for a, b in zip(expected, flatten(f(*arrays))[0], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
    simplify(program)
    for a, b in zip(run(program, *arrays), expected, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=atol)
    used = {v for i in program.instructions for v in i.inputs} | set(program.outputs)
    made = {v for i in program.instructions for v in i.outputs} | set(program.inputs)
    assert {v for v in used if v.kind in ("input", "result")} <= made
    return program


X = np.random.default_rng(0).normal(size=(3, 4))


def test_what_nobody_uses_is_left_out() -> None:
    def f(x: Any) -> Any:
        unused = np.exp(x)
        np.sin(unused).sum()
        return x * 2

    assert names(holds(passes.drop_unused, f, X)) == ["multiply"]


def test_draws_that_nobody_uses_stay() -> None:
    """They move the generator, as they do eagerly."""

    def f(x: Any) -> Any:
        nn.functional.dropout(x, 0.5)
        return x * 2

    program = written(f, X)
    passes.drop_unused(program)
    assert [i.kind for i in program.instructions] == ["draw", "op"]


def test_what_is_computed_twice_is_computed_once() -> None:
    program = holds(passes.share_common, lambda x: np.exp(x) * 2 + np.exp(x) * 2 + np.exp(x) * 3, X)
    assert names(program).count("exp") == 1
    assert names(program).count("multiply") == 2


def test_twice_the_same_result() -> None:
    program = holds(passes.share_common, lambda x: (np.exp(x), np.exp(x)), X)
    assert names(program) == ["exp"]
    assert program.outputs[0] is program.outputs[1]


def test_settings_and_types_of_numbers_tell_calls_apart() -> None:
    def f(x: Any) -> Any:
        return x.sum(axis=0).sum() + x.sum(axis=1).sum(), x * 2, x * 2.0, x * True, x * np.float32(2)

    program = holds(passes.share_common, f, X)
    assert names(program).count("sum") == 4
    assert names(program).count("multiply") == 4


def test_negative_zero_is_not_zero() -> None:
    """1/(x·0.0) and 1/(x·-0.0) have other signs, and 0.0 == -0.0."""
    with np.errstate(divide="ignore"):
        holds(passes.share_common, lambda x: (1 / (x * 0.0), 1 / (x * -0.0)), np.abs(X))


def test_draws_are_not_shared() -> None:
    def f(x: Any) -> Any:
        return nn.functional.dropout(x, 0.5), nn.functional.dropout(x, 0.5)

    program = written(f, X)
    passes.share_common(program)
    assert [i.kind for i in program.instructions].count("draw") == 2


def test_reads_before_and_after_a_write_are_not_shared() -> None:
    w = cr.tensor([1.0, 2.0], requires_grad=True)

    def f(x: Any) -> Any:
        before = (w * 2).detach()
        w.data = x
        return before, (w * 2).detach()

    compiled = cr.compile(f)
    for k in range(3):
        before, after = compiled(np.full(2, float(k)))
        assert before.tolist() == ([2.0, 4.0] if k == 0 else [2.0 * (k - 1)] * 2)
        assert after.tolist() == [2.0 * k] * 2


def test_casts_and_shapes_that_change_nothing_are_left_out() -> None:
    def f(x: Any) -> Any:
        return (x.astype(np.float64) * 1.5).reshape(3, 4).copy() + x.astype(np.float32).astype(np.float64)

    program = holds(passes.drop_casts, f, X)
    assert names(program) == ["multiply", "astype", "astype", "add"]


def test_a_copy_of_what_a_step_changes_stays() -> None:
    w = cr.tensor([1.0, 2.0], requires_grad=True)

    def f(x: Any) -> Any:
        old = w.detach().copy()
        w.data = w.detach() + x
        return old

    compiled = cr.compile(f)
    assert [compiled(np.ones(2)).tolist() for _ in range(3)] == [[1.0, 2.0], [2.0, 3.0], [3.0, 4.0]]


@walked("shape", [(5, 4), (2, 5, 4), (2, 3, 5, 4), (1, 4)])
def test_a_linear_map_becomes_a_product_and_a_sum(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    program = holds(
        passes.split_linear,
        lambda x, w, b: np.tanh(LinearMap.apply(x, w, b)),
        rng.normal(size=shape),
        rng.normal(size=(4, 3)),
        rng.normal(size=3),
    )
    assert "linear" not in names(program)
    assert names(program)[-2:] == ["add", "tanh"]
    assert names(program).count("matmul") == 1


def test_a_linear_map_of_one_sample_stays() -> None:
    program = holds(passes.split_linear, LinearMap.apply, np.ones(4), np.ones((4, 3)), np.ones(3))
    assert names(program) == ["linear"]


def _losses(loss: Any) -> Callable[..., Any]:
    return lambda z, t: cr.value_and_grad(lambda z: loss(z, t))(z)


CLASSES = np.asarray([0, 2, 1, 1])
SCORES = np.random.default_rng(1).normal(size=(4, 3))


def _cross_entropies(program: Program) -> list[str]:
    return [name for name in names(program) if "crossentropy" in name.lower().replace("_", "")]


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_a_cross_entropy_and_its_gradient_become_one(reduction: Any) -> None:
    program = holds(_all, _losses(nn.CrossEntropyLoss(reduction=reduction)), SCORES, CLASSES)
    assert _cross_entropies(program) == ["sparse_softmax_cross_entropy_and_gradient"]


def _all(program: Program) -> None:
    passes.simplify(program)


def test_a_weight_that_changes_keeps_them_apart() -> None:
    def f(z: Any, t: Any, s: Any) -> Any:
        return cr.grad(lambda z: nn.CrossEntropyLoss()(z, t) * s)(z)

    program = holds(_all, f, SCORES, CLASSES, np.asarray(3.0))
    assert len(_cross_entropies(program)) == 2


def test_a_cross_entropy_whose_probabilities_are_used_twice_stays() -> None:
    def f(z: Any, t: Any) -> Any:
        loss, pull = cr.vjp(lambda z: nn.functional.cross_entropy(z, t, reduction="none"), z)
        return loss, pull(np.ones(4))[0], pull(np.full(4, 2.0))[0]

    holds(_all, f, SCORES, CLASSES)


def test_classes_that_are_computed_keep_their_losses_right() -> None:
    holds(_all, lambda z, t: cr.value_and_grad(lambda z: nn.CrossEntropyLoss()(z, (t + 1) % 3))(z), SCORES, CLASSES)


def test_all_together_on_a_training_step() -> None:
    rng = np.random.default_rng(0)

    def f(x: Any, w: Any, b: Any, v: Any, t: Any) -> Any:
        def loss(w: Any, b: Any, v: Any) -> Any:
            return nn.CrossEntropyLoss()(cr.relu(LinearMap.apply(x, w, b)) @ v, t)

        return cr.value_and_grad(loss, (0, 1, 2))(w, b, v)

    arrays = [rng.normal(size=s) for s in ((4, 5), (5, 6), (6,), (6, 3))]
    program = holds(_all, f, *arrays, CLASSES)
    assert "linear" not in names(program)
    assert _cross_entropies(program) == ["sparse_softmax_cross_entropy_and_gradient"]


def test_substitutions_follow_one_another() -> None:
    program = Program()
    a, b, c = (program.value("input", np.ones(2)) for _ in range(3))
    program.add(Instruction("negative", "op", np.negative, (a,), {}, [program.value("result", np.ones(2))]))
    program.outputs = [a]
    program.substitute({a: b, b: c})
    assert program.instructions[0].inputs == [c]
    assert program.outputs == [c]


def test_effects_wait_for_readers_and_readers_for_effects() -> None:
    program = Program()
    state = np.ones(2)
    first = program.value("state", state)
    read = Instruction("read", "op", np.negative, (first,), {}, [program.value("result", state)])
    write = Instruction("write", "effect", lambda: None, (), {}, [], writes=(state,))
    later = program.value("state", state)
    later.after = write
    again = Instruction("again", "op", np.negative, (later,), {}, [program.value("result", state)])
    other = Instruction("other", "effect", lambda: None, (), {}, [], writes=(np.ones(2),))
    for i in (read, write, again, other):
        program.add(i)
    needs = waits_for(program.instructions)
    assert needs[read] == set()
    assert needs[write] == {read}
    assert needs[again] == {write}
    assert needs[other] == {write}


def test_what_is_printed_of_a_program() -> None:
    program = written(lambda x: np.exp(x) + 1, X)
    assert str(program).splitlines()[0] == "v1 = exp(x0)"


@pytest.mark.parametrize("rows", [3, 300])
def test_the_gradients_of_a_layer_norm_are_one_pass(rows: int) -> None:
    layer = nn.LayerNorm(128)
    rng = np.random.default_rng(0)
    x, weight = rng.normal(size=(rows, 128)).astype(np.float32), rng.normal(size=(rows, 128)).astype(np.float32)

    def gradients(x: Any, weight: Any) -> Any:
        t = cr.tensor(x, requires_grad=True)
        layer.zero_grad()
        (layer(t) * weight).sum().backward()
        return t.grad, layer.weight.grad, layer.bias.grad

    compiled = cr.compile(gradients)
    for _ in range(2):
        for a, b in zip(compiled(x, weight), gradients(x, weight), strict=True):
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-4, atol=1e-4)
    names = [step.name for step in compiled.plan.steps]
    assert names.count("layer_norm_gradients") == 1
    assert not any(name.startswith("LayerNorm.") for name in names)


HEADS = np.random.default_rng(3).normal(size=(3, 2, 2, 9, 8))


def _attention(mask: Any = None, width: int = 8) -> Callable[..., Any]:
    def f(q: Any, k: Any, v: Any) -> Any:
        q, k, v = (x[..., :width] for x in (q, k, v))
        return nn.functional.scaled_dot_product_attention(q, k, v, mask, mask is None, method="plain")

    return f


def _with_gradients(f: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *x: cr.value_and_grad(lambda *x: (f(*x) ** 2).sum(), (0, 1, 2))(*x)


@pytest.mark.parametrize("wrap", [lambda f: f, _with_gradients])
def test_attention_recomputes_its_weights_where_that_is_machine_code(wrap: Any) -> None:
    for f, is_recomputed in (
        (_attention(), True),
        (_attention(np.tri(9, dtype=bool)), False),
        (_attention(width=6), False),
    ):
        program = holds(passes.recompute, wrap(f), *HEADS, atol=1e-13)
        assert ("blockwise_attention" in names(program)) is is_recomputed, names(program)
        assert ("scaled_dot_product_attention" in names(program)) is not is_recomputed, names(program)


def test_attention_whose_weights_are_read_elsewhere_keeps_them() -> None:
    def f(*x: Any) -> Any:
        def of_gradient(q: Any) -> Any:
            return cr.grad(lambda q: (_attention()(q, *x[1:]) ** 2).sum())(q).sum()

        return cr.grad(of_gradient)(x[0])

    holds(passes.recompute, f, *HEADS, atol=1e-13)

    def twice(*x: Any) -> Any:  # two backward passes of one forward pass
        y, pull = cr.vjp(_attention(), *x)
        return *pull(y), *pull(y * y)

    assert "scaled_dot_product_attention" not in names(holds(passes.recompute, twice, *HEADS, atol=1e-13))
