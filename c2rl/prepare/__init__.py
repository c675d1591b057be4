"""Stage prepare: corpus to frame store."""
