"""A backend over an engine process: shared by the local and the mock engine.

Knows text (through its codec) and the engine's client. Does not know where text goes, nor which
runner computes the tokens.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Protocol, TypeVar

from inference.backends.answer import Answer
from inference.backends.base import (
    BackendDied,
    BackendEvent,
    BackendInfo,
    BackendReady,
    Failed,
    Finished,
    FinishReason,
    Generation,
    Progress,
    Started,
    TextDelta,
)
from inference.backends.errors import BackendError
from inference.backends.live_requests import LiveRequest, LiveRequests
from inference.engine.errors import EngineError, LoadError
from inference.engine.events import (
    EngineDied,
    EngineEvent,
    LoadProgress,
    RequestEnded,
    RequestFailed,
    RequestStarted,
    StepDone,
    TokenMade,
)
from inference.engine.options import EngineInfo
from inference.engine.process import EngineClient
from inference.engine.requests import EngineRequest
from inference.engine.totals import EngineTotals
from inference.text.context import FittedPrompt
from inference.text.detokenizer import Decoder
from inference.text.errors import TextError

logger = logging.getLogger(__name__)

T = TypeVar("T")

FIRST_BACK_OFF = 0.5
LONGEST_BACK_OFF = 30.0
STABLE_SECONDS = 60.0


class Codec(Decoder, Protocol):
    """Text on one side, the engine's token ids on the other."""

    def load(self) -> None:
        """Reads what it needs; called once, in a thread. Raises TextError."""
        ...

    def eos_token_ids(self) -> frozenset[int]: ...

    def vocabulary(self) -> str:
        """A fingerprint of what the token ids stand for."""
        ...

    def fit(self, generation: Generation, max_model_len: int) -> FittedPrompt:
        """Raises TextError."""
        ...

    def encode_text(self, text: str) -> list[int]:
        """Of an answer: no control token comes out of it."""
        ...


class EngineBackend:
    def __init__(
        self,
        kind: str,
        client: EngineClient,
        codec: Codec,
        *,
        back_off: float = FIRST_BACK_OFF,
    ) -> None:
        self._kind = kind
        self._client = client
        self._codec = codec
        self._first_back_off = self._back_off = back_off
        self._live = LiveRequests()
        self._batches: asyncio.Queue[list[BackendEvent]] = asyncio.Queue()
        self._engine: EngineInfo | None = None  # None while there is no engine
        self._totals = EngineTotals()
        self._ready_at = 0.0
        # One thread: tokenizing must not hold up the event loop, nor a core for each request.
        self._texts = ThreadPoolExecutor(1, thread_name_prefix="tokenize")
        self._pump: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    # --- The backend's side --------------------------------------------------------------------

    async def start(self, on_progress: Callable[[Progress], None]) -> BackendInfo:
        try:
            await self._in_thread(self._codec.load)
            info = await self._start_engine(on_progress)
        except (TextError, LoadError) as error:
            raise BackendError(str(error)) from error
        self._pump = asyncio.create_task(self._serve())
        return info

    def submit(self, generation: Generation) -> None:
        if self._engine is None:
            detail = "The engine is starting again."
            self._tell(Failed(generation.request_id, "not_ready", detail))
            return
        live = self._live.add(generation)
        task = asyncio.create_task(self._begin(live, self._engine))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def abort(self, request_id: str) -> None:
        live = self._live.get(request_id)
        if live is None:
            return
        if live.answer is None:  # the engine has not heard of it yet
            self._end(live, "aborted")
        else:
            self._client.abort(live.engine_id)

    async def events(self) -> list[BackendEvent]:
        return await self._batches.get()

    async def stop(self) -> None:
        tasks = [*self._tasks, *([self._pump] if self._pump else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._pump = None
        self._engine = None
        self._live.clear()
        await self._client.stop()
        self._texts.shutdown(wait=False, cancel_futures=True)

    def load(self) -> int:
        return len(self._live)

    def totals(self) -> dict[str, int | float]:
        return self._totals.as_dict()

    # --- Into the engine -----------------------------------------------------------------------

    async def _begin(self, live: LiveRequest, engine: EngineInfo) -> None:
        """Makes tokens of the messages and hands them to the engine."""
        try:
            request = await self._in_thread(lambda: self._prepare(live, engine))
        except (TextError, EngineError) as error:
            code = getattr(error, "code", "invalid")
            self._fail(live, code, str(error))
        except Exception as error:
            logger.exception("Could not prepare request %s.", live.id)
            self._fail(live, "engine_error", str(error))
        else:
            self._hand_in(live, request)

    def _prepare(self, live: LiveRequest, engine: EngineInfo) -> EngineRequest:
        """Runs in the thread; touches nothing shared."""
        generation = live.generation
        prompt = self._codec.fit(generation, engine.max_model_len)
        live.truncated = prompt.truncated
        if generation.output_text and not generation.output_token_ids:
            live.translated = self._codec.encode_text(generation.output_text)
        return EngineRequest(
            id=live.engine_id,
            prompt_token_ids=prompt.token_ids,
            params=replace(generation.params, max_tokens=prompt.max_tokens),
            output_token_ids=live.translated or list(generation.output_token_ids),
            stop_token_ids=engine.eos_token_ids | self._codec.eos_token_ids(),
            scope=generation.scope,
        )

    def _hand_in(self, live: LiveRequest, request: EngineRequest) -> None:
        if live not in self._live:  # aborted, or its engine died, meanwhile
            return
        generation = live.generation
        answer = Answer(
            self._codec, request.prompt_token_ids, request.params, request.stop_token_ids
        )
        made = live.translated
        # What other tokens stand for may differ from the text in a space; they were not published.
        published = self._codec.decode(made) if made else generation.output_text
        text = answer.resume(request.output_token_ids, published)
        if text or made:
            self._tell(TextDelta(live.id, text, made))
        # The last token may have been stored and its meaning not, when a worker died.
        if answer.stopped or not request.stop_token_ids.isdisjoint(request.output_token_ids[-1:]):
            self._end(live, "stop")
            return
        if len(made) >= request.params.max_tokens:
            self._end(live, "length")
            return
        live.answer = answer
        self._client.submit(request)

    # --- Out of the engine ---------------------------------------------------------------------

    async def _serve(self) -> None:
        while True:
            batch = await self._client.events()
            events = [event for one in batch for event in self._translate(one)]
            if events:
                self._tell(*events)
            if isinstance(batch[-1], EngineDied):
                await self._restart()

    def _translate(self, event: EngineEvent) -> list[BackendEvent]:
        if isinstance(event, EngineDied):
            self._engine = None
            self._live.clear()
            return [BackendDied(event.detail)]
        if isinstance(event, StepDone):
            self._totals.add(event.report)
            return []
        live = self._live.of_engine(getattr(event, "request_id", ""))
        if live is None:  # ended here meanwhile; the engine may be a token behind
            return []
        try:
            return self._translate_for(live, event)
        except Exception as error:  # text that cannot be made ends its own request only
            logger.exception("Could not make text of what the engine said of %s.", live.id)
            self._live.remove(live)
            self._client.abort(live.engine_id)
            return [Failed(live.id, "engine_error", str(error))]

    def _translate_for(self, live: LiveRequest, event: EngineEvent) -> list[BackendEvent]:
        match event:
            case RequestStarted(_, prompt_tokens, cached_tokens, slot):
                return [Started(live.id, prompt_tokens, cached_tokens, live.truncated, slot)]
            case TokenMade(_, token_id):
                return self._token(live, token_id)
            case RequestEnded(_, reason):
                return self._ended(live, reason)
            case RequestFailed(_, code, detail):
                self._live.remove(live)
                return [Failed(live.id, code, detail)]
        return []

    def _token(self, live: LiveRequest, token_id: int) -> list[BackendEvent]:
        assert live.answer is not None
        text = live.answer.push(token_id)
        delta = TextDelta(live.id, text, [token_id])
        if not live.answer.stopped:
            return [delta]
        self._live.remove(live)
        self._client.abort(live.engine_id)
        return [delta, Finished(live.id, "stop")]

    def _ended(self, live: LiveRequest, reason: FinishReason) -> list[BackendEvent]:
        assert live.answer is not None
        text = live.answer.flush()
        if live.answer.stopped:
            reason = "stop"
        self._live.remove(live)
        rest: list[BackendEvent] = [TextDelta(live.id, text, [])] if text else []
        return [*rest, Finished(live.id, reason)]

    # --- Life of the engine --------------------------------------------------------------------

    async def _start_engine(self, on_progress: Callable[[Progress], None]) -> BackendInfo:
        def tell(progress: LoadProgress) -> None:
            on_progress(Progress(progress.stage, progress.fraction, progress.detail))

        engine = await self._client.start(tell)
        self._engine = engine
        self._ready_at = time.monotonic()
        return BackendInfo(
            model=engine.model,
            engine=self._kind,
            device=engine.device,
            dtype=engine.dtype,
            slots=engine.slots,
            max_model_len=engine.max_model_len,
            runner=engine.runner,
            vocabulary=self._codec.vocabulary(),
        )

    async def _restart(self) -> None:
        """Tries until the engine is back, at growing intervals."""
        if time.monotonic() - self._ready_at > STABLE_SECONDS:
            self._back_off = self._first_back_off
        while True:
            await asyncio.sleep(self._back_off)
            self._back_off = min(self._back_off * 2, LONGEST_BACK_OFF)
            try:
                info = await self._start_engine(lambda progress: None)
            except (LoadError, OSError) as error:
                logger.error("The engine did not start again: %s", error)
            else:
                self._tell(BackendReady(info))
                return

    def _tell(self, *events: BackendEvent) -> None:
        self._batches.put_nowait(list(events))

    def _end(self, live: LiveRequest, reason: FinishReason) -> None:
        self._live.remove(live)
        self._tell(Finished(live.id, reason))

    def _fail(self, live: LiveRequest, code: str, detail: str) -> None:
        if live in self._live:
            self._live.remove(live)
            self._tell(Failed(live.id, code, detail))

    async def _in_thread(self, function: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._texts, function)
