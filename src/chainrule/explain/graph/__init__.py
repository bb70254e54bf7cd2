"""The computational graph, drawn."""
