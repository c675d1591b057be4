"""Network blocks with plain arguments."""
