"""Operations of chainrule, in ONNX."""
