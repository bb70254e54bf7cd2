"""The steps of recurrent layers on plain arrays: gates and state in one loop each way, and products between them.

`rnn`, `lstm` and `gru` write a step, `loops` makes it a call, and `sweep` goes through all of them with their products.
The gates of a step are a row for each sample, in PyTorch's order. Every array is of one dtype, float32 or float64, in C
order; nothing checks this. The formulas are those of `chainrule.rules.network.recurrence`.
"""
