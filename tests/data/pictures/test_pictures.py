import numpy as np
import pytest
from tests.named import walked

from chainrule.data import DataError, DataLoader, Standardizer
from chainrule.data.pictures import (
    Augmentation,
    Form,
    PictureLoader,
    Pictures,
    PictureSet,
    Survey,
    chosen_form,
    survey,
)

Image = pytest.importorskip("PIL.Image", reason="pictures need pip install '.[pictures]'")


@pytest.fixture
def files(tmp_path):
    """Eleven RGB pictures of one size."""
    rng, paths = np.random.default_rng(0), []
    for k in range(11):
        paths.append(tmp_path / f"{k}.png")
        Image.fromarray(rng.integers(0, 256, (6, 5, 3), np.uint8)).save(paths[-1])
    return paths


def both(files):
    """The same pictures, in memory and on disk."""
    form = Form(6, 5, 3)
    kept, on_disk = (Pictures.read(files, form, "p", most_bytes=size) for size in (10**6, 10))
    assert kept.array is not None
    assert on_disk.array is None
    return kept, on_disk


def test_pictures_in_memory_and_on_disk_are_the_same(files):
    kept, on_disk = both(files)
    for index in ([3, 0, 3], np.arange(11) > 8, slice(2, 4)):
        np.testing.assert_array_equal(kept[index], on_disk[index])
    rows = np.array([0, 2, 5])
    for one, other in zip(kept.moments(rows), on_disk.moments(rows), strict=True):
        np.testing.assert_array_equal(one, other)
    mean, scale = kept.moments(rows)
    values = kept[rows].swapaxes(0, 1).reshape(3, -1)
    np.testing.assert_allclose(mean, values.mean(axis=1), rtol=1e-12)
    np.testing.assert_allclose(scale, values.std(axis=1), rtol=1e-12)
    assert kept.digest() != Pictures.read(files[:-1], Form(6, 5, 3), "p").digest()


def test_rgb_pictures_without_colour_become_grey(tmp_path):
    grey = np.random.default_rng(0).integers(0, 256, (4, 4), np.uint8)
    for k in range(2):
        Image.fromarray(np.repeat(grey[..., None], 3, axis=2)).save(tmp_path / f"{k}.png")
    paths = sorted(tmp_path.iterdir())
    form = chosen_form(survey(paths, "p"))
    assert form.channels == 3
    for size in (10**6, 1):
        found = Pictures.read(paths, form, "p", most_bytes=size)
        assert found.form.channels == 1
        np.testing.assert_array_equal(found[[0]][0, 0], grey)
    assert Pictures.read(paths, form, "p", may_turn_grey=False).form == form


def test_constant_pictures_have_a_scale(tmp_path):
    Image.new("L", (3, 3), 9).save(tmp_path / "a.png")
    mean, scale = Pictures.read([tmp_path / "a.png"], Form(3, 3, 1), "p").moments(np.array([0]))
    assert (mean, scale) == ([9.0], [1.0])


def test_files_that_cannot_be_read_are_named(files, tmp_path):
    for k in range(25):
        files.append(tmp_path / f"bad{k}.png")
        files[-1].write_bytes(b"x")
    (tmp_path / "cut.png").write_bytes(files[0].read_bytes()[:60])
    with pytest.raises(
        DataError, match=r"p: 25 of 36 files cannot be read as pictures: .*bad0.png is not .*and 5 more"
    ):
        survey(files, "p")
    with pytest.raises(DataError, match=r"p: 2 of 3 files .*bad0.png is not .*; .*cut.png"):
        survey([files[1], tmp_path / "bad0.png", tmp_path / "cut.png"], "p")
    with pytest.raises(DataError, match=r"1 of 2 files cannot be read as pictures: .*cut.png"):
        Pictures.read([files[1], tmp_path / "cut.png"], Form(6, 5, 3), "p")


@walked(
    ("heights", "widths", "expected"),
    [
        ([28, 28], [28, 28], (28, 28)),
        ([20, 20], [60, 60], (20, 60)),
        ([480, 600], [640, 300], (64, 64)),
        ([30, 40, 50], [90, 90, 90], (40, 40)),
        ([128], [128], (64, 64)),
        ([3, 900], [900, 3], (8, 8)),
    ],
)
def test_a_size_is_chosen(heights, widths, expected):
    form = chosen_form(Survey(np.array(heights), np.array(widths), is_grey=True))
    assert (form.height, form.width, form.channels) == (*expected, 1)


# Batches


def loader(files, batch_size=4, augmentation=None):
    kept, _ = both(files)
    change = Augmentation(True, 2, 2) if augmentation is None else augmentation
    scaling = Standardizer(*kept.moments(np.arange(10)))
    return PictureLoader(PictureSet(kept, np.arange(10), np.arange(10) % 3, scaling), batch_size, 5, change)


def test_batches_are_normalised(files):
    x, y = next(iter(DataLoader(loader(files).dataset, 10, seed=0)))
    assert x.dtype == np.float32
    np.testing.assert_allclose(x.mean(axis=(0, 2, 3)), 0, atol=1e-6)
    np.testing.assert_allclose(x.std(axis=(0, 2, 3)), 1, atol=1e-6)
    assert y.tolist() == [k % 3 for k in range(10)]


def test_an_epoch_that_goes_on_has_the_same_changes(files):
    whole = loader(files)
    epochs = [list(whole), list(whole)]
    assert [len(x) for x, _ in epochs[0]] == [4, 4, 2]
    assert not np.array_equal(epochs[0][0][0], epochs[1][0][0])
    stopped = loader(files)
    list(stopped)
    for _ in stopped:
        break
    resumed = loader(files)
    resumed.load_state_dict(stopped.state_dict())
    rest = list(resumed)
    assert len(rest) == 2
    for one, other in zip(rest, epochs[1][1:], strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_shares_of_batches_are_those_of_one_process(files):
    whole, shares = list(loader(files)), []
    for rank in range(3):
        part = loader(files)
        with part.sharded(rank, 3):
            shares.append(list(part))
    for batch, *parts in zip(whole, *shares, strict=True):
        for k in range(2):
            np.testing.assert_array_equal(np.concatenate([part[k] for part in parts]), batch[k])


def test_no_batch_is_much_smaller_than_the_others(files):
    assert [len(y) for _, y in loader(files, batch_size=9)] == [9]
    assert [len(y) for _, y in loader(files, batch_size=8)] == [8]
    assert [len(y) for _, y in loader(files, batch_size=7)] == [7, 3]
    assert [len(y) for _, y in loader(files, batch_size=64)] == [10]
