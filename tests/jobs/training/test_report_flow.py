"""The training report's part on gradients: how they flowed over the steps, and what was said of them."""

import html
import re

import numpy as np
import pytest

from chainrule.data import load
from chainrule.doctor import GradientWatch
from chainrule.jobs.training.flow import watched
from chainrule.jobs.training.report import CheckedRow, write_report
from chainrule.jobs.training.table import TableJob
from chainrule.jobs.training.table_report import SECTIONS
from chainrule.jobs.training.text import TEXT
from chainrule.present.texts import Words
from chainrule.train.saved.recipe import Recipe


class Said:
    """What looked at a training, told by hand."""

    def __init__(self, history=(), ok=True, asked=0, verdicts=()):
        self.history, self.ok, self.asked, self._verdicts = history, ok, asked, verdicts
        self.names = ("0", "2", "4")

    def verdicts(self, lang="en"):
        return self._verdicts


@pytest.fixture(scope="module")
def job():
    found = TableJob(load("iris"), Recipe(hidden=(8, 8), epochs=3))
    watch = GradientWatch(after=2, steps=3, every=2, warn=False)
    found.train([watch])
    return found, watch


def page(tmp_path, job, lang, watch):
    found, _ = job
    write_report(tmp_path / "r.html", found, SECTIONS, found.history, found.score(), [], "again", lang, watch=watch)
    return (tmp_path / "r.html").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("lang", ["en", "ko"])
def test_the_report_shows_the_flow_over_the_steps(tmp_path, job, lang):
    _, watch = job
    shown, plain = (page(tmp_path, job, lang, w) for w in (watch, None))
    assert shown.count("<figure>") == plain.count("<figure>") + 1
    assert TEXT["heat"][lang] in shown
    assert TEXT["heat"][lang] not in plain
    assert not re.search(r'(src|href|url)[=(]"?http', shown)
    key = "watch_ok" if watch.ok else "watch_sick"
    assert TEXT[key][lang].format(step=2) in shown


@pytest.mark.slow
def test_a_warning_stands_with_its_evidence_and_is_escaped(tmp_path, job):
    verdict = ("vanishing [0]", "‖∂L/∂z‖ is 1e-9 < <b>", "limit 0.001; source: Glorot")
    shown = page(tmp_path, job, "en", Said(ok=False, asked=10, verdicts=(verdict,)))
    assert '<div class="box warning">' in shown
    assert "The doctor's early warning, after step 10" in html.unescape(shown)
    assert "1e-9 &lt; &lt;b&gt;" in shown
    assert "source: Glorot" in shown
    assert '<div class="box well">' in page(tmp_path, job, "en", Said(asked=10))


def test_nothing_is_shown_of_a_watch_that_saw_nothing():
    words = Words(TEXT, "en")
    assert watched(None, words) is None
    assert watched(Said(), words) is None
    dead = Said(history=[(1, 0.5, (np.nan, 0.0, np.inf))])
    assert watched(dead, words) == ""


def test_zeros_and_infinities_are_told_apart():
    history = [(1, 0.5, (0.0, 1e-3, 1.0)), (5, 0.4, (np.inf, 1e-2, 1.0)), (9, 0.4, (np.nan, 1e-2, 1.0))]
    found = watched(Said(history=history), Words(TEXT, "ko"))
    looks = dict(re.findall(r'class="cell (\w+)"[^>]*><title>0, (\d)', found))
    assert looks == {"none": "1", "gap": "9"}
    assert "값 없음" in found


@pytest.mark.slow
def test_a_regression_shows_predictions_and_residuals(tmp_path):
    rows = np.random.default_rng(0).normal(size=(120, 3))
    np.savetxt(tmp_path / "d.csv", rows, delimiter=",", header="a,b,y", comments="")
    found = TableJob(load(tmp_path / "d.csv"), Recipe(hidden=(4,), epochs=1))
    found.train()
    write_report(tmp_path / "r.html", found, SECTIONS, found.history, found.score(), [], "again")
    shown = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert shown.count("<circle") > 2 * found.score().samples
    assert "residual (true − predicted)" in shown
    assert f"The 20 samples of {found.score().samples} that it misses by most" in shown


@pytest.mark.slow
def test_images_that_it_gets_wrong_are_shown(tmp_path):
    found = TableJob(load("digits"), Recipe(hidden=(4,), epochs=1))
    found.train()
    write_report(tmp_path / "r.html", found, SECTIONS, found.history, found.score(), [], "again")
    shown = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert shown.count("data:image/png;base64,") == 12
    assert re.search(r'alt="true \d, predicted \d"', shown)


@pytest.mark.slow
@pytest.mark.parametrize(("count", "folded"), [(20, False), (21, True)])
def test_a_long_table_of_parameters_is_folded(tmp_path, job, count, folded):
    found, _ = job
    rows = [CheckedRow(f"layer{k}", (2,), 1e-9) for k in range(count)]
    write_report(tmp_path / "r.html", found, SECTIONS, found.history, found.score(), rows, "again", "ko")
    shown = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert (f"<summary>매개변수 {count}개 모두</summary>" in shown) == folded
    assert shown.count("<code>layer") == count
