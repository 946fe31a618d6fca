"""The library: knows SNIPS, tasks, training and metrics; knows no paths and does nothing at import."""
