"""One short script per DVC stage: reads inputs, calls `pipelines`, writes outputs."""
