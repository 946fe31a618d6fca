"""Models as they are used: loading, inference, and what a task is."""
