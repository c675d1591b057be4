"""Stage extract: sign encoder to feature store."""
