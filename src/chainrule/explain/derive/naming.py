r"""Assigning a symbol to each value.

The field's usual letters come first: x, $W^{(l)}$, $b^{(l)}$, $z^{(l)}$, $a^{(l)}$, $\hat y$, L. The label l is the
name of the layer's module, or its number; values in a function take the names of its variables.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from chainrule.core.facts import Moves, Role
from chainrule.observe.entry import Entry
from chainrule.rules.attention.plain import ScaledDotProductAttention
from chainrule.rules.elementary.arithmetic import Add, Multiply, Square
from chainrule.rules.elementary.powers import Power
from chainrule.rules.linalg.matmul import Matmul
from chainrule.rules.network.softmax import Softmax

from .statements import Statement, statement_of
from .subject import Recording
from .symbols import Symbol, from_name, labelled, word_label
from .unit import Unit
from .units import is_drawn
from .views import InnerProduct, MatrixVector, VectorMatrix

SPARE = ("u", "v", "q", "w", "g")
"""Letters for values without a name, in this order."""
QUERY_KEY_VALUE = ("Q", "K", "V")
CONVENTIONAL = ("weight", "bias")
"""Names of parameters that say no more than the layer's letters for them, W and b."""
AFFINE = (Multiply, Matmul, VectorMatrix, MatrixVector, InnerProduct)
"""Operations that form an affine map, $w x + b$, when something is added to the result."""


_NUMBERED = re.compile(r"(?<=\S),\d+$")
"""What `free` adds to a label that is taken."""


@dataclass
class Names:
    """The symbols given so far; no two values share one."""

    symbols: dict[Entry, Symbol]
    taken: set[str]
    indices: frozenset[str] = frozenset()
    """Letters that are indices in this derivation: a value of the same name is written with a tilde."""
    plain: dict[str, Entry] = field(default_factory=dict)
    """The values of which the program names none and which have a letter without a number, by their letter."""
    own: frozenset[str] = frozenset()
    """The letters of the program's own names: no value that it does not name has one of them."""

    def give(self, entry: Entry, symbol: Symbol) -> None:
        """Give an entry a symbol, numbered if it is already taken."""
        if entry not in self.symbols:
            self.symbols[entry] = self.free(symbol)

    def free(self, symbol: Symbol) -> Symbol:
        """Return this symbol, numbered if it is already taken, and reserve it."""
        if symbol.base in self.indices:
            symbol = Symbol(rf"\tilde {symbol.base}", symbol.label)
        found, number = symbol, 1
        while str(found) in self.taken:
            number += 1
            label = f"{symbol.label},{number}" if symbol.label and not symbol.label.isdigit() else str(number)
            found = Symbol(symbol.base, label)
        self.taken.add(str(found))
        return found

    def number_the_first(self) -> None:
        """Give the first value of several with one letter, u, u⁽²⁾, …, its number too."""
        for letter, entry in self.plain.items():
            first, second = Symbol(letter, "1"), Symbol(letter, "2")
            if self.symbols[entry] == Symbol(letter) and str(second) in self.taken and str(first) not in self.taken:
                self.symbols[entry] = self.free(first)

    def spare(self, letter: str) -> str:
        """Return a letter for a value that the program does not name: this one, or another if the program has it."""
        return next((one for one in (letter, *SPARE) if one not in self.own), letter)

    def base_of(self, entry: Entry) -> str:
        """Return the letter of an entry that has a symbol, or an empty string."""
        return self.symbols[entry].base if entry in self.symbols else ""

    def of(self, entry: Entry) -> Symbol:
        """Return the symbol of an entry."""
        return self.symbols[entry]


def name_all(recording: Recording, units: Sequence[Unit], indices: frozenset[str] = frozenset()) -> Names:
    """Give every value a symbol that is none of the indices."""
    names = Names({recording.loss: Symbol("L")}, {"L"}, indices)
    _name_arguments(recording, names)
    labels = _layer_labels(recording, units, names)
    _name_parameters(units, labels, names)
    _name_results(recording, units, labels, names)
    of_modules = {_module_of(unit): label for unit, label in labels.items() if _is_layer(unit)}
    for entry in recording.entries:
        if entry.is_leaf:
            names.give(entry, _of_module(entry, of_modules))
        elif is_drawn(entry):
            names.give(entry, Symbol("m"))
    names.number_the_first()
    return names


def _name_arguments(recording: Recording, names: Names) -> None:
    for entry in recording.entries:
        simple = entry.name.isidentifier() or entry.name.endswith("']")
        if entry.is_leaf and simple and entry not in recording.weights:
            names.give(entry, from_name(entry.name))


def _of_module(entry: Entry, labels: Mapping[str, str]) -> Symbol:
    """Return the symbol of a parameter: its own name, with the label of its module or the path to it.

    A matrix or a kernel that is called a weight is a W, also where no layer's formula takes it.
    """
    path, _, own = (entry.name or "c").rpartition(".")
    is_weight, is_bias = own == "weight" and entry.ndim > 1, own == "bias" and entry.ndim == 1
    letter = "W" if path and is_weight else "b" if path and is_bias else own
    return labelled(from_name(letter), (labels.get(path) or word_label(path)) if path else "")


# Layers


def _is_layer(unit: Unit) -> bool:
    roles = _roles(unit)
    return any(isinstance(x, Entry) and x.is_leaf and x.is_parameter and k in roles for k, x in enumerate(unit.inputs))


def _roles(unit: Unit) -> dict[int, str]:
    """Return a layer's names for its parameters, by position."""
    letters = unit.record.letters
    return {k: letters[name] for k, name in enumerate(unit.record.arguments) if name in letters}


def _layer_labels(recording: Recording, units: Sequence[Unit], names: Names) -> dict[Unit, str]:
    layers = [unit for unit in units if _is_layer(unit)]
    of_modules = bool(layers) and all(_weight_of(unit) in recording.weights for unit in layers)
    labels = _module_labels(layers) if of_modules else _weight_labels(layers, names)
    found = dict(zip(layers, labels, strict=True))
    for unit in units:  # an activation belongs to the layer before it
        first = unit.inputs[0] if unit.inputs else None
        before = next((u for u in found if u.output is first), None)
        if before is not None and _is_activation(unit) and before.record.role in (Role.DENSE, Role.CONVOLUTION):
            found[unit] = found[before]
    return found


def _is_activation(unit: Unit) -> bool:
    moving = [x for x in unit.inputs if isinstance(x, Entry) and x.tracked]
    return unit.record.kind == "elementwise" and len(moving) == 1 and unit.record not in (Square, Power)


def _module_labels(layers: Sequence[Unit]) -> list[str]:
    """Return the shortest unambiguous form of the modules' paths: the number, the last name, or more of the path."""
    paths = [_module_of(unit).split(".") for unit in layers]
    if all(path[-1].isdigit() and len(path) <= 2 for path in paths) or len(set(map(tuple, paths))) < len(paths):
        return [str(k) for k in range(1, len(layers) + 1)]
    if paths == [[""]]:
        return [""]
    for depth in range(1, max(map(len, paths)) + 1):
        for numbered in (False, True):
            found = [_short(path, depth, numbered) for path in paths]
            if len(set(found)) == len(found):
                return [word_label(label) for label in found]
    return [word_label(".".join(path)) for path in paths]


def _short(path: Sequence[str], depth: int, numbered: bool) -> str:
    """Return the last names of a path, with every number before them if `numbered`: `0.attention.query` is `0.query`.

    A number alone says little, so the name before it is kept.
    """
    start = len(path) - depth - (depth == 1 and path[-1].isdigit() and len(path) > 1)
    return ".".join(part for k, part in enumerate(path) if k >= start or (numbered and part.isdigit()))


def _module_of(unit: Unit) -> str:
    """Return the path of the module that holds the unit's parameter."""
    return _weight_of(unit).name.rpartition(".")[0]


def _weight_of(unit: Unit) -> Entry:
    """Return the parameter that makes a unit a layer."""
    roles = _roles(unit)
    inputs = [x for k, x in enumerate(unit.inputs) if k in roles]
    return next(x for x in inputs if isinstance(x, Entry) and x.is_leaf and x.is_parameter)


def _weight_labels(layers: Sequence[Unit], names: Names) -> list[str]:
    """Return the labels in the weights' own names; if there are none and several layers, numbers."""
    weights = [_weight_of(unit) for unit in layers]
    if all(w in names.symbols for w in weights):
        labels = [names.of(w).label for w in weights]
        if len(set(labels)) == len(labels):
            return labels
    return [str(k) for k in range(1, len(layers) + 1)]


def _name_parameters(units: Sequence[Unit], labels: dict[Unit, str], names: Names) -> None:
    for unit in units:
        roles = _roles(unit)
        for k, x in enumerate(unit.inputs):
            if unit in labels and isinstance(x, Entry) and x.is_leaf and x.is_parameter and k in roles:
                is_own = x.name.isidentifier() and x.name not in CONVENTIONAL
                names.give(x, from_name(x.name) if is_own else Symbol(roles[k], labels[unit]))


# The values that operations produce


def _name_results(recording: Recording, units: Sequence[Unit], labels: dict[Unit, str], names: Names) -> None:
    variables = _variables(recording, units, labels)
    names.own = frozenset(s.base for s in (*names.symbols.values(), *variables.values()) if s.base != "L")
    _name_heads(units, labels, names, variables)
    unpacked = _unpacked(units, recording)
    for unit, symbol in variables.items():  # first, so that no other value takes the program's own names
        names.give(unit.output, symbol)
    for unit in units:
        if unit.inlined:
            continue
        if unit.output not in names.symbols:
            names.give(unit.output, _role(unit, units, labels, recording, names))
            names.plain.setdefault(names.of(unit.output).base, unit.output)
        _name_parts(unit, recording, names, unpacked.get(unit, ()))


def _role(unit: Unit, units: Sequence[Unit], labels: dict[Unit, str], recording: Recording, names: Names) -> Symbol:
    record = unit.record
    if record is Softmax and unit.output is recording.output:
        return Symbol(r"\hat y")
    if unit in labels:
        return Symbol(record.letters.get("y", "a"), labels[unit])
    if "y" in record.letters:
        return Symbol(names.spare(record.letters["y"]))
    first = unit.inputs[0] if unit.inputs else None
    if record.moves not in (None, Moves.PICKED) and isinstance(first, Entry) and first in names.symbols:
        return Symbol(names.spare("r"), _NUMBERED.sub("", names.of(first).label))
    made = {u.output: u for u in units if u.inlined} if record is Add else {}
    if _adds_a_product(unit, made):
        return Symbol(names.spare("z"), _label_of_user(unit, names))
    if _is_activation(unit) and isinstance(first, Entry):
        is_norm = any(u.output is first and u.record.letters.get("y") == "v" for u in units)
        if names.base_of(first) == "z" or (is_norm and names.base_of(first) == "v"):
            return Symbol(names.spare("a"), names.of(first).label)
    if record is Add and all(isinstance(x, Entry) and x.shape == unit.output.shape for x in unit.inputs):
        return Symbol(names.spare("h"))
    return Symbol(names.spare("u"))


def _adds_a_product(unit: Unit, made: Mapping[Entry, Unit]) -> bool:
    """Whether a product is among the terms of a sum that is written as one formula: `x @ W + h @ U + b`."""
    terms = [made[x] for x in unit.inputs if isinstance(x, Entry) and x in made]
    return any(term.record in AFFINE or (term.record is Add and _adds_a_product(term, made)) for term in terms)


def _label_of_user(unit: Unit, names: Names) -> str:
    """Return the label of the activation of a value, if the program numbers it: h of step t is tanh of z of step t."""
    users = [user for user in unit.consumers if _is_activation(user)]
    return names.of(users[0].output).label if len(users) == 1 and users[0].output in names.symbols else ""


def _name_heads(units: Sequence[Unit], labels: dict[Unit, str], names: Names, variables: dict[Unit, Symbol]) -> None:
    """Name the inputs of attention Q, K and V."""
    made = {unit.output: unit for unit in units}
    for unit in units:
        if unit.record is not ScaledDotProductAttention:
            continue
        for letter, x in zip(QUERY_KEY_VALUE, unit.inputs, strict=False):
            if isinstance(x, Entry) and x in made and made[x] not in variables and made[x] not in labels:
                names.give(x, Symbol(letter))


def _name_parts(unit: Unit, recording: Recording, names: Names, own: Sequence[Symbol]) -> None:
    """Name the outputs of an operation with several outputs: as the program does, or by their numbers."""
    if not isinstance(unit.output.value, tuple):
        return
    whole = names.of(unit.output)
    for entry in recording.entries:
        if entry.is_part_of(unit.output):
            k = entry.settings["part"]
            names.give(
                entry,
                own[k] if k < len(own) and own[k].base != "_" else Symbol(f"{whole.base}_{{{k + 1}}}", whole.label),
            )


def _unpacked(units: Sequence[Unit], recording: Recording) -> dict[Unit, tuple[Symbol, ...]]:
    """Return the program's names for several results, as on a line such as `i, f, o = np.split(gates, 3, axis=1)`.

    Where the line runs several times, they are numbered.
    """
    runs: dict[Statement, list[Unit]] = {}
    for unit in units:
        made = statement_of(unit.output) if isinstance(unit.output.value, tuple) else None
        if made is not None and made[:2] != recording.caller:
            runs.setdefault(made, []).append(unit)
    found = {}
    for statement, several in runs.items():
        symbols = [from_name(name) for name in statement.names]
        for k, unit in enumerate(several, 1):
            if len(symbols) == len(unit.output.value):
                found[unit] = tuple(Symbol(s.base, str(k)) if len(several) > 1 else s for s in symbols)
    return found


def _ends_of_rounds(calls: Sequence[object]) -> list[int]:
    """Return where each round of a loop over one statement ends, given the operations that ran in a row there.

    Several operations of one call are at the same place as well, so only a sequence that repeats as a whole is a loop;
    its first round may be shorter.
    """
    n = len(calls)
    for length in range(1, n // 2 + 1):
        first = next((k for k in range(n - length - 1, -1, -1) if calls[k] != calls[k + length]), -1) + 1
        if n - first >= 2 * length and first < length:
            return sorted(range(n - 1, -1, -length))
    return [n - 1]


def _variables(recording: Recording, units: Sequence[Unit], labels: dict[Unit, str]) -> dict[Unit, Symbol]:
    """Return the program's names for values: the last operation of a statement such as `z = w * x + b` makes z.

    Values that share a name are numbered; in a statement that runs once per layer, they take the layer's label instead.
    """
    runs: dict[str, list[Unit]] = {}
    for statement, there in groupby(units, key=lambda unit: statement_of(unit.output)):
        if statement is not None and statement[:2] != recording.caller and len(statement.names) == 1:
            several = list(there)
            ends = _ends_of_rounds([(unit.output.where, unit.record) for unit in several])
            runs.setdefault(statement.names[0], []).extend(several[k] for k in ends)
    found = {}
    for variable, all_made in runs.items():
        made = [unit for unit in all_made if not unit.inlined]
        if not made:
            continue
        symbol = from_name(variable)
        if all(unit in labels for unit in made) and (len(made) > 1 or _is_own_letter(made[0], symbol)):
            continue
        for k, unit in enumerate(made, 1):
            found[unit] = symbol if len(made) == 1 else Symbol(symbol.base, str(k))
    return found


def _is_own_letter(unit: Unit, symbol: Symbol) -> bool:
    """Whether a variable's letter is the one its layer would give it, without the layer's label."""
    return not symbol.label and symbol.base == unit.record.letters.get("y", "a")
