"""Load for `snips serve` on the loopback address: `python -m tests.load http://127.0.0.1:8000 60`.

So many clients ask one text after the other, each over its own connection, in this one process.
"""

import asyncio
import json
import sys
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import numpy as np

CLIENTS = 64
TEXTS = [
    "play some jazz by miles davis",
    "book a table for two in boston",
    "will it rain tomorrow",
    "rate it five stars",
]


@dataclass
class Found:
    """Seconds of each answer, and what else came."""

    seconds: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


async def client(host: str, port: int, until: float, number: int, found: Found) -> None:
    """Ask until it is time."""
    reader, writer = await asyncio.open_connection(host, port)
    asked = number
    while time.monotonic() < until:
        body = json.dumps({"text": f"{TEXTS[asked % len(TEXTS)]} {asked}"}).encode()
        asked += CLIENTS
        head = ["POST /predict HTTP/1.1", f"Host: {host}", "Content-Type: application/json"]
        head += [f"Content-Length: {len(body)}", "", ""]
        start = time.monotonic()
        writer.write("\r\n".join(head).encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        (length,) = [
            int(line.split(b":")[1]) for line in answer.split(b"\r\n") if line.lower().startswith(b"content-length")
        ]
        await reader.readexactly(length)
        found.seconds.append(time.monotonic() - start)
        if not answer.startswith(b"HTTP/1.1 200"):
            found.errors.append(answer.split(b"\r\n")[0].decode())
    writer.close()


async def load(host: str, port: int, seconds: float) -> Found:
    """All clients at once."""
    found, until = Found(), time.monotonic() + seconds
    await asyncio.gather(*(client(host, port, until, number, found) for number in range(CLIENTS)))
    return found


def report(found: Found, seconds: float) -> str:
    """One line."""
    p50, p95 = (1000 * float(np.percentile(found.seconds, share)) for share in (50, 95))
    count = len(found.seconds)
    return (
        f"{count} answers in {seconds:.0f} s to {CLIENTS} clients, {count / seconds:.0f} a second; "
        f"p50 {p50:.0f} ms, p95 {p95:.0f} ms, {len(found.errors)} errors"
    )


if __name__ == "__main__":
    address, length = urlsplit(sys.argv[1]), float(sys.argv[2])
    result = asyncio.run(load(str(address.hostname), int(address.port or 80), length))
    print(report(result, length))
    sys.exit(bool(result.errors))
