"""Grids of runs, and where they go."""
