"""Stage pretrain: frame store to sign encoder."""
