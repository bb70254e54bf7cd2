"""All of a check is said in Korean: verdicts, what was seen, reasons, coverage, notes; code and exceptions stay."""

import functools
import re

import numpy as np
import pytest
from tests.command import chainrule
from tests.named import walked

import chainrule as cr
from chainrule.check.hypotheses import CODES
from chainrule.check.hypotheses.candidate import WRITTEN
from chainrule.check.hypotheses.factors import _named
from chainrule.check.hypotheses.places import _known, _row_name, patterns
from chainrule.check.repairs.edits import edits
from chainrule.check.repairs.program import FunctionSource
from chainrule.check.report import korean, korean_changes
from chainrule.check.report.korean_factors import meaning
from chainrule.check.report.korean_places import NAMES, place
from chainrule.check.report.korean_reasons import fitted
from chainrule.check.report.words import TEXT
from chainrule.check.why.context import Context

from ..named import named

RNG = np.random.default_rng(0)
X, W = RNG.standard_normal((4, 4)), RNG.standard_normal((4, 4))
HANGUL = re.compile("[가-힣]")
SHARED = np.arange(5.0)


def product_not_turned(g, x, w):
    return g @ w, x.T @ g


def raising(g, x):
    raise RuntimeError("the cache is empty")


def in_place(x):
    x *= 2
    return x


def drawn(x):
    return x * RNG.standard_normal(x.shape)


def brittle(x):
    if not np.array_equal(x, X):
        raise ValueError("only here")
    return x * 2


REPORTS = {
    "right": lambda: cr.check(np.tanh, X),
    "transposed": lambda: cr.check(lambda x, w: x @ w, X, W, backward=product_not_turned),
    "factor": lambda: cr.check(lambda x: (x**2).mean(), X, backward=lambda g, x: 2 * g * x),
    "unexplained": lambda: cr.check(np.tanh, X, backward=lambda g, x: g * np.sin(9 * x) * x**3),
    "missing": lambda: cr.check(np.tanh, X, backward=lambda g, x: 0 * g * x),
    "shape": lambda: cr.check(lambda x: np.sin(x).sum(), X, backward=lambda g, x: g * np.cos(x).sum(0)),
    "signature": lambda: cr.check(lambda x, w: x @ w, X, W, backward=lambda g, x, w: g @ w.T),
    "raises": lambda: cr.check(np.tanh, X, backward=raising),
    "raises at other points": lambda: cr.check(brittle, X, backward=lambda g, x: 2 * g),
    "non-deterministic": lambda: cr.check(drawn, X),
    "not-finite": lambda: cr.check(np.log, -X),
    "mutates-input": lambda: cr.check(in_place, X.copy(), backward=lambda g, x: 2 * g),
    "overlapping-memory": lambda: cr.check(lambda a, b: a * b, SHARED, SHARED[::-1]),
    "kink": lambda: cr.check(lambda x: np.maximum(x, 0), np.array([0.0, 1.0])),
    "straight-through": lambda: cr.check(lambda x: x + cr.stop_gradient(np.round(x) - x), X),
    "expected": lambda: cr.check(lambda x: x + cr.stop_gradient(np.round(x) - x), X, expected="straight-through"),
    "coarse": lambda: cr.check(lambda x: x.astype(np.float16) * 2, X.astype(np.float16), backward=lambda g, x: 2 * g),
    "jvp": lambda: cr.check(np.sin, X, jvp=lambda primals, tangents: tangents[0] * np.sin(primals[0])),
}


@pytest.mark.parametrize("name", REPORTS)
def test_every_line_is_korean(name):
    report = REPORTS[name]()
    text = report.to_text("ko")
    first = text.splitlines()[0]
    assert first.startswith(TEXT[f"verdict {report.verdict}"]["ko"].upper())
    for finding in report.findings:
        assert HANGUL.search(korean.sentence(finding.message)), finding.message
        assert korean.sentence(finding.message) in text or len(report.findings) > 4
        for hypothesis in finding.hypotheses[:3]:
            assert korean.reason(hypothesis.code, hypothesis.detail) in text
            assert hypothesis.detail["text"] not in text
    for note in report.notes:
        assert HANGUL.search(korean.sentence(note)), note
    code = re.compile(r"^      |\.py|^\s*$|올바른 식|쓰인 식")
    for line in text.splitlines():
        assert code.search(line) or HANGUL.search(line), line
    page = report.to_html("ko")
    for finding in report.findings:
        assert finding.message not in page or finding.message.startswith("the cache")


def test_a_repair_has_its_line_in_both_languages():
    report = REPORTS["transposed"]()
    detail = report.findings[0].detail
    assert f"{detail['line']}행의 `g @ w` 대신 `g @ w.T`" in report.to_text("ko")
    assert f"line {detail['line']}" in report.to_text("en")
    assert "전치" in report.to_text("ko")


def conv_backward(g, x, w, b, stride):
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for k in range(g.shape[0]):
        window = x[k * stride : k * stride + len(w)]
        dw += g[k] * window
        dx[k : k + len(w)] += w * g[k] / np.sqrt(np.sum(window**2) + 1e-5)
    mask = (x > 0) & (x < b)
    rest = np.where(mask, x, -x).sum(axis=0, keepdims=True).T @ np.transpose(w, (1, 0)) - np.einsum("ij,jk->ik", w, w)
    dx[1:-1] = np.tanh(rest) * (1 - np.tanh(x) ** 2)
    return dx, dw, g.sum()


@pytest.mark.slow
def test_every_change_of_the_code_is_said_in_korean():
    program = FunctionSource(conv_backward)
    said = {edit.what for edit in edits(program.tree, (0.5,), program.space)}
    assert len(said) > 50
    untold = [what for what in said if not HANGUL.search(korean_changes.change(what))]
    assert not untold


def test_a_change_that_is_no_constant_factor_is_not_called_one():
    report = cr.check(lambda x: x**3, X, backward=lambda g, x: 3 * g * x**3)
    assert report.findings[0].detail["what"] == "the exponent is wrong"
    assert "지수가 틀립니다" in report.to_text("ko")
    assert "상수배" not in report.to_text("ko")


def overwritten(g, w):
    found = np.zeros_like(w)
    found[[0, 1, 1, 3]] = g
    return found


OVERWRITTEN = functools.partial(overwritten)
"""Its code is hidden, so that no change of it is tried."""


def test_what_a_factor_means_and_how_well_the_rest_agrees_is_said():
    def with_epsilon(x):
        return np.log(x + 1e-7).sum()

    x = np.linspace(0.5, 1.5, 6)
    report = cr.check(with_epsilon, x, backward=lambda _, x: 1 / x)
    assert "ignored; apart from that it agrees to" in str(report)
    assert "위에서 오는 기울기 ȳ를 곱하지 않았습니다. 그 밖에는" in report.to_text("ko")


def test_every_place_is_said():
    x = np.linspace(-1.0, 1.0, 9).reshape(3, 3)
    context = Context(x, x**2, {"x": x}, "x", lambda a: a["x"] ** 2, {"x": x}, {"x": 2 * x})
    assert patterns(x.shape).keys() == NAMES.keys()
    names = [
        *[name for name, _, _ in _known(x.shape, context)],
        *[_row_name(rows, 1, 4) for rows in ([0], [3], [1, 2, 3], [0, 1, 2], [1, 3])],
        "where x is below a bound between 1.5 and 2",
        "where x is outside a range of about [-1, 2]",
        "[0, 1], [1, 2] and 5 more",
        "−mean(ȳ) over axes [0, 1]",
    ]
    for name in names:
        assert not re.search("[a-z]{3}", place(name).replace("mean", "")), place(name)
    assert place("x_hat") == "x_hat"


def test_a_place_in_a_reason_and_a_formula_are_korean():
    report = cr.check(lambda w: w[[0, 1, 1, 3]], np.ones((5, 3)), backward=OVERWRITTEN)
    text = report.to_text("ko")
    assert "출력의 축 0의 위치 [1]에서는 기울기가 오지 않습니다" in text
    assert "(y = x[index]일 때)" in text
    assert "(y = x[index]일 때)" in report.to_html(lang="ko")


def test_every_word_is_there():
    assert {*CODES, *WRITTEN} == korean.REASONS.keys()


def test_another_language_is_refused():
    with pytest.raises(ValueError, match="lang: expected one of en, ko, got 'fr'"):
        REPORTS["right"]().to_text("fr")


def test_the_command_line_answers_in_korean(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "korean_ops.py").write_text(
        'import numpy as np\n\n\ndef f(x: "B N"):\n    return np.sin(x)\n\n\n'
        "def g(y_bar, x):\n    return -y_bar * np.cos(x)\n",
        encoding="utf-8",
    )
    done = chainrule("check", "korean_ops.py:f", "--backward", "g", "--lang", "ko")
    assert done.exit_code == 1
    assert "틀림  f: 기울기가 틀립니다" in done.output
    assert "부호" in done.output


@walked(
    ("text", "said"),
    [
        ("this is the gradient of beta, transposed", "beta의 기울기를 전치한 것입니다"),
        ("the gradient is off by -1 along axis 0", "기울기가 축 0을 따라 -1칸 밀렸습니다"),
        ("a sum over axes [1] where one over [0] is needed", "축 [0]에 대한 합이 필요한데 축 [1]에 대해 합했습니다"),
        ("the term −mean(ȳ) over axes [0] is missing", "항 −mean(ȳ) (축 [0])이 빠졌습니다"),
        ("the output is used where x is needed", "x가 필요한 자리에 출력을 썼습니다"),
        ("x is used where the output is needed", "출력이 필요한 자리에 x를 썼습니다"),
        ("the slope of `relu(h)` is left out: the gradient passes as if it were the identity", None),
        ("the gradient through `a * b` is 3 times what it should be: the length", None),
        ("a sentence that nobody wrote", ""),
    ],
)
def test_a_fitted_reason_is_said_in_korean(text, said):
    found = fitted(text)
    assert found == said if said is not None else "기울기" in found


def test_what_the_numbers_say_stands_before_the_change_of_the_code():
    detail = {"text": "this is the gradient of b; W is used where V is needed: line 2 has `W`", "line": 2}
    detail |= {"what": "W is used where V is needed", "written": "W", "wanted": "V"}
    found = korean.reason("other-argument", detail)
    assert found.startswith("이것은 b의 기울기입니다. "), found


@walked("what", ["the factor m", "the term m", "the division by m"])
def test_what_is_nowhere_used_is_said_in_korean(what):
    assert "쓰이지 않은" in korean_changes.change(f"{what} is missing, which is nowhere used")


def test_every_meaning_of_a_factor_is_said_in_korean():
    x, y_bar, a = np.ones((3, 4)), np.full((), 1.7), np.array(0.3)
    one = Context(y_bar, np.ones(()), {"x": x, "a": a}, "x", lambda _: np.ones(()), {"x": x}, {"x": x})
    for name, said, _ in _named(one):
        for text in (said, f"{said}, and the sign is wrong"):
            with named(name, text):
                korean = meaning(text)
                assert korean
                assert not re.search("[a-z]{3}", korean)
    wide = Context(np.ones((3, 4)), np.ones((3, 4)), {"x": x}, "x", lambda _: x, {"x": x}, {"x": x})
    assert all(meaning(said) for _, said, _ in _named(wide))


def test_terms_that_are_proportional_to_something_are_said_in_korean():
    for text in (
        "expected − analytic is constant along axes [1]: a term like a mean of ȳ is missing or wrong",
        "expected − analytic is proportional to y along axes [0, 1]: a term like a mean of ȳ ⊙ y is missing or wrong",
        "expected − analytic is proportional to x̂ over axes [1]: a term like a mean of ȳ ⊙ x̂ over axes [1] "
        "is missing or wrong",
    ):
        with named(text):
            assert HANGUL.search(fitted(text))
            assert not re.search("[a-z]{3}", fitted(text))


def test_of_a_gradient_that_must_be_zero_both_languages_say_so():
    report = cr.check(lambda x: np.ones(3), np.ones(3), backward=lambda g, x: g * x * np.arange(1.0, 4.0))
    assert "the function does not depend on it here" in str(report)
    assert "explains 0%" not in str(report)
    assert "기울기는 0이어야 합니다" in report.to_text("ko")
