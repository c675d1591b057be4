"""Other projects' files of features, read and written: `c2rl/extract/exchange.py` is the door."""
