"""The audit of NumPy's functions: none is left out, each is what it is said to be, and the page says the same."""

import inspect
from pathlib import Path

import numpy as np
import pytest
from tests.command import chainrule
from tests.named import walked

import chainrule as cr
from chainrule.check.audit import audit, numpy_names
from chainrule.core.operands.protocols import functions, ufuncs
from chainrule.core.operation import REGISTRY
from chainrule.rules.refused import REASONS, REFUSED

PAGE = Path(__file__).parents[2] / "docs" / "operations.md"
WRITTEN_BY = "python -m chainrule.check.audit.audit > docs/operations.md"
BY_NAME = {entry.name: entry for entry in audit.audit()}
NUMPY = dict(audit.numpy_functions())


def of_kind(kind):
    return sorted(name for name, entry in BY_NAME.items() if entry.kind == kind)


def test_no_function_of_numpy_is_unclassified():
    assert of_kind("unclassified") == []
    assert sum(audit.summary().values()) == len(NUMPY) > 400


@walked(
    ("name", "kind", "detail"),
    [
        ("exp", "operation", "exp"),
        ("linalg.solve", "operation", "solve"),
        ("pow", "operation", "power"),
        ("concatenate", "operation", "concatenate"),
        ("nansum", "composition", "sum, where"),
        ("conj", "composition", "positive"),
        ("argsort", "constant", ""),
        ("less", "constant", "less"),
        ("allclose", "constant", "NumPy's own answer"),
        ("arange", "maker", ""),
        ("show_config", "apart", ""),
    ],
)
def test_an_entry(name, kind, detail):
    assert BY_NAME[name] == audit.AuditEntry(name, kind, detail)


def test_reasons_are_given():
    assert "works on bits" in BY_NAME["packbits"].detail
    assert all(BY_NAME[name].detail for name in of_kind("refused"))


def test_a_function_that_numpy_may_bring_is_noticed(monkeypatch):
    monkeypatch.setattr(np, "brand_new", lambda x: x, raising=False)
    audit.audit.cache_clear()
    try:
        assert [entry.name for entry in audit.audit() if entry.kind == "unclassified"] == ["brand_new"]
    finally:
        audit.audit.cache_clear()


def test_a_function_whose_every_try_fails_is_noticed(monkeypatch):
    def picky(x):
        raise TypeError("expected something else")

    monkeypatch.setattr(np, "picky", picky, raising=False)
    monkeypatch.setitem(functions, picky, picky)
    audit.audit.cache_clear()
    try:
        (entry,) = (entry for entry in audit.audit() if entry.name == "picky")
        assert (entry.kind, "TRIES" in entry.detail) == ("unclassified", True)
    finally:
        audit.audit.cache_clear()


def test_operations_that_are_named_exist():
    for name in (*of_kind("operation"), *of_kind("composition")):
        detail = BY_NAME[name].detail
        if detail != audit.ITSELF and not detail.startswith("an old name of"):
            assert set(detail.split(", ")) <= set(REGISTRY), name


def test_no_function_is_in_two_lists():
    lists = [
        numpy_names.MAKERS,
        numpy_names.APART,
        set(numpy_names.KNOWN),
        {n for names in REFUSED.values() for n in names},
    ]
    assert sum(map(len, lists)) == len(set().union(*lists))
    implemented = {name for name, f in NUMPY.items() if f in (ufuncs if isinstance(f, np.ufunc) else functions)}
    assert not (numpy_names.MAKERS | numpy_names.APART) & implemented
    assert set(numpy_names.TRIES) - set(NUMPY) <= {"concat", "matvec", "vecmat"}, "NumPy 2.0 and 2.1 lack these"


def takes_one_array(function):
    try:
        required = [p for p in inspect.signature(function).parameters.values() if p.default is p.empty]
    except ValueError:
        return False
    return len(required) == 1 and required[0].kind in (required[0].POSITIONAL_ONLY, required[0].POSITIONAL_OR_KEYWORD)


@walked("name", [name for name in of_kind("refused") if takes_one_array(NUMPY[name])])
def test_a_refused_function_gives_the_reason(name):
    function = NUMPY[name]
    with pytest.raises(TypeError) as caught:
        function(cr.tensor([[1.0, 0.5], [0.5, 2.0]]))
    assert str(caught.value).startswith("np.")
    assert REASONS[function] in str(caught.value)


def test_a_refused_function_of_plain_arrays_is_numpys():
    np.testing.assert_array_equal(cr.numpy.roots(np.array([1.0, 0.0, -1.0])), [-1.0, 1.0])


def test_the_page_is_current():
    written, current = PAGE.read_text(encoding="utf-8"), audit.page()
    release = f"## NumPy {'.'.join(np.__version__.split('.')[:2])}'s functions"
    if release not in written:  # another release has other functions: chainrule's own operations are the same
        written, current = (text.partition("## NumPy")[0] for text in (written, current))
    assert written == current, f"run: {WRITTEN_BY}"


def test_the_command_prints_operations_and_the_summary():
    done = chainrule("info", "--operations")
    assert done.exit_code == 0, done.output
    for text in ("layer_norm", "elementwise", r"y = [a < b]", "NumPy functions", "composition", "refused"):
        assert text in done.output
