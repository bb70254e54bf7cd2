"""What a command line may look like, and what each wrong one is told."""

from pathlib import Path
from typing import Annotated

import pytest
from tests.command import chainrule
from tests.named import walked

from chainrule.cli.app import COMMANDS
from chainrule.cli.options import Argument, Option, parser_of, taken_by, values


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


@walked(
    ("line", "found"),
    [
        ("x", {}),
        ("x y", {"other": Path("y")}),
        ("--number 3 x", {"number": 3}),
        ("x --number=-3", {"number": -3}),
        ("--number 3 x y", {"number": 3, "other": Path("y")}),
        ("x --number 3 y", {"number": 3, "other": Path("y")}),
        ("x --number -3", {"number": -3}),
        ("x --number 1 --number 2", {"number": 2}),
        ("x --rate 1e-3", {"rate": 1e-3}),
        ("x -o b", {"out": Path("b")}),
        ("x -ob", {"out": Path("b")}),
        ("x --out b", {"out": Path("b")}),
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
    assert values(parser_of("chainrule command", command, ""), line.split(" ")) == DEFAULTS | found


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "the following arguments are required: place"),
        ("x --number a", "argument --number: invalid int value: 'a'"),
        ("x --number 1.5", "argument --number: invalid int value: '1.5'"),
        ("x --rate=fast", "argument --rate: invalid float value: 'fast'"),
        ("x --rate", "argument --rate: expected one argument"),
        ("x -o", "argument --out/-o: expected one argument"),
        ("x --out --full", "argument --out/-o: expected one argument"),
        ("x --full=3", "argument --full: ignored explicit argument '3'"),
        ("x --no-full", "unrecognized arguments: --no-full; did you mean --full?"),
        ("x --numbr 3", "unrecognized arguments: --numbr 3; did you mean --number?"),
        ("x --num 3", "unrecognized arguments: --num 3; did you mean --number?"),
        ("x -q", "unrecognized arguments: -q"),
        ("x y z w", "unrecognized arguments: z w"),
        ("x --\x1b[2J", r"unrecognized arguments: --\x1b[2J"),
    ],
)
def test_a_wrong_line_says_what_is_wrong(line, said, capsys):
    with pytest.raises(SystemExit) as refused:
        values(parser_of("chainrule command", command, ""), line.split())
    assert refused.value.code == 2
    assert capsys.readouterr().err == f"error: {said} (usage: chainrule command [options] place [other])\n"


def test_a_required_option_is_missed():
    done = chainrule("grade", "folder")
    assert done.exit_code == 2
    usage = "usage: chainrule grade [options] submissions"
    assert done.stderr == f"error: the following arguments are required: --against ({usage})\n"


def test_a_command_that_there_is_not():
    done = chainrule("trian")
    assert done.exit_code == 2
    assert "invalid choice: 'trian' (choose from " in done.stderr


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
