"""Any PyTorch model as a chainrule model: its graph of ATen operators, run with chainrule operations.

`tracing` obtains the graph from PyTorch, `reading` turns it into steps that do not depend on PyTorch, `graph` runs
them, and `module` is the model that holds the parameters. The operators are in `operators`, by topic.
"""
