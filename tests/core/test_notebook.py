"""A notebook shows every result, and help on what one calls shows the function's help."""

import pydoc
from html.parser import HTMLParser

import numpy as np
from tests.named import walked

import chainrule as cr
from chainrule import check, doctor, nn, optim, train

X = np.random.default_rng(0).standard_normal((32, 4)).astype(np.float32)
Y = (X[:, 0] > 0).astype(int)
LOSS = nn.CrossEntropyLoss()


def network():
    cr.seed(0)
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 2))


def trained(*callbacks):
    model = network()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    return train.fit(model, LOSS, optimizer, [(X, Y)] * 3, epochs=2, callbacks=list(callbacks))


def watched():
    watch = doctor.GradientWatch(after=2, every=1, warn=False)
    trained(watch)
    return watch


def plan():
    step = cr.compile(lambda x: np.tanh(x).sum())
    step(X)
    return step.plan if not callable(step.plan) else step.plan()


RESULTS = {
    "Diagnosis": lambda: cr.doctor(network(), LOSS, [(X, Y)] * 3, try_remedies=False, steps=3),
    "History": trained,
    "Cost": lambda: check.cost(lambda x: np.tanh(x).sum(), X),
    "GradientWatch": watched,
    "GradientPath": lambda: cr.explain_grad("0.weight", network(), X, loss=LOSS, target=Y),
    "CheckReport": lambda: cr.check(np.tanh, X),
    "Derivation": lambda: cr.explain(network(), X[:2], loss=LOSS, target=Y[:2]),
    "Graph": lambda: cr.graph(network(), X[:2], loss=LOSS, target=Y[:2]),
    "Plan": plan,
    "Summary": lambda: nn.summary(network(), X),
    "ParameterCheck": lambda: check.check_parameters(network(), LOSS, X[:4], Y[:4]),
    "Optimizer": lambda: optim.Adam([{"params": [p], "lr": 0.1} for p in network().parameters()]),
}
EMPTY = {"br", "meta", "hr", "img", "col", "circle", "rect", "line", "path", "polyline", "polygon", "use"}


class Balanced(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attrs):
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in EMPTY:
            assert self.open.pop() == tag


@walked("name", RESULTS)
def test_every_result_shows_itself(name):
    result = RESULTS[name]()
    page = result._repr_html_()
    parser = Balanced()
    parser.feed(page)
    assert parser.open == []
    assert "<html" not in page
    assert "<script" not in page


def test_text_stays_text():
    history = train.History([{"<b>": 1.0}]) if hasattr(train, "History") else None
    if history is not None:
        assert "&lt;b&gt;" in history._repr_html_()


@walked(
    ("package", "words"),
    [
        ("check", ("chainrule.check(f", "adjoint identity", "expected")),
        ("doctor", ("chainrule.doctor(model", "budget")),
        ("explain", ("chainrule.explain(model_or_f", "level")),
    ],
)
def test_help_on_what_one_calls_is_the_function_s(package, words):
    module = getattr(cr, package)
    shown = pydoc.plain(pydoc.render_doc(module))
    for word in words:
        assert word in shown
        assert word in module.__doc__
    assert shown.index("DESCRIPTION") < shown.index("PACKAGE CONTENTS")
    assert ">>>" not in module.__doc__
