"""The engine: values in boxes, the record of an operation, both modes, and the transforms made of them."""
