"""`torch.distributed.optim`: optimisers of several processes, which are refused when they are made."""

from .refusal import refused

ZeroRedundancyOptimizer = refused("torch.distributed.optim", "ZeroRedundancyOptimizer")
DistributedOptimizer = refused("torch.distributed.optim", "DistributedOptimizer")
