import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tests.named import walked

import chainrule.rules  # noqa: F401
from chainrule.core.tensor import Tensor
from chainrule.core.traces.tape import EAGER
from chainrule.core.transforms.derivatives import elementwise_grad, grad, jvp, value_and_grad, vjp
from chainrule.formula.evaluation import parse
from chainrule.rules.network import loss
from chainrule.rules.network.cross_entropy import SoftmaxCrossEntropy, SparseSoftmaxCrossEntropy, one_hot
from chainrule.rules.network.loss import cross_entropy
from chainrule.rules.network.softmax import log_softmax, softmax

LOGITS = np.random.default_rng(0).normal(size=(4, 3))
CLASSES = np.array([0, 2, 1, 2])
PROBABILITIES = softmax(np.random.default_rng(1).normal(size=(4, 3)))
logits = hnp.arrays(np.float64, (4, 3), elements=st.floats(-1e4, 1e4, width=32))


def test_the_gradient_of_the_mean_is_y_hat_minus_t_over_b():
    for target, probabilities in [(CLASSES, np.eye(3)[CLASSES]), (PROBABILITIES, PROBABILITIES)]:
        value, gradient = value_and_grad(cross_entropy)(LOGITS, target)
        np.testing.assert_allclose(value, -np.mean((probabilities * np.log(softmax(LOGITS))).sum(axis=1)), rtol=1e-13)
        np.testing.assert_allclose(gradient, (softmax(LOGITS) - probabilities) / 4, rtol=1e-12, atol=1e-16)


def test_the_text_s_table_for_two_layers():
    rng = np.random.default_rng(2)
    x, w1, b1, w2, b2 = (rng.normal(size=shape) for shape in [(4, 5), (5, 6), (6,), (6, 3), (3,)])
    y = np.eye(3)[CLASSES]

    def network(w1, b1, w2, b2):
        a1 = np.maximum(x @ w1 + b1, 0)
        return cross_entropy(a1 @ w2 + b2, y)

    z1 = x @ w1 + b1
    a1 = np.maximum(z1, 0)
    dz2 = (softmax(a1 @ w2 + b2) - y) / 4
    dz1 = (dz2 @ w2.T) * (z1 > 0)
    wanted = (x.T @ dz1, dz1.sum(axis=0), a1.T @ dz2, dz2.sum(axis=0))
    for got, gradient in zip(grad(network, argnums=(0, 1, 2, 3))(w1, b1, w2, b2), wanted, strict=True):
        np.testing.assert_allclose(got, gradient, rtol=1e-10, atol=1e-14)


def test_fused_and_softmax_followed_by_a_logarithm_agree():
    def apart(z):
        return -np.mean(np.sum(PROBABILITIES * np.log(softmax(z)), axis=-1))

    fused = value_and_grad(lambda z: cross_entropy(z, PROBABILITIES))(LOGITS)
    for got, wanted in zip(fused, value_and_grad(apart)(LOGITS), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_logits_are_exact_and_raise_no_warning(dtype):
    z = np.array([[1e4, -1e4], [1e4, -1e4]], dtype)
    for target in (np.array([0, 1]), np.eye(2, dtype=dtype)):
        losses, pull = vjp(lambda z, t=target: cross_entropy(z, t, "none"), z)
        assert losses.tolist() == [0.0, 2e4]
        assert losses.dtype == dtype
        (gradient,) = pull(np.ones(2, dtype))
        assert gradient.tolist() == [[0.0, 0.0], [1.0, -1.0]]
        assert gradient.dtype == dtype
        tangent = jvp(lambda z, t=target: cross_entropy(z, t, "none"), (z,), (np.eye(2, dtype=dtype),))[1]
        assert tangent.tolist() == [0.0, -1.0]


def test_a_masked_class_that_is_not_asked_for_adds_nothing():
    z = np.array([[0.0, -np.inf, 0.0]])
    for target in (np.array([0]), np.array([[1.0, 0.0, 0.0]])):
        value, gradient = value_and_grad(lambda z, t=target: cross_entropy(z, t))(z)
        np.testing.assert_allclose(value, np.log(2.0), rtol=1e-15)
        assert gradient.tolist() == [[-0.5, 0.0, 0.5]]
    assert grad(lambda t: cross_entropy(z, t))(np.array([[1.0, 0.0, 0.0]])).tolist() == [[np.log(2), 0.0, np.log(2)]]
    assert cross_entropy(z, np.array([1])) == np.inf


@given(logits, st.floats(-1e3, 1e3))
def test_a_shift_of_the_logits_changes_nothing(z, shift):
    value, gradient = value_and_grad(lambda z: cross_entropy(z, CLASSES))(z)
    assert np.isfinite(value)
    np.testing.assert_allclose(gradient.sum(axis=-1), 0.0, atol=1e-15)
    np.testing.assert_allclose(cross_entropy(z + shift, CLASSES), value, rtol=1e-10, atol=1e-9)


@given(logits)
def test_classes_are_one_hot_probabilities(z):
    sparse, dense = (vjp(lambda z, t=t: cross_entropy(z, t, "none"), z) for t in (CLASSES, np.eye(3)[CLASSES]))
    np.testing.assert_array_equal(sparse[0], dense[0])
    np.testing.assert_allclose(sparse[1](np.arange(4.0))[0], dense[1](np.arange(4.0))[0], atol=1e-15)


def test_the_target_s_gradient_is_minus_the_log_probability():
    weights = 3.0 * PROBABILITIES  # they need not sum to one
    got = grad(lambda t: cross_entropy(LOGITS, t, "sum"))(weights)
    np.testing.assert_allclose(got, -log_softmax(LOGITS), rtol=1e-13)
    got = grad(lambda z: cross_entropy(z, weights, "sum"))(LOGITS)
    np.testing.assert_allclose(got, 3.0 * (softmax(LOGITS) - PROBABILITIES), rtol=1e-12, atol=1e-15)


def test_only_probabilities_are_kept_and_the_logits_are_not():
    assert SparseSoftmaxCrossEntropy.saver((True, False))("y", "z", "t", "ŷ") == ("t", "ŷ")
    assert SoftmaxCrossEntropy.saver((True, False))("y", "z", "t", "ŷ") == ("t", "ŷ", None)


def test_reductions_and_axes_in_front():
    z, t = np.random.default_rng(3).normal(size=(2, 5, 3)), np.arange(10).reshape(2, 5) % 3
    losses = cross_entropy(z, t, "none")
    assert losses.shape == (2, 5)
    np.testing.assert_allclose(cross_entropy(z, t), losses.mean(), rtol=1e-15)
    np.testing.assert_allclose(cross_entropy(z, t, "sum"), losses.sum(), rtol=1e-15)
    np.testing.assert_allclose(cross_entropy(z[0, 0], 2), -log_softmax(z[0, 0])[2], rtol=1e-15)
    assert cross_entropy(np.zeros((0, 3)), np.zeros(0, int), "sum") == 0.0
    with pytest.raises(ValueError, match="cross_entropy: the mean of no losses is not defined"):
        cross_entropy(np.zeros((0, 3)), np.zeros(0, int))
    with pytest.raises(ValueError, match=r"cross_entropy: expected reduction .* got 'average'"):
        cross_entropy(z, t, "average")


def test_tensors_and_lists_are_targets_too():
    boxed = Tensor(CLASSES, EAGER, None)
    wanted = grad(cross_entropy)(LOGITS, CLASSES)
    np.testing.assert_array_equal(grad(lambda z: cross_entropy(z, boxed))(LOGITS), wanted)
    np.testing.assert_array_equal(grad(lambda z: cross_entropy(z, CLASSES.tolist()))(LOGITS), wanted)
    np.testing.assert_allclose(grad(lambda z: SparseSoftmaxCrossEntropy.apply(z, boxed).mean())(LOGITS), wanted)


@walked(
    ("target", "error", "message"),
    [
        (np.array([0, 1, 3, -1]), IndexError, r"target\[2\] is 3, expected a class from 0 to 2"),
        (np.array([0, -1, 3, 0]), IndexError, r"target\[1\] is -1, expected a class from 0 to 2"),
        (np.array([0, 1]), ValueError, r"shape \(4,\) for the scores \(4, 3\), got shape \(2,\)"),
        (np.eye(4, 3, dtype=int), ValueError, r"got shape \(4, 3\); integers that are probabilities: convert"),
        (np.zeros(4), ValueError, r"shape \(4, 3\), got shape \(4,\); class indices must be integers"),
        (np.zeros((4, 2)), ValueError, r"shape \(4, 3\), got shape \(4, 2\)"),
        (np.zeros((4, 3), complex), TypeError, r"got complex128\[4, 3\], but it is a function of real numbers"),
    ],
)
def test_a_target_that_does_not_fit_is_an_error_in_every_mode(target, error, message):
    with pytest.raises(error, match="softmax_cross_entropy: .*" + message):
        cross_entropy(LOGITS, target)
    with pytest.raises(error, match=message):
        grad(lambda z: cross_entropy(z, target))(LOGITS)
    with pytest.raises(error, match=message):
        jvp(lambda z: cross_entropy(z, target), (LOGITS,), (LOGITS,))


def test_the_place_of_a_bad_class_is_given_by_all_its_axes():
    with pytest.raises(IndexError, match=r"target\[1, 0\] is 7"):
        cross_entropy(np.zeros((2, 2, 3)), np.array([[0, 1], [7, 9]]))


# The derivation


@pytest.mark.parametrize("record", [SoftmaxCrossEntropy, SparseSoftmaxCrossEntropy])
def test_each_step_of_the_derivation_holds_by_number(record):
    target = CLASSES if record is SparseSoftmaxCrossEntropy else PROBABILITIES
    for step in record.derivation:
        assert step.applies is None or step.applies(LOGITS, target)
        left, right = step.check(LOGITS, target)
        assert left.shape == right.shape
        np.testing.assert_allclose(left, right, rtol=1e-12, atol=1e-15, err_msg=step.title)
    (gradient,) = vjp(lambda z: record.apply(z, target), LOGITS)[1](np.ones(4))
    np.testing.assert_allclose(record.derivation[-1].check(LOGITS, target)[1], gradient, rtol=1e-12, atol=1e-15)


def test_the_last_step_says_when_it_does_not_apply():
    *before, last = SoftmaxCrossEntropy.derivation
    target = 2.0 * PROBABILITIES
    assert not last.applies(LOGITS, target)
    for step in before:
        np.testing.assert_allclose(*step.check(LOGITS, target), rtol=1e-12, atol=1e-15, err_msg=step.title)
    left, right = last.check(LOGITS, target)
    assert not np.allclose(left, right)


def test_each_step_of_the_derivation_is_true_as_it_is_written():
    z, t = LOGITS[0], PROBABILITIES[0]
    for step in SoftmaxCrossEntropy.derivation:
        formula = parse(step.latex)
        right = step.check(z, t)[1]
        for value in formula.evaluate_all({"z": z, "t": t, "y_hat": softmax(z)}, shape=right.shape):
            np.testing.assert_allclose(value, right, rtol=1e-12, atol=1e-15, err_msg=step.title)


# Options


def test_torch_agrees_on_every_option(torch):
    rng = np.random.default_rng(4)
    z, classes, weight = rng.normal(size=(6, 3)), np.array([0, 2, 1, 1, 0, 2]), rng.random(3) + 0.5
    probabilities = softmax(rng.normal(size=(6, 3)))
    for target in (classes, probabilities):
        for options in ({}, {"label_smoothing": 0.1}, {"weight": weight}, {"weight": weight, "label_smoothing": 0.2}):
            for reduction in ("mean", "sum", "none"):
                check_against_torch(torch, z, target, reduction, options)
    check_against_torch(torch, z, classes, "mean", {"ignore_index": 1})
    check_against_torch(
        torch, z, np.where(classes == 1, -100, classes), "mean", {"ignore_index": -100, "weight": weight}
    )


def check_against_torch(torch, z, target, reduction, options):
    tz = torch.tensor(z, requires_grad=True)
    theirs = {k: torch.tensor(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}
    ty = torch.nn.functional.cross_entropy(tz, torch.tensor(target), reduction=reduction, **theirs)
    ty.sum().backward()
    y, pull = vjp(lambda z: cross_entropy(z, target, reduction, **options), z)
    np.testing.assert_allclose(y, ty.detach().numpy(), rtol=1e-12)
    np.testing.assert_allclose(pull(np.ones(np.shape(y)))[0], tz.grad.numpy(), rtol=1e-10, atol=1e-15)


def test_options_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="label_smoothing from 0 to 1, got 2"):
        cross_entropy(LOGITS, CLASSES, label_smoothing=2)
    with pytest.raises(ValueError, match=r"expected weight of shape \(3,\), one for each class, got \(2,\)"):
        cross_entropy(LOGITS, CLASSES, weight=np.ones(2))
    with pytest.raises(ValueError, match="ignore_index needs class indices"):
        cross_entropy(LOGITS, PROBABILITIES, ignore_index=0)
    with pytest.raises(ValueError, match="no row counts"):
        cross_entropy(LOGITS, np.zeros(4, int), ignore_index=0)
    assert cross_entropy(LOGITS, np.zeros(4, int), "sum", ignore_index=0) == 0.0


# The other losses


def test_binary_cross_entropy_is_exact_at_both_ends():
    x = np.array([1e4, 1e4, -1e4, -1e4, 0.0])
    t = np.array([1.0, 0.0, 1.0, 0.0, 0.5])
    losses, pull = vjp(lambda x: loss.binary_cross_entropy_with_logits(x, t, "none"), x)
    assert losses.tolist() == [0.0, 1e4, 1e4, 0.0, np.log(2.0)]
    assert pull(np.ones(5))[0].tolist() == [0.0, 1.0, -1.0, 0.0, 0.0]


def test_huber_is_smooth_at_zero_and_straight_beyond_delta():
    d = np.array([-3.0, -0.5, 0.0, 0.5, 2.0, 3.0])
    zero = np.zeros(6)

    def of(d):
        return loss.huber_loss(d, zero, "none", delta=2.0)

    np.testing.assert_allclose(of(d), [4.0, 0.125, 0.0, 0.125, 2.0, 4.0])
    np.testing.assert_allclose(elementwise_grad(of)(d), np.clip(d, -2.0, 2.0))
    second = elementwise_grad(elementwise_grad(of))(d)
    assert second[[0, 1, 2, 3, 5]].tolist() == [0.0, 1.0, 1.0, 1.0, 0.0]


@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides:UserWarning")  # PyTorch, of its kl_div
@walked("reduction", ["mean", "sum", "none"])
@walked(
    ("name", "options"),
    [
        ("mse_loss", {}),
        ("l1_loss", {}),
        ("huber_loss", {"delta": 0.7}),
        ("smooth_l1_loss", {"beta": 0.7}),
        ("binary_cross_entropy_with_logits", {}),
        ("kl_div", {}),
        ("nll_loss", {}),
    ],
)
def test_torch_agrees_on_the_other_losses(torch, reduction, name, options):
    x = log_softmax(LOGITS)
    target = CLASSES if name == "nll_loss" else PROBABILITIES
    tx = torch.tensor(x, requires_grad=True)
    ty = getattr(torch.nn.functional, name)(tx, torch.tensor(target), reduction=reduction, **options)
    ty.sum().backward()
    y, pull = vjp(lambda x: getattr(loss, name)(x, target, reduction, **options), x)
    np.testing.assert_allclose(y, ty.detach().numpy(), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(pull(np.ones(np.shape(y)))[0], tx.grad.numpy(), rtol=1e-10, atol=1e-14)


def test_kl_div_of_itself_is_zero_and_batchmean_divides_by_rows():
    assert loss.kl_div(np.log(PROBABILITIES), PROBABILITIES) == 0.0
    per_element = loss.kl_div(log_softmax(LOGITS), PROBABILITIES, "none")
    np.testing.assert_allclose(loss.kl_div(log_softmax(LOGITS), PROBABILITIES), per_element.sum() / 4, rtol=1e-14)
    target = np.array([[1.0, 0.0]])
    value, gradient = value_and_grad(lambda x: loss.kl_div(x, target))(np.array([[np.log(0.5), -np.inf]]))
    np.testing.assert_allclose(value, np.log(2.0))
    assert gradient.tolist() == [[-1.0, 0.0]]
    with pytest.raises(ValueError, match="batchmean"):
        loss.kl_div(np.zeros((0, 2)), np.zeros((0, 2)))


def test_nll_loss_of_log_softmax_is_cross_entropy():
    np.testing.assert_allclose(loss.nll_loss(log_softmax(LOGITS), CLASSES), cross_entropy(LOGITS, CLASSES), rtol=1e-14)
    with pytest.raises(IndexError, match=r"nll_loss: target\[0\] is 3, expected a class from 0 to 2"):
        loss.nll_loss(LOGITS, np.array([3, 0, 0, 0]))


@walked(
    "name",
    ["mse_loss", "l1_loss", "huber_loss", "smooth_l1_loss", "kl_div", "binary_cross_entropy_with_logits"],
)
def test_a_column_against_a_row_is_refused(name):
    with pytest.raises(ValueError, match=rf"{name}: expected .* of one shape, got \(4, 1\) and \(4,\)"):
        getattr(loss, name)(np.zeros((4, 1)), np.zeros(4))


@pytest.mark.parametrize(("name", "setting"), [("huber_loss", "delta"), ("smooth_l1_loss", "beta")])
def test_a_threshold_must_be_positive(name, setting):
    with pytest.raises(ValueError, match=f"{name}: expected {setting} > 0, got 0.0"):
        getattr(loss, name)(np.zeros(2), np.zeros(2), **{setting: 0.0})


def test_one_hot_keeps_the_dtype_asked_for():
    assert one_hot(np.array([1]), 2, np.float32).dtype == np.float32
