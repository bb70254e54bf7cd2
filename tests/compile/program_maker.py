"""Draws random programs: `made(seed)`.

Every line is carried out as it is drawn, so that shapes and dtypes fit, and left out where NumPy or chainrule refuses
it or its values are no longer of ordinary size.
"""

import random
from collections.abc import Callable
from typing import Any

import numpy as np

import chainrule as cr
from chainrule.core.tree import flatten

from .programs import SPACE, Function, Program
from .vocabulary import ACTIVATIONS, BINARY, LOSSES, MODELS, OPTIMIZERS, OTHERS, SETTINGS, UNARY

DTYPES = ("np.float32", "np.float64")
SHAPES = ((), (3,), (4,), (2, 3), (3, 4), (4, 4), (2, 3, 4), (1, 4), (3, 1), (5, 4))


def made(seed: int) -> Program:
    """Return the program of a seed."""
    return _Maker(seed).program()


class _Maker:
    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.result = Program(seed)
        self.env: dict[str, Any] = dict(SPACE)
        self.counts: dict[str, int] = {}
        self.calls: dict[str, Callable[[], str]] = {}
        """What draws the arguments of a call, by function."""
        self.closure: list[str] = []
        self.models: list[str] = []
        self.optimizers: list[tuple[str, str]] = []
        self.parameters: list[str] = []

    # Small things

    def name(self, letter: str) -> str:
        """Return a new name."""
        self.counts[letter] = self.counts.get(letter, -1) + 1
        return f"{letter}{self.counts[letter]}"

    def chance(self, p: float) -> bool:
        """Return True with a probability."""
        return self.rng.random() < p

    def number(self) -> int:
        """Return a number, as a seed of something."""
        return self.rng.randrange(10**6)

    def run(self, line: str, env: dict[str, Any]) -> bool:
        """Carry a line out, and return whether it makes sense."""
        try:
            with np.errstate(all="ignore"):
                exec(line, env)
        except Exception:  # of whatever kind: then the line is not for these values
            return False
        return True

    def setup(self, line: str) -> None:
        """Add a line to the setup."""
        exec(line, self.env)
        self.result.setup.append(line)

    # The world

    def add_world(self) -> None:
        """Draw closure variables, and perhaps tensors with a gradient."""
        for _ in range(self.rng.randrange(3)):
            name, shape = self.name("c"), self.rng.choice(SHAPES)
            self.setup(
                f"{name} = rows({', '.join(map(str, (self.number(), *shape)))}, dtype={self.rng.choice(DTYPES)})"
            )
            self.closure.append(name)
        if self.chance(0.4):
            name = self.name("k")
            self.setup(f"{name} = {self.rng.choice(('2', '0.5', '-1.5', 'True'))}")
            self.closure.append(name)
        if self.chance(0.4):
            for _ in range(self.rng.randrange(1, 3)):
                name, shape = self.name("p"), self.rng.choice(SHAPES)
                value = f"rows({', '.join(map(str, (self.number(), *shape)))}, dtype={self.rng.choice(DTYPES)})"
                self.setup(f"{name} = cr.tensor({value}, requires_grad=True)")
                self.parameters.append(name)
                self.result.things.append(name)

    def add_model(self, index: int | None = None) -> tuple[str, tuple[str, ...], str]:
        """Draw a model; return its name, the arguments of its inputs, and of its targets."""
        source, inputs, targets = MODELS[index] if index is not None else self.rng.choice(MODELS)
        name, dtype = self.name("m"), self.rng.choice(DTYPES)
        act = self.rng.choice(ACTIVATIONS)
        for line in source.format(
            m=name, d=dtype, act=act, p=self.rng.choice((0.0, 0.3, 0.5)), rnn=self.rng.choice(("RNN", "LSTM", "GRU"))
        ).split("; "):
            self.setup(line)
        self.models.append(name)
        self.result.things.append(name)
        return name, tuple(x.replace("DTYPE", dtype) for x in inputs), targets.replace("DTYPE", dtype)

    def add_optimizer(self, model: str) -> str:
        """Draw an optimiser of a model's parameters."""
        kind, arguments = self.rng.choice(OPTIMIZERS)
        name = self.name("o")
        params = f"{model}.parameters()"
        if self.chance(0.3) and len(list(self.env[model].parameters())) > 1:
            params = f"[{{'params': list({params})[:1], 'lr': 0.03}}, {{'params': list({params})[1:]}}]"
        self.setup(f"{name} = optim.{kind}({params}, {arguments})")
        self.optimizers.append((name, kind))
        self.result.things.append(name)
        return name

    # The body of a function

    def body(self, f: Function, env: dict[str, Any], count: int) -> list[str]:
        """Draw lines; return the names that they make."""
        found: list[str] = []
        for _ in range(3 * count):
            if len(found) >= count:
                break
            line, names = self.line(env)
            if line and self.run(line, env) and all(_is_ordinary(env[name]) for name in names):
                f.body.append(line)
                found += names
                env["__drawn__"] += names
        return found

    def line(self, env: dict[str, Any]) -> tuple[str, list[str]]:
        """Draw one line, which may not make sense."""
        pick = _Picker(self.rng, env)
        kind = self.rng.random()
        try:
            if kind < 0.35:
                text = self.rng.choice(UNARY)(pick)
            elif kind < 0.65:
                text = self.rng.choice(BINARY)(pick)
            elif kind < 0.88:
                text = self.rng.choice(OTHERS)(pick)
            else:
                return self.transformed(pick)
        except IndexError:  # there is no such value yet
            return "", []
        several = 2 if text.startswith("2:") else 1
        names = [self.name("v") for _ in range(several)]
        return f"{', '.join(names)} = {text.removeprefix('2:')}", names

    def transformed(self, pick: "_Picker") -> tuple[str, list[str]]:
        """Draw a line with a transform inside."""
        inner = "a"
        for _ in range(self.rng.randrange(1, 4)):
            inner = self.rng.choice(
                (f"np.tanh({inner})", f"({inner} * {pick.float()})", f"({inner} + {pick.float()})",
                 f"np.exp(-{inner}**2)",
                 f"F.softplus({inner})", f"np.sin({inner}) * a", f"np.where({inner} > 0, {inner}, 0.1 * a)",
                 f"np.sqrt(1 + {inner}**2)")
            )  # fmt: skip
        x = pick.float()
        scalar = f"lambda a: ({inner}).{self.rng.choice(('sum', 'mean'))}()"
        v, w = self.name("v"), self.name("v")
        return self.rng.choice(
            [
                (f"{v}, {w} = cr.value_and_grad({scalar})({x})", [v, w]),
                (f"{v} = cr.grad({scalar})({x})", [v]),
                (f"{v}, {w} = cr.jvp(lambda a: {inner}, ({x},), (np.cos({x}),))", [v, w]),
                (f"{v}, {w} = (lambda y, pull: (y, pull(np.cos(y))[0]))(*cr.vjp(lambda a: {inner}, {x}))", [v, w]),
                (f"{v} = cr.hvp({scalar}, ({x},), (np.sin({x}),))[1]", [v]),
                (f"{v} = cr.jacobian(lambda a: {inner})({x})", [v]),
                (f"{v} = cr.elementwise_grad(lambda a: {inner.replace(x, '1.0')})({x})", [v]),
                (f"{v} = cr.checkpoint(lambda a: {inner})({x})", [v]),
                (f"{v} = cr.grad(lambda b: (cr.grad({scalar})(b) ** 2).sum())({x})", [v]),
            ]
        )

    def returned(self, f: Function, names: list[str], at_most: int = 3) -> None:
        """Choose what comes back."""
        chosen = names[-1:] + self.rng.sample(names, min(len(names), self.rng.randrange(at_most)))
        f.results += list(dict.fromkeys(chosen))
        f.form = self.rng.choice(("one", "tuple", "dict", "nested"))

    # Kinds of functions

    def pure(self) -> None:
        """Draw a function of arrays."""
        f = Function(self.name("f"), "", [], [])
        drawn: list[Callable[[], str]] = []
        env = self.inner()
        parameters = []
        for _ in range(self.rng.randrange(1, 4)):
            name, draw = self.name("x"), self.argument()
            parameters.append(name)
            drawn.append(draw)
            exec(f"{name} = {draw()}", env)
            if isinstance(env[name], dict):
                for key in env[name]:
                    f.body.append(f'{name}{key} = {name}["{key}"]')
                    exec(f.body[-1], env)
                    env["__drawn__"].append(f"{name}{key}")
            else:
                env["__drawn__"].append(name)
        f.parameters = ", ".join(parameters)
        names = self.body(f, env, self.rng.randrange(2, 10))
        if not names:
            return
        self.returned(f, names)
        self.finish(f, drawn)

    def finish(self, f: Function, drawn: list[Callable[[], str]]) -> None:
        """Add a function, and how its arguments are drawn."""
        self.result.functions.append(f)
        self.calls[f.name] = lambda: ", ".join(draw() for draw in drawn)

    def inner(self) -> dict[str, Any]:
        """Return the names that a function's body sees."""
        env = dict(self.env)
        env["__drawn__"] = [*self.closure, *self.parameters]
        return env

    def argument(self) -> Callable[[], str]:
        """Return what draws one argument: of one shape, and with other values at each call."""
        kind = self.rng.random()
        shape = self.rng.choice(SHAPES)
        dtype = self.rng.choice(DTYPES)

        def array() -> str:
            return f"rows({', '.join(map(str, (self.number(), *shape)))}, dtype={dtype})"

        if kind < 0.6:
            return array
        if kind < 0.68:
            return lambda: f"whole({', '.join(map(str, (self.number(), 3, *shape)))})"
        if kind < 0.74:
            return lambda: f"{array()} > 0"
        if kind < 0.8:
            return lambda: self.rng.choice(("2", "3", "0.5"))
        if kind < 0.9:
            return lambda: f'{{"a": {array()}, "b": {array()}}}'
        if self.parameters and kind < 0.96:
            name = self.rng.choice(self.parameters)
            return lambda: f"{name} * {self.rng.choice(('1.5', '-1.0'))}"  # with a gradient that goes on outside
        return lambda: f"cr.tensor({array()}{self.rng.choice(('', '', ', requires_grad=True'))})"

    def modelled(self, trains: bool, known: Any = None) -> Any:
        """Draw a function that calls a model, and takes a step where it trains."""
        model, inputs, target = known or self.add_model()
        f = Function(self.name("f"), ", ".join([*(f"x{k}" for k in range(len(inputs))), "t"]), [], [])
        env = self.inner()

        def drawn(template: str) -> Callable[[], str]:
            return lambda: template.replace("SEED", str(self.number())).replace("BATCH", self.batch)

        self.batch = "5"
        draws = [drawn(x) for x in (*inputs, target)]
        for k, draw in enumerate(draws):
            exec(f"{'t' if k == len(inputs) else f'x{k}'} = {draw()}", env)
        self.forward(f, env, model, len(inputs), trains)
        self.finish(f, draws)
        return model, inputs, target

    def forward(self, f: Function, env: dict[str, Any], model: str, count: int, trains: bool) -> None:
        """Draw the lines of a function that calls a model."""
        optimizer = None
        if trains and self.chance(0.85):
            mine = [o for o, _ in self.optimizers]
            optimizer = self.rng.choice(mine) if mine and self.chance(0.5) else self.add_optimizer(model)
            env[optimizer] = self.env[optimizer]
        zero = f"{optimizer or model}.zero_grad({self.rng.choice(('', '', 'set_to_none=False'))})"
        first = self.rng.random()
        if trains and first < 0.6:
            self.must(f, env, zero)
        self.must(f, env, f"h = {model}({', '.join(f'x{k}' for k in range(count))})")
        env["__drawn__"] += ["h"]
        names = ["h", *self.body(f, env, self.rng.randrange(3))]
        if trains or self.chance(0.5):
            names += self.step(f, env, model, optimizer, trains)
        if trains and 0.6 <= first < 0.75:
            self.must(f, env, zero)
        self.returned(f, names)

    def step(self, f: Function, env: dict[str, Any], model: str, optimizer: str | None, trains: bool) -> list[str]:
        """Draw the lines from the loss to the optimiser's step; return what may be returned."""
        losses = [x for x in LOSSES if self.run(f"loss = {x}", dict(env))]
        self.must(f, env, f"loss = {self.rng.choice(losses)}")
        names = ["loss"]
        if self.parameters and self.chance(0.3):
            self.must(f, env, f"loss = loss + ({self.rng.choice(self.parameters)} ** 2).sum()")
        if not trains:
            return names
        if self.chance(0.1):
            self.must(f, env, "loss.backward(retain_graph=True)")
        self.must(f, env, "loss.backward()")
        weight = f"next(iter({model}.parameters()))"
        for _ in range(self.rng.choice((0, 0, 0, 1, 1, 2))):
            change = self.rng.choice(
                ("optim.clip_grad_norm_({m}.parameters(), 0.5)", "optim.clip_grad_value_({m}.parameters(), 0.05)",
                 "optim.clip_grad_norm_({m}.parameters(), 0.1, 'ignore')",
                 "optim.scale_grads_({m}.parameters(), 0.5)")
            )  # fmt: skip
            line = change.format(m=model)
            if "norm" in line:
                line, names = f"norm = {line}", [*names, *({"norm"} - set(names))]
            self.must(f, env, line)
        if self.chance(0.15) and env[model] is not None:
            self.must(f, env, f"g = {weight}.grad * 2")
            names.append("g")
        if optimizer:
            self.must(f, env, f"{optimizer}.step()")
            if self.chance(0.15):
                scheduler = self.name("s")
                self.setup(f"{scheduler} = optim.lr_scheduler.StepLR({optimizer}, 2, 0.5)")
                env[scheduler] = self.env[scheduler]
                self.must(f, env, f"{scheduler}.step()")
        return names

    def must(self, f: Function, env: dict[str, Any], line: str) -> None:
        """Add a line; one that fails now fails in both runs."""
        self.run(line, env)
        f.body.append(line)

    def small(self) -> None:
        """Draw a function that has to do with gradients and steps alone."""
        model = self.models[-1]
        lines = [
            f"sum((p * p).sum() for p in {model}.parameters()).backward()",
            f"{model}.zero_grad()",
            f"{model}.zero_grad(set_to_none=False)",
            f"v = optim.clip_grad_norm_({model}.parameters(), 0.5)",
            f"v = [p.grad for p in {model}.parameters()]",
            f"next(iter({model}.parameters())).grad = None",
            f"v = [p * 1 for p in {model}.parameters() if p.grad is not None]",
            *[f"{o}.step()" for o, _ in self.optimizers] * 2,
            *[f"{o}.zero_grad()" for o, _ in self.optimizers],
        ]
        body = self.rng.sample(lines, self.rng.choice((1, 1, 2)))
        results = ["v"] if any(line.startswith("v =") for line in body) else ["1.0"]
        self.finish(Function(self.name("f"), "", body, results, self.rng.choice(("one", "tuple"))), [])

    # What happens

    def event(self) -> None:
        """Draw a change between calls."""
        choices: list[Callable[[], str]] = [lambda: f"cr.seed({self.number()})"]
        if self.closure:
            choices += [self.changed_closure] * 2
        leaves = [*self.parameters, *(f"next(iter({m}.parameters()))" for m in self.models)]
        leaves += [f"list({m}.parameters())[-1]" for m in self.models]
        if leaves:
            choices += [lambda: self.changed_leaf(self.rng.choice(leaves))] * 6
        if self.models:
            choices += [lambda: self.changed_model(self.rng.choice(self.models))] * 4
        if self.optimizers:
            choices += [lambda: self.changed_optimizer(*self.rng.choice(self.optimizers))] * 5
        self.result.events += self.rng.choice(choices)().split("\n")

    def changed_closure(self) -> str:
        """Return a change of a closure variable."""
        name = self.rng.choice(self.closure)
        if name[0] == "k":
            return f"{name} = {self.rng.choice(('3', '0.25', '-1', 'False'))}"
        shape, dtype = self.env[name].shape, self.env[name].dtype
        new = f"rows({', '.join(map(str, (self.number(), *shape)))}, dtype=np.{dtype})"
        return self.rng.choice(
            (f"{name}[...] = {new}", f"{name} = {new}", f"{name} *= 0.5" if shape else f"{name} = {new}")
        )

    def changed_leaf(self, leaf: str) -> str:
        """Return a change of a tensor with a gradient."""
        held = self.name("held")
        return self.rng.choice(
            [
                f"{leaf}.data = 0.5 * {leaf}.data",
                f"{leaf}.data[...] = 0.3",
                f"w = {leaf}\nw.data -= 0.1",
                f"{held} = {leaf}.data\n{held}[...] = 0.25",
                f"{held} = {leaf}.data",
                f"{held} = {leaf}.data\n{self.any_call()}\n{held}[...] = -0.25",
                f"{leaf}.grad = None",
                f"{leaf}.grad = np.ones({leaf}.shape)",
                f"({leaf} ** 2).sum().backward() if {leaf}.requires_grad else None",
                f"{leaf}.requires_grad_(False)" if "next" in leaf or "list" in leaf else f"{leaf}.grad = None",
                f"{leaf}.requires_grad_(True)" if "next" in leaf or "list" in leaf else f"{leaf}.grad = None",
            ]
        )

    def changed_model(self, model: str) -> str:
        """Return a change of a model."""
        saved = self.name("saved")
        return self.rng.choice(
            [
                f"{model}.eval()",
                f"{model}.train()",
                f"{model}.zero_grad()",
                f"{model}.zero_grad(set_to_none=False)",
                f"{saved} = {model}.state_dict()\n{self.any_call()}\n{model}.load_state_dict({saved})",
                f"{model}.requires_grad_({self.rng.choice(('True', 'False'))})",
                f"[b.fill(0.5) for _, b in {model}.named_buffers() if b.dtype.kind == 'f']",
                f"[setattr(layer, 'p', 0.4) for layer in {model}.modules() if hasattr(layer, 'p')]",
            ]
        )

    def changed_optimizer(self, optimizer: str, kind: str) -> str:
        """Return a change of an optimiser."""
        saved = self.name("saved")
        setting = self.rng.choice([*SETTINGS["all"], *SETTINGS[kind]])
        return self.rng.choice(
            [
                *[f"{optimizer}.param_groups[0].update({setting})"] * 4,
                f"{optimizer}.zero_grad()",
                f"{optimizer}.step()",
                f"{saved} = {optimizer}.state_dict()\n{self.any_call()}\n{optimizer}.load_state_dict({saved})",
                f"{optimizer}.param_groups[0]['params'] = {optimizer}.param_groups[0]['params'][:1]",
                f"[s.update({{k: v * 0.5 for k, v in s.items() if k != 'step'}}) for s in {optimizer}.state.values()]",
            ]
        )

    def any_call(self) -> str:
        """Return a call of one of the functions, perhaps with what is done with its results."""
        f = self.rng.choice(self.result.functions)
        self.batch = self.rng.choice(("5", "5", "5", "3"))
        text = f"call(c_{f.name}, {self.calls[f.name]()})"
        is_pure = not any(".backward" in line for line in f.body)
        if is_pure and self.chance(0.35):
            out = self.name("out")
            backward = f"hasattr(total({out}), 'backward') and total({out}).backward()"
            return f"{out} = {text}\n{backward}\nnotes.append(noted((), things))"
        if self.chance(0.12):
            out = self.name("out")
            return f"with cr.no_grad(): {out} = {text}"
        if self.chance(0.1):  # what came out belongs to the caller
            out = self.name("out")
            own = f"c_{f.name} is not {f.name}"
            return f"{out} = {text}\n{own} and [x.fill(7) for x in flatten({out})[0] if type(x) is np.ndarray]"
        return text

    def program(self) -> Program:
        """Draw all of it."""
        kind = self.rng.random()
        self.add_world()
        if kind < 0.45:
            self.pure()
        elif kind < 0.75:
            self.modelled(trains=True)
        elif kind < 0.85:
            self.modelled(trains=False)
        else:
            known = self.modelled(trains=self.chance(0.7))
            self.modelled(trains=self.chance(0.5), known=known)
        if not self.result.functions:
            return self.result
        for _ in range(self.rng.choice((0, 0, 1, 2)) if self.models else 0):
            self.small()
        for _ in range(self.rng.randrange(2, 5)):
            self.result.events += self.any_call().split("\n")
            for _ in range(self.rng.choice((0, 1, 1, 2))):
                self.event()
        self.result.events += self.any_call().split("\n")
        return self.result


class _Picker:
    """Chooses names of values of certain kinds."""

    def __init__(self, rng: random.Random, env: dict[str, Any]) -> None:
        self.rng, self.env = rng, env

    def _one(self, fits: Callable[[Any], bool]) -> str:
        names = [name for name in self.env["__drawn__"] if fits(self.env[name])]
        return self.rng.choice(names[-6:] if self.rng.random() < 0.7 else names)

    def float(self, ndim: int | None = None, least: int = 0) -> str:
        """Return the name of an array of floats."""
        return self._one(lambda x: _kind(x) == "f" and x.ndim >= least and (ndim is None or x.ndim == ndim))

    def whole(self) -> str:
        """Return the name of an array of integers."""
        return self._one(lambda x: _kind(x) in "iu")

    def mask(self) -> str:
        """Return the name of an array of booleans."""
        return self._one(lambda x: _kind(x) == "b")

    def any(self) -> str:
        """Return the name of any value."""
        return self._one(lambda x: True)

    def axis(self, name: str) -> int:
        """Return one of the axes of a value."""
        return self.rng.randrange(-self.env[name].ndim, self.env[name].ndim)

    def of(self, *items: Any) -> Any:
        """Return one of these."""
        return self.rng.choice(items)


def _kind(x: Any) -> str:
    return str(x.dtype.kind) if hasattr(x, "dtype") else " "


def _is_ordinary(x: Any) -> bool:
    for leaf in flatten(x)[0]:
        array = np.asarray(leaf.detach().numpy() if isinstance(leaf, cr.Tensor) else leaf)
        if array.dtype.kind not in "fiub" or array.size > 300 or array.size == 0:
            return False
        if not np.isfinite(array).all() or np.abs(array.astype(np.float64)).max() > 1e3:
            return False
    return True
