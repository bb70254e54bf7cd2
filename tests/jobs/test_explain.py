"""`chainrule explain`: a function in a file, a trained model, every format, and why a gradient is what it is."""

import functools
import re

import numpy as np
import pytest
from tests.command import chainrule

import chainrule as cr
from chainrule import nn
from chainrule.cli import main
from chainrule.jobs.foreign import loss_of_ours, ours, plain

NEURON = """
import chainrule as cr


def loss(w, b):
    z = w * 2.0 + b
    a = cr.sigmoid(z)
    return 0.5 * (a - 1.0) ** 2


def dead(w):
    return cr.relu(w - 9.0)


loss.example = (0.5, 0.1)
dead.example = (1.0,)
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "explained.py").write_text(NEURON, encoding="utf-8")

    def run(*arguments):
        done = chainrule("explain", *arguments)
        return done.exit_code, done.output

    return run


def test_a_function_in_a_file(run):
    code, output = run("explained.py:loss")
    assert code == 0
    assert "∂L/∂w = ∂L/∂z · 2" in output
    assert "All 7 equations are verified" in output


@pytest.mark.parametrize(
    ("name", "sign"), [("d.html", "<!doctype html>"), ("d.tex", r"\documentclass"), ("d.md", "# "), ("d.txt", "손실")]
)
def test_the_ending_says_the_format(run, tmp_path, name, sign):
    code, output = run("explained.py:loss", "--lang", "ko", "-o", name)
    assert code == 0
    assert "식 7개 중 7개 검증" in output
    assert sign in (tmp_path / name).read_text(encoding="utf-8")


def test_a_model_on_a_data_set(run, tmp_path):
    pytest.importorskip("sklearn")
    (tmp_path / "network.py").write_text(
        "from chainrule import nn\nmodel = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3))\n",
        encoding="utf-8",
    )
    code, output = run("network.py:model", "--data", "iris", "--samples", "3", "--level", "brief")
    assert code == 0
    assert re.search(r"δ⁽²⁾ᵢⱼ = \(ŷᵢⱼ - \[j = yᵢ\]\)/3 +\[3, 3\]", output)


def test_why(run):
    code, output = run("explained.py:dead", "--why", "w")
    assert code == 0
    assert output.startswith("w: the gradient is zero everywhere. Every unit of this ReLU is dead")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("explained.py:loss", "--format", "pdf"), "--format: expected one of text, markdown, latex, html"),
        (("explained.py:loss", "--level", "long"), "level: expected one of brief, full, proof"),
        (("explained.py:loss", "--samples", "0"), "--samples: expected at least 1"),
        (("explained.py:loss", "-o", "missing/d.html"), "does not exist; create it first"),
        (("explained.py:lost",), "has no 'lost'"),
        (("explained.py:loss", "--why", "q"), "no parameter is called 'q'; there are w, b"),
    ],
)
def test_a_wrong_call(run, arguments, message):
    code, output = run(*arguments)
    assert code == 2
    assert message in output


NETS = """
import numpy as np

from chainrule import nn

rnn = nn.RNN(3, 4)
dense = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
classes = np.array([0, 1])


def last(output, y):
    return nn.functional.mse_loss(output[0][-1], y)


def spread(output):
    return (output**2).mean()


def drawn(rng):
    return rng.standard_normal((3, 4))
"""


@pytest.fixture
def nets(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "explained_nets.py").write_text(NETS, encoding="utf-8")

    def run(command, name, *arguments):
        done = chainrule(command, f"explained_nets.py:{name}", *arguments)
        return done.exit_code, done.output

    return run


DENSE = ("--shape", "x=2,3", "--loss", "cross_entropy", "--target")


@pytest.mark.parametrize("target", ["classes", "[0, 1]"])
@pytest.mark.parametrize(
    ("command", "extra", "sign"),
    [
        ("explain", (), "equations are verified"),
        ("graph", ("-o", "net.svg"), "<Graph of"),
        ("doctor", ("--steps", "5", "--no-remedies"), "Sequential"),
    ],
)
def test_a_model_with_its_loss_and_target(nets, command, extra, sign, target):
    code, output = nets(command, "dense", *DENSE, target, *extra)
    assert (code == 0) or command == "doctor"
    assert sign in output


def test_a_loss_of_one_s_own_takes_the_part_it_needs(nets):
    code, output = nets("explain", "rnn", "--shape", "x=3,3,3", "--loss", "last", "--target", "drawn")
    assert code == 0
    assert "∂L/∂weight_hh_l0 = " in output


@pytest.mark.parametrize("command", ["explain", "graph", "doctor"])
def test_a_loss_of_the_output_alone_needs_no_target(nets, command):
    extra = ("--steps", "2", "--no-remedies") if command == "doctor" else ()
    code, output = nets(command, "dense", "--shape", "x=2,3", "--loss", "spread", *extra)
    assert code == 0, output


@pytest.mark.parametrize("command", ["explain", "graph", "doctor"])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("rnn", "--shape", "x=1,3,3"), "loss"),
        (("dense", "--shape", "x=2,3", "--loss", "mean", "--target", "classes"), "--loss mean: "),
        (("dense", "--shape", "x=2,3", "--target", "classes"), "a target needs a loss: add --loss mse"),
        (("dense", "--shape", "x=2,3", "--loss", "mse", "--target", "clases"), "did you mean classes?"),
    ],
)
def test_a_wrong_loss_or_target_is_one_line(nets, monkeypatch, capsys, command, arguments, message):
    monkeypatch.setattr("sys.argv", ["chainrule", command, f"explained_nets.py:{arguments[0]}", *arguments[1:]])
    with pytest.raises(SystemExit) as stopped:
        main()
    told = capsys.readouterr().err
    assert stopped.value.code == 2
    assert told.startswith("error: ")
    assert message in " ".join(told.split())


TORCH_NETS = """
from dataclasses import dataclass

import torch
from torch import nn

torch.manual_seed(0)


class Highway(nn.Module):
    def __init__(self):
        super().__init__()
        self.carried, self.gate, self.out = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, x):
        gate = torch.sigmoid(self.gate(x))
        return self.out(gate * torch.relu(self.carried(x)) + (1 - gate) * x)


class Several(Highway):
    def forward(self, x):
        logits = super().forward(x)
        return logits, logits.softmax(-1)


class Held(Highway):
    def forward(self, x):
        return Out(super().forward(x))


class Out:
    def __init__(self, logits):
        self.logits = logits


class Sectioned(Highway):
    def forward(self, x):
        return Sections(super().forward(x), x)


@dataclass
class Sections:
    logits: torch.Tensor
    rest: torch.Tensor


class Batched(Highway):
    def forward(self, batch):
        return super().forward(batch["x"])


class Pixels(nn.Conv1d):
    pass


def make():
    return Highway()


held, sectioned, batched, pixels = Held(), Sectioned(), Batched(), Pixels(4, 2, 1)
sectioned.example = (torch.randn(2, 4),)
batched.example = ({"x": torch.randn(2, 4)},)
pixels.example, classes = (torch.randn(3, 4, 5),), torch.ones(3, 5, dtype=torch.long)
smooth = nn.SoftMarginLoss()
highway, several, target, entropy = Highway(), Several(), torch.tensor([0, 1]), nn.CrossEntropyLoss()


def first(output, y):
    import chainrule

    return chainrule.nn.functional.cross_entropy(output[0], y)


def of_torch(output, y):
    logits = output.logits if isinstance(output, Sections) else output
    return nn.functional.cross_entropy(logits, y, label_smoothing=0.1)


def alone(output):
    return torch.logsumexp(output, -1).mean()
"""


# The three commands find model, loss and target by the same function (`jobs.foreign.ours`): each kind of model goes
# through one of them, each loss through two.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "name", "loss"),
    [
        ("explain", "highway", "cross_entropy"),
        ("explain", "Highway", "entropy"),
        ("explain", "make", "cross_entropy"),
        ("explain", "several", "first"),
        ("graph", "highway", "entropy"),
        ("graph", "several", "first"),
        ("doctor", "Highway", "cross_entropy"),
        ("doctor", "highway", "entropy"),
    ],
)
def test_a_module_of_pytorch(torch, tmp_path, monkeypatch, command, name, loss):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "torch_nets.py").write_text(TORCH_NETS, encoding="utf-8")
    extra, sign = {
        "explain": ((), "equations are verified"),
        "graph": (("-o", "net.svg"), "<Graph of"),
        "doctor": (("--steps", "2", "--no-remedies"), "Highway"),
    }[command]
    done = chainrule(command, f"torch_nets.py:{name}", "--shape", "x=2,4", "--loss", loss, "--target", "target", *extra)
    assert done.exit_code == 0 or command == "doctor", done.output
    assert sign in done.output


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "name", "arguments"),
    [
        ("explain", "sectioned", ("of_torch", "--target", "target")),
        ("graph", "sectioned", ("of_torch", "--target", "target")),
        ("explain", "highway", ("of_torch", "--target", "target", "--shape", "x=2,4")),
        ("graph", "highway", ("alone", "--shape", "x=2,4")),
        ("explain", "highway", ("smooth", "--target", "[[1.0, -1.0], [-1.0, 1.0]]", "--shape", "x=2,4")),
        ("explain", "batched", ("cross_entropy", "--target", "target")),
        ("graph", "batched", ("cross_entropy", "--target", "target")),
        ("explain", "pixels", ("cross_entropy", "--target", "classes")),
    ],
)
def test_losses_outputs_and_arguments_of_pytorch(torch, tmp_path, monkeypatch, command, name, arguments):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "torch_nets.py").write_text(TORCH_NETS, encoding="utf-8")
    more = ("-o", "net.svg") if command == "graph" else ("--level", "brief")
    done = chainrule(command, f"torch_nets.py:{name}", "--loss", *arguments, *more)
    assert done.exit_code == 0, done.output
    assert "equations are verified" in done.output or "<Graph of" in done.output


@pytest.mark.slow
def test_a_loss_of_pytorch_is_what_pytorch_computes(torch):
    torch.manual_seed(0)
    model, x, y = torch.nn.Linear(4, 3), torch.randn(5, 4), torch.tensor([0, 2, 1, 1, 0])
    loss = torch.nn.MultiMarginLoss()
    found = ours(model, (x,), lambda output, y: loss(output, y), y)
    assert found.loss is None
    model.double()
    expected = loss(model(x.double()), y).detach()
    assert float(found.model(*found.args)) == pytest.approx(float(expected), rel=1e-12)
    assert [name for name, _ in found.model.named_parameters()] == ["weight", "bias"]


class Squares:
    def __call__(self, output, y):
        return nn.functional.mse_loss(output, y)


def test_a_loss_of_this_package_is_not_given_to_pytorch(torch):
    model, x, y = torch.nn.Linear(4, 3), torch.randn(5, 4), np.zeros((5, 3))
    for loss in (Squares(), Squares().__call__, functools.partial(nn.functional.huber_loss, delta=0.5), nn.MSELoss()):
        found = ours(model, (x,), loss, y)
        assert found.loss is loss
        assert float(found.loss(found.model(*found.args), found.target)) > 0


@pytest.mark.parametrize("command", ["explain", "doctor"])
def test_an_error_of_a_module_is_one_line_with_its_place(torch, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "torch_nets.py").write_text(TORCH_NETS, encoding="utf-8")
    for shape, loss, target in (("x=2,3", "cross_entropy", "target"), ("x=2,4", "of_torch", "[0, 1, 1]")):
        done = chainrule(command, "torch_nets.py:highway", "--shape", shape, "--loss", loss, "--target", target)
        assert done.exit_code == 2
        assert done.output.startswith("error: Highway: ")
        assert re.search(r"raises at .*torch_nets\.py:\d+: \w+Error: ", done.output)


@pytest.mark.slow
def test_what_a_loss_cannot_take_is_described_by_its_names(torch, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "torch_nets.py").write_text(TORCH_NETS, encoding="utf-8")
    done = chainrule("explain", "torch_nets.py:sectioned", "--loss", "cross_entropy", "--target", "target")
    told = " ".join(done.output.split())
    assert "a dict of ['logits'] [2, 2], ['rest'] [2, 4]; pass one that takes the part it needs" in told
    assert "mse_loss(output['logits'], y)" in told


def test_a_module_of_pytorch_that_cannot_be_traced_is_one_line(torch, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "torch_nets.py").write_text(TORCH_NETS, encoding="utf-8")
    done = chainrule("explain", "torch_nets.py:held", "--shape", "x=2,4", "--loss", "first", "--target", "target")
    assert done.exit_code == 2
    assert "Traceback" not in done.output
    assert "from_torch: Held" in done.output


def test_a_module_of_pytorch_is_not_explained_as_it_is(torch):
    with pytest.raises(TypeError, match=r"Linear is a PyTorch module; convert it .*from_torch\(model, x\)"):
        cr.explain(torch.nn.Linear(2, 1), torch.ones(1, 2))


def test_a_loss_of_pytorch_keeps_its_settings_or_is_refused(torch):
    x, y = torch.randn(4, 3), torch.tensor([0, 2, 1, 1])
    for loss in (torch.nn.CrossEntropyLoss(label_smoothing=0.1, reduction="sum"), torch.nn.CrossEntropyLoss()):
        assert float(loss_of_ours(loss)(plain(x), plain(y))) == pytest.approx(float(loss(x, y)), rel=1e-6)
    x, y = torch.randn(4, 3, 5), torch.randint(0, 3, (4, 5))
    assert float(loss_of_ours(torch.nn.NLLLoss())(plain(x), plain(y))) == pytest.approx(
        float(-x.gather(1, y[:, None]).mean())
    )
    assert loss_of_ours(len) is len
    with pytest.raises(ValueError, match=r"--loss: chainrule\.nn has no CTCLoss"):
        loss_of_ours(torch.nn.CTCLoss())


CLASSROOM = """
import numpy as np
from chainrule import nn

model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
labels = np.array([0, 1])
onehot = np.eye(2)


def distance(output, y):
    return ((output - y) ** 2).sum()
"""


@pytest.mark.parametrize("command", ["explain", "doctor", "graph", "explore"])
def test_a_loss_and_a_target_that_do_not_go_together_are_told_by_their_options(command, tmp_path):
    (tmp_path / "net_of_class.py").write_text(CLASSROOM, encoding="utf-8")
    call = (command, "net_of_class.py:model", "--shape", "x=5,3")
    more = ("-o", "page.html") if command in ("graph", "explore") else ()
    for loss in ("cross_entropy", "mse", "distance"):
        done = chainrule(*call, "--loss", loss, *more, folder=tmp_path)
        assert done.exit_code == 2
        assert f"error: --loss {loss}: it compares the output with a target; add --target NAME" in done.stderr
    for loss, target in (("cross_entropy", "labels"), ("mse", "onehot"), ("distance", "onehot")):
        for lang, said in (("en", "it has 2 rows, but the input has 5; "), ("ko", "목표는 2행인데 입력은 5행입니다. ")):
            language = ("--lang", lang)
            done = chainrule(*call, "--loss", loss, "--target", target, *language, *more, folder=tmp_path)
            assert done.exit_code == 2
            assert f": --target {target}: {said}" in done.stderr
    assert not list(tmp_path.glob("*.html"))


def test_why_of_a_vector_that_is_multiplied_by_a_matrix(tmp_path):
    (tmp_path / "of_vector.py").write_text("def loss(x, w):\n    return ((x @ w) ** 2).sum()\n", encoding="utf-8")
    shapes = ("--shape", "x=3,2", "--shape", "w=2")
    done = chainrule("explain", "of_vector.py:loss", "--why", "w", *shapes, folder=tmp_path)
    assert done.exit_code == 0
    assert done.stdout.startswith("w: ")
