"""The written forms of a derivation: text, Markdown, LaTeX, and an HTML page that a browser lays out by itself."""

import itertools
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr
from chainrule import nn
from chainrule.explain.derive.folding import fold
from chainrule.explain.write.latex import escape
from chainrule.present.page import CSP
from chainrule.present.unicode_math import to_unicode

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
RNG = np.random.default_rng(0)


def made(lang="en", level="full", blocks=0):
    cr.seed(0)
    x, y = RNG.standard_normal((4, 8)), np.array([0, 1, 2, 0])
    layers = [nn.TransformerBlock(8, 2) for _ in range(blocks)]
    model = nn.Sequential(*layers, nn.Linear(8, 5), nn.ReLU(), nn.Linear(5, 3))
    return cr.explain(model, x, loss=nn.CrossEntropyLoss(), target=y, lang=lang, level=level)


@pytest.fixture(scope="module", params=["en", "ko"])
def derivation(request):
    return made(request.param, "proof")


def test_korean_has_no_english_sentence():
    text = made("ko").to_text()
    assert not re.search(r"[a-z]+ [a-z]+ [a-z]+ [a-z]+", re.sub(r"Linear\(.*\)", "", text))


def test_text(derivation):
    text = derivation.to_text()
    assert "\\" not in text
    assert "$" not in text
    assert str(derivation) == text
    assert text.count("✗") == 0
    assert "∂L/∂W⁽¹⁾ = xᵀ δ⁽¹⁾" in text


def test_markdown(derivation):
    text = derivation.to_markdown()
    assert text.count("$$") % 2 == 0
    assert text.startswith("# ")
    rows = [line.count("|") if line.startswith("|") else 0 for line in text.splitlines()]
    assert all(one == other for one, other in itertools.pairwise(rows) if one and other)


def test_latex_is_balanced(derivation):
    text = derivation.to_latex()
    body = re.sub(r"\\[{}]", "", text)
    depth = 0
    for mark in body:
        depth += (mark == "{") - (mark == "}")
        assert depth >= 0
    assert depth == 0
    opened = []
    for kind, name in re.findall(r"\\(begin|end)\{(\w+\*?)\}", text):
        if kind == "begin":
            opened.append(name)
        else:
            assert opened.pop() == name
    assert not opened
    assert len(re.findall(r"\\left(?![a-z])", text)) == len(re.findall(r"\\right(?![a-z])", text))
    assert "✓" not in text
    outside = re.sub(r"\\begin\{align\*\}.*?\\end\{align\*\}|\$[^$]*\$", "", text, flags=re.DOTALL)
    assert "_" not in outside.replace(r"\_", "")
    for row in re.findall(r"\\begin\{align\*\}(.*?)\\end\{align\*\}", text, flags=re.DOTALL):
        assert row.count("&") >= 1


def test_html_stands_by_itself(derivation):
    pytest.importorskip("latex2mathml")
    page = derivation.to_html()
    assert "<script" not in page
    assert not re.search(r'(src|href)="?http', page)
    assert "color-scheme: light dark" in page
    assert len(page.encode()) < 500_000
    assert f'<html lang="{derivation.lang}">' in page
    mathematics = re.findall(r"<math.*?</math>", page, flags=re.DOTALL)
    assert len(mathematics) > 80
    for one in mathematics:
        ET.fromstring(one)
        assert "\\" not in one
    fragment = derivation._repr_html_()
    assert fragment.startswith("<div")
    assert "<html" not in fragment


MEASURE = """<script>
const seen = [...document.querySelectorAll("math")];
const empty = seen.filter(m => m.getBoundingClientRect().width < 2 || m.getBoundingClientRect().height < 2).length;
const boxed = e => e && (getComputedStyle(e).overflowX === "auto" || boxed(e.parentElement));
const wide = seen.filter(m => m.getBoundingClientRect().right > innerWidth + 1 && !boxed(m.parentElement)).length;
const unlabelled = [...document.querySelectorAll("section")].filter(
  s => !document.getElementById(s.getAttribute("aria-labelledby"))).length;
document.title = JSON.stringify({count: seen.length, empty, wide, unlabelled,
  page: document.documentElement.scrollWidth - innerWidth, headings: document.querySelectorAll("h1").length});
</script></body>"""


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium to lay out MathML")
@pytest.mark.parametrize(("width", "level", "blocks"), [(1100, "proof", 0), (420, "full", 0), (900, "brief", 2)])
def test_a_browser_lays_the_mathematics_out(tmp_path, width, level, blocks):
    pytest.importorskip("latex2mathml")
    page = tmp_path / "derivation.html"
    page.write_text(made("en", level, blocks).to_html().replace(CSP, "").replace("</body>", MEASURE), encoding="utf-8")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
    flags += [
        "--disable-background-networking",
        "--disable-component-update",
        f"--user-data-dir={tmp_path / 'profile'}",
    ]
    done = subprocess.run(
        [CHROMIUM, *flags, f"--window-size={width},2000", "--dump-dom", page.as_uri()],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        encoding="utf-8",
        timeout=60,
        check=True,
    )
    found = re.search(r"<title>(.*?)</title>", done.stdout)
    assert found is not None
    counts = dict(re.findall(r'"(\w+)":(-?\d+)', found[1].replace("&quot;", '"')))
    assert int(counts["count"]) > 40
    assert {key: int(counts[key]) for key in ("empty", "wide", "unlabelled")} == {
        "empty": 0,
        "wide": 0,
        "unlabelled": 0,
    }
    assert int(counts["page"]) <= 0
    assert counts["headings"] == "1"


# The pieces


@walked(
    ("latex", "text"),
    [
        (r"W^{(2)\top}", "W⁽²⁾ᵀ"),
        (r"\hat y_{ij}", "ŷᵢⱼ"),
        (r"\frac{a + b}{2}", "(a + b)/2"),
        (r"\frac{\partial L}{\partial z^{(1)}_{ij}}", "∂L/∂z⁽¹⁾ᵢⱼ"),
        (r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}", "[1, 2; 3, 4]"),
        (r"\sqrt{x + 1}", "√(x + 1)"),
        (r"e^{-x}", "e^(-x)"),
        (r"\begin{cases} x & x > 0 \\ 0 & \text{otherwise} \end{cases}", "{x if x > 0; 0 otherwise}"),
        (r"1.5 \cdot 10^{-7}", "1.5 · 10⁻⁷"),
    ],
)
def test_mathematics_in_one_line(latex, text):
    assert to_unicode(latex) == text


def test_folding_finds_the_longest_repetition():
    class Keyed:
        def __init__(self, key):
            self.key = (key,)

    blocks = fold([Keyed(key) for key in "xabcabcabcy"])
    assert ["".join(step.key[0] for step in block.steps) for block in blocks] == ["x", "abc", "y"]
    assert [block.times for block in blocks] == [1, 3, 1]
    assert [len(block.steps) for block in fold([Keyed(key) for key in "aabb"])] == [1, 1, 1, 1]


def test_matrices_are_the_same_in_both_languages():
    """What is said of the alternatives of a formula is said of nothing else."""
    x, W = np.array([0.5, -1.0]), np.array([[1.0, -2.0], [3.0, 0.25]])

    def loss(x, W, V):
        z = x @ W + x @ V + 1.0
        return nn.functional.leaky_relu(z, 0.1).sum()

    en, ko = (cr.explain(loss, x, W, 2 * W, lang=lang).to_latex() for lang in ("en", "ko"))
    found = [re.findall(r"\\begin\{pmatrix\}.*?\\end\{pmatrix\}", text) for text in (en, ko)]
    assert found[0] == found[1]
    assert found[0]
    assert ko.count("일 때") == ko.count(r"\begin{cases}") > 0


def test_a_line_of_numbers_in_latex_fits_the_page():
    x = np.arange(4.0)

    def loss(x, W, V, U):
        return ((x @ W + x @ V + x @ U) ** 2).sum()

    matrices = [np.linspace(-1.0, k + 0.123, 8).reshape(4, 2) for k in range(3)]
    text = cr.explain(loss, x, *matrices).to_latex()
    lines = [line for line in text.splitlines() if line.startswith("  &") and "pmatrix" in line]
    assert lines
    assert all(len(to_unicode(line)) < 100 for line in lines)
    assert any(line.startswith(r"  &\quad {} + ") for line in lines)


def test_numbers_too_wide_for_a_page_of_latex_are_left_to_the_equation_and_its_value():
    def loss(x, W, b):
        z = x @ W + b
        return (np.tanh(z) ** 2).sum()

    def most(n):
        args = (np.linspace(1.2345, 3.456, size).reshape(shape) for size, shape in ((2 * n, (2, n)), (n * n, (n, n))))
        text = cr.explain(loss, *args, np.linspace(1.2345, 3.456, n)).to_latex()
        return max(line.count(r"\begin{pmatrix}") for line in text.splitlines())

    assert (most(2), most(4)) == (3, 2)


def test_korean_latex_chooses_a_font_that_is_there_and_writes_small_digits():
    text = cr.explain(np.linalg.norm, np.ones(3), lang="ko").to_latex()
    assert r"\setmainhangulfont{NanumMyeongjo}" in text
    assert r"\setmainhangulfont" not in cr.explain(np.linalg.norm, np.ones(3)).to_latex()
    assert escape("p₁, p₂") == "p$_1$, p$_2$"


def test_what_a_prompt_shows_of_a_korean_derivation_is_korean():
    d = cr.explain(lambda x: (x * x).sum(), np.ones(2), level="proof", lang="ko")
    shown = [repr(d), *(repr(step) for step in d.steps), *(repr(line) for step in d.steps for line in step.lines)]
    assert len(shown) > len(d.steps) + 1
    assert not any(word in text for text in shown for word in ("Derivation", "Step", "Line"))
    assert repr(cr.graph(lambda x: (x * x).sum(), np.ones(2), lang="ko")) == "<그래프: 연산 2개, 매개변수 1개>"
    assert repr(cr.graph(lambda x: (x * x).sum(), np.ones(2))) == "<Graph of 2 operations and 1 parameter>"
