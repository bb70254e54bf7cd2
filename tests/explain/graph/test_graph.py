"""The computational graph of a loss: what it reads off the tape, what it folds, and what it draws."""

import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from decimal import Decimal
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.named import walked

import chainrule as cr
from chainrule import nn
from chainrule.explain.graph.folding import find_folds
from chainrule.explain.graph.scene import stage
from chainrule.explain.graph.style import _DARK, _LIGHT
from chainrule.explain.graph.svg import _shape, text_width
from chainrule.explain.graph.texts import number
from chainrule.explain.graph.vertices import read_tensor
from chainrule.jobs.graph import graph_of
from chainrule.jobs.targets import InputSource
from chainrule.present.page import CSP

SVG = "{http://www.w3.org/2000/svg}"


def neuron(x, w, b, y):
    a = cr.sigmoid(w * x + b)
    return 0.5 * (a - y) ** 2


def a_neuron(**options):
    return cr.graph(neuron, 2.0, 0.5, 0.1, 1.0, argnums=(1, 2), **options)


def residual_network(blocks):
    inner = [
        nn.Residual(nn.Sequential(nn.LayerNorm(6), nn.Linear(6, 8), nn.GELU(), nn.Linear(8, 6))) for _ in range(blocks)
    ]
    return nn.Sequential(nn.Linear(4, 6), *inner, nn.Linear(6, 3))


def loss_of(model, rows=5):
    rng = np.random.default_rng(0)
    return nn.CrossEntropyLoss()(model(rng.normal(size=(rows, 4))), rng.integers(0, 3, rows))


def operations(vertices):
    return [v for v in vertices if v.op is not None]


def named(graph, name):
    (found,) = [v for v in graph.vertices if v.name == name]
    return found


# What it reads


def test_one_neuron_has_the_values_and_gradients_of_the_textbook():
    graph = a_neuron()
    assert [v.name for v in operations(graph.vertices)] == [
        "multiply",
        "add",
        "sigmoid",
        "subtract",
        "power",
        "multiply",
    ]
    a = 1 / (1 + np.exp(-1.1))
    assert named(graph, "sigmoid").value == pytest.approx(a, rel=1e-15)
    assert named(graph, "w").gradient == pytest.approx((a - 1) * a * (1 - a) * 2, rel=1e-14)
    assert named(graph, "b").gradient == pytest.approx((a - 1) * a * (1 - a), rel=1e-14)
    assert named(graph, "L").value == pytest.approx((a - 1) ** 2 / 2)
    assert [named(graph, n).kind for n in "xwby"] == ["input", "parameter", "parameter", "input"]


def test_the_two_passes_are_numbered_in_opposite_orders():
    found = operations(a_neuron().vertices)
    assert [v.forward for v in found] == [1, 2, 3, 4, 5, 6]
    assert [v.backward for v in found] == [6, 5, 4, 3, 2, 1]
    for vertex in found:
        assert all(link.source.forward < vertex.forward for link in vertex.inputs)


def test_a_tensor_and_its_function_give_the_same_graph():
    w, b = (cr.tensor(v, requires_grad=True, name=n) for v, n in ((0.5, "w"), (0.1, "b")))
    of_tensor = cr.graph(neuron(2.0, w, b, 1.0))
    for name in ("w", "b", "add", "sigmoid", "power", "L"):
        ours, theirs = named(of_tensor, name), named(a_neuron(), name)
        assert ours.value == theirs.value
        assert ours.gradient == theirs.gradient
    assert w.grad is None
    assert named(of_tensor, "sigmoid").source.text == "a = cr.sigmoid(w * x + b)"


def test_what_the_tape_does_not_hold_is_not_made_up():
    w = cr.tensor([0.5, 2.0], requires_grad=True, name="w")
    loss = (w - np.array([1.0, 3.0])).sum()
    graph = cr.graph(loss)
    assert named(graph, "subtract").value is None
    assert "not kept by the tape" in graph.to_svg()
    assert named(cr.graph(lambda w: (w - 1.0).sum(), np.array([0.5, 2.0])), "subtract").value is not None


def test_a_leaf_changed_after_its_use_shows_no_value():
    w = cr.tensor([0.5, 2.0], requires_grad=True, name="w")
    loss = (w + 1.0).sum()
    w.data = np.array([7.0, 7.0])
    assert named(cr.graph(loss), "w").value is None


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 99), st.integers(0, 99)), min_size=1, max_size=12))
def test_gradients_are_those_of_the_engine_and_add_up_over_the_uses(steps):
    def f(a, b):
        values = [a, b]
        for kind, i, j in steps:
            x, y = values[i % len(values)], values[j % len(values)]
            values.append([x * y, x + y, cr.tanh(x), x - y][kind])
        return (values[-1] * a).sum()

    a, b = np.array([0.3, -1.2]), np.array([0.7, 0.1])
    graph = cr.graph(f, a, b, fold=False)
    for vertex, expected in zip(("a", "b"), cr.grad(f, argnums=(0, 1))(a, b), strict=True):
        if found := [v for v in graph.vertices if v.name == vertex]:
            np.testing.assert_allclose(0.0 if found[0].gradient is None else found[0].gradient, expected, rtol=1e-12)
    for vertex in graph.vertices:
        uses = [link.gradient for v in graph.vertices for link in v.inputs if link.source is vertex]
        uses = [g for g in uses if g is not None]
        if uses:
            np.testing.assert_allclose(sum(uses), vertex.gradient, rtol=1e-12)
    assert drawn_operations(graph.to_svg(opened=False)) == graph.operations


def test_several_outputs_and_constants_are_drawn():
    def f(x):
        left, right = cr.numpy.split(x, 2)
        return (left * right * 3.0).sum()

    graph = cr.graph(f, np.arange(4.0))
    assert {"split", "[0]", "[1]"} <= {v.name for v in graph.vertices}
    assert ">3<" in graph.to_svg()


def test_an_output_that_is_no_scalar_has_no_gradients_and_says_so():
    w = cr.tensor([0.5, 2.0], requires_grad=True)
    graph = cr.graph(w * 2.0)
    assert all(v.gradient is None for v in graph.vertices)
    assert "no gradients" in graph.to_svg()


# What it folds


@pytest.mark.parametrize("blocks", [3, 5, 12])
def test_the_blocks_of_a_residual_network_are_folded(blocks):
    model = residual_network(blocks)
    for graph in (cr.graph(loss_of(model)), recorded(model)):
        assert graph.folds == [blocks]
        assert graph.operations == 5 * blocks + 4
        svg = graph.to_svg(opened=False)
        assert f">×{blocks}<" in svg
        assert re.search(rf">1(\.inner)? … {blocks}(\.inner)?<", svg)
        assert "5 operations and 6 parameters in each copy" in svg
        assert drawn_operations(svg) == 4


def recorded(model):
    x, y = np.random.default_rng(0).normal(size=(5, 4)), np.array([0, 1, 2, 0, 1])
    return cr.graph(model, x, loss=nn.CrossEntropyLoss(), target=y)


def test_two_blocks_are_not_folded_and_folding_can_be_left_out():
    assert cr.graph(loss_of(residual_network(2))).folds == []
    graph = cr.graph(loss_of(residual_network(4)), fold=False)
    assert graph.folds == []
    assert drawn_operations(graph.to_svg(opened=False)) == graph.operations == 24


def test_a_weight_that_all_copies_share_stands_outside():
    def f(x, w, h):
        for _ in range(6):
            h = cr.tanh(h @ w + x)
        return h.sum()

    graph = cr.graph(f, np.ones((1, 3)), np.eye(3), np.zeros((1, 3)))
    (fold,) = graph._scene.folds
    assert len(fold.copies) == 6
    assert fold.parameters == 0
    assert {"x", "w", "h"} <= {v.name for v in graph._scene.items if hasattr(v, "name")}


def test_blocks_that_are_wired_differently_are_not_folded():
    def f(x):
        kept = x
        for k in range(8):
            y = cr.sin(x)
            x = y * kept if k % 3 == 1 else y * x
            kept = y if k == 2 else kept
        return x.sum()

    (fold,) = [*cr.graph(f, np.ones(3))._scene.folds, None][:1]
    assert fold is None or len(fold.copies) < 8


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from("stem"), min_size=1, max_size=40))
def test_folding_loses_no_operation(letters):
    step = {"s": cr.sin, "t": cr.tanh, "e": lambda x: x * 0.5, "m": lambda x: x + 1.0}

    def f(x):
        for letter in letters:
            x = step[letter](x)
        return x.sum()

    graph = cr.graph(f, np.array([0.1, 0.2]))
    inside = [v for fold in graph._scene.folds for copy in fold.copies for v in copy]
    assert len(inside) == len(set(inside))
    folded = [v for v in inside if v.op is not None]
    assert len(folded) + drawn_operations(graph.to_svg(opened=False)) == graph.operations
    for fold in graph._scene.folds:
        names = [[v.name for v in copy if v.op is not None] for copy in fold.copies]
        assert all(a == b for a, b in pairwise(names))
        assert len(names) >= 3


def test_a_repetition_is_found_as_its_shortest_block():
    def f(x):
        for _ in range(10):
            x = cr.tanh(cr.sin(x) * 2.0)
        return x.sum()

    (fold,) = find_folds(cr.graph(f, np.ones(2), fold=False).vertices)
    assert (len(fold.copies), len(fold.operations)) == (10, 3)


# Size


@pytest.mark.slow
@pytest.mark.parametrize("repeats", [True, False])
def test_ten_thousand_operations_are_folded_or_cut(repeats):
    x = y = cr.tensor([0.1, 0.2], requires_grad=True, name="x")
    steps = [cr.sin, cr.tanh, lambda v: v * 0.5, lambda v: v + x]
    for kind in np.random.default_rng(0).integers(0, 1 if repeats else 4, 10_000):
        y = steps[kind](y)
    loss = y.sum()
    graph = cr.graph(loss)
    svg = graph.to_svg(opened=False)
    assert graph.operations == 10_001
    assert drawn_operations(svg) <= 100
    if repeats:
        assert graph.left_out == 0
        assert graph.folds == [10_000]
    else:
        assert graph.left_out + drawn_operations(svg) == 10_001 - sum(
            len([v for v in copy if v.op is not None]) for fold in graph._scene.folds for copy in fold.copies
        )
        assert f"Too large to draw: these are the last operations before the loss; {graph.left_out:,}" in svg


# What it draws


def drawn_operations(svg):
    root = ET.fromstring(svg)
    legend = {id(g) for part in root.iter(f"{SVG}g") if part.get("class") == "legend" for g in part.iter()}
    return sum("operation" in g.get("class", "").split() for g in root.iter(f"{SVG}g") if id(g) not in legend)


def a_korean_network():
    return cr.graph(loss_of(residual_network(3)), lang="ko")


def attention():
    def f(q, k, v):
        return ((cr.softmax(q @ k.T / np.sqrt(8.0)) @ v) ** 2).sum()

    rng = np.random.default_rng(0)
    return cr.graph(f, *(rng.normal(size=(6, 8)) for _ in range(3)))


def a_transformer():
    x = np.random.default_rng(0).normal(size=(2, 6, 16))
    return cr.graph(nn.TransformerBlock(16, 2), x, loss=lambda y: (y * y).mean())


PICTURES = [a_neuron, attention, a_korean_network, a_transformer]


@pytest.mark.parametrize("picture", PICTURES)
@pytest.mark.parametrize("animate", [False, True])
def test_the_svg_is_valid_and_every_box_can_be_read_and_reached(picture, animate):
    svg = picture().to_svg(animate=animate)
    root = ET.fromstring(svg)
    assert root.tag == f"{SVG}svg"
    assert root.find(f"{SVG}title").text
    nodes = [g for g in root.iter(f"{SVG}g") if g.get("class", "").startswith("node ") and g.get("tabindex")]
    assert nodes
    for node in nodes:
        assert node.get("aria-label")
        assert node.find(f"{SVG}title").text
    assert not re.search(r"<script|https?://(?!www\.w3\.org)|url\(", svg)
    assert ("prefers-reduced-motion:no-preference" in svg) == animate
    assert "svg.cr-graph:root{color-scheme:light dark}" in svg


@pytest.mark.parametrize("picture", PICTURES)
def test_the_page_has_no_script_and_opens_every_block(picture):
    graph = picture()
    html = graph.to_html()
    assert not re.search(r"<script|https?://(?!www\.w3\.org)|\son\w+=", html)
    assert html.count("<details>") == len(graph.folds) + 1
    assert html.count("<math") >= len({v.op for v in graph.vertices if v.op is not None})
    assert len(html.encode()) < 500_000
    assert graph.to_svg(opened=False) in html
    assert graph.to_svg(opened=False) in graph._repr_html_()
    assert graph._repr_svg_() == graph.to_svg()


def test_a_title_says_the_formula_the_value_in_full_and_the_line():
    svg = a_neuron().to_svg()
    assert "y = σ(x) = 1/(1 + e^(-x))" in svg
    assert "value: 0.7502601055951177" in svg
    assert "test_graph.py:" in svg
    assert ">0.750260…<" in svg


def test_user_text_cannot_break_out_of_the_drawing():
    w = cr.tensor(2.0, requires_grad=True, name='<script>"&')
    for text in (cr.graph(w * w).to_svg(), cr.graph(w * w).to_html()):
        assert "<script" not in text
        assert "&lt;script&gt;" in text


def test_drawings_are_the_same_each_time():
    assert a_transformer().operations == a_transformer().operations
    assert a_neuron().to_html() == a_neuron().to_html()


def test_saving_writes_what_the_suffix_says(tmp_path):
    graph = a_neuron()
    graph.save(tmp_path / "a.svg")
    graph.save(str(tmp_path / "a.html"))
    assert (tmp_path / "a.svg").read_text(encoding="utf-8") == graph.to_svg()
    assert (tmp_path / "a.html").read_text(encoding="utf-8") == graph.to_html()
    with pytest.raises(ValueError, match=r"ends in \.svg or \.html, got .*a\.png"):
        graph.save(tmp_path / "a.png")
    assert not (tmp_path / "a.png").exists()


def luminance(colour):
    channels = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("colours", [_LIGHT, _DARK])
def test_text_stands_out_from_what_is_below_it(colours):
    """WCAG 2.2, success criteria 1.4.3 (text, 4.5 to 1) and 1.4.11 (outlines, 3 to 1)."""

    def contrast(a, b):
        low, high = sorted((luminance(colours[a]), luminance(colours[b])))
        return (high + 0.05) / (low + 0.05)

    for ground in ("ground", "op", "parameter", "input", "output", "block"):
        assert contrast("ink", ground) >= 4.5
        assert contrast("quiet", ground) >= 4.5
    assert min(contrast("grad", "ground"), contrast("grad", "op"), contrast("down", "op")) >= 4.5
    for kind in ("parameter", "input", "output", "block"):
        assert contrast(f"{kind}-line", "ground") >= 3


def test_a_drawing_speaks_korean():
    assert "순전파" in a_korean_network().to_svg()


@given(st.floats(allow_nan=False, allow_infinity=False, width=64))
def test_a_number_shows_true_digits_and_says_when_there_are_more(x):
    text = number(x)
    shown = Decimal(text.replace("−", "-").replace("…", ""))
    exact = Decimal(str(x))
    assert abs(shown) <= abs(exact)
    assert abs(exact - shown) <= Decimal("1e-5") * abs(exact)
    assert ("…" in text) == (shown != exact)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs Chromium to lay out text")
@pytest.mark.parametrize("picture", PICTURES)
def test_in_a_browser_no_text_leaves_its_box_and_no_label_another(picture, tmp_path):
    """A script of the test's own measures the text that the browser has set."""
    script = """<script>
    const svg = document.querySelector("svg"), bad = [], all = svg.getBoundingClientRect();
    const inside = (a, b, d) =>
      a.left >= b.left - d && a.right <= b.right + d && a.top >= b.top - d && a.bottom <= b.bottom + d;
    for (const g of svg.querySelectorAll("g.node[tabindex]")) {
      const shapes = [...g.querySelectorAll(".shape")], box = shapes[0].getBoundingClientRect();
      for (const t of g.querySelectorAll("text:not(.tip)"))
        if (!shapes.some(s => inside(t.getBoundingClientRect(), s.getBoundingClientRect(), 1))) bad.push(t.textContent);
    }
    for (const g of svg.querySelectorAll("g.label")) {
      const box = g.querySelector(".back").getBoundingClientRect();
      for (const t of g.querySelectorAll("text"))
        if (!inside(t.getBoundingClientRect(), box, 3)) bad.push("label " + t.textContent);
    }
    for (const t of svg.querySelectorAll("text"))
      if (!inside(t.getBoundingClientRect(), all, 0)) bad.push("out " + t.textContent);
    document.title = "checked " + svg.querySelectorAll("text").length + " bad " + JSON.stringify(bad);
    </script>"""
    page = tmp_path / "page.html"
    page.write_text(picture().to_html().replace(CSP, "").replace("</body>", script + "</body>"), encoding="utf-8")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
    flags += [
        "--disable-background-networking",
        "--disable-component-update",
        f"--user-data-dir={tmp_path / 'profile'}",
    ]
    done = subprocess.run(
        ["chromium", *flags, "--window-size=1200,2400", "--dump-dom", page.as_uri()],
        capture_output=True, text=True, encoding="utf-8", timeout=60, check=True,
    )  # fmt: skip
    title = re.search(r"<title>(checked \d+ bad .*?)</title>", done.stdout)
    assert title, done.stdout[:300]
    assert title[1].endswith("bad []"), title[1]
    assert int(title[1].split()[1]) > 20


# Wrong calls


def freed():
    w = cr.tensor(2.0, requires_grad=True)
    loss = w * w
    loss.backward()
    return loss


def changed():
    w = cr.tensor([2.0], requires_grad=True)
    loss = (w * w).sum()
    w.data[0] = 5.0
    return loss


@walked(
    ("call", "error", "message"),
    [
        (lambda: cr.graph(cr.tensor(1.0)), cr.GradientError, "this tensor has no tape"),
        (lambda: cr.graph(freed()), cr.FreedTapeError, r"multiply .*test_graph\.py.* cr.graph\(loss\) before"),
        (lambda: cr.graph(changed()), cr.InPlaceError, "changed in place after multiply"),
        (lambda: cr.graph(3.0), TypeError, "expected a tensor with a tape, a function or a model, got float"),
        (lambda: cr.grad(lambda x: cr.graph(x * x))(2.0), cr.GradientError, "belongs to a transform"),
        (lambda: cr.graph(changed(), 1.0), TypeError, "a tensor and more arguments"),
        (lambda: cr.graph(neuron, 2.0, 0.5, 0.1, 1.0, lang="fr"), ValueError, "expected one of en, ko, got 'fr'"),
        (lambda: cr.graph(nn.Linear(2, 2), np.ones((1, 2))), ValueError, "^graph: .*expected a scalar loss"),
    ],
)
def test_a_wrong_call_says_what_to_do(call, error, message):
    with pytest.raises(error, match=message):
        call()


# The command


def test_the_command_draws_functions_tensors_and_models(tmp_path):
    file = tmp_path / "net.py"
    file.write_text(
        "import chainrule as cr\nfrom chainrule import nn\n"
        "def loss(w: float, b: float):\n    return cr.sigmoid(2.0 * w + b) ** 2\n"
        "w = cr.tensor(2.0, requires_grad=True)\nsquare = w * w\n"
        "model = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3))\n",
        encoding="utf-8",
    )
    assert graph_of(f"{file}:loss", InputSource()).parameters == 2
    assert graph_of(f"{file}:square", InputSource()).operations == 1
    assert graph_of(f"{file}:model", InputSource(data="iris")).operations == 5
    with pytest.raises(ValueError, match="net has no 'lss'; it has loss"):
        graph_of(f"{file}:lss", InputSource())
    with pytest.raises(ValueError, match="--data iris"):
        graph_of(f"{file}:model", InputSource())
    with pytest.raises(ValueError, match="--samples: expected at least 1, got 0"):
        graph_of(f"{file}:model", InputSource(data="iris", samples=0))


# What a box says


def panels_of(svg):
    root = ET.fromstring(svg)
    return [
        "\n".join(t.text for t in g.iter(f"{SVG}text")) for g in root.iter(f"{SVG}g") if "tip" in g.get("class", "")
    ]


def test_each_box_of_numbers_says_incoming_times_local_is_outgoing():
    graph = a_neuron()
    for vertex in graph.vertices:
        for link in vertex.inputs:
            if vertex.op is not None and link.gradient is not None:
                np.testing.assert_allclose(vertex.gradient * link.local, link.gradient, rtol=1e-12)
    svg = graph.to_svg()
    assert ">∂w: −0.04679… × 2 = −0.09358…<" in svg
    assert any("∂ ↓2: −0.2497… × 0.1873… = −0.04679…" in panel for panel in panels_of(svg))


def test_the_panel_of_an_array_names_the_rule_and_the_norm():
    (panel,) = (text for text in panels_of(a_transformer().to_svg()) if text.startswith("operation mean"))
    assert "∂ ↓" in panel
    assert "x̄ = ȳ/n" in panel


def test_one_panel_is_shown_at_a_time_that_of_the_box_pointed_at():
    svg = a_neuron().to_svg()
    assert ".cr-graph .tip{visibility:hidden" in svg
    rule = re.search(r"(\.cr-graph:has\(\.b3:hover\) \.t3),(.*?)\{visibility:visible\}", svg)
    assert rule[2] == ".cr-graph:not(:has(.node:hover)):has(.b3:focus) .t3"


def test_the_animation_lights_one_box_at_a_time():
    svg = a_neuron().to_svg(animate=True)
    frames = re.findall(r"@keyframes cr-\w+\{0%\{[^}]*\}([\d.]+)%,100%\{\}\}", svg)
    total = float(re.search(r"cr-down ([\d.]+)s step-end", svg)[1])
    delays = sorted({float(d) for d in re.findall(r"step-end ([\d.]+)s 2", svg)})
    lit = float(frames[0]) / 100 * total
    assert len(frames) == 2
    assert all(b - a > lit - 0.02 for a, b in pairwise(delays))


def test_a_folded_block_is_opened_below_the_drawing_and_boxes_are_told_apart():
    layers = [nn.Sequential(nn.LayerNorm(4), nn.Linear(4, 4), nn.Tanh()) for _ in range(4)]
    graph = cr.graph(nn.Sequential(*layers), np.ones((2, 4)), loss=lambda y: (y * y).mean())
    assert graph.folds == [4]
    svg, closed = graph.to_svg(), graph.to_svg(opened=False)
    root = ET.fromstring(svg)
    assert len(list(root.iter(f"{SVG}svg"))) == 2
    assert len(list(ET.fromstring(closed).iter(f"{SVG}svg"))) == 1
    keys = re.findall(r'class="node \w+ (b\d+)', svg)
    assert len(keys) == len(set(keys)) > 8


def test_a_target_and_a_closed_over_array_have_the_names_of_the_program():
    scale = np.arange(3.0)
    graph = cr.graph(lambda w: ((w * scale) ** 2).sum(), np.ones(3))
    assert "scale" in [v.name for v in graph.vertices]
    named = cr.graph(nn.Linear(2, 3), np.ones((2, 2)), loss=nn.CrossEntropyLoss(), target=np.array([0, 1]))
    assert "y" in [v.name for v in named.vertices if v.kind == "input"]


def test_two_arrays_without_a_name_are_told_apart():
    w = cr.tensor(np.ones((3, 2)), requires_grad=True, name="w")
    v = cr.tensor(np.ones((2, 2)), requires_grad=True, name="v")
    x, z = np.ones((4, 3)), np.full((4, 2), 2.0)
    loss = ((x @ w) * (z @ v) * (x @ w)).sum()
    names = [vertex.name for vertex in read_tensor(loss) if vertex.kind == "input"]
    assert names == ["c", "c₂"]


def test_the_orders_in_the_corners_leave_room_for_the_name_between_them():
    graph = cr.graph(lambda w, x: (w * np.mean(np.exp(x), axis=1)).sum(), np.ones(3), np.ones((3, 2)), argnums=0)
    shapes = [_shape(item, "en") for item in stage(graph.vertices, fold=False, most=100).items]
    boxes = [shape for shape in shapes if shape.kind == "operation"]
    assert [bool(corner) for corner in boxes[0].corners] == [True, False]
    for box in boxes:
        beside = (box.size[0] - box.lines[0].width) / 2
        assert beside > 5 + max(text_width(corner, 10.0) for corner in box.corners)


def test_a_block_without_parameters_of_its_own_does_not_count_them():
    def loss(x):
        for _ in range(4):
            x = np.tanh(x * 0.5) + x
        return x.sum()

    assert "0 parameters" not in cr.graph(loss, np.ones(3)).to_svg(opened=False)
