"""`torch.backends`: switches of PyTorch's libraries, which can be set and have no effect here."""

from contextlib import nullcontext
from types import SimpleNamespace

from ..absent import mps as mps
from ..absent import no
from . import cudnn as cudnn

cuda = SimpleNamespace(
    is_built=no,
    matmul=SimpleNamespace(allow_tf32=False),
    enable_flash_sdp=lambda enabled: None,
    enable_mem_efficient_sdp=lambda enabled: None,
    enable_math_sdp=lambda enabled: None,
    flash_sdp_enabled=no,
    mem_efficient_sdp_enabled=no,
    math_sdp_enabled=lambda: True,
    sdp_kernel=lambda *_, **__: nullcontext(),
)
mkldnn = SimpleNamespace(is_available=no, enabled=False)
mkl = openmp = SimpleNamespace(is_available=no)
