"""What a command line may look like, and what each wrong one is told."""

from pathlib import Path
from typing import Annotated

import pytest
from tests.command import chainrule

from chainrule.cli.app import COMMANDS
from chainrule.cli.options import Argument, Option, WrongCall, parsed, taken_by


def command(
    place: Annotated[str, Argument(help="A place.")],
    other: Annotated[Path | None, Argument(help="Another.")] = None,
    number: Annotated[int, Option(help="A number.")] = 0,
    rate: Annotated[float | None, Option(help="A rate.")] = None,
    out: Annotated[Path, Option("--out", "-o", help="A file.")] = Path("a"),
    shape: Annotated[list[str] | None, Option(help="Some.")] = None,
    fold: Annotated[bool, Option(help="A choice.")] = True,
    stream: Annotated[bool | None, Option(help="A choice.")] = None,
    full: Annotated[bool, Option("--full", help="A flag.")] = False,
    snake_case: Annotated[str, Option(help="A word.")] = "",
) -> None:
    """Do something."""


DEFAULTS = {
    **{"place": "x", "other": None, "number": 0, "rate": None, "out": Path("a"), "shape": None},
    **{"fold": True, "stream": None, "full": False, "snake_case": ""},
}


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("x", {}),
        ("x y", {"other": Path("y")}),
        ("--number 3 x", {"number": 3}),
        ("x --number=-3", {"number": -3}),
        ("x --number -3", {"number": -3}),
        ("x --number 1 --number 2", {"number": 2}),
        ("x --rate 1e-3", {"rate": 1e-3}),
        ("x -o b", {"out": Path("b")}),
        ("x -ob", {"out": Path("b")}),
        ("x --out b", {"out": Path("b")}),
        ("x --out --full", {"out": Path("--full")}),
        ("x --shape a=1 --shape b=2,3", {"shape": ["a=1", "b=2,3"]}),
        ("x --no-fold --stream --full", {"fold": False, "stream": True, "full": True}),
        ("x --no-stream", {"stream": False}),
        ("x --no-fold --fold", {}),
        ("x --snake-case -", {"snake_case": "-"}),
        ("x --snake-case=a=b", {"snake_case": "a=b"}),
        ("x --snake-case=", {}),
        ("-- --full", {"place": "--full"}),
        ("--number 1 -- x -o", {"number": 1, "other": Path("-o")}),
        ("-", {"place": "-"}),
    ],
)
def test_words_become_values(line, found):
    assert parsed(line.split(" "), taken_by(command)) == DEFAULTS | found


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "Missing argument 'place'."),
        ("x --number a", "Invalid value for '--number': 'a', expected a whole number"),
        ("x --number 1.5", "Invalid value for '--number': '1.5', expected a whole number"),
        ("x --rate=fast", "Invalid value for '--rate': 'fast', expected a number"),
        ("x --rate", "Option '--rate' requires an argument."),
        ("x -o", "Option '-o' requires an argument."),
        ("x --full=3", "Option '--full' does not take a value."),
        ("x --no-full", "No such option: --no-full"),
        ("x --numbr 3", "No such option: --numbr Did you mean '--number'?"),
        ("x --num 3", "No such option: --num"),
        ("x -q", "No such option: -q"),
        ("x y z w", "Got unexpected extra arguments: z w"),
        ("x --\x1b[2J", r"No such option: --\x1b[2J"),
    ],
)
def test_a_wrong_line_says_what_is_wrong(line, said):
    with pytest.raises(WrongCall) as refused:
        parsed(line.split(), taken_by(command))
    assert str(refused.value).startswith(said)


def test_a_required_option_is_missed():
    done = chainrule("grade", "folder")
    assert done.exit_code == 2
    assert done.stderr == (
        "Usage: chainrule grade [OPTIONS] {submissions}\nTry 'chainrule grade -h' for help.\n\n"
        "Error: Missing option '--against'.\n"
    )


def test_a_name_that_is_nearly_a_commands():
    done = chainrule("trian")
    assert done.exit_code == 2
    assert done.stderr.endswith("Error: No such command 'trian'. Did you mean 'train'?\n")


def test_every_help_names_every_parameter(monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    for name, function in COMMANDS.items():
        for word in ("-h", "--help"):
            done = chainrule(name, "digits", word)
            assert done.exit_code == 0
            assert all(f"{known}" in done.stdout for one in taken_by(function) for known in one.names)
            assert max(map(len, done.stdout.splitlines())) <= 100
        assert name in chainrule("--help").stdout


def test_no_words_are_answered_with_the_help():
    assert chainrule().exit_code == 2
    assert chainrule().stderr == chainrule("-h").stdout


def test_help_after_two_dashes_is_an_argument():
    done = chainrule("train", "--", "--help")
    assert done.exit_code == 2
    assert "no data set or file is called '--help'" in done.stderr
