"""A check's HTML report: complete, without scripts, in both languages, and drawn by a real browser without overflow."""

import html.parser
import re
import shutil
import subprocess

import numpy as np
import pytest

pytest.importorskip("jinja2", reason="the HTML report needs pip install '.[app]'")

import chainrule as cr
from chainrule.check.hypotheses import CODES
from chainrule.check.hypotheses.candidate import WRITTEN
from chainrule.check.report.found import Finding
from chainrule.check.report.html import colour, heat_map, html_of, sweep_plot
from chainrule.check.report.verdicts import VERDICTS
from chainrule.check.report.words import TEXT
from chainrule.present.escape import CSP

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
VOID = {"meta", "br", "link", "img"}


def f(x, w):
    return np.tanh(x @ w)


def wrong_column(y_bar, x, w):
    d = y_bar * (1 - np.tanh(x @ w) ** 2)
    return d @ w.T, x.T @ (d * np.where(np.arange(w.shape[1]) == 2, 1.1, 1.0))


@pytest.fixture(scope="module")
def report():
    rng = np.random.default_rng(0)
    return cr.check(f, rng.normal(size=(6, 8)), rng.normal(size=(8, 5)), backward=wrong_column)


class Balanced(html.parser.HTMLParser):
    """Notes tags that are not closed, and those that a page without scripts does not have."""

    def __init__(self):
        super().__init__()
        self.open, self.seen = [], set()

    def handle_starttag(self, tag, attributes):
        self.seen.add(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.seen.add(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_a_page_has_verdict_findings_map_and_sweep(report, lang):
    page = report.to_html(lang)
    parser = Balanced()
    parser.feed(page)
    assert parser.open == []
    assert "script" not in parser.seen
    assert page.startswith("<!doctype html>")
    assert page.count("<svg") == 2
    assert {"en": "WRONG", "ko": "틀림"}[lang] in page
    assert TEXT[lang]["meaning"]["wrong"] in page
    assert TEXT[lang]["code"].get(report.findings[0].code, report.findings[0].code) in page
    assert "cr.check(f, x, w, backward=wrong_column" in page
    addresses = set(re.findall(r'https?://[^"\s<]+', page))
    assert addresses <= {"http://www.w3.org/2000/svg"}


def test_in_a_notebook_it_is_one_element_that_styles_nothing_else(report):
    element = report._repr_html_().strip()
    assert element.startswith('<div class="chainrule-check"')
    assert element.endswith("</div>")
    assert "<body" not in element
    css = element[element.index("<style>") + 7 : element.index("</style>")]
    selectors = re.findall(r"([^{}]+)\{[^}]*\}", css)
    assert selectors
    assert all(part.strip().startswith(".chainrule-check") for s in selectors for part in s.split(","))


def test_without_jinja2_a_notebook_shows_the_text(report, monkeypatch):
    def absent(*_, **__):
        raise ModuleNotFoundError("No module named 'jinja2'", name="jinja2")

    monkeypatch.setattr("chainrule.check.report.report.html_of", absent)
    assert report._repr_html_().startswith("<pre>WRONG  f: the gradient is wrong")


def test_the_heat_map_marks_the_wrong_column(report):
    drawn = heat_map(report.findings[0])
    by_column = {}
    for fill, column in re.findall(r'fill="(#\w+)"><title>\[\d+, (\d+)\]', drawn):
        by_column.setdefault(int(column), set()).add(fill)
    assert drawn.count("<rect") == 8 * 5
    red = {column for column, fills in by_column.items() if any(int(fill[3:5], 16) < 0x90 for fill in fills)}
    assert red == {2}


@pytest.mark.parametrize("shape", [(3,), (100,), (2, 3, 4), (1, 2000), (2000, 1), (44, 45)])
def test_a_heat_map_of_any_shape_has_a_cell_for_each_element(shape):
    finding = Finding("wrong", "x", "wrong", error_map=np.full(shape, 0.5))
    drawn = heat_map(finding)
    assert drawn.count("<rect") == np.prod(shape)


def test_colours_run_from_pale_to_red_and_take_every_number():
    assert colour(0.0) == colour(1e-12) == "#eef1f6"
    assert colour(1.0) == colour(7.0) == colour(np.inf) == colour(np.nan) == "#b0162c"
    greens = [int(colour(10.0**k)[3:5], 16) for k in np.linspace(-8, 0, 30)]
    assert greens == sorted(greens, reverse=True)


def test_the_sweep_shows_the_gradient_far_above_the_numbers(report):
    drawn = sweep_plot(report.findings[0])
    level = float(re.search(r'y1="([\d.]+)"[^>]*stroke="#b0162c"', drawn)[1])
    points = [float(y) for y in re.findall(r'cy="([\d.]+)"', drawn)]
    assert len(points) == len(report.findings[0].sweep)
    assert all(y > level for y in points)  # y runs downwards


def test_nothing_to_draw_is_no_picture():
    plain = Finding("shape", "x", "the gradient has shape [2], expected [3]")
    assert heat_map(plain) == sweep_plot(plain) == ""


def test_both_languages_have_every_word():
    assert TEXT["en"].keys() == TEXT["ko"].keys()
    assert set(VERDICTS) == TEXT["en"]["meaning"].keys() == TEXT["ko"]["meaning"].keys()
    assert {*CODES, *WRITTEN} == TEXT["ko"]["code"].keys()


def test_an_unknown_language_is_refused(report):
    with pytest.raises(ValueError, match="expected one of en, ko, got 'fr'"):
        report.to_html("fr")


def test_what_the_user_wrote_is_text_and_no_markup():
    def f(x):
        return x * 2

    f.__name__ = "<script>alert(1)</script>"
    page = html_of(cr.check(f, np.ones(3)))
    assert "<script" not in page
    assert "&lt;script&gt;" in page


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed to draw the page")
@pytest.mark.parametrize(("lang", "width"), [("en", 1000), ("ko", 420)])
def test_a_browser_draws_it_without_overflow(report, tmp_path, lang, width):
    measure = "<script>document.title = document.documentElement.scrollWidth + ' ' + innerWidth</script></body>"
    path = tmp_path / "report.html"
    path.write_text(report.to_html(lang).replace(CSP, "").replace("</body>", measure), encoding="utf-8")
    command = [
        CHROMIUM,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        f"--window-size={width},2400",
    ]
    command += [f"--user-data-dir={tmp_path / 'profile'}", f"--screenshot={tmp_path / 'page.png'}"]
    dumped = subprocess.run([*command, "--dump-dom", path.as_uri()], capture_output=True, timeout=90, check=True)
    needed, given = map(int, re.search(r"<title>(\d+) (\d+)</title>", dumped.stdout.decode()).groups())
    assert needed <= given
    subprocess.run([*command, path.as_uri()], capture_output=True, timeout=90, check=True)
    assert (tmp_path / "page.png").stat().st_size > 10_000
