"""The corpus as a whole: reading SNIPS, quality, splits, cards."""
