"""Stage retrieve: features to ranks."""
