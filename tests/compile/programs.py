"""Random programs: functions, the world that they act on, and what is done between their calls, as text.

A program is run twice from the same seeds, once as it is written and once with its functions compiled. After every
call, what came out and everything that may have changed are noted; both runs must note the same. A program that fails
is made smaller as long as it fails, and is a script of its own: `print(program.script())`.
"""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

PRELUDE = '''
import numpy as np
import chainrule as cr
import chainrule.nn.functional as F
from chainrule import nn, optim
from chainrule.core.random import default_generator
from chainrule.core.tree import flatten


def rows(seed, *shape, dtype=np.float32):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def whole(seed, high, *shape):
    return np.random.default_rng(seed).integers(0, high, shape)


class Recurrent(nn.Module):
    """The last state of a recurrent layer."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return self.layer(x)[0][:, -1]


def shown(x):
    """A value as an array of its own, and what kind of thing it was."""
    if isinstance(x, cr.Tensor):
        return "tensor", np.array(x.detach().numpy())
    return "array", np.array(x)


def total(out):
    """A scalar of all results that have a gradient."""
    return sum((x * x).sum() for x in flatten(out)[0] if isinstance(x, cr.Tensor) and x.requires_grad)


def noted(out, things):
    """Results, and all that a call may have changed."""
    found = {f"result {k}": shown(x) for k, x in enumerate(flatten(out)[0])}
    for n, thing in enumerate(things):
        tensors = dict(thing.named_parameters()) if isinstance(thing, nn.Module) else {}
        tensors |= {"": thing} if isinstance(thing, cr.Tensor) else {}
        for name, p in tensors.items():
            found[f"{n}.{name}"] = shown(p)
            found[f"{n}.{name}.grad"] = ("none", np.zeros(0)) if p.grad is None else shown(p.grad)
        if isinstance(thing, nn.Module):
            found |= {f"{n}.{k}": ("array", np.array(v)) for k, v in thing.state_dict().items() if k not in tensors}
        if isinstance(thing, optim.Optimizer):
            for k, state in enumerate(thing.state_dict()["state"]):
                found |= {f"{n}.state {k}.{key}": shown(value) for key, value in state.items()}
            found |= {f"{n}.lr {k}": shown(group["lr"]) for k, group in enumerate(thing.param_groups)}
    state = default_generator().bit_generator.state
    return found | {"generator": ("array", np.array(str((state["state"], state["has_uint32"]))))}


def difference(eager, compiled, rough):
    """What is first noted otherwise in the compiled run; an empty text where nothing is."""
    for k, (a, b) in enumerate(zip(eager, compiled)):
        # Rounding is as large as the largest numbers that were added up to what should be zero.
        largest = max([1.0, *(float(np.max(np.abs(x), initial=0)) for _, x in a.values() if x.dtype.kind == "f")])
        if a.keys() != b.keys():
            return f"call {k}: {sorted(a.keys() ^ b.keys())}"
        for name, (kind, x) in a.items():
            other, y = b[name]
            if kind != other or x.shape != y.shape or x.dtype != y.dtype:
                return f"call {k}: {name}: {kind} {x.dtype} {x.shape}, compiled {other} {y.dtype} {y.shape}"
            if x.dtype.kind != "f":
                if not np.array_equal(x, y):
                    return f"call {k}: {name}: {x}, compiled {y}"
                continue
            fine = (2e-3, 2e-4 * largest) if rough else (1e-8, 1e-10 * largest)
            if not np.allclose(y, x, *fine, equal_nan=True):
                return f"call {k}: {name}: {x}, compiled {y}"
    return "" if len(eager) == len(compiled) else f"{len(eager)} calls, compiled {len(compiled)}"
'''

SCRIPT = """

eager, compiled = [], []
run(lambda f: f, eager)
run(cr.compile, compiled)
print(difference(eager, compiled, rough=ROUGH) or "the same")
"""

SPACE: dict[str, Any] = {"__name__": "programs"}
exec(compile(PRELUDE, "<prelude>", "exec"), SPACE)


@dataclass
class Function:
    """One function of a program: the lines of its body, and the names of what it returns."""

    name: str
    parameters: str
    body: list[str]
    results: list[str]
    form: str = "tuple"

    def lines(self) -> list[str]:
        """Return its definition."""
        return [f"def {self.name}({self.parameters}):", *_indented([*self.body, self._returned()])]

    def _returned(self) -> str:
        results = self.results
        if self.form == "one" and len(results) == 1:
            return f"return {results[0]}"
        if self.form == "dict":
            return "return {" + ", ".join(f'"{k}": {name}' for k, name in enumerate(results)) + "}"
        if self.form == "nested" and len(results) > 1:
            return f"return [{results[0]}, ({', '.join(results[1:])},)]"
        return f"return ({', '.join(results)}{',' if len(results) == 1 else ''})"


@dataclass
class Program:
    """What is set up, the functions, and what happens: calls, and changes between them."""

    seed: int
    setup: list[str] = field(default_factory=list)
    functions: list[Function] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    things: list[str] = field(default_factory=list)
    """The models, tensors and optimisers whose state is noted."""

    def source(self) -> str:
        """Return `run(wrap, notes)` as text."""
        lines = [f"cr.seed({self.seed})", *self.setup, f"things = [{', '.join(self.things)}]"]
        lines += ["def call(f, *args):", "    out = f(*args)", "    notes.append(noted(out, things))", "    return out"]
        for f in self.functions:
            lines += [*f.lines(), f"c_{f.name} = wrap({f.name})"]
        return "def run(wrap, notes):\n" + "\n".join(_indented([*lines, *self.events])) + "\n"

    def script(self) -> str:
        """Return the program as a script that says whether the two runs agree."""
        return PRELUDE + f"\n\n# Program {self.seed}\n" + self.source() + SCRIPT.replace("ROUGH", str(self.is_rough))

    @property
    def is_rough(self) -> bool:
        """Whether float32 is in it: then the results of the two runs agree to its precision."""
        return "float32" in self.source()

    def outcome(self) -> str:
        """Run it both ways: "" where they agree, "refused: …" where it is not captured, else what differs.

        Steps of an optimiser in float32 may carry two runs apart that differ by rounding: then float64 decides.
        """
        found = self._outcome()
        if found and self.is_rough and ".step()" in self.source() and not found.startswith("refused"):
            return self._in_float64()._outcome()
        return found

    def _in_float64(self) -> "Program":
        setup, events = ([x.replace("float32", "float64") for x in lines] for lines in (self.setup, self.events))
        return replace(self, setup=setup, events=events)

    def _outcome(self) -> str:
        space = dict(SPACE)
        exec(compile(self.source(), f"<program {self.seed}>", "exec"), space)
        eager: list[Any] = []
        compiled: list[Any] = []
        raised = [
            _raised(space["run"], wrap, notes) for wrap, notes in ((_plain, eager), (SPACE["cr"].compile, compiled))
        ]
        if raised[1].startswith("CaptureError"):
            return f"refused: {raised[1]}" if not raised[0].startswith("CaptureError") else ""
        if raised[0].startswith("AttributeError"):  # a method that tensors have, and the function was given an array
            del compiled[len(eager) :]
            raised[1] = raised[1] or raised[0]
        different = space["difference"](eager[: len(compiled)], compiled, self.is_rough)
        if not different and bool(raised[0]) != bool(raised[1]):
            return f"eager raised {raised[0] or 'nothing'}, compiled {raised[1] or 'nothing'}"
        return str(different)


def _plain(f: Callable[..., Any]) -> Callable[..., Any]:
    return f


def _raised(run: Callable[..., Any], wrap: Any, notes: list[Any]) -> str:
    try:
        with np.errstate(all="ignore"):
            run(wrap, notes)
    except Exception as error:  # whatever it is, both must raise it
        return f"{type(error).__name__}: {error}"
    return ""


def _indented(lines: list[str]) -> list[str]:
    return ["    " + line.replace("\n", "\n    ") for line in lines]


# Making a failing program smaller


def shrunk(program: Program, fails: Callable[[Program], bool]) -> Program:
    """Return a smaller program that fails as well: leave out lines, and what needs them, as long as it fails."""
    changed = True
    while changed:
        changed = False
        for smaller in _smaller(program):
            if fails(smaller):
                program, changed = smaller, True
                break
    return program


def _smaller(program: Program) -> list[Program]:
    found = [_without(program, events={k}) for k in reversed(range(len(program.events)))]
    for n, f in enumerate(program.functions):
        if len(program.functions) > 1:
            found.append(_without(program, functions={n}))
        if len(f.results) > 1:
            found += [_with(program, n, results=f.results[:k] + f.results[k + 1 :]) for k in range(len(f.results))]
        if f.form != "tuple":
            found.append(_with(program, n, form="tuple"))
        found += [_without_line(program, n, k) for k in reversed(range(len(f.body)))]
    found += [_without(program, setup={k}) for k in reversed(range(len(program.setup)))]
    return [p for p in found if p is not None and all(f.results for f in p.functions) and p.functions]


def _with(program: Program, n: int, **changes: Any) -> Program:
    functions = list(program.functions)
    functions[n] = replace(functions[n], **changes)
    return replace(program, functions=functions)


def _without_line(program: Program, n: int, k: int) -> Program:
    f = program.functions[n]
    gone, body = _made(f.body[k]), []
    for line in f.body[:k] + f.body[k + 1 :]:
        if _names(line) & gone and f.body.index(line) > k:
            gone |= _made(line)
        else:
            body.append(line)
    return _with(program, n, body=body, results=[name for name in f.results if not _names(name) & gone])


def _without(
    program: Program, events: Collection[int] = (), functions: Collection[int] = (), setup: Collection[int] = ()
) -> Program:
    """Return a program without some of its parts, and without all lines that need them."""
    gone = {f"c_{program.functions[n].name}" for n in functions} | {program.functions[n].name for n in functions}
    kept_setup = []
    for k, line in enumerate(program.setup):
        if k in setup or _names(line) & gone:
            gone |= _made(line)
        else:
            kept_setup.append(line)
    kept_functions = []
    for n, f in enumerate(program.functions):
        if n in functions:
            continue
        body, lost = [], set(gone)
        for line in f.body:
            if _names(line) & lost:
                lost |= _made(line)
            else:
                body.append(line)
        results = [name for name in f.results if not _names(name) & lost]
        if results:
            kept_functions.append(replace(f, body=body, results=results))
        else:
            gone |= {f.name, f"c_{f.name}"}
    kept_events = []
    for k, line in enumerate(program.events):
        if k in events or _names(line) & gone:
            gone |= _made(line)
        else:
            kept_events.append(line)
    things = [name for name in program.things if name not in gone]
    return replace(program, setup=kept_setup, functions=kept_functions, events=kept_events, things=things)


def _names(text: str) -> set[str]:
    return set(re.findall(r"[A-Za-z_]\w*", text))


def _made(line: str) -> set[str]:
    target = re.match(r"([\w, ]+) = ", line)
    return set(re.findall(r"\w+", target[1])) if target else set()
