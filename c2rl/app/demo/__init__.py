"""A page on this machine: translate a clip, search the corpus, look into the stores."""
