"""What the store says: statistics, robustness, claims, figures. Reads results, never trains."""
