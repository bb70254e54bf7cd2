"""Any PyTorch model as a chainrule model: its graph of ATen operators, run by chainrule operations.

`tracing` asks PyTorch for the graph, `reading` turns it into steps that know nothing of PyTorch, `graph` runs them,
`module` is the model that holds the parameters. The operators are in `operators`, by topic.
"""
