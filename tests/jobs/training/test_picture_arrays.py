"""Pictures in IDX files and named sets are trained on as folders are."""

import struct

import numpy as np
import pytest

from chainrule.data import DataError
from chainrule.data.pictures import Pictures, find_array, find_known
from chainrule.data.pictures.decode import Form, decode
from chainrule.jobs.training.kinds import PICTURES, TABLE, kind_of
from chainrule.jobs.training.options import Options
from chainrule.jobs.training.pictures import PictureJob, build, files
from chainrule.train.saved.picture_recipe import PictureRecipe
from chainrule.train.saved.predictor import read_predictor

Image = pytest.importorskip("PIL.Image", reason="pictures need pip install '.[pictures]'")


def write_idx(path, array, code=8):
    path.write_bytes(struct.pack(f">HBB{array.ndim}I", 0, code, array.ndim, *array.shape) + array.tobytes())


@pytest.fixture
def idx(tmp_path):
    rng = np.random.default_rng(0)
    labels = np.arange(40) % 2
    pictures = rng.integers(0, 60, (40, 9, 8)).astype(np.uint8)
    pictures[labels == 1, 4] = 220
    write_idx(tmp_path / "train-images-idx3-ubyte", pictures)
    write_idx(tmp_path / "train-labels-idx1-ubyte", labels.astype(np.uint8))
    return tmp_path / "train-images-idx3-ubyte"


def test_they_are_pictures_where_a_network_for_pictures_is_asked_for(idx):
    for source in (str(idx), "digits"):
        assert kind_of(source, Options()) is TABLE
        assert kind_of(source, Options(model="cnn")) is PICTURES
        assert kind_of(source, Options(as_="pictures")) is PICTURES
    assert kind_of("iris", Options(model="cnn")) is TABLE
    with pytest.raises(ValueError, match="--model: expected one of auto, mlp, cnn, resnet8, vit-tiny, got 'cn'"):
        build("digits", Options(model="cn"))
    assert [path.name for path in files(str(idx))] == ["train-images-idx3-ubyte", "train-labels-idx1-ubyte"]


def test_idx_is_trained_on_predicted_and_looked_into(idx, tmp_path):
    job = build(str(idx), Options(model="cnn", epochs=6, batch_size=8))
    assert job.said[:2] == [f"{idx.name}: 40 pictures, 2 classes", "all of 9×8 pixels; as 9×8 grey"]
    job.train()
    score = job.score()
    assert score.accuracy == 1
    job.save(tmp_path / "m", score)
    predictor = read_predictor(tmp_path / "m")
    header, rows = predictor.table(str(idx))
    assert header == ["row", "prediction", "p(0)", "p(1)"]
    rows = list(rows)
    assert [row[0] for row in rows] == [*map(str, range(40))]
    assert [row[1] for row in rows] == [str(k % 2) for k in range(40)]
    x, y = predictor.examples(str(idx), 10)
    assert (x.shape, y.shape) == ((10, 1, 9, 8), (10,))
    # A file with the same pixels gets the same prediction.
    pixels = find_array(str(idx)).array[3, 0]
    Image.fromarray(pixels).save(tmp_path / "3.png")
    assert next(iter(predictor.table(str(tmp_path / "3.png"))[1]))[1:] == rows[3][1:]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("fit", ["crop", "stretch"])
def test_an_array_is_brought_to_a_form_as_a_file_is(tmp_path, channels, fit):
    array = np.random.default_rng(0).integers(0, 256, (1, channels, 9, 12)).astype(np.uint8)
    Image.fromarray(array[0, 0] if channels == 1 else array[0].transpose(1, 2, 0)).save(tmp_path / "p.png")
    for form in (Form(6, 5, channels, fit), Form(9, 12, 4 - channels, fit)):
        np.testing.assert_array_equal(Pictures.of(array, form)[0], decode(tmp_path / "p.png", form))


def test_a_stopped_job_goes_on_with_the_same_array_only(idx, tmp_path):
    recipe = PictureRecipe(model="mlp", epochs=2, batch_size=8)
    job = PictureJob(find_array(str(idx)), recipe)
    job.save_checkpoint(tmp_path / "c")
    PictureJob(find_array(str(idx)), recipe).resume(tmp_path / "c")
    content = bytearray(idx.read_bytes())
    content[-1] ^= 1
    idx.write_bytes(content)
    with pytest.raises(ValueError, match="was saved with content"):
        PictureJob(find_array(str(idx)), recipe).resume(tmp_path / "c")


def test_arrays_that_are_no_pictures_are_refused(idx, tmp_path):
    with pytest.raises(DataError, match=r"iris: expected pictures \[N, height, width\].*got \[150, 4\]"):
        find_array("iris")
    with pytest.raises(DataError, match="there is the class '0' at picture 1, which the network was not trained on"):
        find_known(str(idx), ["cat", "dog"])
    with pytest.raises(ValueError, match=r"--target is a column of a table, and .* holds pictures and their labels"):
        build(str(idx), Options(model="cnn", target="y"))
    write_idx(idx, np.full((40, 9, 8), -3.5).astype(">f8"), code=14)
    with pytest.raises(
        DataError, match=r"expected whole numbers from 0 to 255 as pixels, got -3\.5 to -3\.5; leave --model"
    ):
        find_array(str(idx))
    labels = np.where(np.arange(40) % 2, 2, 0).astype(np.uint8)
    write_idx(idx, np.zeros((40, 9, 8), np.uint8))
    write_idx(tmp_path / "train-labels-idx1-ubyte", labels)
    with pytest.raises(DataError, match="no picture of the class '1'"):
        find_array(str(idx))
