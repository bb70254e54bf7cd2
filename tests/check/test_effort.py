"""The work on causes is bounded: what one operation is to blame for is explained once, and the time has an end."""

import functools

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.check import checker
from chainrule.check.repairs import search
from chainrule.check.subjects.subject import Subject
from chainrule.check.why import diagnosis

X = np.random.default_rng(0).standard_normal((5, 3))


@cr.custom
def swish(x):
    return x / (1 + np.exp(-x))


@swish.def_vjp
def swish_backward(y_bar, x):
    s = 1 / (1 + np.exp(-x))
    return y_bar * (s + x * s * (1 + s))


def deep():
    cr.seed(0)
    first, second = nn.Linear(3, 4), nn.Linear(4, 2)

    def loss(x):
        return (second(swish(np.tanh(first(x)))) ** 2).sum()

    return loss


def test_one_operation_is_explained_once(monkeypatch):
    calls = []

    def counted(*args, **kwargs):
        calls.append(args)
        return explained(*args, **kwargs)

    explained = diagnosis.explained
    monkeypatch.setattr(diagnosis, "explained", counted)
    report = cr.check(deep(), X)
    assert len(calls) == 1
    (finding,) = report.findings  # one change mends all
    assert finding.operation == "swish"
    assert finding.detail["arguments"] == ["first.weight", "first.bias", "x"]
    assert [row.verdict for row in report.rows] == ["wrong", "wrong", "right", "right", "wrong"]


def product(x, w, v):
    return np.tanh(x) * w + v**2


def wrong_in_all(g, x, w, v):
    return g * np.exp(x - 2), g * np.sin(7 * x), g * np.cosh(v)


def test_no_cause_is_sought_once_the_time_is_over(monkeypatch):
    monkeypatch.setattr(checker, "EXPLAINING", 0.0)
    report = cr.check(product, X, X + 1, X - 1, backward=wrong_in_all)
    first, *others = report.findings
    assert len(report.findings) == 3, report
    assert "no cause was sought" not in str(first.detail)
    assert all((f.verdict, f.code) == ("wrong", "unexplained") for f in others)
    assert all(f.detail["text"].startswith("no cause was sought") for f in others)
    assert str(report).count("check this argument alone") == 2
    assert report.to_text("ko").count("이 인수만 따로 검사해 보십시오") == 2


@pytest.mark.slow
def test_a_change_is_run_once_for_all_arguments(monkeypatch):
    made = []

    def counted(edit, *rest):
        made.append(id(edit))
        return changed(edit, *rest)

    changed = search._changed
    monkeypatch.setattr(search, "_changed", counted)
    cr.check(product, X, X + 1, X - 1, backward=wrong_in_all)
    assert len(made) > 100
    assert len(set(made)) == len(made)


def test_a_search_that_time_ends_says_how_much_was_tried(monkeypatch):
    monkeypatch.setattr(Subject, "effort", 1e-9)
    report = cr.check(product, X, X + 1, X - 1, backward=wrong_in_all)
    (note,) = report.notes
    assert note.startswith("The search for a cause was ended: 0 of "), note
    assert note in str(report)
    assert "원인을 찾기를" in report.to_text("ko")
    assert cr.check(np.tanh, X, backward=lambda g, x: g * (1 - np.tanh(x) ** 2)).notes == ()


def nearly(x, w):
    return np.tanh(x) * w


def test_what_is_right_to_a_few_digits_is_explained_once(monkeypatch):
    calls = []

    def counted(*args, **kwargs):
        calls.append(args)
        return repaired(*args, **kwargs)

    def noisy(g, x, w):
        return g * w * (1 - np.tanh(x) ** 2) + 1e-6 * np.sin(9 * x), g * np.tanh(x) + 1e-6 * np.cos(9 * w)

    repaired = diagnosis.repaired
    monkeypatch.setattr(diagnosis, "repaired", counted)
    report = cr.check(nearly, X, X + 1, backward=functools.partial(noisy))  # whose code is not looked at
    assert [f.code for f in report.findings] == ["approximate"] * 2
    assert len(calls) == 1


def test_what_is_too_large_to_be_measured_whole_may_be_right_to_a_few_digits(monkeypatch):
    monkeypatch.setattr(diagnosis, "SMALL", 3)

    def noisy(g, x, w):
        return g * w * (1 - np.tanh(x) ** 2) * (1 + 1e-6 * np.sin(9 * x)), g * np.tanh(x)

    def one_wrong(g, x, w):
        d_x, d_w = noisy(g, x, w)
        d_x[2, 1] *= 1.1
        return d_x, d_w

    report = cr.check(nearly, X, X + 1, backward=functools.partial(noisy))
    assert [(f.verdict, f.code) for f in report.findings] == [("wrong", "approximate")]
    assert "as far as it was measured" in str(report)
    assert cr.check(nearly, X, X + 1, backward=functools.partial(noisy), expected="approximate").ok
    assert not cr.check(nearly, X, X + 1, backward=functools.partial(one_wrong), expected="approximate").ok
