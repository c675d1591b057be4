"""From stored frames to network input."""
