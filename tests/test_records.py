"""What an operation is stands in its record: no other file keeps a table of operations' names, or compares one.

The rule is a function from a file to its violations, held against small bad files first. The facts themselves are held
against the mathematics of their records.
"""

import ast
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr
from chainrule.core.facts import Facts, Flat, Moves, Role
from chainrule.core.kinds import Elementwise
from chainrule.core.operation import REGISTRY, Operation

from .rules.calls import Call, cases_of

PACKAGE = Path(__file__).parents[1] / "src" / "chainrule"
OPERATIONS = {name: op for name, op in sorted(REGISTRY.items()) if op.__module__.startswith("chainrule.")}
ASKED = ("name", "operation", "function", "op")
"""What an operation's name is called where it is compared."""
FRONTS = {
    "autograd": "HIPS autograd's names",
    "learn/expression.py": "the functions that a student may write",
    "scipy": "SciPy's names, as a user imports them",
    "stats.py": "SciPy's names of distributions",
    "special.py": "SciPy's names, as a user imports them",
    "check/hypotheses/substitutions.py": "what a rule of the user's own may have got wrong, in words",
    "check/repairs": "NumPy's names, in the text of the user's code",
    "doctor/engines/torch/names.py": "PyTorch's names, which lead to records",
    "formula": "LaTeX's names, and what they mean there",
    "interop/onnx/read": "the names in ONNX's files",
    "interop/onnx/write/modules.py": "PyTorch's names of recurrent layers' activations",
    "interop/torch/traced": "the names of ATen's operators",
    "interop/sklearn": "the names that a setting of an estimator may have",
    "kernels/activations.py": "kernels, which lie below the records",
    "nn/function.py": "PyTorch's names of reductions",
    "nn/functional/reduction.py": "PyTorch's names of reductions",
    "nn/recurrent.py": "PyTorch's names of recurrent layers' activations",
    "optim/lr_scheduler.py": "PyTorch's names of settings",
    "torch": "PyTorch's names",
    "present/unicode_math.py": "LaTeX's names, in a text",
}
"""Files and folders that hold the names of something else, by what these are."""


def tables(nodes: list[ast.AST], names: frozenset[str]) -> Iterator[int]:
    """The lines of displays of which two strings or more, and most, are names of operations; keys, in a dict."""
    for node in nodes:
        if isinstance(node, ast.Dict | ast.Set | ast.Tuple | ast.List):
            items = node.keys if isinstance(node, ast.Dict) else node.elts
            texts = [x.value for x in items if isinstance(x, ast.Constant) and isinstance(x.value, str)]
            found = [text for text in texts if text.partition(".")[0] in names]
            if len(found) > 1 and 2 * len(found) > len(texts):
                yield node.lineno


def comparisons(nodes: list[ast.AST], names: frozenset[str]) -> Iterator[int]:
    """The lines on which a name is compared with a literal that is an operation's name."""
    for node in nodes:
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
        elif isinstance(node, ast.Match):
            sides = [node.subject, *node.cases]
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("startswith", "endswith"):
            sides = [node.func.value, *node.args]
        else:
            continue
        asked = any(isinstance(x, ast.Attribute) and x.attr in ASKED for x in sides)
        asked |= any(isinstance(x, ast.Name) and x.id in ASKED for x in sides)
        literals = [x.value for side in sides for x in ast.walk(side) if isinstance(x, ast.Constant)]
        if asked and any(isinstance(x, str) and x.partition(".")[0] in names for x in literals):
            yield node.lineno


def violations(text: str, names: frozenset[str] = frozenset(OPERATIONS)) -> list[int]:
    """The lines of a file that know operations by their names."""
    if names.isdisjoint(re.findall(r"""["'](\w+)""", text)):  # parsing takes longer than reading
        return []
    nodes = list(ast.walk(ast.parse(text)))
    return sorted({*tables(nodes, names), *comparisons(nodes, names)})


@walked(
    "text",
    [
        'COSTS = {"exp": 8, "tanh": 10}',
        'COSTS = {"exp": 8, **dict.fromkeys(("sin", "cos"), 10)}',
        'VIEWS = frozenset({"reshape", "transpose", "swapaxes"})',
        'VIEWS = ("reshape", "transpose")',
        'TASKS = {"LayerNorm": f, "exp.adjoint": g, "matmul": h}',
        'found = op.name == "exp"',
        'found = "exp" != unit.record.name',
        'if i.name in ("exp", "something else"): pass',
        'def f(name):\n    return name == "exp"',
        'match op.name:\n    case "exp":\n        pass',
        'if op.name.startswith("exp"): pass',
        'if op.name == "exp.adjoint": pass',
    ],
)
def test_a_file_that_knows_operations_by_their_names_is_found(text: str) -> None:
    assert violations(text)


@walked(
    "text",
    [
        "COSTS = {Exp: 8, Tanh: 10}",
        'words = {"title": "exp", "sum": "total", "text": "log"}',
        'found = op is Exp or op.name == "no operation"',
        'if reduction == "mean": pass',
        'text = f"exp: expected {name}"',
        'names = ["exp"]',
    ],
)
def test_another_file_is_not_found(text: str) -> None:
    assert violations(text) == []


FILES = {path.relative_to(PACKAGE).as_posix(): path for path in sorted(PACKAGE.rglob("*.py"))}


@pytest.mark.slow
def test_records_alone_know_what_an_operation_is() -> None:
    fronts = ("__init__.py", "numpy.py", "rules/", *FRONTS)
    behind = {name: path for name, path in FILES.items() if not name.startswith(fronts)}
    found = {name: violations(path.read_text(encoding="utf-8")) for name, path in behind.items()}
    assert {name: lines for name, lines in found.items() if lines} == {}


# The facts


def test_every_fact_has_a_default_and_a_text() -> None:
    (body,) = (
        n.body for n in ast.parse((PACKAGE / "core/facts.py").read_text()).body if getattr(n, "name", "") == "Facts"
    )
    for k, node in enumerate(body[1:], 1):
        if isinstance(node, ast.AnnAssign):
            assert isinstance(body[k + 1], ast.Expr), f"{ast.unparse(node.target)} has no docstring"
    own = cr.custom(lambda x: x)
    facts = {key: value for key, value in vars(Facts).items() if not key.startswith("_")}
    del facts["on_complex"]  # a custom operation may compute with complex numbers: its rules are the user's
    assert all(getattr(own, key) == value for key, value in facts.items())


def _slope(op: type[Operation], x: float) -> float:
    with np.errstate(all="ignore"):
        return float(cr.grad(op.apply)(np.float64(x)))


FLAT = {name: op for name, op in OPERATIONS.items() if issubclass(op, Elementwise) and len(op.arguments) == 1}
FLAT = {name: op for name, op in FLAT.items() if op.flat is not Flat.NOWHERE or op.role is Role.ACTIVATION}


@walked("name", FLAT)
def test_a_slope_dies_away_where_the_record_says_so(name: str) -> None:
    op = FLAT[name]
    left, right = (abs(_slope(op, x)) < 1e-3 for x in (-60.0, 60.0))
    if name == "sin":  # it comes back
        return
    assert (left, right) == (op.flat.is_one_sided or op.flat is Flat.BOTH, op.flat in (Flat.RIGHT, Flat.BOTH))
    at_the_left = abs(float(op.apply(np.float64(-60.0))))
    assert (at_the_left < 1e-3) == (op.flat is Flat.ZERO_LEFT) or op.flat in (Flat.BOTH, Flat.NOWHERE, Flat.RIGHT)


@walked("name", [name for name, op in OPERATIONS.items() if op.bounds != Operation.bounds])
def test_results_lie_within_the_bounds(name: str) -> None:
    op = OPERATIONS[name]
    x = np.array([-1e3, -40.0, -1.5, -0.1, 0.0, 0.2, 1.5, 40.0, 1e3])
    y = op.apply(*[x] * len(op.arguments), **{"axis": -1} if "axis" in op.defaults else {})
    low, high = op.bounds
    assert np.all((low <= y) & (y <= high))
    assert math.isinf(low) or np.min(y) < low + 1e-2
    assert math.isinf(high) or np.max(y) > high - 1e-2


@walked("name", [name for name, op in OPERATIONS.items() if op.poles])
def test_a_pole_is_one(name: str) -> None:
    op = OPERATIONS[name]
    ((argument, (_, end)),) = op.poles.items()
    k = op.arguments.index(argument)
    others = [np.float64(0.5)] * len(op.arguments)

    def made(x: float) -> list[Any]:
        args = [*others[:k], np.float64(x), *others[k + 1 :]]
        with np.errstate(all="ignore"):
            return [op.apply(*args), cr.grad(lambda x: op.apply(*args[:k], x, *args[k + 1 :]))(args[k])]

    assert not np.all(np.isfinite(made(end)))
    assert np.all(np.isfinite(made(end + 1e-3)))


@walked("name", [name for name, op in OPERATIONS.items() if op.moves is not None])
def test_what_moves_elements_makes_none(name: str) -> None:
    op = OPERATIONS[name]
    for one in cases_of(op):
        call = Call.drawn(op, one, np.random.default_rng(0))
        x, y = np.asarray(call.args[0]), np.asarray(op.apply(*call.args, **one.settings))
        assert set(y.ravel().tolist()) <= set(x.ravel().tolist())
        if op.moves is Moves.SAME:
            np.testing.assert_array_equal(x.ravel(), y.ravel())
        if op.moves is Moves.REORDERED:
            np.testing.assert_array_equal(np.sort(x.ravel()), np.sort(y.ravel()))


@walked("name", [name for name, op in OPERATIONS.items() if op.is_pointwise and len(op.arguments) == 1])
def test_what_is_pointwise_is(name: str) -> None:
    op = OPERATIONS[name]
    for one in cases_of(op):
        call = Call.drawn(op, one, np.random.default_rng(0))
        x = np.asarray(call.args[0])
        one_by_one = [op.apply(element, **one.settings) for element in x.ravel()]
        np.testing.assert_allclose(np.ravel(op.apply(x, **one.settings)), one_by_one, rtol=1e-12)


@pytest.mark.parametrize("name", [name for name, op in OPERATIONS.items() if op.all_adjoints is not None])
def test_all_adjoints_are_the_adjoints(name: str) -> None:
    op = OPERATIONS[name]
    for one in cases_of(op):
        call = Call.drawn(op, one, np.random.default_rng(0))
        settings = {**op.defaults, **one.settings}
        y, *kept = op.primal_keeping(*call.args, **settings)  # type: ignore[attr-defined]
        values = {**dict(zip(op.arguments, call.args, strict=True)), **dict(zip(op.keeps, kept, strict=True))}
        values["y_bar"] = np.random.default_rng(1).normal(size=np.shape(y))

        def called(rule: Any, values: dict[str, Any] = values) -> Any:
            return rule(*(values[key] for key in cr.core.operation.parameters(rule)))

        assert op.all_adjoints is not None
        rules = [op.rule_of(argument) for argument in op.differentiable]
        for made, rule in zip(called(op.all_adjoints), rules, strict=True):
            np.testing.assert_allclose(made, called(rule), rtol=1e-12, atol=1e-12)


def test_eager_adjoints_leave_what_is_no_large_plain_array_to_the_rules() -> None:
    for op in OPERATIONS.values():
        if op.eager_adjoints is not None:
            for one in cases_of(op):
                shapes = [np.zeros(np.shape(x)) for x in Call.drawn(op, one, np.random.default_rng(0)).args]
                names = cr.core.operation.parameters(op.eager_adjoints)
                for given in (shapes[0], None, cr.tensor(shapes[0])):
                    assert op.eager_adjoints(*[given for _ in names]) is None


@pytest.mark.parametrize("name", [name for name, op in OPERATIONS.items() if op.primal_and_adjoint is not None])
def test_primal_and_adjoint_are_these(name: str) -> None:
    op = OPERATIONS[name]
    for one in cases_of(op):
        call = Call.drawn(op, one, np.random.default_rng(0))
        y, pull = cr.vjp(lambda x, op=op, call=call: op.apply(x, *call.args[1:]), call.args[0])
        y_bar = np.random.default_rng(1).normal(size=np.shape(y))
        assert op.primal_and_adjoint is not None
        made = op.primal_and_adjoint(*call.args, y_bar)
        for a, b in zip(made, (y, pull(y_bar)[0]), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12)
