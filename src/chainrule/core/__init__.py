"""The engine: boxed values, the record of an operation, both modes, and the transforms built on them."""
