"""`torch.version`: of chainrule; the libraries of GPUs are not here."""

from chainrule._version import __version__ as __version__

cuda = hip = xpu = git_version = None
debug = False
