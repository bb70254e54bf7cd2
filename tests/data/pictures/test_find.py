import os
import sys

import numpy as np
import pytest

from chainrule.data import DataError
from chainrule.data.pictures import find, find_files, find_known, find_listed, lists_pictures


def made(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return root


def test_each_folder_is_a_class_with_pictures_at_any_depth(tmp_path):
    root = made(tmp_path / "pets", "dog/1.png", "dog/old/2.JPG", "cat/1.jpeg", "cat/b.webp")
    found = find(root)
    assert found.name == "pets"
    assert found.class_names == ("cat", "dog")
    assert [path.relative_to(root).as_posix() for path in found.paths] == [
        *("cat/1.jpeg", "cat/b.webp", "dog/1.png", "dog/old/2.JPG")
    ]
    assert found.labels.tolist() == [0, 0, 1, 1]
    assert found.is_held_out is None
    assert found.inferred == ()


def test_what_is_skipped_is_said(tmp_path):
    root = made(tmp_path, "a/1.png", "a/2.png", "b/1.png", "b/2.png", "stray.png")
    made(root, "a/.DS_Store", "b/Thumbs.db", "__MACOSX/x.png", ".git/y", "b/notes.txt")
    assert find(root).inferred == (
        "skipped pictures outside any class's folder: 1 (stray.png)",
        "skipped hidden files and folders: 4 (.git, __MACOSX, .DS_Store, …)",
        "skipped files that are not PNG, JPEG or WebP: 1 (notes.txt)",
    )


@pytest.mark.parametrize(("held", "left"), [("test", None), ("Val", None), ("valid", "test")])
def test_parts_that_are_given_are_kept(tmp_path, held, left):
    root = made(tmp_path, "train/a/1.png", "train/b/1.png", "train/c/1.png", f"{held}/b/9.png")
    if left is not None:
        made(root, f"{left}/a/5.png")
    found = find(root)
    assert found.class_names == ("a", "b", "c")
    assert found.is_held_out.tolist() == [False, False, False, True]
    assert found.labels.tolist() == [0, 1, 2, 1]
    assert f"{held}: the held-out part" in found.inferred
    assert (f"{left}: left alone, for `chainrule predict`" in found.inferred) == (left is not None)


def test_a_training_part_alone_is_the_data(tmp_path):
    found = find(made(tmp_path, *(f"train/{c}/{k}.png" for c in "ab" for k in range(2))))
    assert found.class_names == ("a", "b")
    assert found.is_held_out is None


def test_classes_may_be_called_like_parts(tmp_path):
    found = find(made(tmp_path, *(f"{c}/{k}.png" for c in ("train", "bus") for k in range(2))))
    assert found.class_names == ("bus", "train")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("1.png",), "no pictures: it has no folders, and 1 pictures are in no class's folder"),
        ((), "no pictures: it has no folders; expected a folder for each class"),
        (("a/x.txt", "b/y.txt"), "no pictures: none of its 2 folders has a PNG, JPEG or WebP file"),
        (("a/1.png", "a/2.png"), "one class only, 'a'; expected two or more"),
        (("a/1.png", "a/2.png", "b/x.txt"), "no pictures in the folder of 'b'"),
        (("a/1.png", "a/2.png", "b/1.png"), "one picture only of the class 'b'; expected at least two"),
        (("train/a/1.png", "train/b/1.png", "test/c/1.png"), "the held-out part has the class 'c', of which the"),
    ],
)
def test_folders_that_cannot_be_trained_on_are_refused(tmp_path, names, message):
    with pytest.raises(DataError, match=message):
        find(made(tmp_path, *names))


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(DataError, match="there is no such folder; expected a folder for each class"):
        find(tmp_path / "photos")


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_links_are_followed_but_not_in_circles(tmp_path):
    root = made(tmp_path / "p", "a/1.png", "a/2.png", "b/1.png")
    made(tmp_path, "far/7.png")
    (root / "b" / "far").symlink_to(tmp_path / "far")
    (root / "a" / "round").symlink_to(root / "a")
    (root / "b" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    found = find(root)
    assert found.labels.tolist() == [0, 0, 1, 1]
    assert found.inferred == (
        "skipped links to folders that were already read: 1 (round)",
        "skipped links to nothing: 1 (gone.png)",
    )


@pytest.mark.skipif(sys.platform != "linux", reason="other systems' names are text")
def test_names_that_are_no_text_are_written_as_escapes(tmp_path):
    made(tmp_path / "p", *(f"{os.fsdecode(name)}/{k}.png" for name in (b"\xff", b"b") for k in range(2)))
    found = find(tmp_path / "p")
    assert found.class_names == ("b", "\\udcff")
    assert all(path.is_file() for path in found.paths)


def test_a_network_that_knows_the_classes_numbers_them(tmp_path):
    root = made(tmp_path, "train/dog/1.png", "test/cat/2.png")
    found = find_known(root, ["cat", "cow", "dog"])
    assert found.labels.tolist() == [0, 2]
    with pytest.raises(DataError, match="there is the class 'dog' at picture"):
        find_known(root, ["cat", "cow"])


# Tables


def table(root, text):
    (root / "t.csv").write_text(text, encoding="utf-8")
    return root / "t.csv"


def test_a_table_lists_pictures(tmp_path):
    made(tmp_path, *(f"p/{k}.png" for k in range(4)))
    rows = "".join(f"{k},p/{k}.png,{'ab'[k % 2]}\n" for k in range(4))
    path = table(tmp_path, f"id,file,kind\n{rows}")
    assert lists_pictures(path)
    found = find_listed(path)
    assert found.class_names == ("a", "b")
    assert found.labels.tolist() == [0, 1, 0, 1]
    assert found.inferred == ("file: the pictures", "kind: the class", "ignored columns: 'id'")
    assert [path.name for path in found.paths] == [f"{k}.png" for k in range(4)]
    known = find_known(path, ["b", "a"])
    np.testing.assert_array_equal(known.labels, 1 - found.labels)


@pytest.mark.parametrize(
    ("text", "settings", "message"),
    [
        ("f,y\n1.png,a\n9.png,b\n1.png,a\n", {}, r"1 of 3 pictures do not exist: 9.png \(line 3\)"),
        ("f,y\n1.png,a\n,b\n1.png,a\n", {}, "missing value in column 'f' at line 3; fill it in"),
        ("f,y\n7.png,a\n9.png,b\n", {}, "no column of picture files"),
        ("f,y\n1.png,a\n1.png,b\n", {"column": "g"}, "no column 'g'; the columns are 'f', 'y'"),
        ("f,y\n1.png,a\n1.png,b\n", {"target": "f"}, "no target 'f'; expected one of 'y'"),
        ("f,y\n1.png,a\n1.png,a\n", {}, "the target 'y' is constant"),
        ("f,y\n1.png,a\n1.png,a\n1.png,b\n", {}, "one picture only of the class 'b'"),
    ],
)
def test_tables_that_cannot_be_trained_on_are_refused(tmp_path, text, settings, message):
    made(tmp_path, "1.png")
    with pytest.raises(DataError, match=message):
        find_listed(table(tmp_path, text), **settings)


def test_a_table_of_something_else_lists_no_pictures(tmp_path):
    assert not lists_pictures(table(tmp_path, "a,b\n1,2\n3,4\n"))
    assert not lists_pictures(table(tmp_path, "a,b\nx.png,2\ny.png,4\n"))
    assert not lists_pictures(tmp_path / "none.csv")


def test_files_to_predict_for_are_listed(tmp_path):
    made(tmp_path, "b/2.png", "a.png", ".hidden.png", "notes.txt")
    paths, said = find_files([tmp_path])
    assert [path.name for path in paths] == ["a.png", "2.png"]
    assert len(said) == 2
    assert find_files([tmp_path / "a.png"])[0] == (tmp_path / "a.png",)
    for wrong, message in (("notes.txt", "is not a picture"), ("none", "does not exist")):
        with pytest.raises(DataError, match=message):
            find_files([tmp_path / wrong])
