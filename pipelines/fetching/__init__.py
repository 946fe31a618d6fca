"""Bytes from elsewhere: mirrors, packages and hubs."""
