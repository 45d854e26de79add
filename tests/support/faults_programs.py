"""What users do with openai, as programs that tell everything they could notice.

One body serves both kinds of client: with a sync one nothing is ever awaited.
"""

from __future__ import annotations

import asyncio
import copy
import functools
import gc
import inspect
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import promptlayer_patch
from tests.replay.playing import seen
from tests.support.wire import (
    ASK,
    MODEL,
    Reply,
    Wire,
    chat,
    chat_events,
    each,
    entered,
    helper_of_chat,
    named_file,
    refusal,
    replies,
    settled,
)
from tests.support.wire import http as http


@dataclass
class User:
    """A program's own things: a client, the line it speaks over, and whether we are in between."""

    wire: Wire
    is_async: bool
    installed: bool
    client: Any = None

    def __post_init__(self) -> None:
        self.client = self.wire.async_client() if self.is_async else self.wire.client()

    @property
    def tags(self) -> dict[str, Any]:
        """The options only we understand; a bare openai refuses them."""
        return {"pl_tags": ["a", "b"]} if self.installed else {}

    @property
    def wants_id(self) -> dict[str, Any]:
        return {**self.tags, "return_pl_id": True} if self.installed else {}

    def without_id(self, returned: Any) -> Any:
        if not self.installed:
            return returned
        result, _ = returned
        return result

    async def chat(self, **options: Any) -> Any:
        create = self.client.chat.completions.create
        return await settled(create(model=MODEL, messages=ASK, **options))

    async def stream(self, **options: Any) -> Any:
        return await self.chat(stream=True, **options)

    def helper(self, **options: Any) -> Any:
        return helper_of_chat(self.client).stream(model=MODEL, messages=ASK, **options)


class Oops(Exception):
    """A user's own mistake."""


Program = Callable[[User], Awaitable[Any]]
PROGRAMS: dict[str, Program] = {}
ASYNC_ONLY: set[str] = set()


def program(body: Program) -> Program:
    PROGRAMS[body.__name__] = body
    return body


def async_program(body: Program) -> Program:
    ASYNC_ONLY.add(body.__name__)
    return program(body)


async def all_of(many: Any) -> list[Any]:
    return [seen(item) async for item in each(many)]


async def some_of(many: Any) -> Any:
    async for item in each(many):
        return seen(item)
    raise AssertionError("there was nothing to read")


async def shut(stream: Any) -> None:
    await settled(stream.close())


@program
async def plain_call(user: User) -> Any:
    return seen(await user.chat())


@program
async def long_call(user: User) -> Any:
    create = user.client.chat.completions.create
    return seen(await settled(create(model=MODEL, messages=[{"role": "user", "content": "word " * 2_000}])))


@program
async def tagged_call(user: User) -> Any:
    return seen(await user.chat(**user.tags))


@program
async def numbered_call(user: User) -> Any:
    return seen(user.without_id(await user.chat(**user.wants_id)))


@program
async def numbered_stream(user: User) -> Any:
    return await all_of(user.without_id(await user.stream(**user.wants_id)))


@program
async def parsed_call(user: User) -> Any:
    parse = helper_of_chat(user.client).parse
    return seen(await settled(parse(model=MODEL, messages=ASK)))


@program
async def whole_stream(user: User) -> Any:
    stream = await user.stream()
    return type(stream), await all_of(stream), repr(stream.response)


@program
async def stream_broken_off(user: User) -> Any:
    async with entered(await user.stream()) as stream:
        return await some_of(stream)


@program
async def stream_closed_twice(user: User) -> Any:
    stream = await user.stream()
    first = await some_of(stream)
    await shut(stream)
    await shut(stream)
    return first, repr(stream.response)


@program
async def stream_dropped(user: User) -> Any:
    stream = await user.stream()
    first = await some_of(stream)
    del stream
    await garbage_collected(user)
    return first


async def garbage_collected(user: User) -> None:
    gc.collect()
    for _ in range(5 if user.is_async else 0):
        await asyncio.sleep(0)  # the loop closes the generators that were dropped
    gc.collect()


@program
async def stream_never_read(user: User) -> Any:
    async with entered(await user.stream()) as stream:
        return type(stream)


@program
async def stream_stumbled_over(user: User) -> Any:
    async with entered(await user.stream()) as stream:
        await some_of(stream)
        raise Oops("not like this")


@program
async def stream_whose_line_breaks(user: User) -> Any:
    user.wire.answer = lambda _: chat_events("half", breaks=lambda: http.ReadError("the line is dead"))
    return await all_of(await user.stream())


@program
async def stream_that_reports_an_error(user: User) -> Any:
    user.wire.answer = lambda _: answer_with_error()
    return await all_of(await user.stream())


def answer_with_error() -> Any:
    whole = chat_events("half")
    error = b'data: {"error": {"message": "no more", "type": "tired_error", "code": "tired"}}\n\n'
    return type(whole)((whole.chunks[0], error), content_type=whole.content_type)


@program
async def helper_stream(user: User) -> Any:
    async with entered(user.helper()) as stream:
        events = await all_of(stream)
        return events, seen(await settled(stream.get_final_completion()))


@program
async def tagged_helper_stream(user: User) -> Any:
    async with entered(user.helper(**user.tags)) as stream:
        return await some_of(stream)


@program
async def numbered_helper_stream(user: User) -> Any:
    async with entered(user.without_id(user.helper(**user.wants_id))) as stream:
        return await all_of(stream)


@program
async def helper_never_entered(user: User) -> Any:
    manager = user.helper(**user.tags)
    kind = type(manager)
    for name, request in list(vars(manager).items()):
        if name.endswith("__api_request") and inspect.iscoroutine(request):
            request.close()
    return kind


@program
async def responses_call(user: User) -> Any:
    if not hasattr(user.client, "responses"):
        return None
    return seen(await settled(user.client.responses.create(model=MODEL, input="Hi")))


@program
async def raw_response(user: User) -> Any:
    create = user.client.chat.completions.with_raw_response.create
    raw = await settled(create(model=MODEL, messages=ASK, **user.tags))
    return type(raw), raw.status_code, seen(raw.parse())


@program
async def raw_stream(user: User) -> Any:
    create = user.client.chat.completions.with_raw_response.create
    raw = await settled(create(model=MODEL, messages=ASK, stream=True))
    async with entered(raw.parse()) as stream:
        return type(raw), await some_of(stream)


@program
async def streaming_response(user: User) -> Any:
    create = user.client.chat.completions.with_streaming_response.create
    async with entered(create(model=MODEL, messages=ASK, **user.wants_id)) as response:
        return type(response), seen(await settled(response.parse()))


@program
async def streaming_response_read_in_part(user: User) -> Any:
    create = user.client.chat.completions.with_streaming_response.create
    async with entered(create(model=MODEL, messages=ASK, stream=True)) as response:
        return await some_of(response.iter_lines())


@program
async def streaming_response_read_undecoded(user: User) -> Any:
    create = user.client.chat.completions.with_streaming_response.create
    async with entered(create(model=MODEL, messages=ASK, stream=True)) as response:
        unread = response.http_response
        return await all_of(unread.aiter_raw() if user.is_async else unread.iter_raw())


@program
async def unread_response_copied(user: User) -> Any:
    create = user.client.chat.completions.with_streaming_response.create
    async with entered(create(model=MODEL, messages=ASK, stream=True)) as response:
        again = copy.copy(response.http_response)
        return type(again), again.status_code, again.is_closed


@program
async def refused_call(user: User) -> Any:
    user.wire.answer = lambda _: refusal(400)
    return await user.chat()


@program
async def call_retried(user: User) -> Any:
    user.wire.answer = replies(refusal(500, retry_after_ms="1"), chat())
    user.client = user.client.with_options(max_retries=1)
    return seen(await user.chat())


@program
async def call_never_answered(user: User) -> Any:
    user.wire.answer = lambda _: http.ConnectError("nobody there")
    return await user.chat()


@program
async def wrong_arguments(user: User) -> Any:
    return await settled(user.client.chat.completions.create(model=MODEL, **user.tags))


@program
async def uninstalled_amid_a_call(user: User) -> Any:
    def answer(_: Any) -> Any:
        if user.installed:
            promptlayer_patch.uninstall()
        return chat()

    user.wire.answer = answer
    return seen(user.without_id(await user.chat(**user.wants_id)))


@program
async def call_while_another_is_put_together(user: User) -> Any:
    """Messages that come from a generator which asks a model itself."""
    create = user.client.chat.completions.create

    def messages() -> Iterator[Any]:
        inner = create(model=MODEL, messages=ASK)
        if user.is_async:
            inner.close()
        yield from ASK

    return seen(await settled(create(model=MODEL, messages=messages())))


@program
async def embeddings(user: User) -> Any:
    return seen(await settled(user.client.embeddings.create(model=MODEL, input=["a"])))


@program
async def speech(user: User) -> Any:
    create = user.client.audio.speech.create
    result = await settled(create(model="tts-1", voice="alloy", input="Hi"))
    return type(result), result.content


@program
async def speech_as_it_comes(user: User) -> Any:
    create = user.client.audio.speech.with_streaming_response.create
    async with entered(create(model="tts-1", voice="alloy", input="Hi")) as response:
        return await all_of(response.iter_bytes())


@program
async def transcription(user: User) -> Any:
    create = user.client.audio.transcriptions.create
    return seen(await settled(create(model="whisper-1", file=named_file("a.wav"))))


@program
async def bare_post(user: User) -> Any:
    """A request that no create method announces."""
    body = {"model": MODEL, "messages": ASK}
    return seen(await settled(user.client.post("/chat/completions", body=body, cast_to=object)))


@program
async def scoped_calls(user: User) -> Any:
    inner = promptlayer_patch.scope(metadata={"k": "v"}, group=3, prompt=("greeting", 2))
    with promptlayer_patch.scope(tags=["outer"]), inner:
        return seen(await user.chat()), await all_of(await user.stream())


@program
async def suppressed_call(user: User) -> Any:
    with promptlayer_patch.suppress():
        return seen(await user.chat())


@program
async def call_amid_a_stream(user: User) -> Any:
    stream = await user.stream()
    first = await some_of(stream)
    return first, seen(await user.chat()), await all_of(stream)


@program
async def transcript_as_text(user: User) -> Any:
    """A plain string comes back, which cannot be referred to weakly."""
    user.wire.answer = lambda _: Reply((b"It is seven.",), content_type="text/plain")
    create = user.client.audio.transcriptions.create
    return await settled(create(model="whisper-1", file=named_file("a.wav"), response_format="text"))


@program
async def call_beneath_another_tool(user: User) -> Any:
    """A tool that keeps the library's own `request` and calls it past whatever has been wrapped around it."""
    kept = inspect.unwrap(type(user.client).request)
    user.client.request = functools.partial(kept, user.client)
    return seen(await user.chat()), await bare_post(user)


@async_program
async def call_cancelled(user: User) -> Any:
    asked = asyncio.Event()

    async def wait_forever(_: Any) -> None:
        asked.set()
        await asyncio.Event().wait()

    user.client._client.event_hooks = {"request": [wait_forever]}
    task = asyncio.create_task(user.chat())
    waiting = asyncio.create_task(asked.wait())
    await asyncio.wait([task, waiting], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    task.cancel()
    await task


@async_program
async def call_never_awaited(user: User) -> Any:
    user.client.chat.completions.create(model=MODEL, messages=ASK)
    gc.collect()


@async_program
async def coroutine_closed(user: User) -> Any:
    user.client.chat.completions.create(model=MODEL, messages=ASK).close()


@async_program
async def gathered_calls(user: User) -> Any:
    results = await asyncio.gather(*(user.chat(**user.tags) for _ in range(3)))
    return [seen(result) for result in results]


@program
async def deprecated_call(user: User) -> Any:
    """In the newest openai; the mark is looked at on the way."""
    create = user.client.images.create_variation
    return seen(await settled(create(image=named_file("a.png"))))


@async_program
async def timed_out_stream(user: User) -> Any:
    stream = await user.stream()
    first = await some_of(stream)
    with suppress(asyncio.CancelledError):
        task = asyncio.ensure_future(stream.__anext__())
        await asyncio.sleep(0)
        task.cancel()
        await task
    await shut(stream)
    await garbage_collected(user)
    return first
