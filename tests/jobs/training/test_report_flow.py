"""The training report's part on gradients: how they flowed over the steps, and what was said of them."""

import numpy as np
import pytest

from chainrule.data import load
from chainrule.doctor import GradientWatch
from chainrule.jobs.training.flow import _edges, watched
from chainrule.jobs.training.job import Job
from chainrule.jobs.training.report import write_report
from chainrule.jobs.training.text import TEXT
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
    found = Job(load("iris"), Recipe(hidden=(8, 8), epochs=3))
    watch = GradientWatch(after=2, steps=3, every=2, warn=False)
    found.train([watch])
    return found, watch


def page(tmp_path, job, lang, watch):
    found, _ = job
    write_report(tmp_path / "r.html", found, found.history, found.score(), [], "again", lang, watch=watch)
    return (tmp_path / "r.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_the_report_shows_the_flow_over_the_steps(tmp_path, job, lang):
    _, watch = job
    shown, plain = (page(tmp_path, job, lang, w) for w in (watch, None))
    assert shown.count("<svg") == plain.count("<svg") + 1
    assert TEXT[lang]["heat"] in shown
    assert TEXT[lang]["heat"] not in plain
    assert "http://" not in shown.replace("http://www.w3.org", "").replace("http://purl.org", "").replace(
        "http://creativecommons.org", ""
    )
    key = "watch_ok" if watch.ok else "watch_sick"
    assert TEXT[lang][key].format(step=2) in shown


def test_a_warning_stands_with_its_evidence_and_is_escaped(tmp_path, job):
    verdict = ("vanishing [0]", "‖∂L/∂z‖ is 1e-9 < <b>", "limit 0.001; source: Glorot")
    shown = page(tmp_path, job, "en", Said(ok=False, asked=10, verdicts=(verdict,)))
    assert '<div class="warning">' in shown
    assert "The doctor's early warning, after step 10" in shown.replace("&#39;", "'")
    assert "1e-9 &lt; &lt;b&gt;" in shown
    assert "source: Glorot" in shown
    assert '<div class="well">' in page(tmp_path, job, "en", Said(asked=10))


def test_nothing_is_shown_of_a_watch_that_saw_nothing():
    assert watched(None, TEXT["en"], "en") is None
    assert watched(Said(), TEXT["en"], "en") is None
    dead = Said(history=[(1, 0.5, (np.nan, 0.0, np.inf))])
    assert watched(dead, TEXT["en"], "en").figure == ""


def test_zeros_and_infinities_leave_gaps():
    history = [(1, 0.5, (0.0, 1e-3, 1.0)), (5, 0.4, (np.inf, 1e-2, 1.0)), (9, 0.4, (np.nan, 1e-2, 1.0))]
    found = watched(Said(history=history), TEXT["ko"], "ko")
    assert "<svg" in found.figure
    assert found.title == ""


def test_the_borders_between_moments():
    assert _edges([4]) == [3.5, 4.5]
    assert _edges([1, 5, 9]) == [0.0, 3.0, 7.0, 11.0]
