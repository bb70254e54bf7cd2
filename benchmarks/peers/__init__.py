"""The candidates of `training_step.py`: the same training steps in chainrule, PyTorch and JAX, and their products."""
