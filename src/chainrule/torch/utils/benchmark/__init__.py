"""`torch.utils.benchmark`: a `Timer` of statements, with PyTorch's arguments and its table of one measurement."""

from .timer import Measurement, Timer, timer

__all__ = ["Measurement", "Timer", "timer"]
