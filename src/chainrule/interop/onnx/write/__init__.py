"""chainrule operations in ONNX."""
