"""`torch.nn.modules`: PyTorch's files of modules, each with all the names of `torch.nn`."""

FILES = (
    *("activation", "batchnorm", "container", "conv", "dropout", "flatten", "fold", "instancenorm", "linear", "loss"),
    *("module", "normalization", "padding", "pixelshuffle", "pooling", "rnn", "sparse", "transformer", "upsampling"),
)
