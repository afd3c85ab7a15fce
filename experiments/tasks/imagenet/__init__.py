"""ImageNet: ResNet-18 (Table 1, Fig. 5)."""
