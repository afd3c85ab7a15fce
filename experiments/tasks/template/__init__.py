"""A task on random numbers, to copy (CONTRIBUTING, A task)."""
