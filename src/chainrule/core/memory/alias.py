"""Tensors that share memory, as NumPy's views share memory with arrays.

A write changes no array, since a tape may hold it: the tensor that is written to gets a new value. So what NumPy gets
for free has to be done explicitly: the other tensors that share this memory must get new values as well. A tensor that
has views has an `Owner`, which lists them, weakly; a view has a `View`, which says how it is read from the owner. After
a write to any of them the owner gets a new value, and all views that are still alive are read again. Reading costs
nothing.

NumPy decides which results are views: an operation's result is one if it shares the memory of the innermost arrays.
"""

import weakref
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.core.traces.capturing import example
from chainrule.core.traces.node import Leaf


class View:
    """Where a view is: in the memory of `root`, read by an operation from the view `above` (None: from the root).

    `frozen` says why the view is read-only, if it is.
    """

    __slots__ = ("above", "frozen", "op", "root", "settings")
    frozen: str | None

    def __init__(
        self, root: Any, above: "View | None", op: Any, settings: Mapping[str, Any], frozen: str | None = None
    ) -> None:
        self.root = root
        self.above = above
        self.op = op
        self.settings = settings
        self.frozen = frozen

    def without_root(self) -> "View":
        """Return the same view without keeping the root alive."""
        above = None if self.above is None else self.above.without_root()
        return View(None, above, self.op, self.settings, self.frozen)


class Owner:
    """The record of an owner of memory: its views, in the order in which they were made.

    A constant that shares the memory of a tensor with a gradient (`x.detach()`, a view made inside `no_grad`) owns the
    memory of its own views, and refers to its `source`, the other owner, weakly: it must not keep a tape alive. So
    does a view of a constant that has become a leaf.
    """

    __slots__ = ("limit", "members", "place", "source")

    def __init__(self, source: Any = None, place: View | None = None) -> None:
        self.members: list[weakref.ref[Any]] = []
        self.limit = 16
        self.source = source
        self.place = place

    def add(self, view: Any) -> None:
        """Add a view; dead ones are removed from time to time."""
        members = self.members
        if len(members) >= self.limit:
            members[:] = [reference for reference in members if reference() is not None]
            self.limit = 2 * len(members) + 16
        members.append(weakref.ref(view))

    @property
    def origin(self) -> Any:
        """The tensor whose memory this one shares without its gradient; None if there is none or it is gone."""
        return None if self.source is None else self.source()


def alias_of(x: Any) -> Any:
    """Return the record of a tensor's memory: a `View`, an `Owner`, or None."""
    return getattr(x, "_alias", None)


def innermost(x: Any) -> Any:
    """Return the array in a box (in a capture, the example), for its memory and never for its values."""
    value = x._value
    return value if type(value) is np.ndarray or issubclass(type(value), np.generic) else example(x)


def _memory(array: Any) -> Any:
    """Return the owner of an array's memory."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def connect(y: Any, x: Any, op: Any, settings: Mapping[str, Any], frozen: str | None = None) -> None:
    """If `y`, which is `op` of `x`, is a view of `x`, record that; `frozen` says why it is read-only, if it is."""
    array = y._value
    if type(array) is not np.ndarray:
        array = innermost(y)
        if not isinstance(array, np.ndarray):
            return  # a scalar: in NumPy these have no memory to write to
    base, owner = array.base, x._value
    if base is None:
        return
    is_view = owner is base or (type(owner) is np.ndarray and owner.base is base)
    if not is_view and _memory(array) is not _memory(innermost(x)):
        return
    alias = getattr(x, "_alias", None)
    if type(alias) is View:
        root = alias.root
        view = View(root, alias, op, settings, alias.frozen if frozen is None else frozen)
    else:
        root = x
        view = View(x, None, op, settings, frozen)
    if y._link is None and x._link is not None:
        _share(y, root, view)
        return
    y._alias = view
    owner = getattr(root, "_alias", None)
    if owner is None:
        owner = root._alias = Owner()
    owner.add(y)


def connect_detached(y: Any, x: Any) -> None:
    """Record that `y` is `x` without its gradient."""
    alias = getattr(x, "_alias", None)
    _share(y, *((alias.root, alias) if type(alias) is View else (x, None)))


def share_leaf(x: Any) -> None:
    """Record that `x`, a view that has become a leaf, has its gradient to itself, but shares its memory as before."""
    alias = alias_of(x)
    if type(alias) is View:
        x._alias = Owner(weakref.ref(alias.root), alias.without_root())  # which the owner lists already


def is_part(x: Any) -> bool:
    """Whether a leaf is a view of a constant that still exists, which has to see what is written into the leaf."""
    alias = alias_of(x)
    return type(alias) is Owner and alias.origin is not None


def is_shared(x: Any) -> bool:
    """Whether other tensors share the memory of one, not counting its views that have a gradient."""
    alias = alias_of(x)
    if type(alias) is Owner:
        return alias.origin is not None or any(y._link is None for y, _ in _alive(x))
    return type(alias) is View


def _share(y: Any, root: Any, place: View | None) -> None:
    place = None if place is None else place.without_root()
    alias = alias_of(root)
    if root._link is None and type(alias) is Owner and (origin := alias.origin) is not None:
        # The root need not live as long as what it shares the memory of.
        root, place = origin, _beyond(place, alias.place)
    y._alias = Owner(weakref.ref(root), place)
    owner_of(root).add(y)


def _beyond(place: View | None, before: View | None) -> View | None:
    """Return a place that is counted from another one."""
    if place is None or before is None:
        return place or before
    return View(None, _beyond(place.above, before), place.op, place.settings, place.frozen)


def owner_of(x: Any) -> Owner:
    """Return the `Owner` of a tensor that is not a view."""
    alias: Owner | None = getattr(x, "_alias", None)
    if alias is None:
        alias = x._alias = Owner()
    return alias


outliving: dict[int, list[tuple[weakref.ref[Any], Any]]] = {}
"""By level: boxes of outer traces that values of this one were written to, with the trace each belonged to."""


# Reading and writing


def read(root: Any, place: View | None, known: dict[View, Any]) -> Any:
    """Return the part of the owner's value at a view; `known` collects the parts at each view on the way."""
    steps = []
    while place is not None and place not in known:
        steps.append(place)
        place = place.above
    x = root if place is None else known[place]
    for step in reversed(steps):
        x = known[step] = step.op.apply(x, **step.settings)
    return x


def written(root: Any, place: View, value: Any) -> Any:
    """Return the owner's value with `value` in place of a view."""
    known: dict[View, Any] = {}
    read(root, place.above, known)
    at: View | None = place
    while at is not None:
        above = root if at.above is None else known[at.above]
        value = at.op.written(above, value, **at.settings)
        at = at.above
    return value


def _place_of(alias: Any) -> View | None:
    found: View | None = alias if type(alias) is View else alias.place
    return found


def refresh(root: Any) -> None:
    """Read all views of a tensor again, after it got a new value."""
    known: dict[View, Any] = {}
    for y, alias in _alive(root):
        if isinstance(y._link, Leaf):
            y._value = read(root, _place_of(alias), known)._value
            y.mark_changed()
            refresh_values(y, y._value)
        elif type(alias) is View:
            become(y, read(root, _place_of(alias), known))
        else:
            become(y, read(root, _place_of(alias), known).detach(), connected=False)
            refresh(y)


def refresh_values(root: Any, value: Any) -> None:
    """Read again all views of a leaf whose values were replaced by `value`; their dependence on it does not change."""
    known: dict[View, Any] = {}
    for y, alias in _alive(root):
        y._value = read(value, _place_of(alias), known)
        if type(alias) is Owner:
            refresh_values(y, y._value)


def _alive(root: Any) -> Sequence[tuple[Any, Any]]:
    alias = getattr(root, "_alias", None)
    if type(alias) is not Owner:
        return ()
    found = [y for y in (reference() for reference in alias.members) if y is not None]
    return [(y, y._alias) for y in found]


def become(x: Any, new: Any, connected: bool = True) -> None:
    """Turn the tensor `x` into `new`, a tensor that nothing else refers to."""
    before = x._trace
    if connected and new._trace.level > before.level:
        outliving.setdefault(new._trace.level, []).append((weakref.ref(x), before))
    if x.is_mapped or new.is_mapped:
        x.__class__ = type(new)
    x._value, x._link, x._trace = new._value, new._link, new._trace
