"""Stage translate: features to sentences."""
