"""Tags and spans, and their metrics."""
