"""Nominal against actual: what the intervals and the rules of the claims are worth."""
