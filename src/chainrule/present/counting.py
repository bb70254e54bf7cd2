"""Numbers with the words that follow them."""


def counted(number: int, word: str) -> str:
    """Return a number and a word for what is counted, in the plural unless it is one.

    >>> counted(1, "epoch"), counted(1200, "step")
    ('1 epoch', '1,200 steps')
    """
    return f"{number:,} {word}{'' if number == 1 else 's'}"
