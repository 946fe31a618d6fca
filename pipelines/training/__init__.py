"""One way to train any task."""
