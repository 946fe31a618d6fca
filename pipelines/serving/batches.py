"""Requests that wait are answered together: many texts at once take little longer than one."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

MOST = 64  # texts at once
WAITING = 2_048  # texts, more are refused


class TooManyError(Exception):
    """Too many texts wait."""


class Batches:
    """A queue before `answer`, which takes a list of texts and is called by one thread at a time."""

    def __init__(self, answer: Callable[[list[str]], list[Any]]) -> None:
        self.answer = answer
        self.waiting: list[tuple[list[str], asyncio.Future[list[Any]]]] = []
        self.thread = ThreadPoolExecutor(max_workers=1)
        self.working: asyncio.Task[None] | None = None

    async def ask(self, texts: list[str]) -> list[Any]:
        """What `answer` says of the texts.

        Raises:
            TooManyError: too many texts wait already.
        """
        if sum(len(some) for some, _ in self.waiting) + len(texts) > WAITING:
            raise TooManyError
        future: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        self.waiting.append((texts, future))
        if self.working is None or self.working.done():
            self.working = asyncio.create_task(self._work())
        return await future

    async def _work(self) -> None:
        while self.waiting:
            some = self._next()
            texts = [text for of, _ in some for text in of]
            try:
                found = await asyncio.get_running_loop().run_in_executor(self.thread, self.answer, texts)
            except Exception as error:  # goes to those who asked, and the next are answered
                for _, future in some:
                    if not future.done():
                        future.set_exception(error)
                continue
            at = 0
            for of, future in some:
                if not future.done():  # who asked may have gone
                    future.set_result(found[at : at + len(of)])
                at += len(of)

    def _next(self) -> list[tuple[list[str], asyncio.Future[list[Any]]]]:
        """The requests that are answered next: those that wait longest, `MOST` texts or one request."""
        self.waiting = [(of, future) for of, future in self.waiting if not future.cancelled()]
        count, size = 0, 0
        for of, _ in self.waiting:
            if count and size + len(of) > MOST:
                break
            count, size = count + 1, size + len(of)
        some, self.waiting = self.waiting[:count], self.waiting[count:]
        return some
