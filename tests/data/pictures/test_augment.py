import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.named import walked

from chainrule.data.pictures.augment import LEVELS, Augmentation, augmentation, can_be_mirrored

SIZES = st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9))
CHANGES = st.builds(Augmentation, mirror=st.booleans(), shift=st.integers(0, 4), hole=st.integers(0, 6))


def pictures(seed, count, shape):
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), np.uint8)


def by_hand(change, x, draw, fill):
    """The same, one pixel after the other."""
    count, channels, height, width = x.shape
    y = np.empty_like(x)
    for b, c, i, j in np.ndindex(count, channels, height, width):
        column = width - 1 - j if draw.mirrored[b] else j
        row = np.clip(i + draw.down[b] - change.shift, 0, height - 1)
        column = np.clip(column + draw.across[b] - change.shift, 0, width - 1)
        near = [
            abs(k - middle + 0.25) <= change.hole / 2 for k, middle in ((i, draw.hole_row[b]), (j, draw.hole_column[b]))
        ]
        y[b, c, i, j] = fill[c] if change.hole and all(near) else x[b, c, row, column]
    return y


@given(CHANGES, SIZES, st.integers(0, 99))
def test_changes_are_what_they_say(change, shape, seed):
    x, fill = pictures(seed, 3, shape), [7, 8, 9][: shape[0]]
    before = x.copy()
    draw = change.draw(np.random.default_rng(seed), 3, shape)
    found = change.apply(x, draw, fill)
    np.testing.assert_array_equal(found, by_hand(change, before, draw, fill))
    np.testing.assert_array_equal(x, before)


@given(CHANGES, SIZES, st.integers(0, 99), st.integers(0, 4))
def test_a_share_of_a_batch_is_changed_like_the_whole(change, shape, seed, cut):
    x, fill = pictures(seed, 4, shape), [0] * shape[0]
    draw = change.draw(np.random.default_rng(seed), 4, shape)
    parts = [change.apply(x[part], draw.part(part), fill) for part in (slice(0, cut), slice(cut, 4))]
    np.testing.assert_array_equal(np.concatenate(parts), change.apply(x, draw, fill))


def test_a_hole_has_its_size():
    change = Augmentation(hole=4)
    x = np.full((50, 1, 20, 20), 9, np.uint8)
    draw = change.draw(np.random.default_rng(0), 50, (20, 20))
    sizes = (change.apply(x, draw, [1]) == 1).sum(axis=(1, 2, 3))
    assert sizes.max() == 16
    assert sizes.min() >= 4


def test_levels():
    assert augmentation("none", (28, 28), ["a b"]).is_none
    light, strong = (augmentation(level, (30, 48), ["shoe", "hat"]) for level in LEVELS[1:])
    assert (light.mirror, light.shift, light.hole) == (True, 2, 0)
    assert (strong.mirror, strong.shift, strong.hole) == (True, 3, 10)
    assert str(strong) == "mirrored, shifted by up to 3 pixels, with a hole of 10×10 pixels"
    with pytest.raises(ValueError, match="--augment: expected none, light or strong, got 'much'"):
        augmentation("much", (28, 28), [])


@walked("names", ["0123456789", "abc", ["10", "11"], ["left-turn", "stop"], ["a_right", "b"]])
def test_classes_that_mirroring_would_change(names):
    assert not can_be_mirrored(list(names))
    assert not augmentation("light", (28, 28), list(names)).mirror
