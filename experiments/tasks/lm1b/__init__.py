"""One Billion Word: an LSTM language model (Fig. 4)."""
