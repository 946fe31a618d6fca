"""The section `data` of params.yaml: where the utterances come from."""

from pathlib import Path

from pipelines.core.blocks import Block, Place

PUBLISHED, SAMPLE = "snips", "sample"


class Data(Block):
    """`snips`, `sample`, or a folder of one's own in the same layout."""

    source: Place

    @property
    def name(self) -> str:
        """How outputs call it: the word, or the folder's own name, as a path differs from machine to machine."""
        return self.source if self.source in (PUBLISHED, SAMPLE) else Path(self.source).resolve().name
