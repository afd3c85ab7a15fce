"""The experiments of the RAdam paper: one command each, from a laptop to a cluster."""
