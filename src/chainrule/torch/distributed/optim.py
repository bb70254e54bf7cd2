"""`torch.distributed.optim`: optimisers of several processes, which are refused when they are made."""

from ..refusal import ONE_PROCESS, refused

ZeroRedundancyOptimizer = refused("torch.distributed.optim", "ZeroRedundancyOptimizer", ONE_PROCESS)
DistributedOptimizer = refused("torch.distributed.optim", "DistributedOptimizer", ONE_PROCESS)
