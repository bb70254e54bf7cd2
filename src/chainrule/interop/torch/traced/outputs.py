"""What a traced model returns where PyTorch's returns an object with fields: a dict with those names as attributes."""

from typing import Any

from chainrule.core.tree import register


class Fields(dict[Any, Any]):
    """The fields of an output, as attributes, as keys and, of those that are not None, by position."""

    def __getattr__(self, name: str) -> Any:
        if name in self:
            return self[name]
        raise AttributeError(f"the output has no field {name!r}; it has {', '.join(map(str, self))}")

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, int | slice):
            return tuple(x for x in self.values() if x is not None)[key]
        return super().__getitem__(key)


def _rebuilt(names: Any, values: Any) -> Fields:
    return Fields(zip(names, values, strict=True))


register(Fields, lambda fields: (tuple(fields.values()), tuple(fields), tuple(fields)), _rebuilt)
