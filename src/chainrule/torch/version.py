"""`torch.version`: the release of PyTorch whose names are offered, which code asks for, followed by chainrule's own.

The libraries of GPUs are not here.
"""

from chainrule._version import __version__ as _chainrule

__version__ = f"2.8.0+chainrule.{_chainrule.replace('+', '.')}"

cuda = hip = xpu = git_version = None
debug = False
