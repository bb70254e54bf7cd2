"""Normalisations as they are written: without the axes that the program moves, and without a scale of 1."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.observe.entry import Entry, array_of
from chainrule.rules.arrays.shape import Copy, Reshape, Transpose
from chainrule.rules.elementary.arithmetic import Add, Multiply
from chainrule.rules.network.norm import LayerNorm, RMSNorm

from .channel_records import ChannelAffine, ChannelNorm, ChannelScale, PlainLayerNorm, PlainRMSNorm
from .unit import Unit

Uses = Mapping[Entry, int]
PLAIN: Mapping[Any, Any] = {LayerNorm: PlainLayerNorm, RMSNorm: PlainRMSNorm}
"""The normalisations without parameters, by the record of those that have them."""


def normalisations(units: Sequence[Unit], uses: Uses) -> list[Unit]:
    """Return the units with each normalisation over channels, and each scale and shift of channels, as one."""
    units = [_without_parameters(unit) for unit in units]
    for combined in (_over_channels, _scaled, _shifted):
        made = {unit.output: unit for unit in units}
        gone: set[Entry] = set()
        found: list[Unit] = []
        for unit in units:
            whole, parts = combined(unit, made, uses) or (unit, [])
            gone.update(part.output for part in parts)
            found.append(whole)
        units = [unit for unit in found if unit.output not in gone]
    return units


def _without_parameters(unit: Unit) -> Unit:
    """Return a normalisation whose scale is the number 1 and whose shift is 0 without them."""
    if unit.record not in PLAIN or not all(_is(x, k == 0) for k, x in enumerate(unit.inputs[1:])):
        return unit
    x = np.asarray(array_of(unit.inputs[0]), np.float64)
    mean = x.mean(axis=-1) if unit.record is LayerNorm else np.zeros(x.shape[:-1])
    spread = ((x - mean[..., None]) ** 2).mean(axis=-1)
    saved = {"mu": mean, "sigma": np.sqrt(spread + unit.settings["eps"])}
    return replace(unit, record=PLAIN[unit.record], inputs=unit.inputs[:1], edges=unit.edges[:1], saved=saved)


def _is(x: Any, number: float) -> bool:
    return not isinstance(x, Entry) and np.ndim(x) == 0 and bool(x == number)


def _over_channels(unit: Unit, made: Mapping[Entry, Unit], uses: Uses) -> tuple[Unit, list[Unit]] | None:
    """Return batch normalisation, which moves the channels to the front and back, as one unit."""
    way = [unit]
    if unit.record is Copy and isinstance(unit.inputs[0], Entry) and uses[unit.inputs[0]] == 1:
        way.append(made.get(unit.inputs[0], unit))  # into the order of memory that the next operation needs
    if way[-1].record is not Transpose or not _moves(way[-1]):
        return None
    for record in (Reshape, PlainLayerNorm, Reshape, Transpose):
        before = made.get(way[-1].inputs[0]) if isinstance(way[-1].inputs[0], Entry) else None
        if record is Reshape and before is not None and before.record is not Reshape:
            continue  # one value for each channel and sample: nothing was reshaped
        if before is None or before.record is not record or uses[before.output] != 1:
            return None
        way.append(before)
    first, norm = way[-1], next(u for u in way if u.record is PlainLayerNorm)
    x = first.inputs[0]
    if not _moves(first) or not isinstance(x, Entry) or x.shape != unit.output.shape:
        return None
    axes = (0, *range(2, x.ndim))
    saved = {"mu": x.value.mean(axis=axes), "sigma": norm.saved["sigma"]}  # a row of theirs is a channel
    return Unit(ChannelNorm, (x,), unit.output, norm.settings, saved, first.edges[:1]), way[1:]


def _moves(unit: Unit) -> bool:
    """Whether a transpose swaps the first two axes, and no others."""
    ndim = len(unit.output.shape)
    axes = unit.settings.get("axes")
    named = tuple(reversed(range(ndim))) if axes is None else tuple(int(a) % ndim for a in axes)
    return named == (1, 0, *range(2, ndim))


def _parameter(
    x: Any, like: Entry, made: Mapping[Entry, Unit], uses: Uses
) -> tuple[Any, tuple[Entry, int], Unit] | None:
    """Return a parameter `[C]` that was shaped to broadcast over `[B, C, …]`, its edge, and the unit that shaped it."""
    unit = made.get(x) if isinstance(x, Entry) else None
    if unit is None or unit.record is not Reshape or uses[unit.output] != 1 or like.ndim < 2:
        return None
    inner = unit.inputs[0]
    shapes = (like.shape[1:2], (like.shape[1], *[1] * (like.ndim - 2)))
    if not isinstance(inner, Entry) or (inner.shape, unit.output.shape) != shapes or not inner.is_parameter:
        return None
    return inner, unit.edges[0], unit


def _split(unit: Unit, made: Mapping[Entry, Unit], uses: Uses) -> tuple[Entry, int, Any] | None:
    """Return the value that a unit scales or shifts channel by channel, its position, and the parameter."""
    for k in (0, 1):
        x = unit.inputs[k]
        found = _parameter(unit.inputs[1 - k], x, made, uses) if isinstance(x, Entry) else None
        if found is not None and x.shape == unit.output.shape:
            return x, k, found
    return None


def _scaled(unit: Unit, made: Mapping[Entry, Unit], uses: Uses) -> tuple[Unit, list[Unit]] | None:
    """Return a product with one number for each channel."""
    split = _split(unit, made, uses) if unit.record is Multiply else None
    if split is None:
        return None
    x, k, (parameter, edge, shaping) = split
    return Unit(ChannelScale, (x, parameter), unit.output, {}, {}, (unit.edges[k], edge)), [shaping]


def _shifted(unit: Unit, made: Mapping[Entry, Unit], uses: Uses) -> tuple[Unit, list[Unit]] | None:
    """Return a product with one number for each channel, and the sum with another, as one unit."""
    split = _split(unit, made, uses) if unit.record is Add else None
    scale = None if split is None else made.get(split[0])
    if split is None or scale is None or scale.record is not ChannelScale or uses[scale.output] != 1:
        return None
    parameter, edge, shaping = split[2]
    inputs, edges = (*scale.inputs, parameter), (*scale.edges, edge)
    return Unit(ChannelAffine, inputs, unit.output, {}, {}, edges), [shaping, scale]
