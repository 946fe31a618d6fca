"""A run behind HTTP: `POST /predict`, `/health`, `/docs`, and a page at `/` that answers as one types."""

import asyncio
import hmac
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Protocol

from fastapi import Depends, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from fastapi_offline import FastAPIOffline
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from pipelines.core.errors import InputError, printable
from pipelines.serving.answers import check
from pipelines.serving.batches import Batches, TooManyError

BODY = 256 * 1024  # bytes of a request, at most
TEXTS = 64  # of a request, at most
LOOKS = 8  # that wait, into the model, at most
LENGTH = 2_000  # characters of a text, at most
SECONDS = 10  # that an answer may take
PAGE = Path(__file__).with_name("page.html")
# the page asks this server alone, and what it is told is never code
POLICY = "default-src 'self'; style-src 'self' 'unsafe-inline'; script-src 'self' 'unsafe-inline'; img-src 'self' data:"

Text = Annotated[str, StringConstraints(min_length=1, max_length=LENGTH)]
log = logging.getLogger("snips")


class Inside(Protocol):
    """See `pipelines.serving.inside`."""

    def attention(self, text: str, layer: int) -> dict[str, Any]: ...
    def goes_on(self, text: str, intent: str) -> dict[str, str]: ...


class AskedLayer(BaseModel):
    """A text, and the layer that looks at it, from 0."""

    model_config = ConfigDict(extra="forbid")

    text: Text
    layer: int = Field(ge=0, lt=1000)


class AskedOn(BaseModel):
    """How a text begins, and the intent that it is to have."""

    model_config = ConfigDict(extra="forbid")

    text: Text
    intent: Text


class Asked(BaseModel):
    """One text, or several."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"text": "play some jazz"}})

    text: Text | None = None
    texts: list[Text] | None = Field(default=None, min_length=1, max_length=TEXTS)


def server(
    name: str,
    answer: Callable[[list[str]], list[Any]],
    token: str | None,
    log_texts: bool = False,
    inside: Inside | None = None,
) -> Any:
    """The application, for uvicorn.

    Args:
        name: of the run, which `/health` says.
        answer: texts -> what the run says of each, or `error` (see `answers.each`).
        token: that `/predict` demands as `Authorization: Bearer <token>`; None for no such demand.
        log_texts: whether what is asked goes to the log.
        inside: what the page shows beside answers; None where there is no run to look into.
    """
    app = FastAPIOffline(title="snips", description=f"What the run {name} says of a text.", version="1")
    allowed = [Depends(partial(_allowed, token))]
    _add_predict(app, Batches(answer), allowed, log_texts)
    if inside is not None:
        _add_inside(app, inside, allowed)

    @app.get("/health")
    async def health() -> dict[str, str]:
        """Whether the server answers, and which run."""
        return {"status": "ok", "model": name}

    @app.get("/", response_class=HTMLResponse, include_in_schema=False)
    async def page() -> HTMLResponse:
        return HTMLResponse(PAGE.read_text(encoding="utf-8"), headers={"Content-Security-Policy": POLICY})

    @app.exception_handler(RequestValidationError)
    async def not_valid(_: Request, error: RequestValidationError) -> JSONResponse:
        found = [{"where": ".".join(map(str, one["loc"])), "what": one["msg"]} for one in error.errors()]
        return JSONResponse({"detail": found}, 422)  # without the input, which may not be text

    app.add_middleware(_Limited)
    return app


def _allowed(token: str | None, request: Request) -> None:
    given = request.headers.get("authorization", "").encode("latin-1")
    if token is not None and not hmac.compare_digest(given, f"Bearer {token}".encode("utf-8", "surrogateescape")):
        headers = {"WWW-Authenticate": "Bearer"}
        raise HTTPException(401, "give the token: Authorization: Bearer <SNIPS_TOKEN>", headers)


def _add_predict(app: Any, batches: Batches, allowed: list[Any], log_texts: bool) -> None:
    @app.post("/predict", dependencies=allowed)
    async def predict(asked: Asked) -> Any:
        """What the run says of a `text`, or of each of the `texts`."""
        if (asked.text is None) == (asked.texts is None):
            raise HTTPException(422, 'give either "text" or "texts"')
        texts = [asked.text] if asked.texts is None else asked.texts
        for text in texts:
            if log_texts:
                log.info("asked: %s", printable(text))
            _checked(text)
        try:
            async with asyncio.timeout(SECONDS):
                said = await batches.ask(texts)
        except TooManyError:
            raise HTTPException(429, "too many texts wait; try again in a second", {"Retry-After": "1"}) from None
        except TimeoutError:
            raise HTTPException(503, f"no answer within {SECONDS} s; ask fewer texts") from None
        if wrong := [one["error"] for one in said if "error" in one]:
            raise HTTPException(422, wrong[0])
        return said if asked.texts is not None else said[0]


def _add_inside(app: Any, inside: Inside, allowed: list[Any]) -> None:
    turn = ThreadPoolExecutor(max_workers=1)  # one looks inside at a time, also where who asked has given up
    waiting = 0

    async def looked(at: Callable[..., Any], *of: Any) -> Any:
        nonlocal waiting
        if waiting >= LOOKS:
            raise HTTPException(429, "too many look inside; try again in a second", {"Retry-After": "1"})
        waiting += 1
        try:
            async with asyncio.timeout(SECONDS):
                return await asyncio.get_running_loop().run_in_executor(turn, at, *of)
        except InputError as error:
            raise HTTPException(422, str(error)) from None
        except TimeoutError:
            raise HTTPException(503, f"no answer within {SECONDS} s; try again") from None
        finally:
            waiting -= 1

    @app.post("/attention", dependencies=allowed)
    async def attention(asked: AskedLayer) -> Any:
        """Where each token looks in a layer of the encoder, as the mean of its heads."""
        _checked(asked.text)
        return await looked(inside.attention, asked.text, asked.layer)

    @app.post("/continue", dependencies=allowed)
    async def goes_on(asked: AskedOn) -> Any:
        """How GPT-2 goes on after a text, by each strategy of params.yaml."""
        _checked(asked.text)
        return await looked(inside.goes_on, asked.text, asked.intent)


def _checked(text: str) -> None:
    try:
        check(text)
    except InputError as error:
        raise HTTPException(422, str(error)) from None


class _Limited:
    """Refuses a body that is too large, whatever its header says of it, or too slow, before it is read to the end."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        refused = None
        body, more = bytearray(), True
        try:
            async with asyncio.timeout(SECONDS):
                while more and not refused:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return
                    body += message.get("body", b"")
                    more = message.get("more_body", False)
                    if len(body) > BODY:
                        refused = (413, f"a request may have {BODY} bytes")
        except TimeoutError:
            refused = (408, f"the request did not come within {SECONDS} s")
        if refused:
            answer = JSONResponse({"detail": refused[1]}, refused[0], {"Connection": "close"})
            await answer(scope, receive, send)
            return
        given = False

        async def again() -> Any:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": bytes(body), "more_body": False}

        await self.app(scope, again, send)
