"""Tokenizers and language models."""
