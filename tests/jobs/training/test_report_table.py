"""What a table's report says besides the score: other models, calibration, importance, the settings tried."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.data import load
from chainrule.jobs.search.halving import Trial
from chainrule.jobs.training.baselines import baselines
from chainrule.jobs.training.calibration import calibration
from chainrule.jobs.training.importance import importance
from chainrule.jobs.training.report import write_report
from chainrule.jobs.training.table import TableJob
from chainrule.jobs.training.table_report import SECTIONS
from chainrule.jobs.training.table_text import TEXT
from chainrule.train.saved.recipe import Recipe


def job_of(folder, task):
    """A table whose target is one column, and another column that says nothing."""
    rng = np.random.default_rng(0)
    signal, noise = rng.normal(size=(2, 300))
    y = ["yes" if v > 0 else "no" for v in signal] if task == "classification" else 100 * signal
    path = folder / "t.csv"
    path.write_text("signal,noise,y\n" + "".join(f"{a},{b},{c}\n" for a, b, c in zip(signal, noise, y, strict=True)))
    job = TableJob(load(path), Recipe((16,), epochs=20, lr=0.01))
    job.train()
    return job


@pytest.fixture(scope="module", params=["classification", "regression"])
def job(request, tmp_path_factory):
    return job_of(tmp_path_factory.mktemp("report"), request.param)


@pytest.mark.slow
def test_other_models_are_measured_on_the_same_samples(job):
    found = {one.key: one.result for one in baselines(job)}
    truth = job.truth()
    if job.is_classification:
        majority = np.bincount(job.truth(job.training)).argmax()
        assert found["majority"] == np.mean(truth == majority)
        assert found["linear"] > 0.9
        assert found.get("trees", 1.0) > 0.9
    else:
        mean = job.truth(job.training).mean()
        assert found["mean"] == pytest.approx(np.sqrt(np.mean((truth - mean) ** 2)))
        assert found["linear"] < 5
        assert found.get("trees", 0.0) < 40


@pytest.mark.slow
@pytest.mark.parametrize("way", ["compiled", "as written"])
def test_the_linear_model_is_compiled_where_the_network_is(job, monkeypatch, way):
    seen = []

    def train(self):
        seen.append(self.history.decided)
        return TableJob.__mro__[1].train(self)

    monkeypatch.setattr(job.history, "decided", way)
    monkeypatch.setattr(TableJob, "train", train)
    found = {one.key: one.result for one in baselines(job)}
    assert seen == ["compiled" if way == "compiled" else None]
    assert "linear" in found


@pytest.mark.slow
def test_other_models_leave_the_network_as_it_is(job):
    before = {name: array.copy() for name, array in job.model.state_dict().items()}
    baselines(job)
    importance(job)
    assert all(np.array_equal(array, before[name]) for name, array in job.model.state_dict().items())


def test_the_column_that_decides_is_the_most_important(job):
    found = importance(job)
    assert [one.column for one in found] == ["signal", "noise"]
    assert found[0].permuted > 0.2
    assert abs(found[1].permuted) < found[0].permuted / 4
    assert found[0].gradient > 3 * found[1].gradient
    if not job.is_classification:  # the target is 100 times the column, whose deviation is about 1
        assert 70 < found[0].gradient < 130


def test_categories_of_one_column_are_permuted_together(tmp_path):
    rows = "".join(f"{'abc'[i % 3]},{i % 7},{'xyz'[i % 3]}\n" for i in range(90))
    (tmp_path / "t.csv").write_text(f"kind,other,y\n{rows}")
    job = TableJob(load(tmp_path / "t.csv"), Recipe((8,), epochs=20, lr=0.01))
    job.train()
    assert [one.column for one in importance(job)] == ["kind", "other"]


@given(st.integers(1, 60), st.integers(2, 4), st.integers(0, 2**32 - 1))
def test_calibration_counts_everyone_once(samples, classes, seed):
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(classes), size=samples)
    truth = rng.integers(classes, size=samples)
    found = calibration(probabilities, truth)
    assert sum(one.count for one in found.bins) == samples
    assert all(one.low - 1e-9 <= one.confidence <= one.high + 1e-9 for one in found.bins)
    right = np.mean(probabilities.argmax(axis=1) == truth)
    assert sum(one.count * one.accuracy for one in found.bins) / samples == pytest.approx(right)
    # The triangle inequality: the error over the bins is at least that of all samples together.
    assert found.error >= abs(right - probabilities.max(axis=1).mean()) - 1e-9
    assert found.error <= 1


@pytest.mark.slow
@pytest.mark.parametrize("lang", ["en", "ko"])
def test_the_report_has_a_section_for_each(job, lang, tmp_path):
    job.tried = [Trial(0, job.recipe, 20, 0.25), Trial(1, job.recipe, 2, float("inf"))]
    write_report(tmp_path / "r.html", job, SECTIONS, job.history, job.score(), [], "again", lang)
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    keys = ["baselines_text", "importance_text", "this_network", "linear", "search", "diverged", "by_column"]
    for key in (*keys, *(["reliability", "calibration"] if job.is_classification else [])):
        assert TEXT[key][lang] in page.replace("&#x27;", "'"), key
    job.tried = ()


def test_both_languages_say_everything():
    assert all(set(said) == {"en", "ko"} and all(said.values()) for said in TEXT.values())
