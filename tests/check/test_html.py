"""A check's HTML report: complete, without scripts, in both languages, and drawn by a real browser without overflow."""

import html.parser
import re
import shutil
import subprocess

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr
from chainrule.check.hypotheses import CODES
from chainrule.check.hypotheses.candidate import WRITTEN
from chainrule.check.report.found import Finding
from chainrule.check.report.html import error_map, html_of, sweep_plot
from chainrule.check.report.verdicts import VERDICTS
from chainrule.check.report.words import TEXT
from chainrule.present.page import CSP
from chainrule.present.texts import Words

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
VOID = {"meta", "br", "link", "img"}
ENGLISH = Words(TEXT, "en")


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
    assert page.count('role="img"') == 2
    assert page.count("<figure>") == page.count("<details>") == 2
    assert {"en": "WRONG", "ko": "틀림"}[lang] in page
    assert TEXT["meaning wrong"][lang] in page
    assert TEXT[f"code {report.findings[0].code}"][lang] in page
    assert "cr.check(f, x, w, backward=wrong_column" in page
    assert "http" not in page.replace("http-equiv", "")


def test_in_a_notebook_it_is_one_element_that_styles_nothing_else(report):
    element = report._repr_html_().strip()
    assert element.startswith('<div class="chainrule" lang="en"')
    assert element.endswith("</div>")
    assert "<body" not in element


def test_the_heat_map_marks_the_wrong_column(report):
    drawn = error_map(report.findings[0], ENGLISH)
    by_column = {}
    for shade, column in re.findall(r'class="cell h(\d)"[^>]*><title>\d+, (\d+)', drawn):
        by_column.setdefault(int(column), set()).add(int(shade))
    assert sum(drawn.count(f"cell h{k}") for k in range(9)) == 8 * 5
    assert {column for column, shades in by_column.items() if max(shades) > 5} == {2}
    assert "[0, 2]" in drawn.partition("<details>")[2]


@walked("shape", [(3,), (100,), (2, 3, 4), (44, 45), (64, 64)])
def test_a_heat_map_of_any_shape_has_a_cell_for_each_element(shape):
    finding = Finding("wrong", "x", "wrong", error_map=np.full(shape, 0.5))
    assert error_map(finding, ENGLISH).count('class="cell') == np.prod(shape)


@walked("shape", [(1, 2000), (2000, 1), (130, 70), (5000,), (3, 500, 500)])
def test_of_many_elements_a_cell_shows_the_worst(shape):
    errors = np.full(shape, 1e-9)
    errors[tuple(n - 1 for n in shape)] = np.nan
    drawn = error_map(Finding("wrong", "x", "wrong", error_map=errors), ENGLISH)
    assert drawn.count('class="cell') <= 64 * 64
    assert drawn.count('class="cell h8"') == 1
    assert "Each cell stands for the worst of" in drawn
    assert f"[{', '.join(str(n - 1) for n in shape)}]" in drawn


def test_the_sweep_shows_the_gradient_far_above_the_numbers(report):
    drawn = sweep_plot(report.findings[0], ENGLISH)
    level = float(re.search(r'y1="([\d.]+)%"[^>]*class="s1 dashed', drawn)[1])
    points = [float(y) for y in re.findall(r'cy="([\d.]+)%"', drawn)]
    assert len(points) == len(report.findings[0].sweep)
    assert all(y > level for y in points)  # y runs downwards


def test_nothing_to_draw_is_no_picture():
    plain = Finding("shape", "x", "the gradient has shape [2], expected [3]")
    assert error_map(plain, ENGLISH) == sweep_plot(plain, ENGLISH) == ""


def test_both_languages_have_every_word():
    kinds = ("verdict", "meaning", "code")
    verdicts, meanings, codes = ({key.partition(" ")[2] for key in TEXT if key.startswith(f"{k} ")} for k in kinds)
    assert set(VERDICTS) == verdicts == meanings
    assert {*CODES, *WRITTEN} == codes


def test_an_unknown_language_is_refused(report):
    with pytest.raises(ValueError, match="expected one of en, ko, got 'fr'"):
        report.to_html("fr")


@pytest.mark.parametrize("name", ["report.html", "ko"])
def test_a_path_is_written_as_by_the_other_reports(report, tmp_path, name):
    page = report.to_html(tmp_path / name, lang="ko")
    assert (tmp_path / name).read_text(encoding="utf-8") == page == report.to_html("ko") == report.to_html(lang="ko")


def test_what_the_user_wrote_is_text_and_no_markup():
    def f(x):
        return x * 2

    f.__name__ = "<script>alert(1)</script>"
    page = html_of(cr.check(f, np.ones(3)))
    assert "<script" not in page
    assert "&lt;script&gt;" in page


@pytest.mark.slow
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
