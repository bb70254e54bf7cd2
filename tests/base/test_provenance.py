"""The user's line: the first one that is not this package's, nor that of a library that is named."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule.base.provenance import PACKAGE, folder_of, is_users, users_frame, users_line


def here() -> int:
    return sys._getframe(1).f_lineno


def test_the_innermost_line_outside_of_the_package_is_found():
    source, line = users_line(), here()
    assert (source.file, source.line) == (__file__, line)
    assert source.function == "test_the_innermost_line_outside_of_the_package_is_found"
    assert source.place == f"{__file__}:{line}"
    assert source.text.startswith("source, line = ")


def test_the_lines_of_a_library_are_passed_over():
    found = []
    np.apply_along_axis(lambda x: found.append(users_frame(folder_of(np), __file__)) or x, 0, np.ones(2))
    assert not found[0].f_code.co_filename.startswith((folder_of(np), __file__))
    np.apply_along_axis(lambda x: found.append(users_frame(folder_of(np))) or x, 0, np.ones(2))
    assert found[-1].f_code.co_filename == __file__


def test_where_every_frame_is_passed_over_the_outermost_is_returned():
    frame = users_frame("")
    assert frame.f_back is None


def test_a_file_is_the_users_where_nobody_else_claims_it():
    assert is_users(__file__)
    assert not is_users(f"{PACKAGE}core/tensor.py")
    assert not is_users("<string>", ("<string>",))
    assert is_users(f"{folder_of(np)}core.py")
    assert not is_users(f"{folder_of(np)}core.py", (folder_of(np),))


def test_a_call_of_a_compiled_function_is_at_the_users_line():
    compiled = cr.compile(lambda x: (x * x).sum())
    x = cr.tensor(np.ones(3), requires_grad=True)
    for _ in range(2):
        y, line = compiled(x), here()
        assert (y.node.source.file, y.node.source.line) == (__file__, line)


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="needs symbolic links")
def test_a_package_that_is_reached_by_a_link_is_passed_over_as_well(tmp_path):
    (tmp_path / "linked").symlink_to(Path(PACKAGE).parent, target_is_directory=True)
    (tmp_path / "program.py").write_text(
        "import numpy, chainrule as cr\nprint(numpy.std(cr.randn(2, requires_grad=True)).node.source)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "linked")}
    done = subprocess.run(
        [sys.executable, str(tmp_path / "program.py")], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == f"{tmp_path / 'program.py'}:2 in <module>"
