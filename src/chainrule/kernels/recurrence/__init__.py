"""The steps of recurrent layers on plain arrays: `rnn`, `lstm` and `gru` write one, `loops` makes it a call, and `sweep`
goes through all of them with their products.
"""
