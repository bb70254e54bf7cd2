"""`torch.hub`, weights from the network: not offered; its names can be imported, and are refused when they are used."""

from .refusal import refusing

__getattr__ = refusing(__name__)
