"""Translation: fairseq's data, model, loss and search, brought under the suite's own loop."""
