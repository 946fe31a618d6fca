"""All runs side by side, and beside published figures."""
