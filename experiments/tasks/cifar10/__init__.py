"""CIFAR-10: residual networks on small images (Table 1, Figs. 5 to 7)."""
