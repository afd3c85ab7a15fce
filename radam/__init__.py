"""RAdam and its kin, exact and fast: drop-in optimizers for torch, and nothing but torch."""
