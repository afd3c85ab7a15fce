"""The store, which is the truth about runs, and what mirrors it."""
