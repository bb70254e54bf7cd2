"""What all HTML pages keep, so that they can be read with a screen reader and by keyboard, and what LaTeX keeps.

The pages were also held against axe-core in Chromium, in light and dark mode; these are the rules it found broken.
"""

import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.data import load
from chainrule.doctor import GradientWatch
from chainrule.jobs.training.report import CheckedRow, write_report
from chainrule.jobs.training.table import TableJob
from chainrule.jobs.training.table_report import SECTIONS
from chainrule.train.saved.recipe import Recipe

pytest.importorskip("sklearn", reason="the named data sets need pip install '.[app]'")

X, TARGET = np.random.default_rng(0).normal(size=(5, 3)), np.array([0, 1, 1, 0, 1])


def model():
    cr.seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))


def wrong(y_bar, x):
    return y_bar * (1 + np.tanh(x) ** 2)


def trained():
    job = TableJob(load("digits"), Recipe(hidden=(4,), epochs=1))
    watch = GradientWatch(after=2, steps=3, every=20, warn=False)
    job.train([watch])
    x, y = job.sample(4)
    derivation = cr.explain(job.model.eval(), x, loss=job.loss, target=y, level="brief")
    row = CheckedRow("0.weight", (64, 4), 1e-10)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "report.html"
        write_report(path, job, SECTIONS, job.history, job.score(), [row], "again", "en", derivation, watch)
        return path.read_text(encoding="utf-8")


PAGES = {
    "train": trained,
    "explain": lambda: cr.explain(model(), X, loss=nn.CrossEntropyLoss(), target=TARGET).to_html(),
    "graph": lambda: cr.graph(model(), X, loss=nn.CrossEntropyLoss(), target=TARGET).to_html(),
    "check": lambda: cr.check(np.tanh, X, backward=wrong).to_html(),
    "doctor": lambda: cr.doctor(model(), nn.CrossEntropyLoss(), [(X, TARGET)], try_remedies=False).to_html(),
}


class Outline(HTMLParser):
    """The elements of a page with their attributes, and the headers of tables without text."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.empty_headers, self._open = [], 0, None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._open = "" if tag == "th" else self._open

    def handle_data(self, data):
        self._open = None if self._open is None else self._open + data

    def handle_endtag(self, tag):
        if tag == "th":
            self.empty_headers += not self._open.strip()
            self._open = None


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_a_page_can_be_read_by_everyone(name):
    page = Outline(PAGES[name]())
    tags = [tag for tag, _ in page.elements]
    assert tags.count("main") == 1
    assert tags.count("h1") == 1
    assert dict(page.elements)["html"].get("lang") == "en"
    assert page.empty_headers == 0
    assert tags.count("figure") <= tags.count("details") + tags.count("img")
    assert all(a.get("alt") for tag, a in page.elements if tag == "img")
    labels = [a.get("aria-label") or a.get("aria-labelledby") for tag, a in page.elements if a.get("role") == "region"]
    assert len(set(labels)) == len(labels)
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert len(set(ids)) == len(ids)
    assert "script" not in tags


@pytest.mark.parametrize("level", ["brief", "full", "proof"])
def test_latex_compiles(tmp_path, level):
    if shutil.which("pdflatex") is None:
        pytest.skip("pdflatex is not installed: apt install texlive-latex-recommended")
    derivation = cr.explain(model(), X, loss=nn.CrossEntropyLoss(), target=TARGET, level=level)
    (tmp_path / "d.tex").write_text(derivation.to_latex(), encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "d.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "d.pdf").stat().st_size > 10_000
