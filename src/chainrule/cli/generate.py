"""`chainrule generate`: a language model goes on with a text."""

import sys
from pathlib import Path
from typing import Annotated

from chainrule.cli.app import INTERRUPTED, LANG, command

from .options import Argument, Option


@command('chainrule generate model.safetensors --prompt "Once upon a time" --temperature 0.8')
def generate(
    model: Annotated[Path, Argument(help="A model that `chainrule train` wrote for a text.")],
    prompt: Annotated[str, Option(help="The text to go on with (default: the start of a line).")] = "",
    length: Annotated[int, Option(help="How many tokens to write.")] = 500,
    temperature: Annotated[
        float, Option(help="Below 1 what is probable becomes more so; 0 always writes the most probable token.")
    ] = 0.8,
    top_k: Annotated[int | None, Option(help="Draw from so many of the most probable tokens (default: all).")] = None,
    seed: Annotated[int, Option(help="Seeds the draws.")] = 0,
    lang: Annotated[str, Option(help=LANG)] = "en",
) -> None:
    """Write on with a language model, token by token; Ctrl-C ends it."""
    from chainrule.jobs.training.job import threads
    from chainrule.present.escape import visible
    from chainrule.present.texts import check_lang
    from chainrule.train.saved.language_predictor import LanguagePredictor
    from chainrule.train.saved.predictor import read_predictor

    check_lang(lang)
    predictor = read_predictor(model)
    if not isinstance(predictor, LanguagePredictor):
        raise ValueError(f"{model}: not a language model, so it has no text to go on with; use `chainrule predict`")
    pieces = predictor.generate(prompt, length, temperature, top_k, seed)
    try:
        with threads(0):  # one token at a time: every product is small
            sys.stdout.write(visible(prompt))
            for piece in pieces:
                sys.stdout.write(visible(piece))
                sys.stdout.flush()
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None
    finally:
        sys.stdout.write("\n")
