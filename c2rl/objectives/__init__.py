"""The equations of the paper as pure functions."""
