"""ONNX operators in terms of chainrule's."""
