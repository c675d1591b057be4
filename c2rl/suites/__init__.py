"""Ablation suites: what they run, what became of it, and what differs by more than chance."""
