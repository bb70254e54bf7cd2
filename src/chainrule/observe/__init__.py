"""A run of a function or a model seen from inside: operations with inputs, values, gradients, modules and lines."""
