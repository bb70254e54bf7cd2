"""Any model of PyTorch as a chainrule model: its graph of ATen operators, carried out by chainrule's operations.

`tracing` asks PyTorch for the graph, `reading` turns it into steps that know nothing of PyTorch, `graph` runs them,
`module` is the model that holds the parameters. Which operators there are stands in `operators`, by topic.
"""
