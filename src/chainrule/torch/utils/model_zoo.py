"""`torch.utils.model_zoo`, weights from the network: its names can be imported, and are refused when they are used."""

from ..refusal import refusing

__getattr__ = refusing(__name__)
