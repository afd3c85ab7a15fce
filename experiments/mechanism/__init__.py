"""Why it works: the variance of the adaptive rate, simulations, gradient histograms."""
