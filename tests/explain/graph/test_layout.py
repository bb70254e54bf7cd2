"""The layout of a graph: laws that hold for every directed acyclic graph."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.named import walked

from chainrule.explain.graph.layout import (
    Edge,
    Place,
    _crossings,
    _ordered,
    _Rows,
    isotonic,
    lay_out,
    rows_of,
)

LENGTHS = st.floats(1.0, 120.0)
SIZES = st.tuples(LENGTHS, LENGTHS)


@st.composite
def graphs(draw):
    """Sizes of boxes, and edges with labels from lower to higher numbers, some of them twice."""
    count = draw(st.integers(1, 14))
    pairs = list(itertools.combinations(range(count), 2))
    chosen = draw(st.lists(st.sampled_from(pairs), max_size=24)) if pairs else []
    edges = [Edge(a, b, *draw(SIZES), weight=draw(st.sampled_from([1.0, 1000.0]))) for a, b in chosen]
    return draw(st.lists(SIZES, min_size=count, max_size=count)), edges


def overlap(a: Place, b: Place) -> bool:
    return min(a.right, b.right) - max(a.left, b.left) > 1e-6 and min(a.bottom, b.bottom) - max(a.top, b.top) > 1e-6


@pytest.mark.slow
@settings(max_examples=80, deadline=None)
@given(graphs())
def test_no_box_or_label_lies_on_another(graph):
    layout = lay_out(*graph)
    for a, b in itertools.combinations([*layout.boxes, *layout.labels], 2):
        assert not overlap(a, b), (a, b)


@pytest.mark.slow
@settings(max_examples=80, deadline=None)
@given(graphs())
def test_edges_go_down_from_their_tail_to_their_head(graph):
    sizes, edges = graph
    layout = lay_out(sizes, edges)
    for edge, label, knots in zip(edges, layout.labels, layout.knots, strict=True):
        tail, head = layout.boxes[edge.tail], layout.boxes[edge.head]
        heights = [y for _, y in knots]
        assert min(np.diff(heights)) >= -1e-9
        assert knots[0] == pytest.approx((tail.x, tail.bottom))
        assert knots[-1][1] == pytest.approx(head.top)
        assert head.left <= knots[-1][0] <= head.right
        assert tail.bottom < label.top < label.bottom < head.top


@pytest.mark.slow
@settings(max_examples=80, deadline=None)
@given(graphs())
def test_an_edge_passes_no_box_and_no_label_but_its_own(graph):
    sizes, edges = graph
    layout = lay_out(sizes, edges)
    for edge, own, knots in zip(edges, layout.labels, layout.knots, strict=True):
        others = [p for k, p in enumerate(layout.boxes) if k not in (edge.tail, edge.head)]
        others += [p for p in layout.labels if p is not own]
        for (x, y), (u, v) in itertools.pairwise(knots):  # where it bends, the whole strip that it bends in is empty
            strip = Place(abs(u - x), v - y, (x + u) / 2, (y + v) / 2)
            for place in others:
                assert not overlap(strip, place)
                assert not (place.left < x == u < place.right and min(place.bottom, v) - max(place.top, y) > 1e-6)


@settings(max_examples=60, deadline=None)
@given(graphs())
def test_everything_is_inside_the_drawing(graph):
    layout = lay_out(*graph)
    for place in [*layout.boxes, *layout.labels]:
        assert place.left >= -1e-6
        assert place.right <= layout.width + 1e-6
        assert place.top >= -1e-6
        assert place.bottom <= layout.height + 1e-6


@given(graphs())
def test_a_row_is_one_below_the_lowest_argument_and_a_source_just_above_its_first_use(graph):
    sizes, edges = graph
    rows = rows_of(len(sizes), edges)
    for k, row in enumerate(rows):
        into = [rows[e.tail] for e in edges if e.head == k]
        out = [rows[e.head] for e in edges if e.tail == k]
        assert all(below > row for below in out)
        if into:
            assert row >= max(into) + 1
        elif out:
            assert row == min(out) - 1


@given(graphs())
def test_crossings_are_counted_right(graph):
    sizes, edges = graph
    rows = _Rows()
    numbers = rows_of(len(sizes), edges)
    for size, row in zip(sizes, numbers, strict=True):
        rows.add(Place(*size), row)
    short = [e for e in edges if numbers[e.head] == numbers[e.tail] + 1]
    for edge in short:
        rows.join(edge.tail, edge.head, 1.0)
    order = [[k for k, row in enumerate(numbers) if row == number] for number in range(max(numbers) + 1)]
    crossing = sum(
        numbers[a.tail] == numbers[b.tail] and (a.tail - b.tail) * (a.head - b.head) < 0
        for a, b in itertools.combinations(short, 2)
    )
    assert _crossings(rows, order) == crossing


def test_two_crossed_pairs_are_uncrossed():
    rows = _Rows()
    for k in range(4):
        rows.add(Place(10.0, 10.0), k // 2)
    rows.join(0, 3, 1.0)
    rows.join(1, 2, 1.0)
    assert _crossings(rows, [[0, 1], [2, 3]]) == 1
    assert _crossings(rows, _ordered(rows)) == 0


@given(st.lists(st.tuples(st.floats(-100, 100), st.floats(0.1, 10)), min_size=1, max_size=12))
def test_isotonic_regression_is_the_max_of_the_min_of_the_means(pairs):
    """The formula of Barlow and others (1972): the greatest, over beginnings, of the least mean over ends."""
    values, weights = np.array(pairs).T

    def mean(j, k):
        return np.average(values[j : k + 1], weights=weights[j : k + 1])

    n = len(values)
    expected = [max(min(mean(j, k) for k in range(i, n)) for j in range(i + 1)) for i in range(n)]
    np.testing.assert_allclose(isotonic(values, weights), expected, atol=1e-9)


def test_a_chain_is_one_straight_line():
    layout = lay_out([(40, 20), (90, 20), (30, 20)], [Edge(0, 1, 50, 10), Edge(1, 2, 50, 10)])
    assert {round(place.x, 9) for place in [*layout.boxes, *layout.labels]} == {45.0}


@walked("edge", [Edge(1, 0), Edge(0, 0), Edge(0, 2), Edge(-1, 1)])
def test_an_edge_that_leads_backwards_or_nowhere_is_refused(edge):
    with pytest.raises(ValueError, match="from lower to higher numbers below 2"):
        lay_out([(1, 1), (1, 1)], [edge])
