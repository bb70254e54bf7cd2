"""The outlines of boxes: each kind has its own, so that no meaning relies on colour."""

from collections.abc import Callable

from .layout import Place


def rectangle(place: Place, radius: float = 6.0) -> str:
    """Return a rectangle with rounded corners."""
    return (
        f'<rect class="shape" x="{place.left:.1f}" y="{place.top:.1f}" width="{place.width:.1f}" '
        f'height="{place.height:.1f}" rx="{radius:.1f}"/>'
    )


def _pill(place: Place) -> str:
    return rectangle(place, place.height / 2)


def _hexagon(place: Place) -> str:
    side = 11.0
    points = [
        (place.left, place.y),
        (place.left + side, place.top),
        (place.right - side, place.top),
        (place.right, place.y),
        (place.right - side, place.bottom),
        (place.left + side, place.bottom),
    ]
    return f'<polygon class="shape" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}"/>'


def front(place: Place) -> Place:
    """Return the place of the first card of a stack."""
    return Place(place.width - 10, place.height - 10, place.x - 5, place.y + 5)


def _stack(place: Place) -> str:
    inner = front(place)
    cards = [Place(inner.width, inner.height, inner.x + k, inner.y - k) for k in (10, 5)]
    return "".join(rectangle(card).replace('"shape"', '"shape card"') for card in cards) + rectangle(inner)


def _twice(place: Place) -> str:
    inner = Place(place.width - 6, place.height - 6, place.x, place.y)
    return _pill(place) + _pill(inner).replace('"shape"', '"shape inner"')


OUTLINES: dict[str, Callable[[Place], str]] = {
    "parameter": _hexagon,
    "input": _pill,
    "constant": _pill,
    "output": _twice,
    "block": _stack,
}
