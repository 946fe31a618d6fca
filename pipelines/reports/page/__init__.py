"""The page that is read first: all that a run of the pipeline found, in one file that opens from disk."""
