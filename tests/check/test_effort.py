"""The work on causes is bounded: what one operation is to blame for is explained once, and the time has an end."""

import numpy as np

import chainrule as cr
from chainrule import nn
from chainrule.check import checker
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
