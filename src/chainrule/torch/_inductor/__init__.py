"""`torch._inductor`: switches of PyTorch's compiler that scripts set."""

from . import config as config
