"""Corpora: what was signed, by whom, and where it lies."""
