"""Feeds a target with inputs that reach new code, for as long as one wants.

    python -m tests.fuzz.run csv --seconds 60
    python -m tests.fuzz.run --list

It needs atheris (`pip install atheris`). Inputs that reached something new are kept in `tests/fuzz/work`, from where
the next run goes on. A finding is written to `tests/fuzz/found` and printed; moved to `tests/fuzz/corpus/TARGET`, it is
a test from then on (`test_corpus.py`).
"""

import argparse
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType

HERE = Path(__file__).parent
SLOWEST = 20
"""Seconds after which one input counts as a hang."""
MOST_MEMORY = 2048
"""MB of the whole process: an input that needs more is a finding."""

CODE = {
    **dict.fromkeys(("csv", "holes", "npz", "idx", "parquet", "picture"), "chainrule.data"),
    **dict.fromkeys((f"stream_{form}" for form in ("csv", "npy", "npz", "idx", "parquet", "arrow")), "chainrule.data"),
    **dict.fromkeys(("text", "series", "listed"), "chainrule.data"),
    **dict.fromkeys(("model", "description", "description_of_holes", "pictures"), "chainrule.train.saved"),
    **{"onnx": "chainrule.interop.onnx", "formula": "chainrule.formula", "answer": "chainrule.learn.expression"},
    **{"program": "chainrule.compile.capture", "request": "chainrule.explore.server", "act": "chainrule.explore"},
}
"""The code whose branches guide the inputs of each target: with all of chainrule's, a start takes a minute."""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", nargs="?")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--most", type=int, default=20_000, help="bytes of an input")
    parser.add_argument("--list", action="store_true", help="name the targets")
    return parser.parse_args()


def quoted(word: str) -> str:
    """Every byte as libFuzzer's dictionaries take it."""
    return "".join(f"\\x{byte:02x}" for byte in word.encode())


def functions_of(package: str) -> Iterator[FunctionType]:
    """The functions and methods of a package's files."""
    for name, module in sorted(sys.modules.items()):
        if name == package or name.startswith(f"{package}."):
            classes = [kind for kind in vars(module).values() if isinstance(kind, type)]
            for holder in (module, *classes):
                held = [getattr(value, "__func__", value) for value in vars(holder).values()]
                yield from (f for f in held if isinstance(f, FunctionType) and f.__module__ == name)


def main() -> None:
    asked = arguments()
    try:
        import atheris
    except ImportError:
        raise SystemExit("fuzzing needs atheris: pip install atheris") from None
    if asked.list or asked.target not in CODE:
        raise SystemExit(f"targets: {', '.join(CODE)}")
    from .targets import TARGETS

    target = TARGETS[asked.target]
    seeds = target.seeds()
    for function in functions_of(CODE[asked.target]):
        atheris.instrument_func(function)
    warnings.simplefilter("ignore")
    work, found = HERE / "work" / asked.target, HERE / "found" / asked.target
    for folder in (work, found):
        folder.mkdir(parents=True, exist_ok=True)
    for k, seed in enumerate(seeds):
        (work / f"seed-{k}").write_bytes(seed)
    words = work.with_suffix(".dict")
    words.write_text("# words\n" + "".join(f'"{quoted(word)}"\n' for word in target.words))
    flags = {
        **{"max_total_time": asked.seconds, "seed": asked.seed, "max_len": asked.most, "timeout": SLOWEST},
        **{"rss_limit_mb": MOST_MEMORY, "artifact_prefix": f"{found}/", "print_final_stats": 1},
    }
    if target.words:
        flags["dict"] = words
    kept = [str(folder) for folder in (work, HERE / "corpus" / asked.target) if folder.is_dir()]
    atheris.Setup([sys.argv[0], *(f"-{name}={value}" for name, value in flags.items()), *kept], target.run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
