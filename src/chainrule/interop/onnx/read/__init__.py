"""ONNX's operators, by this package's operations."""
