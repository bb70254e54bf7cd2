"""Text, HTML, plain data, the command line and the callback."""

import json
import re
import warnings
from html.parser import HTMLParser

import numpy as np
import pytest
from tests.command import chainrule

import chainrule as cr
from chainrule import nn, optim, train
from chainrule.doctor import GradientWarning, GradientWatch
from chainrule.doctor.report import words

SOURCE = """
import numpy as np
from chainrule import nn, optim

def network(depth, activation):
    layers = [m for k in range(depth) for m in (nn.Linear(8, 8, init="xavier"), activation())]
    model = nn.Sequential(*layers, nn.Linear(8, 2, init="xavier"))
    x = np.random.default_rng(0).normal(size=(64, 8))
    batches = [(x[i : i + 16], (x[i : i + 16, 0] > 0).astype(int)) for i in range(0, 64, 16)]
    return model, nn.CrossEntropyLoss(), batches, optim.SGD(model.parameters(), lr=0.3)

def sick():
    return network(10, nn.Sigmoid)

def well():
    return dict(zip(("model", "loss", "batches", "optimizer"), network(1, nn.Tanh)))

number = 3
"""


def patient(depth=10, activation=nn.Sigmoid):
    space: dict = {}
    exec(SOURCE, space)
    return space["network"](depth, activation)


@pytest.fixture(scope="module")
def sick():
    cr.seed(0)
    return cr.doctor(*patient(), steps=20)


@pytest.mark.slow
def test_text_in_both_languages(sick):
    english, korean = sick.to_text(), sick.to_text("ko")
    assert english.startswith("SICK")
    assert "VANISHING [0]" in english
    assert "source: " in english
    assert "기울기 흐름" not in english
    assert "출처" in korean
    assert re.search("[가-힣]", korean)
    with pytest.raises(ValueError, match="expected one of en, ko"):
        sick.to_text("de")


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.links = [], []

    def handle_starttag(self, tag, attrs):
        self.links += [v for k, v in attrs if k in ("src", "href")]
        self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.links += [v for k, v in attrs if k in ("src", "href")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.mark.slow
@pytest.mark.parametrize("lang", ["en", "ko"])
def test_html_needs_nothing_else(sick, lang, tmp_path):
    page = sick.to_html(tmp_path / "flow.html", lang)
    assert (tmp_path / "flow.html").read_text(encoding="utf-8") == page
    parser = Tags()
    parser.feed(page)
    assert parser.open == []
    assert parser.links == []
    assert page.count("<figure>") == page.count("<details>") == 3
    for key in ("weights text", "rank text"):
        assert words.TEXT[key][lang] in page
    assert "http" not in page.replace("http-equiv", "")


@pytest.mark.slow
def test_to_dict_is_json(sick):
    plain = json.loads(json.dumps(sick.to_dict(), allow_nan=False))
    assert plain["ok"] is False
    assert plain["verdicts"][0]["code"] == "vanishing"
    assert len(plain["layers"]) == len(sick.layers) == 11
    assert {"change", "measured_before", "measured_after", "helped", "diff"} <= set(plain["verdicts"][0]["remedies"][0])
    assert len(plain["history"]) == 6


def test_command_line(tmp_path):
    path = tmp_path / "network.py"
    path.write_text(SOURCE)
    options = ["--steps", "8", "--no-remedies"]
    sick = chainrule("doctor", f"{path}:sick", *options, "--report", tmp_path / "r.html", "--lang", "ko")
    assert sick.exit_code == 1, sick.output
    assert "VANISHING" in sick.output
    assert (tmp_path / "r.html").exists()
    well = chainrule("doctor", f"{path}:well", "--steps", "30", "--no-remedies")
    assert well.exit_code == 0, well.output
    wrong = chainrule("doctor", f"{path}:number")
    assert wrong.exit_code == 2
    assert "expected (model, loss, batches)" in wrong.stderr


def test_the_callback_warns_once_and_leaves_the_training_as_it_is():
    def trained(callbacks):
        cr.seed(1)
        model, loss, batches, optimizer = patient()
        train.fit(model, loss, optimizer, batches, epochs=4, callbacks=callbacks)
        return model.state_dict()

    watch = GradientWatch(after=3, steps=5)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        watched = trained([watch])
    assert [w.category for w in caught] == [GradientWarning]
    assert watch.diagnosis.verdicts[0].code == "vanishing"
    plain = trained([])
    for name, value in plain.items():
        np.testing.assert_array_equal(value, watched[name])


def test_the_callback_says_nothing_of_a_sound_network():
    model, loss, batches, optimizer = patient(1, nn.Tanh)
    watch = GradientWatch(after=2, steps=20)
    train.fit(model, loss, optimizer, batches, epochs=2, callbacks=[watch])
    assert watch.diagnosis.ok
    with pytest.raises(ValueError, match="at least 1 step"):
        GradientWatch(after=0)


def test_every_value_of_a_verdict_can_be_said():
    model = nn.Linear(3, 2)
    x = np.random.default_rng(0).normal(size=(8, 3))
    found = cr.doctor(model, nn.MSELoss(), [(x, x[:, :2])], optim.SGD(model.parameters(), lr=0.01), steps=3)
    for verdict in found.verdicts:
        assert verdict.text("en")
        assert verdict.text("ko")
