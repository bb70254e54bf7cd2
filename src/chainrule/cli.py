"""The command line: one thin function for each command.

Exit codes: 0 done, 1 the answer is no (a wrong gradient, a training that diverged), 2 the call was wrong, 130 stopped
by Ctrl-C.
"""

import io
import shlex
import sys
from collections.abc import Callable
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

try:
    import typer
except ModuleNotFoundError as error:
    sys.exit(f"chainrule: the command line needs {error.name}; run: python -m pip install 'chainrule[app]'")

from chainrule import terminal
from chainrule._version import __version__
from chainrule.base.files import check_output, is_same_file, write_text
from chainrule.core.errors import CaptureError
from chainrule.jobs.learning.commands import COMMANDS as LEARNING

if TYPE_CHECKING:
    from chainrule.doctor import GradientWatch
    from chainrule.explain import Derivation
    from chainrule.jobs.training.job import Job
    from chainrule.jobs.training.report import CheckedRow
    from chainrule.train.alone import Alone
    from chainrule.train.history import History

NO, WRONG_CALL, INTERRUPTED = 1, 2, 130
TARGET = "The data's target column (default: the trained model's own, else the last); with --loss, the loss's target."
TASK = "How to treat the target: auto, classification or regression."

app = typer.Typer(
    name="chainrule",
    help="Backpropagation that is verified, explained and fast.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
console = terminal.Screen(soft_wrap=True)


def main() -> None:
    """Run the command line; a wrong call or unusable data is reported on one line, without a traceback."""
    with terminal.prepared():
        try:
            app()
        except (FloatingPointError, CaptureError, ValueError, ImportError, OSError, TypeError) as error:
            if isinstance(error, TypeError) and not str(error).startswith(
                ("explain", "explore", "graph: ", "doctor: ", "check")
            ):
                raise  # a bug in the user's program: its traceback says where
            terminal.Screen(stderr=True, soft_wrap=True, quiet=console.quiet).print(f"error: {error}", style="red")
            sys.exit(NO if isinstance(error, FloatingPointError) else WRONG_CALL)


def _command(example: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return app.command(epilog=f"Example: {example}")


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
) -> None:
    if version:
        typer.echo(f"chainrule {__version__}")
        raise typer.Exit


@_command("chainrule train digits --epochs 30 --report digits.html")
def train(
    data: Annotated[
        str,
        typer.Argument(
            help="digits, iris, wine, breast_cancer, mnist5k, or a CSV, TSV, Parquet, NPZ or IDX file; for pictures, a "
            "folder with a folder for each class, or a table that lists them."
        ),
    ],
    target: Annotated[str | None, typer.Option(help="A table's target column (default: the last).")] = None,
    task: Annotated[str | None, typer.Option(help=TASK)] = None,
    hidden: Annotated[
        str | None, typer.Option(help="Widths of the hidden layers, separated by commas (default: 256,128).")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Passes over the training data (default: about 2,500 steps).")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(help="Samples per step (default: 32; 64 for pictures).")] = None,
    lr: Annotated[
        float | None, typer.Option(help="The initial learning rate (default: 0.002; for pictures, by network).")
    ] = None,
    dropout: Annotated[
        float | None, typer.Option(help="The fraction of hidden units dropped in each step (default: 0.3).")
    ] = None,
    held_out: Annotated[
        float | None, typer.Option(help="The fraction of samples held out for evaluation (default: 0.2).")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="For pictures: auto, mlp, cnn, resnet8 or vit-tiny (default: auto).")
    ] = None,
    size: Annotated[
        str | None, typer.Option(help="For pictures: their size, as 64 or 48x64 (default: theirs, at most 64).")
    ] = None,
    fit: Annotated[
        str | None, typer.Option(help="For pictures of another shape: crop or stretch (default: crop).")
    ] = None,
    augment: Annotated[
        str | None, typer.Option(help="How training pictures are changed: none, light or strong (default: light).")
    ] = None,
    pictures: Annotated[
        str | None, typer.Option(help="A table's column of picture files (default: the first such column).")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seeds the split, the initial weights and the batch order.")] = 0,
    out: Annotated[Path, typer.Option(help="The model file to write.")] = Path("model.safetensors"),
    report: Annotated[Path, typer.Option(help="The HTML report to write.")] = Path("report.html"),
    lang: Annotated[str, typer.Option(help="The report's language, en or ko.")] = "en",
    checkpoint_every: Annotated[
        float | None, typer.Option(help="Write a checkpoint for --resume every so many seconds.")
    ] = None,
    resume: Annotated[Path | None, typer.Option(help="Resume from a checkpoint, such as the one Ctrl-C left.")] = None,
) -> None:
    """Check a network's gradients, train it on a data set, and write the model and an HTML report."""
    from chainrule.distributed import launched
    from chainrule.doctor import GradientWatch
    from chainrule.jobs.training.kinds import kind_of
    from chainrule.jobs.training.options import Options
    from chainrule.jobs.training.report import write_report
    from chainrule.present.texts import check_lang

    check_lang(lang)
    options = Options(
        target=target,
        task=task,
        hidden=hidden,
        epochs=epochs,
        batch_size=batch_size,
        lr=lr,
        dropout=dropout,
        held_out=held_out,
        pictures=pictures,
        model=model,
        size=size,
        fit=fit,
        augment=augment,
        seed=seed,
    )
    kind = kind_of(data, options)
    checkpoint = out.with_suffix(f".checkpoint{out.suffix}")
    read = _as_inputs(kind.files(data))
    _check_outputs(out, report, checkpoint, read, resume)
    with launched() as parallel:
        console.quiet = not parallel.leads
        if parallel.size > 1:
            terminal.keep_pipes()
        if terminal.ctrl_c_is_ignored():
            console.print(
                "Ctrl-C is ignored because this runs in the background (&, nohup), so it cannot leave a checkpoint; "
                "use --checkpoint-every",
                style="yellow",
            )
        job = kind.build(data, options)
        for k, line in enumerate(job.said):
            console.print(f"  {line}" if k else line)
        if resume is not None:
            job.resume(resume)
        checked = _check_first(job, parallel)
        watch = GradientWatch(every=max(1, job.epochs * len(job.loader) // 48), warn=False)
        history = _train(job, checkpoint, parallel, checkpoint_every, watch)
        if parallel.leads:
            console.print(f"steps: {history.compiled}", style="dim")
            _say_what_was_seen(watch)
            score = job.score()
            job.save(out, score)
            command = _command_line(parallel, sys.argv[1:])
            shown = (kind.sections(), history, score, checked, command, lang, _derivation(job, lang), watch)
            write_report(report, job, *shown)
            console.print(str(score), style="bold")
            console.print(f"model: {out}\nreport: {report}")


def _check_outputs(out: Path, report: Path, checkpoint: Path, read: dict[str, Path], resume: Path | None) -> None:
    """Refuse, before training, what would overwrite an input or another output, or cannot be written."""
    for path in (out, report):
        kept = read | ({} if resume is None else {"the checkpoint of --resume": resume})
        check_output(path, kept, whole=path is out)
    for path, what in ((out, "--out"), (checkpoint, f"the checkpoint of --out, {checkpoint},")):
        if is_same_file(path, report):
            raise ValueError(f"{what} and --report are the same file, {report}; name two")
    check_output(checkpoint, read, whole=True)


def _check_first(job: "Job", parallel: "Alone") -> "list[CheckedRow]":
    """Check the gradients before training, in one process on behalf of all; stop if they are wrong."""
    from chainrule.check import check_parameters
    from chainrule.jobs.training.report import CheckedRow

    checked = check_parameters(job.model, job.loss, *job.sample()) if parallel.leads else None
    if checked is not None:
        console.print(f"gradient check: worst relative error {checked.worst:.1e} over {len(checked.rows)} parameters")
        if not checked.ok:
            console.print(str(checked), style="red")
    if not parallel.agreed(checked is None or checked.ok):
        raise typer.Exit(NO)
    return [] if checked is None else [CheckedRow(row.name, row.shape, row.relative_error) for row in checked.rows]


def _say_what_was_seen(watch: "GradientWatch") -> None:
    """Print what the doctor found in the gradients during training, if anything."""
    if not watch.ok:
        for title, evidence, _ in watch.verdicts():
            console.print(f"doctor, after step {watch.asked}: {title}: {evidence}", style="yellow")


def _command_line(parallel: "Alone", words: list[str]) -> str:
    """Return the shell command that calls `chainrule` with these words, as it was launched."""
    launcher = ["mpiexec", "-n", str(parallel.size)] if parallel.size > 1 else []
    return shlex.join([*launcher, "chainrule", *words])


@_command("chainrule predict model.safetensors digits")
def predict(
    model: Annotated[Path, typer.Argument(help="A model that `chainrule train` wrote.")],
    data: Annotated[str, typer.Argument(help="The data to predict for: a file or a data set's name.")],
    out: Annotated[Path | None, typer.Option(help="The CSV file to write (default: print the CSV).")] = None,
) -> None:
    """Predict with a saved network: CSV, one row per sample."""
    import csv

    from chainrule.train.saved.predictor import read_predictor

    if out is not None:
        check_output(out, {"the model": model} | _data_files(data))
    header, found = read_predictor(model).table(data)
    rows = [*found]
    if out is None:
        csv.writer(sys.stdout, lineterminator="\n").writerows([header, *rows])
        return
    text = io.StringIO(newline="")
    csv.writer(text).writerows([header, *rows])
    write_text(out, text.getvalue())
    console.print(f"{len(rows)} predictions: {out}")


@_command("chainrule check check_me.py:softmax --backward softmax_backward")
def check(
    target: Annotated[str, typer.Argument(help="FILE.py:NAME or module:NAME: a function, layer, module, operation.")],
    backward: Annotated[str | None, typer.Option(help="The name of the backward pass, backward(y_bar, *args).")] = None,
    layer: Annotated[bool, typer.Option("--layer", help="NAME is a layer with forward(x) and backward(dout).")] = False,
    shape: Annotated[list[str] | None, typer.Option(help="The shape of an argument, as x=3,4; repeatable.")] = None,
    full: Annotated[bool, typer.Option("--full", help="Check every element.")] = False,
    seed: Annotated[int, typer.Option(help="Seeds the inputs and the directions.")] = 0,
    html: Annotated[Path | None, typer.Option(help="An HTML report to write.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    lang: Annotated[str, typer.Option(help="The report's language, en or ko.")] = "en",
) -> None:
    """Say whether a gradient is right and, if not, why and where.

    Works on NumPy, chainrule, PyTorch and JAX code. Inputs come from --shape, an attribute `example`, a function
    NAME_inputs in the same file, or the annotations.
    """
    from chainrule.jobs.check import check_target
    from chainrule.present.texts import check_lang

    check_lang(lang)
    if html is not None:
        check_output(html, _target_files(target))
    report = check_target(target, backward=backward, layer=layer, shapes=shape or (), full=full, seed=seed)
    if html is not None:
        write_text(html, report.to_html(lang))
    typer.echo(dumps(report.to_dict(), ensure_ascii=False) if json else report.to_text(lang))
    if not report.ok:
        raise typer.Exit(NO)


@_command("chainrule explain model.safetensors --data digits --lang ko -o derivation.html")
def explain(
    target: Annotated[str, typer.Argument(help="FILE.py:NAME, module:NAME, or a model that `chainrule train` wrote.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The file to write (default: print it).")] = None,
    format: Annotated[
        str | None, typer.Option(help="text, markdown, latex or html (default: from the file's extension).")
    ] = None,
    level: Annotated[str, typer.Option(help="The level of detail: brief, full or proof.")] = "full",
    parameter: Annotated[
        str | None, typer.Option("--why", help="Say why this parameter's gradient is what it is.")
    ] = None,
    data: Annotated[str | None, typer.Option(help="For a model: a data set's name, or a file.")] = None,
    samples: Annotated[int, typer.Option(help="The number of rows to pass through the model.")] = 2,
    column: Annotated[str | None, typer.Option("--target", help=TARGET)] = None,
    task: Annotated[str, typer.Option(help=TASK)] = "auto",
    shape: Annotated[list[str] | None, typer.Option(help="The shape of an argument, as x=3,4; repeatable.")] = None,
    loss: Annotated[str | None, typer.Option(help="For a model: mse, cross_entropy, …, or a name in its file.")] = None,
    seed: Annotated[int, typer.Option(help="Seeds the inputs drawn at random.")] = 0,
    lang: Annotated[str, typer.Option(help="The output language, en or ko.")] = "en",
) -> None:
    """Derive a network's gradients step by step, with its numbers, and verify every step."""
    from chainrule.jobs.explain import FORMATS, asked, explained, format_of
    from chainrule.jobs.targets import InputSource

    chosen = format_of(format, out)
    if out is not None:
        check_output(out, _target_files(target) | _data_files(data))
    source = InputSource(data, samples, tuple(shape or ()), seed, loss, column, task)
    if parameter is not None:
        typer.echo(str(asked(parameter, target, source, lang)), nl=False)
        return
    derivation = explained(target, source, lang, level)
    text = FORMATS[chosen](derivation)
    if out is None:
        typer.echo(text, nl=False)
    else:
        write_text(out, text)
        console.print(f"{derivation!r}: {out}")
    if not derivation.ok:
        raise typer.Exit(NO)


@_command("chainrule graph neuron.py:loss -o graph.svg")
def graph(
    target: Annotated[str, typer.Argument(help="FILE.py:NAME, module:NAME, or a model that `chainrule train` wrote.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The .svg or .html file to write.")] = Path("graph.svg"),
    data: Annotated[str | None, typer.Option(help="For a model: a data set's name, or a file.")] = None,
    samples: Annotated[int, typer.Option(help="The number of rows to pass through the model.")] = 8,
    column: Annotated[str | None, typer.Option("--target", help=TARGET)] = None,
    task: Annotated[str, typer.Option(help=TASK)] = "auto",
    shape: Annotated[list[str] | None, typer.Option(help="The shape of an argument, as x=3,4; repeatable.")] = None,
    seed: Annotated[int, typer.Option(help="Seeds the inputs drawn at random.")] = 0,
    loss: Annotated[str | None, typer.Option(help="For a model: mse, cross_entropy, …, or a name in its file.")] = None,
    fold: Annotated[bool, typer.Option(help="Draw repeated blocks once, as ×N.")] = True,
    animate: Annotated[bool, typer.Option("--animate", help="Animate the order of both passes.")] = False,
    lang: Annotated[str, typer.Option(help="The drawing's language, en or ko.")] = "en",
) -> None:
    """Draw the computational graph of a loss: values, gradients, and the order of the two passes."""
    from chainrule.jobs.graph import graph_of
    from chainrule.jobs.targets import InputSource

    check_output(out, _target_files(target) | _data_files(data))
    drawn = graph_of(target, InputSource(data, samples, tuple(shape or ()), seed, loss, column, task), fold, lang)
    drawn.save(out, animate=animate)
    console.print(f"{drawn!r}: {out}")


@_command("chainrule explore neuron.py:loss")
def explore(
    target: Annotated[
        str | None,
        typer.Argument(help="FILE.py:NAME, module:NAME, or a trained model (default: a gallery of networks)."),
    ] = None,
    data: Annotated[str | None, typer.Option(help="For a model: a data set's name, or a file.")] = None,
    port: Annotated[int, typer.Option(help="The port; 0 or one that is taken: any free one.")] = 0,
    browser: Annotated[bool, typer.Option(help="Open the browser.")] = True,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write an HTML file that needs no server, instead of serving.")
    ] = None,
    steps: Annotated[int, typer.Option(help="With --out: the training steps to record.")] = 0,
    samples: Annotated[int, typer.Option(help="The number of rows to pass through the model.")] = 4,
    column: Annotated[str | None, typer.Option("--target", help=TARGET)] = None,
    task: Annotated[str, typer.Option(help=TASK)] = "auto",
    shape: Annotated[list[str] | None, typer.Option(help="The shape of an argument, as x=3,4; repeatable.")] = None,
    loss: Annotated[str | None, typer.Option(help="For a model: mse, cross_entropy, …, or a name in its file.")] = None,
    optimizer: Annotated[str, typer.Option(help="SGD, Momentum, Adam, AdamW, RMSprop or Adagrad.")] = "SGD",
    seed: Annotated[int, typer.Option(help="Seeds the inputs drawn at random.")] = 0,
    lang: Annotated[str, typer.Option(help="The page's language, en or ko.")] = "en",
) -> None:
    """Walk through the backward pass in the browser, change a number, and see what follows.

    Serves on this machine only, until Ctrl-C, and prints the link, which works once.
    """
    from chainrule.jobs.explore import Opened, opened, recorded_to
    from chainrule.jobs.targets import InputSource

    source = InputSource(data, samples, tuple(shape or ()), seed, loss, column, task)
    chosen = Opened(target, source, optimizer, lang)
    if out is not None:
        check_output(out, _target_files(target or "") | _data_files(data))
        recorded_to(out, chosen, steps)
        console.print(f"explorer: {out}")
        return
    server = opened(chosen, port)
    typer.echo(server.url())
    sys.stdout.flush()
    if browser:
        server.browse()
    server.wait()


@_command("chainrule doctor digits --report flow.html")
def doctor(
    target: Annotated[
        str,
        typer.Argument(
            help="FILE.py:NAME, which gives (model, loss, batches, optimizer); a data set; or a saved model."
        ),
    ],
    data: Annotated[str | None, typer.Option(help="For a saved model: a data set's name, or a file.")] = None,
    column: Annotated[str | None, typer.Option("--target", help=TARGET)] = None,
    task: Annotated[str, typer.Option(help=TASK)] = "auto",
    report: Annotated[Path | None, typer.Option(help="An HTML report to write.")] = None,
    shape: Annotated[list[str] | None, typer.Option(help="For a model: the shape of an input, as x=32,4.")] = None,
    loss: Annotated[str | None, typer.Option(help="For a model: mse, cross_entropy, …, or a name in its file.")] = None,
    remedies: Annotated[bool, typer.Option(help="Try remedies.")] = True,
    steps: Annotated[
        int | None, typer.Option(help="Training steps per trial (default: 60, or 20 for a large model).")
    ] = None,
    budget: Annotated[float, typer.Option(help="Roughly how many seconds it may take.")] = 60.0,
    seed: Annotated[int, typer.Option(help="Seeds everything drawn at random.")] = 0,
    lang: Annotated[str, typer.Option(help="The report's language, en or ko.")] = "en",
) -> None:
    """Say whether gradients flow through a network and, if not, what is wrong and which remedy helps."""
    from chainrule.doctor import doctor as examine
    from chainrule.jobs.doctor import patient_of
    from chainrule.jobs.targets import InputSource
    from chainrule.present.texts import check_lang

    check_lang(lang)
    if report is not None:
        check_output(report, _target_files(target) | _data_files(target) | _data_files(data))
    patient = patient_of(
        target, InputSource(data, shapes=tuple(shape or ()), seed=seed, loss=loss, target=column, task=task)
    )
    diagnosis = examine(*patient, remedies, steps, seed, budget=budget)
    typer.echo(diagnosis.to_text(lang))
    if report is not None:
        diagnosis.to_html(report, lang)
        console.print(f"report: {report}")
    if not diagnosis.ok:
        raise typer.Exit(NO)


@_command("chainrule info model.safetensors")
def info(
    model: Annotated[Path | None, typer.Argument(help="A model file to describe.")] = None,
    operations: Annotated[bool, typer.Option("--operations", help="List every operation with its formula.")] = False,
    clear_cache: Annotated[
        bool, typer.Option("--clear-cache", help="Delete the cached machine code of compiled programs.")
    ] = False,
) -> None:
    """Describe a model file or, without one, this installation."""
    from chainrule.jobs import info as info_of

    if clear_cache:
        info_of.clear_cache(console)
    elif operations:
        info_of.print_operations(console)
    elif model is not None:
        info_of.print_model(console, model)
    else:
        info_of.print_installation(console)


def _derivation(job: "Job", lang: str) -> "Derivation":
    from chainrule.explain import explain

    x, y = job.sample(4)
    return explain(job.model.eval(), x, loss=job.loss, target=y, lang=lang, level="brief")


for _function, _example in LEARNING.items():
    _command(_example)(_function)


def _data_files(data: str | None) -> dict[str, Path]:
    """The files that a data argument reads, keyed by what they are, so that no output overwrites one of them."""
    from chainrule.data.named import files_of

    return _as_inputs(files_of(data or ""))


def _as_inputs(files: list[Path]) -> dict[str, Path]:
    """Name the files that data are read from: the first, and its labels where they are apart."""
    names = ("the data", "the data (its labels)")
    return {names[k] if k < 2 else f"the data ({path})": path for k, path in enumerate(files)}


def _target_files(target: str) -> dict[str, Path]:
    """The file behind FILE.py:NAME, module:NAME or a model."""
    place, _, _ = target.rpartition(":")
    paths = {Path(target), Path(place), Path(f"{place.replace('.', '/')}.py")}
    return {f"the file of {target}": path for path in paths if path.is_file()}


def _train(job: "Job", checkpoint: Path, parallel: "Alone", seconds: float | None, watch: "GradientWatch") -> "History":
    """Train with a progress bar; on Ctrl-C save a checkpoint, say how to resume, and stop."""
    from chainrule.jobs.training.job import JobCheckpoint
    from chainrule.train import ModelFileError, NonFiniteError
    from chainrule.train.logs import ProgressBar

    keeping = [] if seconds is None else [JobCheckpoint(job, checkpoint, seconds, _warn)]
    try:
        return job.train([ProgressBar(console), watch, *keeping], parallel)
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
            _warn(f"interrupted after {len(job.history)} of {job.epochs} epochs, without a checkpoint: {error}")
            raise typer.Exit(INTERRUPTED) from None
        again = [word for word in sys.argv[1:] if not word.startswith("--resume=")]
        if "--resume" in again:
            at = again.index("--resume")
            del again[at : at + 2]
        console.print(f"interrupted after {len(job.history)} of {job.epochs} epochs; to resume:")
        line = _command_line(parallel, [*again, "--resume", str(checkpoint)])
        console.print(f"  {line}")
        raise typer.Exit(INTERRUPTED) from None


def _warn(text: str) -> None:
    terminal.Screen(stderr=True, soft_wrap=True, quiet=console.quiet).print(f"warning: {text}", style="yellow")


if __name__ == "__main__":
    main()
