"""The section `data` of params.yaml: where the utterances come from."""

from pathlib import Path

from pydantic import field_validator

from pipelines.core.blocks import Block, Place

PUBLISHED, SAMPLE = "snips", "sample"


class Data(Block):
    """`snips`, `sample`, or a file or folder of one's own, in a format that `pipelines.corpus.sources` takes."""

    source: Place

    @field_validator("source")
    @classmethod
    def _no_other_corpus_of_that_name(cls, source: str) -> str:
        if source not in (PUBLISHED, SAMPLE) and Path(source).resolve().name in (PUBLISHED, SAMPLE):
            raise ValueError("outputs would call it as the corpus that comes with the project; rename the folder")
        return source

    @property
    def name(self) -> str:
        """How outputs call it: the word, or the folder's own name, as a path differs from machine to machine."""
        return self.source if self.source in (PUBLISHED, SAMPLE) else Path(self.source).resolve().name
