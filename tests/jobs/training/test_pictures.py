import json
from html.parser import HTMLParser

import numpy as np
import pytest
from tests.named import walked

from chainrule.data import DataError
from chainrule.data.pictures import find
from chainrule.jobs.targets import InputSource, call_of
from chainrule.jobs.training.kinds import kind_of
from chainrule.jobs.training.options import Options
from chainrule.jobs.training.pictures import PictureJob, build, fits, picture_size
from chainrule.jobs.training.pictures_report import SECTIONS
from chainrule.jobs.training.report import write_report
from chainrule.train import Callback, ModelFileError
from chainrule.train.saved.modelfile import read_arrays, write_arrays
from chainrule.train.saved.picture_recipe import MODELS, PictureRecipe, chosen_model, picture_network
from chainrule.train.saved.predictor import read_predictor

Image = pytest.importorskip("PIL.Image", reason="pictures need pip install '.[pictures]'")

RECIPE = PictureRecipe(model="mlp", epochs=2, batch_size=5)


def drawn(kind, rng, size=8, channels=3):
    """A bright bar, upright or lying."""
    pixels = rng.integers(0, 60, (size, size, channels), np.uint8)
    at = rng.integers(1, size - 1)
    if kind == "upright":
        pixels[:, at] = 220
    else:
        pixels[at] = 220
    return pixels if channels == 3 else pixels[..., 0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root, rng = tmp_path_factory.mktemp("data") / "bars", np.random.default_rng(0)
    for kind in ("upright", "lying"):
        (root / kind).mkdir(parents=True)
        for k in range(12):
            Image.fromarray(drawn(kind, rng)).save(root / kind / f"{k}.png")
    return root


@pytest.fixture(scope="module")
def job(folder):
    found = PictureJob(find(folder), RECIPE)
    found.train()
    return found


@pytest.fixture(scope="module")
def model(job, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "m.safetensors"
    job.save(path, job.score())
    return path


def test_a_job_says_what_it_makes_of_the_pictures(job):
    assert job.said == [
        "bars: 24 pictures, 2 classes",
        "all of 8×8 pixels; as 8×8 RGB",
        "19 to train on, 5 held out; 0.0 MB in memory",
        "in training, they are changed at random: mirrored, shifted by up to 1 pixel",
        "network: mlp, 82,562 parameters; 2 epochs of 4 steps",
    ]
    assert job.recipe.lr == 1e-3
    assert sorted(np.bincount(job.held_out.labels)) == [2, 3]


class Stop(Callback):
    def __init__(self, step):
        self.step = step

    def on_batch_end(self, run):
        if run.step == self.step:
            raise KeyboardInterrupt


@pytest.mark.parametrize("most_bytes", [None, 10], ids=["in memory", "on disk"])
def test_a_job_goes_on_where_it_was_stopped(folder, job, tmp_path, monkeypatch, most_bytes):
    if most_bytes is not None:
        read = PictureJob.read
        monkeypatch.setattr(PictureJob, "read", staticmethod(lambda *a: read(*a, most_bytes=most_bytes)))
    stopped = PictureJob(find(folder), RECIPE)
    assert (stopped.pictures.array is None) == (most_bytes is not None)
    with pytest.raises(KeyboardInterrupt):
        stopped.train([Stop(6)])
    stopped.save_checkpoint(tmp_path / "c")
    resumed = PictureJob(find(folder), RECIPE)
    resumed.resume(tmp_path / "c")
    resumed.train()
    for name, array in job.model.state_dict().items():
        np.testing.assert_array_equal(resumed.model.state_dict()[name], array, err_msg=name)


def test_a_checkpoint_of_other_pictures_is_refused(folder, job, tmp_path):
    job.save_checkpoint(tmp_path / "c")
    found = find(folder)
    other = PictureJob(type(found)(found.name, found.paths[1:], found.labels[1:], found.class_names), RECIPE)
    with pytest.raises(ModelFileError, match="was saved with content"):
        other.resume(tmp_path / "c")


@pytest.mark.slow
def test_it_learns(folder):
    job = PictureJob(find(folder), PictureRecipe(model="cnn", epochs=25, batch_size=10))
    job.train()
    score = job.score()
    assert score.accuracy == 1
    assert str(score) == "held-out accuracy 100.00 % on 5 pictures"
    assert sorted(score.confusion.ravel()) == [0, 0, 2, 3]


# Predictions


def test_a_model_file_predicts_what_the_job_predicts(folder, job, model):
    predictor = read_predictor(model)
    header, rows = predictor.table(str(folder))
    assert header == ["path", "prediction", "p(lying)", "p(upright)"]
    table = {row[0]: row[1:] for row in rows}
    assert len(table) == 24
    score = job.score()
    for k, row in enumerate(job.held_out.rows):
        said = table[str(job.found.paths[row])]
        assert said[0] == job.found.class_names[score.predicted[k]]
        assert abs(max(map(float, said[1:])) - score.confidence[k]) < 1e-5
    one = folder / "lying" / "3.png"
    assert [*predictor.table(str(one))[1]] == [[str(one), *table[str(one)]]]


def test_pictures_of_other_sizes_and_colours_are_predicted(model, tmp_path):
    rng = np.random.default_rng(1)
    for k, size in enumerate((5, 30)):
        Image.fromarray(drawn("lying", rng, size, channels=1)).save(tmp_path / f"{k}.png")
    assert len([*read_predictor(model).table(str(tmp_path))[1]]) == 2
    (tmp_path / "t.csv").write_text("file\n0.png\n1.png\n")
    with pytest.raises(DataError, match="one column only"):
        read_predictor(model).table(str(tmp_path / "t.csv"))
    (tmp_path / "t.csv").write_text("file,id\n0.png,3\n1.png,4\n")
    assert len([*read_predictor(model).table(str(tmp_path / "t.csv"))[1]]) == 2


def test_what_is_no_picture_is_named_before_the_first_row(model, tmp_path):
    (tmp_path / "bad.png").write_bytes(b"x")
    with pytest.raises(DataError, match=r"1 of 1 files cannot be read as pictures: .*bad.png is not a PNG"):
        read_predictor(model).table(str(tmp_path))


def test_examples_are_spread_over_the_classes(folder, model):
    call = call_of(str(model), InputSource(str(folder), samples=4))
    assert call.args[0].shape == (4, 3, 8, 8)
    assert call.target.tolist() == [0, 0, 1, 1]
    assert call.loss.settings["label_smoothing"] == RECIPE.label_smoothing


def test_a_class_that_the_network_does_not_know_is_refused(model, tmp_path):
    (tmp_path / "round").mkdir()
    Image.new("L", (8, 8)).save(tmp_path / "round" / "1.png")
    with pytest.raises(
        DataError, match="there is the class 'round' at picture 1, which the network was not trained on"
    ):
        read_predictor(model).examples(str(tmp_path), 1)


# The model file

ODD = [None, True, 0, -1, 2**70, 1.5, float("nan"), "", "a", "\ud800", [], {}, [1], ["a", "a"], 10**6]


def containers(tree):
    for key, value in list(tree.items() if isinstance(tree, dict) else enumerate(tree)):
        yield tree, key
        if isinstance(value, dict | list):
            yield from containers(value)


@pytest.mark.slow
def test_a_changed_description_is_refused_or_predicts(folder, model, tmp_path):
    arrays, texts = read_arrays(model)
    meta, refused = json.loads(texts["meta"]), 0
    for place in range(len(list(containers(meta)))):
        for odd in ODD[place % 2 :: 2]:
            changed = json.loads(texts["meta"])
            holder, key = list(containers(changed))[place]
            holder[key] = odd
            write_arrays(tmp_path / "m", arrays, texts | {"meta": json.dumps(changed)})
            try:
                predictor = read_predictor(tmp_path / "m")
            except ModelFileError:
                refused += 1
                continue
            assert predictor.lines()
    assert refused > 100


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"head.bias": np.zeros(3, np.float32)},
            r"array head.bias: expected float32 \[2\], as form, classes and recipe",
        ),
        ({"body.1.weight": np.zeros((3, 256), np.float32)}, r"array body.1.weight: expected float32 \[192, 256\]"),
        ({"head.bias": np.zeros(2)}, "array head.bias: expected float32"),
        ({"head.weight": np.full((128, 2), np.nan, np.float32)}, "array head.weight: expected finite numbers"),
        ({"more": np.zeros(1, np.float32)}, "array more: expected none"),
    ],
)
def test_arrays_that_are_not_the_networks_are_refused(model, tmp_path, change, message):
    arrays, texts = read_arrays(model)
    write_arrays(tmp_path / "m", arrays | {f"model.{name}": a for name, a in change.items()}, texts)
    with pytest.raises(ModelFileError, match=message):
        read_predictor(tmp_path / "m")


def test_a_file_without_the_classes_arrays_allocates_nothing(model, tmp_path):
    arrays, texts = read_arrays(model)
    meta = json.loads(texts["meta"])
    meta["class_names"] = [str(k) for k in range(10**5)]
    write_arrays(tmp_path / "m", arrays, texts | {"meta": json.dumps(meta)})
    with pytest.raises(ModelFileError, match=r"array head.bias: expected float32 \[100000\]"):
        read_predictor(tmp_path / "m")


# The report


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.images = []

    def handle_starttag(self, tag, attrs):
        if tag == "img":
            self.images.append(dict(attrs))


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_the_report_shows_mistakes_saliency_and_filters(folder, tmp_path, lang):
    job = PictureJob(find(folder), PictureRecipe(model="resnet8", epochs=1, lr=1e-9, held_out=0.5))
    job.train()
    score = job.score()
    write_report(tmp_path / "r.html", job, SECTIONS, job.history, score, [], "again", lang)
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    parsed = Tags()
    parsed.feed(text)
    wrong = int((score.truth != score.predicted).sum())
    assert len(parsed.images) == 2 * min(wrong, 12) + 16
    assert all(image["src"].startswith("data:image/png;base64,") and image["alt"] for image in parsed.images)
    for title in {"en": ("Accuracy by class", "filter 16"), "ko": ("클래스별 정확도", "필터 16")}[lang]:
        assert title in text


# Options


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"model": "vgg"}, "--model: expected one of auto, mlp, cnn, resnet8, vit-tiny, got 'vgg'"),
        ({"augment": "much"}, "--augment: expected one of none, light, strong"),
        ({"fit": "pad"}, "--fit: expected one of crop, stretch, got 'pad'"),
        ({"size": "big"}, "--size: expected pixels such as 64, or height and width as 48x64, got 'big'"),
        ({"size": "0"}, "--size: expected sides from 1 to 512 pixels, got 0×0"),
        ({"size": "64x513"}, "--size: expected sides from 1 to 512 pixels, got 64×513"),
        ({"hidden": "3"}, "--hidden means nothing for pictures; leave it out"),
        ({"task": "regression"}, "--task: pictures are classified, got 'regression'"),
        ({"target": "y"}, "--target is a column of a table"),
        ({"model": "cnn", "batch_size": 1}, "--batch-size: cnn normalises over the batch"),
        ({"size": "2", "model": "vit-tiny", "held_out": 2.0}, "held_out: expected a share between 0 and 1, got 2.0"),
    ],
)
def test_options_that_cannot_work_are_refused_by_name(folder, given, message):
    options = Options(**given)
    with pytest.raises(ValueError, match=message):
        kind_of(str(folder), options).build(str(folder), options)


def test_a_given_held_out_part_needs_no_share(tmp_path):
    for name in ("train/a", "train/b", "test/a"):
        (tmp_path / name).mkdir(parents=True)
        Image.new("L", (8, 8)).save(tmp_path / name / "1.png")
    assert len(build(str(tmp_path), Options(model="mlp")).held_out) == 1
    with pytest.raises(ValueError, match=r"--held-out: .* has a held-out part of its own"):
        build(str(tmp_path), Options(held_out=0.3))


def test_what_are_pictures(folder, tmp_path):
    assert kind_of(str(folder), Options()).name == "pictures"
    assert fits(str(tmp_path), Options())  # an empty folder, so that its error says what is expected
    (tmp_path / "part-0.parquet").write_bytes(b"x")
    assert not fits(str(tmp_path), Options())
    assert kind_of("iris", Options()).name == "a table"
    one = str(folder / "lying" / "0.png")
    with pytest.raises(DataError, match=r"0.png: is a file; expected a folder for each class"):
        kind_of(one, Options()).build(one, Options())
    (tmp_path / "t.csv").write_text(f"file,kind\n{folder}/lying/0.png,a\n{folder}/lying/1.png,b\n")
    assert kind_of(str(tmp_path / "t.csv"), Options()).name == "pictures"
    assert picture_size("48x64") == (48, 64)
    assert picture_size("32") == (32, 32)


@walked("model", MODELS)
@walked("shape", [(1, 4, 4), (3, 12, 9), (1, 28, 28), (3, 64, 64)])
def test_every_network_takes_every_usual_size(model, shape):
    network = picture_network(model, shape, 3).eval()
    assert network(np.zeros((1, *shape), np.float32)).shape == (1, 3)
    assert chosen_model(shape) in MODELS
