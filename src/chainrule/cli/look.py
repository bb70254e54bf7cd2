"""The commands that look into a function, a gradient or a network: check, explain, graph, explore, doctor."""

import sys
from json import dumps
from pathlib import Path
from typing import Annotated

from chainrule.base.files import check_output, write_text
from chainrule.cli.app import NO, TARGET, TASK, command, console, data_files, say, target_files

from .options import Argument, Option


@command("chainrule check check_me.py:softmax --backward softmax_backward")
def check(
    target: Annotated[str, Argument(help="FILE.py:NAME or module:NAME: a function, layer, module, operation.")],
    backward: Annotated[str | None, Option(help="The name of the backward pass, backward(y_bar, *args).")] = None,
    layer: Annotated[bool, Option("--layer", help="NAME is a layer with forward(x) and backward(dout).")] = False,
    shape: Annotated[list[str] | None, Option(help="The shape of an argument, as x=3,4; repeatable.")] = None,
    full: Annotated[bool, Option("--full", help="Check every element.")] = False,
    seed: Annotated[int, Option(help="Seeds the inputs and the directions.")] = 0,
    budget: Annotated[float, Option(help="Roughly how many seconds it may take.")] = 30.0,
    html: Annotated[Path | None, Option(help="An HTML report to write.")] = None,
    json: Annotated[bool, Option("--json", help="Print the report as JSON.")] = False,
    lang: Annotated[str, Option(help="The report's language, en or ko.")] = "en",
) -> None:
    """Say whether a gradient is right and, if not, why and where.

    Works on NumPy, chainrule, PyTorch and JAX code. Inputs come from --shape, an attribute `example`, a function
    NAME_inputs in the same file, or the annotations.
    """
    from chainrule.jobs.check import check_target
    from chainrule.present.texts import check_lang

    check_lang(lang)
    if html is not None:
        check_output(html, target_files(target))
    report = check_target(
        target, backward=backward, layer=layer, shapes=shape or (), full=full, seed=seed, budget=budget
    )
    if html is not None:
        write_text(html, report.to_html(lang=lang))
    print(dumps(report.to_dict(), ensure_ascii=False) if json else report.to_text(lang))
    if not report.ok:
        raise SystemExit(NO)


@command("chainrule explain model.safetensors --data digits --lang ko -o derivation.html")
def explain(
    target: Annotated[str, Argument(help="FILE.py:NAME, module:NAME, or a model that `chainrule train` wrote.")],
    out: Annotated[Path | None, Option("--out", "-o", help="The file to write (default: print it).")] = None,
    format: Annotated[
        str | None, Option(help="text, markdown, latex or html (default: from the file's extension).")
    ] = None,
    level: Annotated[str, Option(help="The level of detail: brief, full or proof.")] = "full",
    parameter: Annotated[str | None, Option("--why", help="Say why this parameter's gradient is what it is.")] = None,
    data: Annotated[str | None, Option(help="For a model: a data set's name, or a file.")] = None,
    samples: Annotated[int, Option(help="The number of rows to pass through the model.")] = 2,
    column: Annotated[str | None, Option("--target", help=TARGET)] = None,
    task: Annotated[str, Option(help=TASK)] = "auto",
    shape: Annotated[list[str] | None, Option(help="The shape of an argument, as x=3,4; repeatable.")] = None,
    loss: Annotated[str | None, Option(help="For a model: mse, cross_entropy, …, or a name in its file.")] = None,
    seed: Annotated[int, Option(help="Seeds the inputs drawn at random.")] = 0,
    lang: Annotated[str, Option(help="The output language, en or ko.")] = "en",
) -> None:
    """Derive a network's gradients step by step, with its numbers, and verify every step."""
    from chainrule.jobs.explain import FORMATS, asked, explained, format_of
    from chainrule.jobs.targets import InputSource

    chosen = format_of(format, out)
    if out is not None:
        check_output(out, target_files(target) | data_files(data))
    source = InputSource(data, samples, tuple(shape or ()), seed, loss, column, task)
    if parameter is not None:
        print(str(asked(parameter, target, source, lang)), end="")
        return
    derivation = explained(target, source, lang, level)
    text = FORMATS[chosen](derivation)
    if out is None:
        print(text, end="")
    else:
        write_text(out, text)
        console().print(f"{derivation!r}: {out}")
    if not derivation.ok:
        raise SystemExit(NO)


@command("chainrule graph neuron.py:loss -o graph.svg")
def graph(
    target: Annotated[str, Argument(help="FILE.py:NAME, module:NAME, or a model that `chainrule train` wrote.")],
    out: Annotated[Path, Option("--out", "-o", help="The .svg or .html file to write.")] = Path("graph.svg"),
    data: Annotated[str | None, Option(help="For a model: a data set's name, or a file.")] = None,
    samples: Annotated[int, Option(help="The number of rows to pass through the model.")] = 8,
    column: Annotated[str | None, Option("--target", help=TARGET)] = None,
    task: Annotated[str, Option(help=TASK)] = "auto",
    shape: Annotated[list[str] | None, Option(help="The shape of an argument, as x=3,4; repeatable.")] = None,
    seed: Annotated[int, Option(help="Seeds the inputs drawn at random.")] = 0,
    loss: Annotated[str | None, Option(help="For a model: mse, cross_entropy, …, or a name in its file.")] = None,
    fold: Annotated[bool, Option(help="Draw repeated blocks once, as ×N.")] = True,
    animate: Annotated[bool, Option("--animate", help="Animate the order of both passes.")] = False,
    lang: Annotated[str, Option(help="The drawing's language, en or ko.")] = "en",
) -> None:
    """Draw the computational graph of a loss: values, gradients, and the order of the two passes."""
    from chainrule.jobs.graph import graph_of
    from chainrule.jobs.targets import InputSource

    check_output(out, target_files(target) | data_files(data))
    drawn = graph_of(target, InputSource(data, samples, tuple(shape or ()), seed, loss, column, task), fold, lang)
    drawn.save(out, animate=animate)
    console().print(f"{drawn!r}: {out}")


@command("chainrule explore neuron.py:loss")
def explore(
    target: Annotated[
        str | None,
        Argument(help="FILE.py:NAME, module:NAME, or a trained model (default: a gallery of networks)."),
    ] = None,
    data: Annotated[str | None, Option(help="For a model: a data set's name, or a file.")] = None,
    port: Annotated[int, Option(help="The port; 0 or one that is taken: any free one.")] = 0,
    browser: Annotated[bool, Option(help="Open the browser.")] = True,
    out: Annotated[
        Path | None, Option("--out", "-o", help="Write an HTML file that needs no server, instead of serving.")
    ] = None,
    steps: Annotated[int, Option(help="With --out: the training steps to record.")] = 0,
    samples: Annotated[int, Option(help="The number of rows to pass through the model.")] = 4,
    column: Annotated[str | None, Option("--target", help=TARGET)] = None,
    task: Annotated[str, Option(help=TASK)] = "auto",
    shape: Annotated[list[str] | None, Option(help="The shape of an argument, as x=3,4; repeatable.")] = None,
    loss: Annotated[str | None, Option(help="For a model: mse, cross_entropy, …, or a name in its file.")] = None,
    optimizer: Annotated[str, Option(help="SGD, Momentum, Adam, AdamW, RMSprop or Adagrad.")] = "SGD",
    seed: Annotated[int, Option(help="Seeds the inputs drawn at random.")] = 0,
    lang: Annotated[str, Option(help="The page's language, en or ko.")] = "en",
) -> None:
    """Walk through the backward pass in the browser, change a number, and see what follows.

    Serves on this machine only, until Ctrl-C, and prints the link, which works once.
    """
    from chainrule.jobs.explore import Opened, opened, recorded_to
    from chainrule.jobs.targets import InputSource

    source = InputSource(data, samples, tuple(shape or ()), seed, loss, column, task)
    chosen = Opened(target, source, optimizer, lang)
    if out is not None:
        check_output(out, target_files(target or "") | data_files(data))
        recorded_to(out, chosen, steps)
        say(f"explorer: {out}", lang)
        return
    server = opened(chosen, port)
    print(server.url())
    sys.stdout.flush()
    if browser:
        server.browse()
    server.wait()


@command("chainrule doctor digits --report flow.html")
def doctor(
    target: Annotated[
        str,
        Argument(help="FILE.py:NAME, which gives (model, loss, batches, optimizer); a data set; or a saved model."),
    ],
    data: Annotated[str | None, Option(help="For a saved model: a data set's name, or a file.")] = None,
    column: Annotated[str | None, Option("--target", help=TARGET)] = None,
    task: Annotated[str, Option(help=TASK)] = "auto",
    report: Annotated[Path | None, Option(help="An HTML report to write.")] = None,
    shape: Annotated[list[str] | None, Option(help="For a model: the shape of an input, as x=32,4.")] = None,
    loss: Annotated[str | None, Option(help="For a model: mse, cross_entropy, …, or a name in its file.")] = None,
    remedies: Annotated[bool, Option(help="Try remedies.")] = True,
    steps: Annotated[
        int | None, Option(help="Training steps per trial (default: 60, or 20 for a large model).")
    ] = None,
    budget: Annotated[float, Option(help="Roughly how many seconds it may take.")] = 60.0,
    seed: Annotated[int, Option(help="Seeds everything drawn at random.")] = 0,
    lang: Annotated[str, Option(help="The report's language, en or ko.")] = "en",
) -> None:
    """Say whether gradients flow through a network and, if not, what is wrong and which remedy helps."""
    from chainrule.jobs.doctor import examined
    from chainrule.jobs.targets import InputSource
    from chainrule.present.texts import check_lang

    check_lang(lang)
    if report is not None:
        check_output(report, target_files(target) | data_files(target) | data_files(data))
    source = InputSource(data, shapes=tuple(shape or ()), seed=seed, loss=loss, target=column, task=task)
    diagnosis = examined(target, source, try_remedies=remedies, steps=steps, seed=seed, budget=budget)
    print(diagnosis.to_text(lang))
    if report is not None:
        diagnosis.to_html(report, lang)
        say(f"report: {report}", lang)
    if not diagnosis.ok:
        raise SystemExit(NO)
