"""`chainrule train`: from a data set to a model file and a report."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from chainrule import terminal
from chainrule.base.files import check_output, is_same_file
from chainrule.cli.app import ENCODING, INTERRUPTED, NO, TASK, UNKNOWN, as_inputs, command, console, say, warn
from chainrule.cli.messages import in_language, language_of
from chainrule.present.counting import counted

from .lines import FIGURES, line
from .options import Argument, Option

if TYPE_CHECKING:
    from chainrule.doctor import GradientWatch
    from chainrule.explain import Derivation
    from chainrule.jobs.training.job import Job
    from chainrule.jobs.training.report import CheckedRow
    from chainrule.train.alone import Alone
    from chainrule.train.history import History


TABLES, SERIES, TEXTS, PICTURES = "Tables", "Series", "Texts", "Pictures"
"""The headings of the options that mean something for one kind of data."""


@command("chainrule train digits --epochs 30 --report digits.html")
def train(
    data: Annotated[
        str,
        Argument(
            help="digits, iris, wine, breast_cancer, mnist5k, a CSV, TSV, Parquet, NPZ or IDX file, a text (.txt), or "
            "pictures: a folder with a folder for each class, or a table that lists them."
        ),
    ],
    as_: Annotated[
        str | None,
        Option("--as", help="Read the data as a table, text, series or pictures (default: by name and content)."),
    ] = None,
    epochs: Annotated[
        int | None, Option(help="Passes over the training data (default: for a table about 2,500 steps).")
    ] = None,
    batch_size: Annotated[
        int | None,
        Option(help="Samples per step (default: tables 32, in blocks 256; series 32, texts 16, pictures 64)."),
    ] = None,
    lr: Annotated[
        float | None, Option(help="The highest learning rate (default: tables 0.002, texts and series 0.003).")
    ] = None,
    dropout: Annotated[
        float | None, Option(help="The fraction of units dropped in each step (default: tables 0.3).")
    ] = None,
    weight_decay: Annotated[float | None, Option(help="AdamW's weight decay (default: tables 0.05).")] = None,
    held_out: Annotated[
        float | None, Option(help="The fraction held out for evaluation (default: 0.2; of a text 0.1).")
    ] = None,
    seed: Annotated[int, Option(help="Seeds the split, the initial weights and the batch order.")] = 0,
    out: Annotated[Path, Option(help="The model file to write.")] = Path("model.safetensors"),
    report: Annotated[Path, Option(help="The HTML report to write.")] = Path("report.html"),
    lang: Annotated[str, Option(help="The report's language, en or ko.")] = "en",
    checkpoint_every: Annotated[
        float | None, Option(help="Write a checkpoint for --resume every so many seconds.")
    ] = None,
    resume: Annotated[Path | None, Option(help="Resume from a checkpoint, such as the one Ctrl-C left.")] = None,
    target: Annotated[str | None, Option(help="The target column (default: the last).", heading=TABLES)] = None,
    task: Annotated[str | None, Option(help=TASK, heading=TABLES)] = None,
    hidden: Annotated[
        str | None,
        Option(help="Widths of the hidden layers, separated by commas (256,128).", heading=TABLES),
    ] = None,
    missing: Annotated[
        str | None,
        Option(help="Missing values: error (default), mean, median, drop or indicator.", heading=TABLES),
    ] = None,
    unknown: Annotated[str | None, Option(help=UNKNOWN, heading=TABLES)] = None,
    without: Annotated[
        str | None, Option(help="Columns to leave out, separated by commas; of a series, too.", heading=TABLES)
    ] = None,
    encoding: Annotated[str | None, Option(help=ENCODING, heading=TABLES)] = None,
    search: Annotated[
        int | None,
        Option(help="Try so many settings of what the options leave open, and take the best.", heading=TABLES),
    ] = None,
    stream: Annotated[
        bool | None,
        Option(
            help="Read the file in blocks, or whole (default: in blocks if it is larger than memory allows).",
            heading=TABLES,
        ),
    ] = None,
    series: Annotated[bool, Option("--series", help="The table's rows are moments of time.", heading=SERIES)] = False,
    time: Annotated[
        str | None, Option(help="The column with the times; makes the table a series.", heading=SERIES)
    ] = None,
    window: Annotated[int | None, Option(help="How many rows a forecast is made from.", heading=SERIES)] = None,
    horizon: Annotated[int | None, Option(help="How many rows are forecast.", heading=SERIES)] = None,
    tokens: Annotated[str | None, Option(help="char (default), bpe, or bpe:N for N tokens.", heading=TEXTS)] = None,
    layers: Annotated[
        int | None, Option(help="Layers of the network (default: by the text's length).", heading=TEXTS)
    ] = None,
    heads: Annotated[int | None, Option(help="Attention heads in each layer.", heading=TEXTS)] = None,
    width: Annotated[int | None, Option(help="Features that a token has in the network.", heading=TEXTS)] = None,
    context: Annotated[int | None, Option(help="How many tokens the network sees.", heading=TEXTS)] = None,
    pictures: Annotated[
        str | None,
        Option(help="A table's column of files (default: the first such column).", heading=PICTURES),
    ] = None,
    model: Annotated[
        str | None,
        Option(help="mlp, cnn, resnet8 or vit-tiny (default: by size); for a series gru or conv.", heading=PICTURES),
    ] = None,
    size: Annotated[
        str | None,
        Option(help="Their size, as 64 or 48x64 (default: their own, at most 64).", heading=PICTURES),
    ] = None,
    fit: Annotated[
        str | None,
        Option(help="For those of another shape: crop or stretch (default: crop).", heading=PICTURES),
    ] = None,
    augment: Annotated[
        str | None,
        Option(help="How they are changed in training: none, light (default) or strong.", heading=PICTURES),
    ] = None,
) -> None:
    """Check a network's gradients, train it on a data set, and write the model and an HTML report."""
    said = locals()  # the options by name, as `Options` has them
    from dataclasses import fields

    from chainrule.distributed import launched
    from chainrule.doctor import GradientWatch
    from chainrule.jobs.training.kinds import kind_of
    from chainrule.jobs.training.options import Options
    from chainrule.jobs.training.report import write_report
    from chainrule.present.texts import check_lang
    from chainrule.train.throughput import described

    check_lang(lang)
    options = Options(**{field.name: said[field.name] for field in fields(Options)})
    kind = kind_of(data, options)
    if not out.name:
        raise ValueError(f"{out}: is a folder; name a file in it")
    checkpoint = out.with_suffix(f".checkpoint{out.suffix}")
    read = as_inputs(kind.files(data))
    _check_outputs(out, report, checkpoint, read, resume)
    with launched() as parallel:
        console().quiet = not parallel.leads
        if parallel.size > 1:
            terminal.keep_pipes()
        if terminal.ctrl_c_is_ignored():
            told = "Ctrl-C is ignored because this runs in the background (&, nohup), so it cannot leave a checkpoint; "
            console().print(in_language(f"{told}use --checkpoint-every", lang), style="yellow")
        if search is not None:
            _check_search(parallel, resume)
        job = kind.build(data, options, parallel)
        for k, said_of_data in enumerate(job.said):
            console().print(f"{'  ' if k else ''}{line(said_of_data, lang)}")
        if search is not None:
            job = kind.searched(job, options, console().print)
        job.say = lambda text: say(text, lang)
        if resume is not None:
            job.resume(resume)
        checked = _check_first(job, parallel, lang)
        watch = GradientWatch(every=max(1, job.epochs * len(job.loader) // 48), warn=False)
        history = _train(job, checkpoint, parallel, checkpoint_every, watch, lang)
        if parallel.leads:
            say(f"steps: {history.compiled}", lang, "dim")
            if flow := described(history.last):
                say(flow, lang, "dim")
            _say_what_was_seen(watch, lang)
            score = job.score()
            job.save(out, score)
            command = _command_line(parallel, sys.argv[1:])
            shown = (kind.sections(), history, score, checked, command, lang, _derivation(job, lang), watch)
            write_report(report, job, *shown)
            say(str(score), lang, "bold")
            say(f"model: {out}\nreport: {report}", lang)


def _check_search(parallel: "Alone", resume: Path | None) -> None:
    if parallel.size > 1:
        raise ValueError("--search starts processes of its own; leave out mpiexec")
    if resume is not None:
        raise ValueError("--resume continues a training whose settings are found; give them instead of --search")


def _check_outputs(out: Path, report: Path, checkpoint: Path, read: dict[str, Path], resume: Path | None) -> None:
    """Refuse, before training, what would overwrite an input or another output, or cannot be written."""
    for path in (out, report):
        kept = read | ({} if resume is None else {"the checkpoint of --resume": resume})
        check_output(path, kept, whole=path is out)
    for path, what in ((out, "--out"), (checkpoint, f"the checkpoint of --out, {checkpoint},")):
        if is_same_file(path, report):
            raise ValueError(f"{what} and --report are the same file, {report}; name two")
    check_output(checkpoint, read, whole=True)


def _check_first(job: "Job", parallel: "Alone", lang: str) -> "list[CheckedRow]":
    """Check the gradients before training, in one process on behalf of all; stop if they are wrong."""
    from chainrule.check import check_parameters
    from chainrule.jobs.training.job import threads
    from chainrule.jobs.training.report import CheckedRow

    with threads(0):  # a few samples: one thread is faster, and much faster on a busy machine
        checked = (
            check_parameters(job.model, job.loss, *job.sample(), directions=job.directions, coordinates=job.coordinates)
            if parallel.leads
            else None
        )
    if checked is not None:
        say(f"gradient check: worst relative error {checked.worst:.1e} over {len(checked.rows)} parameters", lang)
        if not checked.ok:
            console().print(str(checked), style="red")
    if not parallel.agreed(checked is None or checked.ok):
        raise SystemExit(NO)
    return [] if checked is None else [CheckedRow(row.name, row.shape, row.relative_error) for row in checked.rows]


def _say_what_was_seen(watch: "GradientWatch", lang: str) -> None:
    """Print what the doctor found in the gradients during training, if anything."""
    if not watch.ok:
        from chainrule.jobs.training.text import TEXT

        head = TEXT["watch_line"][lang].format(step=watch.asked)
        for title, evidence, _ in watch.verdicts(lang):
            console().print(f"{head}: {title}: {evidence}", style="yellow")


def _command_line(parallel: "Alone", words: list[str]) -> str:
    """Return the shell command that calls `chainrule` with these words, as it was launched."""
    launcher = ["mpiexec", "-n", str(parallel.size)] if parallel.size > 1 else []
    return shlex.join([*launcher, "chainrule", *words])


def _derivation(job: "Job", lang: str) -> "Derivation":
    from chainrule.explain import explain

    x, y = job.sample(4)
    return explain(job.model.eval(), x, loss=job.loss, target=y, lang=lang, level="brief")


def _without_option(words: list[str], option: str) -> list[str]:
    """Return a command line without an option and its value, however they are written."""
    left = [word for word in words if not word.startswith(f"{option}=")]
    while option in left:
        at = left.index(option)
        del left[at : at + 2]
    return left


def _train(
    job: "Job", checkpoint: Path, parallel: "Alone", seconds: float | None, watch: "GradientWatch", lang: str
) -> "History":
    """Train with a progress bar; on Ctrl-C save a checkpoint, say how to resume, and stop."""
    from chainrule.jobs.training.job import JobCheckpoint
    from chainrule.train import ModelFileError, NonFiniteError
    from chainrule.train.logs import ProgressBar

    keeping = [] if seconds is None else [JobCheckpoint(job, checkpoint, seconds, warn)]
    try:
        return job.train([ProgressBar(console(), FIGURES if lang == "ko" else None), watch, *keeping], parallel)
    except NonFiniteError as error:
        raise FloatingPointError(
            f"training diverged: in epoch {error.epoch}, batch {error.batch}, the loss or a gradient is not finite; "
            f"nothing was written. Lower --lr, now {job.recipe.lr:g}"
        ) from error
    except KeyboardInterrupt:
        try:
            if parallel.leads:
                job.save_checkpoint(checkpoint)
        except ModelFileError as error:
            warn(
                f"interrupted after {len(job.history)} of {counted(job.epochs, 'epoch')}, without a checkpoint: {error}"
            )
            raise SystemExit(INTERRUPTED) from None
        again = _without_option(sys.argv[1:], "--resume")
        if job.settled:
            again = _without_option(again, "--search")
            for name, value in job.settled.items():
                option = f"--{name.replace('_', '-')}"
                again = [*_without_option(again, option), option, value]
        told = f"interrupted after {len(job.history)} of {counted(job.epochs, 'epoch')}; to resume:"
        console().print(in_language(told, language_of(sys.argv[1:])))
        again += [word for word in job.words if word not in again]
        line = _command_line(parallel, [*again, "--resume", str(checkpoint)])
        console().print(f"  {line}")
        raise SystemExit(INTERRUPTED) from None
