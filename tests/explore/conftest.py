"""The networks that are explored, and a browser."""

import os
from collections.abc import Iterator

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn

os.environ.setdefault("PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD", "1")


def neuron(x, w, b, y):
    z = w * x + b
    a = cr.sigmoid(z)
    return (a - y) ** 2 / 2


def classifier():
    """A two-layer network with its data: what `explore` takes."""
    rng = np.random.default_rng(0)
    model = nn.Sequential(nn.Linear(3, 4, generator=rng), nn.Tanh(), nn.Linear(4, 2, generator=rng))
    x, y = rng.normal(size=(5, 3)), np.array([0, 1, 0, 1, 1])
    return {"model_or_f": model, "x": x, "loss": nn.CrossEntropyLoss(), "target": y}


def explored(network=None, **more):
    """An explorer of a network: the classifier unless another is given."""
    given = classifier() if network is None else network
    return cr.explore(given["model_or_f"], given["x"], loss=given["loss"], target=given["target"], **more)


SETTLED = """async () => {
  let line;
  do await (line = %s.line); while (line !== %s.line);
  return true;
}"""
"""Waits until the requests of a page are answered and shown, also those that an answer brought about."""


class Page:
    """A page of the explorer, with its controls by their names; errors in it fail the test."""

    def __init__(self, page):
        self.page, self.errors = page, []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda message: message.type == "error" and self.errors.append(message.text))
        self.loss = page.get_by_role("status", name="Loss", exact=True)
        self.step = page.get_by_role("region", name="Step", exact=True)

    def open(self, url):
        self.page.goto(url)
        self.page.wait_for_selector("[data-node]")
        return self

    def button(self, name):
        return self.page.get_by_role("button", name=name, exact=True)

    def press(self, *names):
        for name in names:
            self.button(name).click()
        self.settle()

    def settle(self):
        """Wait until everything that was asked for has been answered and shown."""
        self.page.evaluate(SETTLED.replace("%s", "window.explorer"))

    def field(self, name):
        return self.page.get_by_role("spinbutton", name=name, exact=True)

    def set(self, name, value):
        self.field(name).fill(str(value))
        self.field(name).press("Enter")
        self.settle()

    def state(self, name):
        return self.button(name).get_attribute("data-state")

    def number(self, attribute):
        text = self.loss.get_attribute(attribute)
        return None if text is None else float(text)


@pytest.fixture
def page(chromium) -> Iterator[Page]:
    """A fresh page in a profile of its own; what goes wrong in it is an error."""
    context = chromium.new_context(viewport={"width": 1200, "height": 900})
    made = Page(context.new_page())
    yield made
    context.close()
    assert made.errors == []


@pytest.fixture
def served() -> Iterator[object]:
    """Serves an explorer and returns the link; closed after the test."""
    opened = []

    def serve(explorer):
        opened.append(explorer)
        return explorer.serve(open_browser=False)

    yield serve
    for explorer in opened:
        explorer.close()
