"""One run of a function or a model, seen from inside: what ran, with inputs, values, gradients, modules and lines."""
