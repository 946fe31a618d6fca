"""JSON lines -> records: an utterance a line, `{"text": "fly to boston", "intent": "BookFlight", "slots": [...]}`."""

import json
from typing import Any

from pipelines.core.errors import InputError
from pipelines.corpus.records import once


def read(data: bytes, where: str) -> list[tuple[str, Any]]:
    """The records of a file, each after its place; a byte order mark, CRLF and empty lines are met.

    Raises:
        InputError: a line is no UTF-8, or no JSON; the message opens with `where` and the line.
    """
    records = []
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        at = f"{where}: line {number}"
        if not line.strip():
            continue
        try:
            records.append((at, json.loads(line.decode("utf-8"), object_pairs_hook=once)))
        except UnicodeDecodeError as error:
            raise InputError(f"{at}: not UTF-8 at byte {error.start}; save the file as UTF-8") from None
        except (ValueError, RecursionError) as error:
            raise InputError(f"{at}: broken JSON: {error}; mend or remove the line") from None
    return records
