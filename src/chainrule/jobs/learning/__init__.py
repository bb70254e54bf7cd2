"""`chainrule exercise` and `chainrule practice`: the commands, and what they do with their arguments."""
