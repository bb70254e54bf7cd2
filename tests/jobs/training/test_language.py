"""Training on a text: what is read, refused, resumed, saved, reported and generated."""

import importlib.util
import json
import os
import re
import signal
from dataclasses import replace

import numpy as np
import pytest
from tests.command import chainrule

from chainrule.jobs.training.job import Job
from chainrule.jobs.training.kinds import kind_of
from chainrule.jobs.training.language import LanguageJob
from chainrule.jobs.training.options import Options
from chainrule.jobs.training.report import write_report
from chainrule.train import Callback, ModelFileError
from chainrule.train.saved.language_description import LanguageScore
from chainrule.train.saved.language_recipe import LanguageRecipe, language_network, parameters
from chainrule.train.saved.modelfile import read_arrays, write_arrays
from chainrule.train.saved.predictor import read_predictor

from .odd import odd_descriptions

TEXT = "the cat sat on the mat, and the other cat sat there too.\n" * 30
SMALL = Options(layers=1, heads=2, width=8, context=8, epochs=2, batch_size=16)

bpe = pytest.mark.skipif(importlib.util.find_spec("tokenizers") is None, reason="tokenizers is not installed")


@pytest.fixture
def book(tmp_path):
    path = tmp_path / "book.txt"
    path.write_text(TEXT)
    return path


def job_of(path, **changed) -> LanguageJob:
    options = replace(SMALL, **changed)
    job: Job = kind_of(str(path), options).build(str(path), options)
    assert isinstance(job, LanguageJob)
    return job


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    path = folder / "book.txt"
    path.write_text(TEXT)
    job = job_of(path, epochs=6, lr=0.02)
    job.train()
    score = job.score()
    job.save(folder / "model.safetensors", score)
    return folder, job, score


@pytest.mark.slow
def test_it_learns_and_says_so_per_character(trained):
    _, job, score = trained
    assert score.nats == score.loss < 2.0 < np.log(len(job.corpus.tokens))
    assert "nats per character" in str(score)
    assert job.history.rows[-1]["val_loss"] == pytest.approx(score.loss)
    assert len(job.samples) == 6
    assert job.samples[0][1].startswith(job.corpus.tokens.decode(job.corpus.held_out.tokens[:16]))


def test_what_is_read_as_a_text(book, tmp_path):
    table = tmp_path / "table.txt"
    table.write_text("a,b\n1,2\n2,3\n")
    for path, as_, kind in ((book, None, "language"), (table, None, "table"), (table, "text", "language")):
        assert kind_of(str(path), Options(as_=as_)).module == kind
    assert kind_of(str(book), Options(as_="table")).module == "table"
    assert kind_of("iris", Options()).module == "table"
    for told in (Options(series=True), Options(time="month"), Options(horizon=3)):
        assert kind_of(str(table), told).module == "series"
    with pytest.raises(ValueError, match="--as: expected table, text, series or pictures, got 'poem'"):
        kind_of(str(book), Options(as_="poem"))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"target": "y"}, "--target means nothing for a text; leave it out. What it takes: --batch-size, --context"),
        ({"hidden": "3"}, "--hidden means nothing for a text"),
        ({"width": 9, "heads": 2}, "heads: expected a divisor of the width 9, got 2"),
        ({"layers": 0}, "layers: expected 1 to 100, got 0"),
        ({"context": 100_000}, "context: expected 1 to 16,384, got 100000"),
        ({"width": 16_384, "layers": 100, "heads": 1}, "choose a smaller width"),
        ({"held_out": 1.5}, "held_out: expected a share between 0 and 1, got 1.5"),
        ({"held_out": 0.001}, "the held-out part of the text has 2 tokens, and a window takes 9; choose a shorter"),
        ({"context": 5000}, "the training part of the text has 1539 tokens, and a window takes 5001"),
        ({"tokens": "words"}, "tokens: expected 'char', 'bpe', or 'bpe:N'"),
        ({"epochs": 0}, "epochs: expected at least 1, got 0"),
    ],
)
def test_what_cannot_be_is_refused_before_training(book, changed, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        job_of(book, **changed)


def test_options_of_texts_mean_nothing_for_a_table(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("a,b\n1,2\n2,3\n")
    options = Options(context=8)
    with pytest.raises(ValueError, match="--context means nothing for a table"):
        kind_of(str(path), options).build(str(path), options)


class StopAt(Callback):
    """Presses Ctrl-C at a step."""

    def __init__(self, step):
        self.step = step

    def next_step(self, run):
        return self.step if run.step < self.step else None

    def on_batch_end(self, run):
        if run.step == self.step:
            os.kill(os.getpid(), signal.SIGINT)
            sum(range(1000))  # the interpreter looks at signals between its instructions


@pytest.mark.slow
@pytest.mark.parametrize("step", [1, 12, 13])
def test_stopping_and_going_on_equals_not_stopping(book, tmp_path, step):
    whole = job_of(book, dropout=0.2)
    whole.train()
    first, again = job_of(book, dropout=0.2), job_of(book, dropout=0.2)
    with pytest.raises(KeyboardInterrupt):
        first.train([StopAt(step)])
    first.save_checkpoint(tmp_path / "checkpoint.safetensors")
    again.resume(tmp_path / "checkpoint.safetensors")
    again.train()
    assert again.samples == whole.samples
    for name, value in whole.model.state_dict().items():
        np.testing.assert_array_equal(again.model.state_dict()[name], value)
    assert [row["val_loss"] for row in again.history] == [row["val_loss"] for row in whole.history]


def test_another_text_does_not_resume(book, tmp_path):
    job_of(book).save_checkpoint(tmp_path / "checkpoint.safetensors")
    book.write_text(TEXT.replace("mat", "tam"))
    with pytest.raises(ModelFileError, match="was saved with content"):
        job_of(book).resume(tmp_path / "checkpoint.safetensors")


@pytest.mark.slow
def test_it_comes_back_from_its_file(trained):
    folder, job, score = trained
    predictor = read_predictor(folder / "model.safetensors")
    assert predictor.description.held_out == score
    x, y = predictor.examples(str(folder / "book.txt"), 3)
    assert x.shape == y.shape == (3, 8)
    np.testing.assert_array_equal(x[:, 1:], y[:, :-1])
    np.testing.assert_array_equal(predictor.model(x).numpy(), job.model.eval()(x).numpy())
    assert predictor.lines()[0] == "task: predicting the next token of a text"
    first, again = ("".join(predictor.generate("the ", 40, seed=1)) for _ in range(2))
    assert first == again
    assert len(first) == 40
    with pytest.raises(ValueError, match=r"use `chainrule generate .*model.safetensors --prompt TEXT`"):
        predictor.table("book.txt")
    with pytest.raises(ValueError, match="--prompt: the character 'X' does not occur"):
        predictor.generate("teX", 1)


@pytest.mark.slow
@bpe
def test_byte_pairs_are_kept_in_the_file(book, tmp_path):
    job = job_of(book, tokens="bpe:300")
    job.train()
    score = job.score()
    assert score.nats == pytest.approx(score.loss / job.corpus.held_out.characters_per_token)
    job.save(tmp_path / "model.safetensors", score)
    predictor = read_predictor(tmp_path / "model.safetensors")
    assert "".join(predictor.generate("漢 X", 20))
    assert "byte-pair encoding" in predictor.lines()[2]


def changed_file(folder, change):
    arrays, texts = read_arrays(folder / "model.safetensors")
    said = json.loads(texts["meta"])
    change(said)
    path = folder / "changed.safetensors"
    write_arrays(path, arrays, {**texts, "meta": json.dumps(said)})
    return path


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: s.update(format=2), "format: expected 1"),
        (lambda s: s.update(tokens="word"), "tokens: expected 'char' or 'bpe', got 'word'"),
        (lambda s: s.update(tokens="bpe"), "recipe.tokens: expected 'bpe'"),
        (lambda s: s.update(vocabulary=7), "vocabulary: expected text, got 7"),
        (lambda s: s.update(vocabulary="aa"), "Characters: expected 1 to 50,000 different characters"),
        (lambda s: s.update(vocabulary=s["vocabulary"] + "X"), "the arrays: expected "),
        (lambda s: s["recipe"].update(width=10**9), "width: expected 1 to 16,384"),
        (lambda s: s["recipe"].update(context=16_000), "the arrays: expected "),
        (lambda s: s["recipe"].update(layers=2), "the arrays: expected "),
        (lambda s: s["recipe"].update(epochs=None), "recipe.epochs: expected a whole number from 1, got None"),
        (lambda s: s["recipe"].update(dropout=float("nan")), "recipe.dropout: expected a finite number"),
        (lambda s: s["recipe"].pop("lr"), "recipe: expected the entries"),
        (lambda s: s["held_out"].update(samples=0), "held_out.samples: expected a whole number from 1, got 0"),
        (lambda s: s.update(more=1), "description: expected the entries"),
    ],
)
def test_a_damaged_description_is_refused(trained, change, said):
    with pytest.raises(ModelFileError, match=re.escape(said)):
        read_predictor(changed_file(trained[0], change))


def test_something_odd_anywhere_is_refused_or_does_no_harm(trained):
    for predictor in odd_descriptions(trained[0] / "model.safetensors"):
        assert predictor.lines()
        assert predictor.generate("the ", 2) is not None


@pytest.mark.parametrize("layers", [1, 3])
def test_the_number_of_parameters_is_known_before_the_network_is_built(layers):
    recipe = LanguageRecipe(layers=layers, heads=2, width=12, context=5)
    assert parameters(recipe, 7) == sum(p.size for p in language_network(recipe, 7).parameters())


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_the_report_shows_losses_samples_and_probabilities(trained, tmp_path, lang):
    folder, job, score = trained
    options = Options()
    sections = kind_of(str(folder / "book.txt"), options).sections()
    path = tmp_path / "report.html"
    write_report(path, job, sections, job.history, score, [], "chainrule train book.txt", lang)
    page = path.read_text()
    for said in {"en": ["nats per character", "What it wrote"], "ko": ["글자당", "학습하면서 쓴 글"]}[lang]:
        assert said in page
    assert page.count("<svg") >= 6
    assert "␣" in page


def test_a_score_that_overflows_is_still_shown():
    assert "perplexity" in str(LanguageScore(1, float("inf"), float("inf")))


def test_generating_on_the_command_line(trained):
    model = trained[0] / "model.safetensors"
    found = chainrule("generate", model, "--prompt", "the ", "--length", 30, "--top-k", 3)
    assert found.exit_code == 0
    assert found.stdout.startswith("the ")
    assert len(found.stdout) == 4 + 30 + 1
    assert chainrule("generate", model, "--prompt", "the ", "--length", 30, "--top-k", 3).stdout == found.stdout
    greedy = chainrule("generate", model, "--length", 5, "--temperature", 0)
    assert len(greedy.stdout) == 6


def test_generating_with_another_model_is_refused(tmp_path):
    table, model = tmp_path / "table.csv", tmp_path / "model.safetensors"
    table.write_text("a,b\n" + "".join(f"{k},{k % 2}\n" for k in range(20)))
    options = Options(hidden="3", epochs=1)
    job = kind_of(str(table), options).build(str(table), options)
    job.save(model, job.score())
    found = chainrule("generate", model)
    assert found.exit_code == 2
    assert "not a language model" in found.stderr
