"""One module a lesson; what they share stands in `common`."""
