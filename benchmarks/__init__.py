"""What `make benchmark` measures: this project beside plain transformers, on one machine, in turns."""
