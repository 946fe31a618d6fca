"""The corpus as a whole: reading SNIPS and formats of one's own, params that fit, quality, splits, cards."""
