"""The commands on a network that `chainrule train` wrote: its predictions, its description."""

import io
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated

from chainrule.base.files import check_output, write_parts
from chainrule.cli.app import ENCODING, LANG, UNKNOWN_NOW, command, console, data_files, say
from chainrule.present.counting import counted

from .lines import HEADS
from .options import Argument, Option


@command("chainrule predict model.safetensors digits")
def predict(
    model: Annotated[Path, Argument(help="A model that `chainrule train` wrote.")],
    data: Annotated[
        str,
        Argument(help="The data to predict for: a file, files by a pattern, or a set's name."),
    ],
    out: Annotated[Path | None, Option(help="The CSV file to write (default: print the CSV).")] = None,
    unknown: Annotated[str | None, Option(help=UNKNOWN_NOW)] = None,
    encoding: Annotated[str | None, Option(help=ENCODING)] = None,
    lang: Annotated[str, Option(help=LANG)] = "en",
) -> None:
    """Predict with a saved network: CSV, one row per sample."""
    import csv

    from chainrule.present.texts import check_lang
    from chainrule.train.saved.predictor import read_predictor

    check_lang(lang)
    if out is not None:
        check_output(out, {"the model": model} | data_files(data))
    predictor = read_predictor(model)
    predictor.choose(**{k: v for k, v in (("unknown", unknown), ("encoding", encoding)) if v is not None})
    header, found = predictor.table(data)
    if out is None:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(found)
        return
    written = _Written(header, found)
    write_parts(out, written)
    say(f"{counted(written.count, 'prediction')}: {out}", lang)


class _Written:
    """The text of a CSV file, in parts; `count` is how many rows have been given so far."""

    def __init__(self, header: list[str], rows: Iterable[list[str]]) -> None:
        self.header, self.rows, self.count = header, rows, 0

    def __iter__(self) -> Iterator[str]:
        yield _text([self.header])
        rows = iter(self.rows)
        while some := [*islice(rows, 1000)]:
            self.count += len(some)
            yield _text(some)


def _text(rows: Iterable[list[str]]) -> str:
    import csv

    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue()


@command("chainrule export model.safetensors -o model.onnx --data new.csv")
def export(
    model: Annotated[Path, Argument(help="A model that `chainrule train` wrote for a table.")],
    out: Annotated[Path, Option("--out", "-o", help="The ONNX file to write.")] = Path("model.onnx"),
    data: Annotated[
        str | None, Option(help="Rows to compare on: a file or a data set's name (default: rows made up).")
    ] = None,
    lang: Annotated[str, Option(help=LANG)] = "en",
) -> None:
    """Write a trained network as an ONNX file, and check that it predicts the same."""
    from chainrule.jobs.export.export import export as to_file
    from chainrule.present.texts import check_lang

    check_lang(lang)
    check_output(out, {"the model": model} | data_files(data))
    say(f"{to_file(model, out, data)}\nmodel: {out}", lang)


@command("chainrule info model.safetensors")
def info(
    model: Annotated[Path | None, Argument(help="A model file to describe.")] = None,
    operations: Annotated[bool, Option("--operations", help="List every operation with its formula.")] = False,
    clear_cache: Annotated[
        bool, Option("--clear-cache", help="Delete the cached machine code of compiled programs.")
    ] = False,
    lang: Annotated[str, Option(help=LANG)] = "en",
) -> None:
    """Describe a model file or, without one, this installation."""
    from chainrule.jobs import info as info_of
    from chainrule.present.texts import check_lang

    check_lang(lang)
    if operations:
        info_of.print_operations(console())
        return
    if model is not None and not clear_cache:
        console().print(info_of.arrays_of(model, HEADS if lang == "ko" else {}))
    said = info_of.cleared() if clear_cache else info_of.installed() if model is None else info_of.described(model)
    for text in said:
        say(text, lang)
