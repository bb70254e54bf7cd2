"""Recurrent layers over all steps of a sequence, each as one operation with its backward pass through time."""

from .gru import GRU
from .lstm import LSTM
from .rnn import RNN

__all__ = ["GRU", "LSTM", "RNN"]
