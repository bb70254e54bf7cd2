"""Copies whose functions refer to the copies."""

import functools

from chainrule.base.copies import copied


class Inner:
    def __init__(self):
        self.weight = [2.0]

    def scaled(self, x):
        return self.weight[0] * x


class Block:
    """Keeps functions of its own parts in every way that one can."""

    def __init__(self):
        inner = self.inner = Inner()

        def countdown(n, start=inner.weight, *, also=inner):
            return [start[0], also.weight[0], inner.weight[0]] if n == 0 else countdown(n - 1)

        self.closed = lambda x: inner.scaled(x)
        self.outer = lambda x: self.closed(x)
        self.defaults = countdown
        self.listed = [lambda x, m=inner: m.scaled(x)]
        self.named = {"bound": inner.scaled, "partial": functools.partial(Inner.scaled, inner)}
        self.plain = abs

    def values(self):
        calls = (self.closed, self.outer, self.listed[0], *self.named.values())
        return [f(1.0) for f in calls] + self.defaults(2)


def test_functions_of_a_copy_see_the_copy_and_those_of_the_original_the_original():
    block = Block()
    twin = copied(block)
    twin.inner.weight[0] = 5.0
    assert twin.values() == [5.0] * 8
    assert block.values() == [2.0] * 8
    assert twin.closed is not block.closed
    assert twin.plain is abs


def test_functions_that_refer_to_nothing_copied_are_the_same():
    other = Inner()
    held = [lambda: other, len, lambda x=(1, 2): x]
    twin = copied(held)
    assert twin is not held
    assert all(a is b for a, b in zip(twin, held, strict=True))


def test_functions_of_each_other_keep_being_so():
    parts = [1.0]

    def even(n):
        return parts if n == 0 else odd(n - 1)

    def odd(n):
        return even(n - 1)

    twin = copied([parts, even, odd])
    assert twin[1](4) is twin[0]
    assert twin[2](3) is twin[0]
    assert even(4) is parts
    assert twin[1].__name__ == "even"


def test_an_unfilled_variable_stays_unfilled():
    def outer():
        part = [1.0]
        function = lambda: (part, later)  # noqa: E731
        twin = copied([part, function])
        later = 1
        return twin

    part, function = outer()
    try:
        function()
    except NameError:
        pass
    else:
        raise AssertionError("the copy was made before the variable had a value")
    assert part == [1.0]
