"""Names that come from files are names in every form: no markup, no LaTeX, no formula, no command to the terminal."""

import csv
import io
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import chainrule as cr
from chainrule import nn
from chainrule.doctor import doctor
from chainrule.explain.entry import explain
from chainrule.explain.graph.drawing import graph
from chainrule.explain.why.way import explain_grad
from chainrule.nn.summary import summary
from chainrule.present import escape

pytest.importorskip("latex2mathml", reason="MathML needs pip install '.[app]'")

NASTY = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</style><script>alert(1)</script>",
    "</title><svg onload=alert(1)>",
    "a}\\input{/etc/passwd}{",
    "$\\input{/etc/passwd}$",
    "$$\\write18{id}$$",
    "\x1b]0;owned\x07\x1b[31m",
    "safe\u202etxt\u2066",
    "[/x][red]",
    "[link](javascript:alert(1))",
    "`code` | cell",
    "&lt;&amp;&#60;",
    "%s {0} {name} %(x)s",
    "\\text{a}_b^c~#&",
]
HARMLESS = {"script", "img", "iframe", "object", "embed", "base", "form", "link", "audio", "video", "foreignobject"}


class Parsed(HTMLParser):
    """Every element and attribute of a page."""

    def __init__(self, page):
        super().__init__()
        self.bad, self.policies = [], 0
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.policies += dict(attributes).get("http-equiv") == "Content-Security-Policy"
        for name, value in attributes:
            if name.startswith("on") or (
                "javascript:" in (value or "").lower() and name in ("href", "src", "xlink:href")
            ):
                self.bad.append((tag, name, value))
        if tag in HARMLESS:
            self.bad.append((tag, attributes))

    handle_startendtag = handle_starttag


def is_clean(text):
    return not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ue000-\ue07f]", text)


class Named(nn.Module):
    """A network whose parts have given names, as those that come from an ONNX file."""

    def __init__(self, name):
        super().__init__()
        cr.seed(0)
        setattr(self, name, nn.Linear(2, 3))
        self.name = name

    def forward(self, x):
        return cr.tanh(getattr(self, self.name)(x))


def net(name):
    model = Named(name) if "." not in name else nn.Sequential(nn.Linear(2, 3))
    return model, np.ones((2, 2), np.float32), np.array([0, 1])


@pytest.fixture(params=NASTY, ids=ascii)
def derived(request):
    model, x, y = net(request.param)
    return request.param, explain(model, x, loss=nn.CrossEntropyLoss(), target=y)


def test_a_derivation(derived):
    _, derivation = derived
    for text in (derivation.to_text(), derivation.to_markdown(), derivation.to_latex(), derivation.to_html()):
        assert is_clean(text)
    page = Parsed(derivation.to_html())
    assert page.bad == []
    assert page.policies == 1
    assert Parsed(derivation._repr_html_()).bad == []
    latex = derivation.to_latex()
    assert not re.search(r"\\(input|write|immediate|openout|include)\b", latex)
    assert latex.count("\\begin{document}") == 1
    markdown = derivation.to_markdown()
    outside = re.sub(r"`[^`\n]*`", "", markdown)  # in a span of code everything is a character
    assert not re.search(r"<(script|img|svg|/)", outside)
    assert not re.search(r"(?<!\\)\]\(javascript", outside)


def test_its_name_is_still_to_be_read(derived):
    name, derivation = derived
    assert escape.visible(name) in derivation.to_text().replace("\n", " ")


def test_a_graph(derived):
    name, _ = derived
    model, x, y = net(name)
    drawn = graph(model, x, loss=nn.CrossEntropyLoss(), target=y)
    page = Parsed(drawn.to_html())
    assert page.bad == []
    assert page.policies == 1
    assert is_clean(drawn.to_html())
    ElementTree.fromstring(drawn.to_svg())


@pytest.mark.slow
def test_the_other_reports(derived):
    name, _ = derived
    model, x, y = net(name)
    assert is_clean(str(summary(model, x)))
    parameter = next(n for n, _ in model.named_parameters())
    assert is_clean(str(explain_grad(parameter, model, x, loss=nn.CrossEntropyLoss(), target=y)))
    diagnosis = doctor(model, nn.CrossEntropyLoss(), [(x, y)], None, False, 2)
    assert is_clean(diagnosis.to_text())
    page = Parsed(diagnosis.to_html())
    assert page.bad == []
    assert page.policies == 1

    def wrong(x):
        return x * 2

    wrong.__name__ = name
    report = cr.check(wrong, np.ones(3), backward=lambda y_bar, x: 3 * y_bar)
    assert is_clean(str(report))
    page = Parsed(report.to_html())
    assert page.bad == []
    assert page.policies == 1


@pytest.fixture
def table(tmp_path):
    """A table whose columns and classes have all these names."""
    rows = [
        [*(i * k % 7 for k, _ in enumerate(NASTY, 1)), NASTY[i % 5] if i % 3 else "=cmd|' /C calc'!A0"]
        for i in range(60)
    ]
    with (tmp_path / "[x][red]<b>.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows([[*NASTY, "y"], *rows])
    return "[x][red]<b>.csv"


@pytest.mark.slow
def test_the_command_line(table, tmp_path, monkeypatch, capsys):
    pytest.importorskip("rich")
    from chainrule.cli import main

    def call(*arguments):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["chainrule", *arguments])
        with pytest.raises(SystemExit) as stopped:
            main()
        said = capsys.readouterr()
        assert stopped.value.code == 0, said.err
        assert is_clean(said.out)
        return said.out

    call("train", table, "--epochs", "1", "--hidden", "4")
    report = (tmp_path / "report.html").read_text(encoding="utf-8")
    page = Parsed(report)
    assert page.bad == []
    assert page.policies == 1
    assert is_clean(report)
    call("info", "model.safetensors")
    call("explain", "model.safetensors", "--data", table)
    rows = list(csv.reader(io.StringIO(call("predict", "model.safetensors", table))))
    assert len(rows) == 61
    assert not any(cell.startswith(("=", "+", "@", "\t")) for row in rows for cell in row)
    call("predict", "model.safetensors", table, "--out", "p.csv")
    with (tmp_path / "p.csv").open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file)) == rows


@pytest.mark.slow
@given(st.text(max_size=30))
def test_any_text_is_harmless_in_every_form(text):
    held = escape.in_text(text)
    math = rf"\text{{{escape.in_math(text)}}}"
    for shown in (escape.terminal(held), escape.page(escape.html(held)), escape.latex(held), escape.markdown(held)):
        assert is_clean(shown)
    assert escape.terminal(held) == escape.visible(re.sub("[\ue000-\ue07f]", lambda m: f"\\u{ord(m[0]):04x}", text))
    assert "$" not in held
    inside = escape.latex(math)[len(r"\text{") : -1]
    assert not re.search(r"(?<!\\)[{}$]", re.sub(r"\\text\w+\{\}|\\[{}]", "", inside))
    assert not re.search(r"[<>]", escape.page(math))


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs Chromium")
def test_in_a_browser_nothing_runs(tmp_path):
    """Every nasty name on one page, which says in its title whether a script ran; the policy is taken out first."""
    pages = []
    for name in NASTY:
        model, x, y = net(name)
        derivation = explain(model, x, loss=nn.CrossEntropyLoss(), target=y)
        pages += [derivation._repr_html_(), graph(model, x, loss=nn.CrossEntropyLoss(), target=y)._repr_html_()]
    body = "\n".join(pages).replace("alert(1)", "document.title='ran'")
    assert "document.title" in body
    page = tmp_path / "page.html"
    page.write_text(f"<!doctype html><meta charset=utf-8><title>quiet</title><body>{body}</body>", encoding="utf-8")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", f"--user-data-dir={tmp_path / 'profile'}"]
    done = subprocess.run(
        ["chromium", *flags, "--dump-dom", page.as_uri()],
        capture_output=True, text=True, encoding="utf-8", timeout=120, check=True,
    )  # fmt: skip
    assert "<title>quiet</title>" in done.stdout
