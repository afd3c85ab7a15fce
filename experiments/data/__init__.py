"""Where each dataset comes from, checked; the stand-ins; what is done to a batch."""
