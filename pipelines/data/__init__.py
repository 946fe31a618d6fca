"""Utterances: their shape, words, Parquet files, and drawing some by seed."""
