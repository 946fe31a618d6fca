"""One folder a task; what each offers is said in `pipelines.models.task`."""
