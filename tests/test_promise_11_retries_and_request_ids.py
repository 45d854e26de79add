"""Promise 11: every record says how many HTTP requests the client made, and OpenAI's `x-request-id`."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest

import promptlayer_patch
from promptlayer_patch import Record
from promptlayer_patch.demo.standin import BUSY_MODEL, StandIn
from promptlayer_patch.exporters.memory import MemoryExporter
from promptlayer_patch.records import Ending
from tests.support.fake_promptlayer import nobody_listening
from tests.support.wire import MODEL, Reply, Sent, Wire, chat, chat_events, http, refusal

ASKED: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": "?"}]}
MODES = pytest.mark.parametrize("mode", ["sync", "async"])


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """openai's own pause before it tries again, where no answer named another."""
    monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0.001)


class Answers:
    """One answer for each HTTP request, the last one for all that follow; each with its own request id."""

    def __init__(self, *answers: Reply | BaseException) -> None:
        self.answers = answers
        self.given = 0

    def __call__(self, _: Sent) -> Reply | BaseException:
        answer = self.answers[min(self.given, len(self.answers) - 1)]
        self.given += 1
        if isinstance(answer, BaseException):
            return answer
        headers = (("x-request-id", f"req_{self.given}"), ("retry-after-ms", "1"))
        return Reply(answer.chunks, answer.status, answer.content_type, headers, answer.breaks)


def run(mode: str, answers: Answers, method: str = "create", max_retries: int = 2, **options: Any) -> Any:
    """One call, a stream of it read to the end; gives the exception if it raised."""
    wire = Wire(answers)
    if mode == "sync":
        return _run(wire.client(max_retries=max_retries), method, options)
    return asyncio.run(_arun(wire.async_client(max_retries=max_retries), method, options))


def _run(client: Any, method: str, options: dict[str, Any]) -> Any:
    try:
        result = getattr(client.chat.completions, method)(**ASKED, **options)
        if isinstance(result, openai.Stream):
            list(result)
    except openai.APIError as error:
        return error
    return result


async def _arun(client: Any, method: str, options: dict[str, Any]) -> Any:
    try:
        result = await getattr(client.chat.completions, method)(**ASKED, **options)
        if isinstance(result, openai.AsyncStream):
            async for _ in result:
                pass
    except openai.APIError as error:
        return error
    return result


Only = Callable[[], Record]


@pytest.fixture
def record(sink: MemoryExporter) -> Only:
    """The one record that was made."""

    def only() -> Record:
        assert promptlayer_patch.flush()
        (found,) = sink.records
        return found

    return only


def timeout() -> BaseException:
    return http.ReadTimeout("too slow")  # type: ignore[no-any-return]


@MODES
def test_a_success_at_once(record: Only, mode: str) -> None:
    result = run(mode, Answers(chat()))
    assert getattr(result, "_request_id", "req_1") == "req_1"  # the oldest openai does not keep it
    assert (record().attempts, record().provider_request_id, record().status) == (1, "req_1", 200)


@MODES
@pytest.mark.parametrize("status", [408, 409, 429, 500, 503])
def test_a_success_after_retries(record: Only, mode: str, status: int) -> None:
    """The record has the id of the response that counted, not of the first refusal."""
    run(mode, Answers(refusal(status), refusal(status), chat()))
    assert (record().attempts, record().provider_request_id, record().status) == (3, "req_3", 200)
    assert (record().ending, record().error) == (Ending.COMPLETE, None)


@MODES
def test_a_success_after_timeouts(record: Only, mode: str) -> None:
    run(mode, Answers(timeout(), chat()))
    assert (record().attempts, record().provider_request_id) == (2, "req_2")


@MODES
def test_a_stream_after_retries(record: Only, mode: str) -> None:
    run(mode, Answers(refusal(429), refusal(500), chat_events()), stream=True)
    assert (record().attempts, record().provider_request_id, record().streamed) == (3, "req_3", True)


@MODES
def test_a_stream_at_once(record: Only, mode: str) -> None:
    run(mode, Answers(chat_events()), stream=True)
    assert (record().attempts, record().provider_request_id) == (1, "req_1")


@MODES
def test_a_stream_that_breaks_is_not_tried_again(record: Only, mode: str) -> None:
    broken = Reply(
        chat_events().chunks[:2], content_type="text/event-stream", breaks=lambda: http.ReadError("gone")
    )
    try:
        run(mode, Answers(refusal(429), broken), stream=True)
    except http.ReadError:
        pass  # openai lets it through as it is
    assert (record().attempts, record().provider_request_id) == (2, "req_2")
    assert record().ending is Ending.PROVIDER_ERROR


@MODES
@pytest.mark.parametrize(("retries", "status"), [(0, 429), (1, 500), (2, 429)])
def test_exhausted_retries(record: Only, mode: str, retries: int, status: int) -> None:
    error = run(mode, Answers(refusal(status)), max_retries=retries)
    assert error.request_id == f"req_{retries + 1}"
    assert (record().attempts, record().provider_request_id) == (retries + 1, f"req_{retries + 1}")
    assert (record().ending, record().status) == (Ending.PROVIDER_ERROR, status)


@MODES
@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_a_refusal_is_not_tried_again(record: Only, mode: str, status: int) -> None:
    run(mode, Answers(refusal(status)))
    assert (record().attempts, record().provider_request_id, record().status) == (1, "req_1", status)


@MODES
@pytest.mark.parametrize("retries", [0, 1, 2])
def test_timeouts_to_the_end(record: Only, mode: str, retries: int) -> None:
    error = run(mode, Answers(timeout()), max_retries=retries)
    assert isinstance(error, openai.APITimeoutError)
    assert (record().attempts, record().provider_request_id, record().status) == (retries + 1, None, None)
    assert record().error is not None
    assert record().error.type == "APITimeoutError"  # type: ignore[union-attr]


@MODES
def test_a_refused_stream(record: Only, mode: str) -> None:
    run(mode, Answers(refusal(500), refusal(429)), stream=True, max_retries=1)
    assert (record().attempts, record().provider_request_id, record().status) == (2, "req_2", 429)


@MODES
def test_different_failures_on_the_way(record: Only, mode: str) -> None:
    run(mode, Answers(timeout(), refusal(503), http.ConnectError("no route"), refusal(500)), max_retries=3)
    assert (record().attempts, record().provider_request_id, record().status) == (4, "req_4", 500)


@MODES
def test_a_connection_error_after_an_answer_has_no_request_id(record: Only, mode: str) -> None:
    """The id of an earlier attempt would name a request that did not decide the call."""
    run(mode, Answers(refusal(500), http.ConnectError("no route")), max_retries=1)
    assert (record().attempts, record().provider_request_id, record().status) == (2, None, None)


def test_max_retries_of_with_options(record: Only) -> None:
    client = Wire(Answers(refusal(429), refusal(429), refusal(429), chat())).client(max_retries=0)
    client.with_options(max_retries=5).chat.completions.create(**ASKED)
    assert record().attempts == 4


def test_attempts_of_calls_side_by_side_are_their_own(sink: MemoryExporter) -> None:
    async def main() -> None:
        busy = Wire(Answers(refusal(429), refusal(429), chat())).async_client(max_retries=2)
        quick = Wire(Answers(chat())).async_client()
        await asyncio.gather(*(client.chat.completions.create(**ASKED) for client in (busy, quick, quick)))

    asyncio.run(main())
    assert promptlayer_patch.flush()
    assert sorted(record.attempts for record in sink.records) == [1, 1, 3]


@MODES
@pytest.mark.parametrize("style", ["with_raw_response", "with_streaming_response"])
def test_raw_responses(record: Only, mode: str, style: str) -> None:
    answers = Answers(refusal(500), chat())

    async def main() -> None:
        client = Wire(answers).async_client(max_retries=1)
        create = getattr(client.chat.completions, style).create
        if style == "with_raw_response":
            (await create(**ASKED)).parse()
        else:
            async with create(**ASKED) as response:
                await response.read()

    if mode == "async":
        asyncio.run(main())
    elif style == "with_raw_response":
        Wire(answers).client(max_retries=1).chat.completions.with_raw_response.create(**ASKED).parse()
    else:
        client = Wire(answers).client(max_retries=1)
        with client.chat.completions.with_streaming_response.create(**ASKED) as response:
            response.read()
    assert (record().attempts, record().provider_request_id) == (2, "req_2")


# Over a real connection


@pytest.fixture(scope="module")
def server() -> Iterator[StandIn]:
    with StandIn(chunk_delay_s=0.0) as server:
        yield server


@MODES
def test_a_busy_server(record: Only, server: StandIn, mode: str) -> None:
    """The stand-in refuses every request once; its ids count up, so the second answer has another one."""
    asked = {**ASKED, "model": BUSY_MODEL, "messages": [{"role": "user", "content": mode}]}
    if mode == "sync":
        with openai.OpenAI(api_key="any", base_url=server.base_url) as client:
            expected = client.chat.completions.with_raw_response.create(**asked).headers["x-request-id"]
    else:

        async def main() -> str:
            async with openai.AsyncOpenAI(api_key="any", base_url=server.base_url) as client:
                raw = await client.chat.completions.with_raw_response.create(**asked)
                return str(raw.headers["x-request-id"])

        expected = asyncio.run(main())
    assert (record().attempts, record().provider_request_id) == (2, expected)


@MODES
def test_a_refused_connection(record: Only, mode: str) -> None:
    with nobody_listening() as url:
        if mode == "sync":
            with (
                openai.OpenAI(api_key="any", base_url=url, max_retries=1) as client,
                pytest.raises(openai.APIConnectionError),
            ):
                client.chat.completions.create(**ASKED)
        else:

            async def main() -> None:
                async with openai.AsyncOpenAI(api_key="any", base_url=url, max_retries=1) as client:
                    with pytest.raises(openai.APIConnectionError):
                        await client.chat.completions.create(**ASKED)

            asyncio.run(main())
    assert (record().attempts, record().provider_request_id, record().status) == (2, None, None)
    assert record().request == ASKED


def test_a_server_that_hangs_up_every_time(record: Only) -> None:
    """What counts is what was sent; here by the server's own count."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        accepted: list[int] = []

        def hang_up() -> None:
            for _ in range(3):
                connection, _ = listening.accept()
                accepted.append(1)
                connection.recv(65536)
                connection.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        with (
            openai.OpenAI(api_key="any", base_url=url, max_retries=2) as client,
            pytest.raises(openai.APIConnectionError),
        ):
            client.chat.completions.create(**ASKED)
        thread.join()
    assert record().attempts == len(accepted) == 3
