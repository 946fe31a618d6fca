"""What an output says of the data that it was made from."""


def described(source: str) -> str:
    """`data.source` in words for a page or a table, so that nobody takes the sample for SNIPS."""
    return "SNIPS" if source == "snips" else "the embedded sample, NOT SNIPS"
