"""The page in a real browser: every control does what it says, and the numbers are those of `cr.grad`."""

import json
import re
import time

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.explore.export import recorded
from chainrule.explore.page.assets import script, sheet
from chainrule.explore.server.http import Server
from chainrule.explore.server.hub import Hub
from chainrule.explore.texts import TEXT
from chainrule.present.texts import fields_of

from .conftest import classifier, explored, neuron


def violations(page):
    """What axe-core finds; without it the test is skipped."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="pip install axe-playwright-python")
    found = axe.Axe().run(page).response["violations"]
    return [(v["id"], [node["html"][:120] for node in v["nodes"]]) for v in found]


def gradients():
    """The gradients of the classifier's parameters, by `cr.grad`."""
    network = classifier()
    named = {k: p.numpy().astype(np.float64) for k, p in network["model_or_f"].named_parameters()}

    def loss(*parameters):
        w1, b1, w2, b2 = parameters
        return network["loss"](cr.tanh(network["x"] @ w1 + b1) @ w2 + b2, network["target"])

    found = cr.grad(loss, argnums=(0, 1, 2, 3))(*named.values())
    return dict(zip(("W1", "b1", "W2", "b2"), found, strict=True))


@pytest.mark.slow
def test_walking_through_both_passes(page, served):
    explorer = explored()
    page.open(served(explorer))
    assert page.state("z1") == page.state("L") == "waiting"
    assert page.number("data-loss") is None
    page.press("Forward")
    assert (page.state("z1"), page.state("a1")) == ("forward", "waiting")
    assert page.button("z1").get_attribute("aria-pressed") == "true"
    assert page.step.locator("math").count() > 0
    value = json.loads(page.step.get_attribute("data-value"))
    assert value == explorer.session.run.by_name["z1"].value.tolist()
    assert page.step.get_attribute("data-gradient") is None
    page.press(*["Forward"] * 4)
    assert page.number("data-loss") == explorer.session.run.loss
    page.press(*["Backward"] * 5)
    for name, gradient in gradients().items():
        page.press(name)
        assert page.state(name) == "backward"
        np.testing.assert_allclose(json.loads(page.step.get_attribute("data-gradient")), gradient, rtol=1e-12)
    page.press("Forward", "Backward")
    page.press("Rewind")
    assert page.state("z1") == "waiting"
    assert page.number("data-loss") is None
    page.press("End")
    assert page.state("W1") == "backward"


def test_changing_a_number_undoing_and_resetting(page, served):
    explorer = explored()
    before = explorer.session.run.loss
    page.open(served(explorer))
    page.press("End")
    page.set("W1[0,2]", 0.9)
    old = explorer.session.run.by_name["W1"].value[0, 2]
    explorer.session.edit("W1", (0, 2), 0.9)
    assert page.number("data-loss") == explorer.session.run.loss
    assert page.number("data-predicted") == gradients()["W1"][0, 2] * (0.9 - old)
    assert page.number("data-change") == explorer.session.run.loss - before
    assert "changed" in page.button("z1").get_attribute("class")
    assert "changed" in page.field("W1[0,2]").get_attribute("class")
    page.press("Undo")
    assert page.number("data-loss") == before
    page.set("y[0]", 1)
    page.set("x[1,2]", -2)
    assert page.number("data-loss") != before
    page.press("Reset")
    assert page.number("data-loss") == before
    assert page.field("y[0]").input_value() == "0"


@pytest.mark.slow
def test_dragging_a_number_is_one_change(page, served):
    page.open(served(explored()))
    page.press("End")
    field = page.field("b1[0]")
    field.scroll_into_view_if_needed()
    box = field.bounding_box()
    x, y = box["x"] + 20, box["y"] + box["height"] / 2
    mouse = page.page.mouse
    mouse.move(x, y)
    mouse.down()
    for k in range(1, 9):
        mouse.move(x + 10 * k, y)
    mouse.up()
    page.settle()
    assert float(field.input_value()) == pytest.approx(0.4, abs=0.06)
    page.press("Undo")
    assert float(field.input_value()) == 0
    assert page.button("Undo").get_attribute("aria-disabled") == "true"


def test_training_and_scrubbing_through_time(page, served):
    explorer = explored()
    page.open(served(explorer))
    page.field("Learning rate").fill("0.2")
    page.page.get_by_role("combobox", name="Optimizer").select_option("Momentum")
    page.press("Train step", "Train 10")
    explorer.session.set_rule("Momentum", 0.2)
    explorer.session.train(11)
    assert page.number("data-loss") == explorer.session.run.loss
    slider = page.page.get_by_role("slider", name="Time", exact=True)
    assert slider.get_attribute("max") == slider.input_value() == "11"
    slider.fill("4")
    page.settle()
    assert page.number("data-loss") == explorer.session.moments[4].loss
    assert page.page.locator("[data-charts] svg").count() >= 2


@pytest.mark.slow
def test_predicting_first(page, served):
    explorer = cr.explore(neuron, 2.0, 0.5, 0.1, 1.0, argnums=(1, 2))
    page.open(served(explorer))
    page.press("Predict first", "Forward")
    assert page.state("u") == "waiting"
    assert page.step.get_attribute("data-value") is None
    page.field("Prediction").fill("1")
    page.press("Check")
    assert "Right: u = 1" in page.page.locator("[data-verdict]").inner_text()
    assert page.state("u") == "forward"
    page.press("Forward")
    page.field("Prediction").fill("7")
    page.press("Check")
    assert "Not quite: z = 1.1" in page.page.locator("[data-verdict]").inner_text()
    page.press("Forward", "Show")
    assert page.state("a") == "forward"


@pytest.mark.slow
def test_playing_and_pausing(page, served):
    page.open(served(cr.explore(neuron, 2.0, 0.5, 0.1, 1.0)))
    page.page.get_by_role("combobox", name="Speed").select_option("20")
    page.button("Play").click()
    page.page.wait_for_function("() => document.querySelector('[data-node=L]').dataset.state !== 'waiting'")
    page.button("Pause").click()
    page.settle()
    stopped = page.page.get_by_role("slider", name="Position").input_value()
    page.page.wait_for_timeout(200)
    assert page.page.get_by_role("slider", name="Position").input_value() == stopped


@pytest.mark.slow
def test_everything_by_keyboard(page, served):
    page.open(served(explored()))
    page.button("x").focus()
    keyboard = page.page.keyboard
    for _ in range(3):
        keyboard.press(".")
    page.settle()
    assert page.state("z2") == "forward"
    keyboard.press(",")
    page.settle()
    assert page.state("L") == "backward"
    keyboard.press("ArrowDown")
    focused = page.page.evaluate("document.activeElement.dataset.node")
    keyboard.press("Enter")
    page.settle()
    assert page.button(focused).get_attribute("aria-pressed") == "true"
    page.page.get_by_role("combobox", name="Search").fill("W2")
    page.settle()
    assert page.step.get_attribute("data-of") == "W2"


@pytest.mark.slow
def test_an_equation_and_its_box_are_linked(page, served):
    page.open(served(explored()))
    page.press("End")
    page.page.locator('[data-pass="backward"][data-for="a1"]').click()
    page.settle()
    assert page.button("a1").get_attribute("aria-pressed") == "true"
    page.press("z2")
    assert page.page.locator('[data-pass="forward"][data-for="z2"]').get_attribute("aria-selected") == "true"


@pytest.mark.slow
def test_a_reload_finds_everything_as_it_was_and_another_page_is_another(page, served):
    page.open(served(explored()))
    page.set("W1[0,0]", 2)
    loss = page.number("data-loss")
    page.page.reload()
    page.page.wait_for_selector("[data-node]")
    page.settle()
    assert page.number("data-loss") == loss
    other = page.page.context.new_page()
    other.goto(page.page.url)
    other.wait_for_selector("[data-node]")
    assert other.get_by_role("spinbutton", name="W1[0,0]", exact=True).input_value() != "2"


@pytest.mark.slow
def test_a_mistake_is_said_and_nothing_changes(page, served):
    page.open(served(explored()))
    page.set("y[0]", 7)
    assert page.page.get_by_role("alert").inner_text() != ""
    page.press("End")
    assert page.number("data-loss") == explored().session.run.loss


@pytest.mark.slow
def test_the_end_of_python_is_said(page):
    explorer = explored()
    page.open(explorer.serve(open_browser=False))
    explorer.close()
    page.press("Forward")
    assert "Python does not answer" in page.page.get_by_role("alert").inner_text()
    page.errors.clear()  # the browser notes the refused connection


@pytest.mark.slow
@pytest.mark.parametrize(
    ("lang", "scheme", "keys"),
    [("en", "light", ["neuron", "deep_sigmoid", "attention"]), ("ko", "dark", ["convolution", "batch_norm"])],
    ids=["en", "ko"],
)
def test_the_gallery_is_accessible_and_fits_a_telephone(page, lang, scheme, keys):
    server = Server(Hub(lambda: None, lang), with_gallery=True)
    server.start()
    page.page.emulate_media(color_scheme=scheme)
    page.page.set_viewport_size({"width": 400, "height": 800})
    page.page.goto(server.url())
    assert violations(page.page) == []
    for key in keys:
        page.page.locator(f"[data-example={key}]").click()
        page.settle()
        page.press(TEXT["End"][lang], TEXT["Train 10"][lang])
        page.page.locator("[data-for]").last.click()
        page.settle()
        assert violations(page.page) == []
        assert page.page.evaluate("document.documentElement.scrollWidth") <= 400
    server.close()


def test_the_page_is_accessible(page, served):
    page.open(served(explored()))
    page.press("Forward", "End", "W1", "Train step")
    assert violations(page.page) == []


@pytest.mark.slow
def test_comparing_and_asking_the_doctor(page):
    server = Server(Hub(lambda: None, "en"), with_gallery=True)
    server.start()
    page.page.goto(server.url())
    page.press("A deep sigmoid network")
    page.page.get_by_role("combobox", name="Compare with").select_option("ReLU")
    page.press("Train 10", "Ask the doctor")
    assert page.page.locator("[data-compared] svg.chart").count() == 3
    assert "vanishing" in page.page.locator("[data-charts]").inner_text()
    server.close()


def long_chain(h, w):
    for k in range(500):
        h = cr.tanh(h * w) if k % 7 else cr.sin(h + w)
    return h.sum()


@pytest.mark.slow
def test_a_thousand_operations_step_quickly_and_open(page, served):
    explorer = cr.explore(long_chain, np.ones(3), np.full(3, 1.01))
    assert len(explorer.session.run.forward_order) > 900
    page.open(served(explorer))
    if explorer.session.blocks:
        page.press("Open all blocks")
    page.press("Forward")
    changes = page.page.evaluate(
        """async () => {
          let changes = 0;
          const drawn = (node) => 1 + (node.querySelectorAll?.("*").length ?? 0);
          const counted = (records) => records.reduce(
            (sum, { addedNodes }) => sum + 1 + [...addedNodes].reduce((all, node) => all + drawn(node), 0), 0);
          const seen = [], watcher = new MutationObserver((records) => (changes += counted(records)));
          watcher.observe(document.body, { subtree: true, childList: true, attributes: true, characterData: true });
          for (let k = 0; k < 40; k++) {
            changes = 0;
            await window.explorer.ask({ do: "forward" });
            await new Promise((done) => requestAnimationFrame(done));
            seen.push(changes + counted(watcher.takeRecords()));
          }
          return seen;
        }"""
    )
    assert 0 < max(changes) < 500, changes  # a step draws what it changes, and not a thousand boxes; no time is taken


@pytest.mark.slow
def test_blocks_open_and_close(page, served):
    rng = np.random.default_rng(0)
    layers = [layer for _ in range(6) for layer in (nn.Linear(3, 3, generator=rng), nn.Tanh())]
    model = nn.Sequential(*layers, nn.Linear(3, 1, generator=rng))
    explorer = cr.explore(model, np.ones((2, 3)), loss=nn.MSELoss(), target=np.zeros((2, 1)))
    page.open(served(explorer))
    page.press("block1")
    assert "×6" in page.button("block1").text_content()
    page.press("Open this block")
    assert page.button("z3").count() == 1
    page.press("Forward", "Close block1")
    assert page.button("z3").count() == 0
    assert page.state("block1") == "forward"


# The file


@pytest.fixture
def recording(page, tmp_path):
    explorer = explored()
    explorer.session.train(3)
    explorer.to_html(tmp_path / "walk.html")
    page.explorer = explorer
    return page.open((tmp_path / "walk.html").as_uri())


def test_a_recording_steps_links_and_scrubs_without_python(recording):
    page, session = recording, recording.explorer.session
    page.press("Rewind")
    assert page.number("data-loss") is None
    page.press(*["Forward"] * 5, *["Backward"] * 5, "W1")
    box = session.run.by_name["W1"]
    assert json.loads(page.step.get_attribute("data-gradient")) == box.gradient.tolist()
    slider = page.page.get_by_role("slider", name="Time", exact=True)
    slider.fill("1")
    page.settle()
    assert page.number("data-loss") == session.moments[1].loss
    session.time(1)
    assert json.loads(page.step.get_attribute("data-value")) == session.run.by_name["W1"].value.tolist()
    page.page.locator('[data-pass="forward"][data-for="a1"]').click()
    page.settle()
    assert page.button("a1").get_attribute("aria-pressed") == "true"


def test_a_recording_of_some_moments_names_their_training_steps(page, tmp_path):
    explorer = explored()
    explorer.session.train(6)
    explorer.session.time(0)
    (tmp_path / "walk.html").write_text(recorded(explorer.session, "en", most=3), encoding="utf-8")
    page.open((tmp_path / "walk.html").as_uri())
    slider = page.page.get_by_role("slider", name="Time", exact=True)
    for k, step in enumerate((0, 3, 6)):
        slider.fill(str(k))
        page.settle()
        assert slider.get_attribute("aria-valuetext") == f"training step {step} of 6"
    assert "of 6" not in page.page.locator("[data-charts]").inner_text()  # no mark that stays at one step


def test_a_recording_says_that_changing_needs_python(recording):
    assert recording.field("W1[0,2]").is_disabled()
    assert recording.button("Train step").is_disabled()
    assert "needs Python" in recording.page.locator("body").inner_text()
    assert violations(recording.page) == []


@pytest.mark.slow
def test_a_recording_asks_for_predictions(recording):
    recording.press("Rewind", "Predict first", "Forward")
    truth = recording.explorer.session.run.by_name["z1"].value[0, 0]
    recording.field("Prediction").fill(f"{truth:.4f}")
    recording.press("Check")
    assert "Right: z1[0,0]" in recording.page.locator("[data-verdict]").inner_text()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Graph as SVG", "Graph as PNG", "Derivation as LaTeX"])
def test_what_is_taken_along_is_what_it_says(recording, name, tmp_path):
    with recording.page.expect_download() as download:
        recording.button(name).click()
    download.value.save_as(tmp_path / "file")
    content = (tmp_path / "file").read_bytes()
    starts = {"Graph as SVG": b"<svg", "Graph as PNG": b"\x89PNG", "Derivation as LaTeX": b"\\documentclass"}
    assert content.startswith(starts[name])


def test_a_recording_loads_nothing():
    page = explored().to_html()
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)[1]
    assert "default-src &#x27;none&#x27;" in policy
    assert "sha256-" in policy
    assert not re.findall(r'(?:src|href)="(?!data:)[^"]+"', page)


@pytest.mark.slow
def test_a_hostile_name_stays_text_in_the_page(page, served, tmp_path):
    w = cr.tensor([1.0, 2.0], requires_grad=True, name="</script><img src=x onerror='document.title=1'>")
    explorer = cr.explore(lambda w: (w * w).sum(), w)
    page.open(served(explorer))
    page.press("End", explorer.session.run.boxes[0].name)
    assert page.page.locator("img").count() == 0
    explorer.to_html(tmp_path / "walk.html")
    page.open((tmp_path / "walk.html").as_uri())
    assert page.page.locator("img").count() == 0


# The notebook


def test_the_widget_speaks_anywidgets_protocol(page, tmp_path):
    """The module that a notebook loads, with a model of the notebook's kind between it and Python."""
    pytest.importorskip("anywidget")
    from chainrule.explore.widget import widget_of

    explorer = explored()
    widget = widget_of(explorer.session, explorer.lang)
    sent = []
    widget.send = sent.append
    widget._asked(widget, {"id": 1, "page": "p", "request": {"do": "end"}}, None)
    assert (sent[0]["id"], sent[0]["page"]) == (1, "p")
    assert sent[0]["answer"]["position"] == explorer.session.steps
    widget._asked(widget, "nonsense", None)
    assert len(sent) == 1
    page.page.expose_function("python", lambda request: widget.desk.handle(request))
    (tmp_path / "widget.js").write_text(str(widget._esm), encoding="utf-8")
    page.page.goto("about:blank")
    page.page.evaluate(
        """async ({ code, shell, config }) => {
          const widget = (await import(URL.createObjectURL(new Blob([code], { type: "text/javascript" })))).default;
          const listeners = new Set();
          const model = {
            get: (name) => ({ shell, config })[name],
            on: (_, listener) => listeners.add(listener),
            off: (_, listener) => listeners.delete(listener),
            send: async ({ id, page, request }) => {
              const answer = await window.python(request);
              for (const listener of listeners) listener({ id, page, answer });
            },
          };
          widget.render({ model, el: document.body });
        }""",
        {"code": str(widget._esm), "shell": widget.shell, "config": widget.config},
    )
    page.page.wait_for_selector("[data-node]")
    page.button("W1").click()
    field = page.field("W1[0,2]")
    field.fill("0.7")
    field.press("Enter")
    page.page.wait_for_function("() => document.querySelector('[data-status]').dataset.predicted")
    assert page.number("data-loss") == explorer.session.run.loss
    assert explorer.session.run.by_name["W1"].value[0, 2] == 0.7


def test_without_anywidget_a_notebook_shows_the_recording(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "anywidget", None)
    shown = explored()._repr_mimebundle_()
    assert shown["text/html"].startswith("<iframe")


# The files


def test_the_script_is_small_and_needs_no_build():
    import gzip

    assert len(gzip.compress((script() + sheet()).encode())) < 60_000
    assert not re.search(r"^\s*(?:import|export) ", script(), re.MULTILINE)
    assert "eval(" not in script()


def test_every_text_is_in_both_languages_with_the_same_fields():
    for key, text in TEXT.items():
        assert text.keys() == {"en", "ko"}, key
        assert fields_of(text["en"]) == fields_of(text["ko"]), key


@pytest.mark.slow
def test_a_step_takes_less_than_a_tenth_of_a_second_in_python():
    explorer = cr.explore(long_chain, np.ones(3), np.full(3, 1.01))
    from chainrule.explore.desk import Desk

    desk = Desk(explorer.session)
    answer = desk.handle({"do": "forward"})
    known = {"version": answer["version"], "drawn": answer["drawn"]}
    took = []
    for _ in range(15):
        began = time.process_time()
        desk.handle({"do": "forward", **known})
        took.append(time.process_time() - began)
    assert min(took) < 0.1
