"""What holds for every stream: the recorded ones, beside the OpenAI SDK, and generated ones."""

from __future__ import annotations

import importlib
import json
import random
import string
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import openai
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from promptlayer_patch._folding import fold_stream, parse_events, repeats, stream
from promptlayer_patch._parsing import parsed

yaml: Any = pytest.importorskip("yaml")

RECORDINGS = Path(__file__).parents[2] / "shared" / "cassettes" / "openai"


class Recorded(NamedTuple):
    where: str
    body: bytes


@pytest.fixture(scope="module")
def recorded() -> list[Recorded]:
    """Every recorded body of a streamed call."""
    if not (RECORDINGS / "index.json").is_file():
        pytest.skip("the recorded traffic (../shared/cassettes/openai) is not here")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    found = []
    for case in json.loads((RECORDINGS / "index.json").read_bytes())["cases"]:
        if case["stream"]:
            cassette = yaml.load((RECORDINGS / case["file"]).read_bytes(), Loader=loader)
            for number, interaction in enumerate(cassette["interactions"]):
                body = interaction["response"]["body"].get("string")
                if isinstance(body, str) and body.startswith(("data:", "event:", ":")):
                    found.append(Recorded(f"{case['id']} #{number}", body.encode()))
    assert found
    return found


def of_kind(recorded: list[Recorded], kind: str) -> list[Recorded]:
    found = [
        recording for recording in recorded if fold_stream(recording.body).response.get("object") == kind
    ]
    assert found
    return found


def client_that_reads(body: bytes) -> openai.OpenAI:
    http: Any = importlib.import_module(
        "httpx2" if int(openai.__version__.partition(".")[0]) >= 3 else "httpx"
    )

    def answer(_: Any) -> Any:
        return http.Response(200, headers={"content-type": "text/event-stream"}, content=body)

    transport = http.MockTransport(answer)
    return openai.OpenAI(
        api_key="none", base_url="http://test/v1", max_retries=0, http_client=http.Client(transport=transport)
    )


def cuts_of(body: bytes) -> Iterator[bytes]:
    """`body` up to each of its events but the last."""
    ends = [event.end for event in parse_events(body)]
    return (body[:end] for end in ends[:-1])


def without_nulls(value: Any, *keys: str) -> Any:
    """`value` without nulls and without `keys`: the SDK adds null fields that were never sent."""
    if isinstance(value, list):
        return [without_nulls(entry, *keys) for entry in value]
    if isinstance(value, dict):
        kept = {key: entry for key, entry in value.items() if entry is not None and key not in keys}
        return {key: without_nulls(entry, *keys) for key, entry in kept.items()}
    return value


class TestRecorded:
    def test_each_recorded_stream_is_recognised_and_complete(
        self, recorded: list[Recorded], capsys: pytest.CaptureFixture[str]
    ) -> None:
        counts: Counter[str] = Counter()
        for where, body in recorded:
            folded = fold_stream(body)
            assert folded.complete, where
            assert folded.error is None, where
            assert folded.first_output_at is not None, where
            assert folded.first_output_at <= len(body), where
            counts[folded.response["object"]] += 1
        assert set(counts) == {"chat.completion", "text_completion", "response", "thread.run"}
        with capsys.disabled():
            print(f"\n  recorded streams folded: {dict(counts)}", end="")

    def test_every_cut_of_a_recorded_stream_folds_to_a_part_of_it(self, recorded: list[Recorded]) -> None:
        for where, body in recorded:
            whole = texts_of(fold_stream(body).response)
            step = max(1, len(body) // 40)
            for cut in chain((body[:end] for end in range(0, len(body), step)), cuts_of(body)):
                for place, text in texts_of(fold_stream(cut).response).items():
                    assert whole[place].startswith(text), where

    def test_chat_equals_what_the_sdk_accumulates(
        self, recorded: list[Recorded], capsys: pytest.CaptureFixture[str]
    ) -> None:
        streaming: Any = pytest.importorskip("openai.lib.streaming.chat")
        if not hasattr(streaming, "ChatCompletionStreamState"):
            pytest.skip(f"openai {openai.__version__} has no public accumulator")
        compared, refused = 0, []
        for where, body in of_kind(recorded, "chat.completion"):
            state = streaming.ChatCompletionStreamState()
            try:
                for chunk in chunks_of_chat(body):
                    state.handle_chunk(chunk)
            except (
                AttributeError
            ):  # the SDK cannot accumulate a choice without delta, as Azure's filter sends
                refused.append(where)
                continue
            sdk = without_nulls(state.current_completion_snapshot.to_dict(mode="json"), "parsed")
            ours = without_nulls(fold_stream(body).response)
            compare_chat(ours, sdk, azure=b'"prompt_filter_results"' in body, where=where)
            compared += 1
        assert compared > 10 * len(refused)
        with capsys.disabled():
            print(
                f"\n  chat streams equal to the SDK's: {compared}; not accumulated by it: {refused}", end=""
            )

    def test_chat_equals_the_chunks_joined(self, recorded: list[Recorded]) -> None:
        """Independent of the SDK's accumulator, so also where it has none; after every event."""
        for where, body in of_kind(recorded, "chat.completion"):
            joined: dict[tuple[int, ...], str] = {}
            for cut, chunk in zip(cuts_of(body), chunks_of_chat(body), strict=True):
                for choice in chunk.choices:
                    delta = choice.delta
                    text = (delta and delta.content) or ""
                    joined[(choice.index,)] = joined.get((choice.index,), "") + text
                    for part in (delta and delta.tool_calls) or ():
                        place = (choice.index, part.index)
                        joined[place] = joined.get(place, "") + (part.function.arguments or "")
                ours: dict[tuple[int, ...], str] = {}
                for choice in fold_stream(cut).response["choices"]:
                    ours[(choice["index"],)] = choice["message"]["content"] or ""
                    for number, call in enumerate(choice["message"].get("tool_calls", ())):
                        ours[choice["index"], number] = call["function"]["arguments"]
                assert ours == joined, where

    def test_completions_equal_the_chunks_joined(self, recorded: list[Recorded]) -> None:
        for where, body in of_kind(recorded, "text_completion"):
            texts: dict[int, str] = {}
            finish: dict[int, str | None] = {}
            usages: list[Any] = [None]
            chunks: Any = client_that_reads(body).completions.create(model="m", prompt="p", stream=True)
            for chunk in chunks:
                if chunk.usage:
                    usages.append(chunk.usage.to_dict())
                for choice in chunk.choices:
                    texts[choice.index] = texts.get(choice.index, "") + choice.text
                    finish[choice.index] = choice.finish_reason or finish.get(choice.index)
            response = fold_stream(body).response
            choices = {choice["index"]: choice for choice in response["choices"]}
            assert {index: choice["text"] for index, choice in choices.items()} == texts, where
            assert {index: choice["finish_reason"] for index, choice in choices.items()} == finish, where
            assert response.get("usage") == usages[-1], where

    def test_responses_are_what_the_last_event_has(
        self, recorded: list[Recorded], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """And the output is rebuilt without that event, to the last field."""
        recordings = of_kind(recorded, "response")
        for where, body in recordings:
            last = json.loads(list(parse_events(body))[-1].data)["response"]
            *_, cut = cuts_of(body)
            assert fold_stream(body).response == last, where
            rebuilt = fold_stream(cut)
            assert not rebuilt.complete, where
            assert rebuilt.response["output"] == last["output"], where
        with capsys.disabled():
            print(f"\n  responses rebuilt without their last event: {len(recordings)}", end="")

    def test_responses_are_rebuilt_from_deltas_alone(self, recorded: list[Recorded]) -> None:
        for where, body in of_kind(recorded, "response"):
            last = json.loads(list(parse_events(body))[-1].data)["response"]
            deltas = b"".join(
                f"data: {event.data}\n\n".encode()
                for event in parse_events(body)
                if not json.loads(event.data)["type"].endswith((".done", ".completed", ".incomplete"))
            )
            assert texts_of(fold_stream(deltas).response) == texts_of(last), where

    def test_every_cut_of_a_response_equals_the_sdks_snapshot(self, recorded: list[Recorded]) -> None:
        compared = 0
        for where, body in of_kind(recorded, "response"):
            client = client_that_reads(body)
            if not hasattr(getattr(client, "responses", None), "stream"):
                pytest.skip(f"openai {openai.__version__} has no responses.stream")
            snapshots: list[Any] = []
            with client.responses.stream(model="m", input="i") as stream:
                snapshots.extend(event for event in stream if hasattr(event, "snapshot"))
            fields = {
                "response.output_text.delta": "text",
                "response.function_call_arguments.delta": "arguments",
            }
            cuts = [
                body[: event.end] for event in parse_events(body) if json.loads(event.data)["type"] in fields
            ]
            for cut, event in zip(cuts, snapshots, strict=True):
                item = fold_stream(cut).response["output"][event.output_index]
                target = item["content"][event.content_index] if "content" in item else item
                assert target[fields[event.type]] == event.snapshot, where
                compared += 1
        assert compared > 100

    @pytest.mark.filterwarnings("ignore::DeprecationWarning")
    def test_runs_equal_what_the_sdk_accumulates(self, recorded: list[Recorded]) -> None:
        for where, body in of_kind(recorded, "thread.run"):
            assistant = client_that_reads(body).beta.threads.runs.stream(thread_id="t", assistant_id="a")
            with assistant as stream:
                stream.until_done()
            response = dict(fold_stream(body).response)
            messages = response.pop("messages")
            assert {step["status"] for step in response.pop("steps")} == {"completed"}
            assert without_nulls(response) == dumped(stream.get_final_run()), where
            assert [without_nulls(message) for message in messages] == [
                dumped(message) for message in stream.get_final_messages()
            ], where
            # The SDK's final steps are those before the event that completes them, with the indexes left in.
            open_steps = fold_stream(body.replace(b"event: thread.run.step.completed", b"event: other"))
            assert {step["id"]: without_nulls(step) for step in open_steps.response["steps"]} == {
                step.id: without_nulls(step.to_dict(mode="json"), "index")
                for step in stream.get_final_run_steps()
            }, where


def chunks_of_chat(body: bytes) -> Any:
    return client_that_reads(body).chat.completions.create(model="m", messages=[], stream=True)


def dumped(model: Any) -> Any:
    return without_nulls(model.to_dict(mode="json"))


def compare_chat(ours: Any, sdk: Any, *, azure: bool, where: str) -> None:
    """Equal, but for what the SDK takes from the wrong chunk or leaves in."""
    sdk.pop("obfuscation", None)
    for choice in sdk["choices"]:
        for call in choice["message"].get("tool_calls", ()):
            call.pop("index")
    if azure:
        # The SDK keeps the ids of the first chunk, which are empty, and the filter results of the first.
        for key in ("id", "created", "model", "service_tier", "latency_checkpoint"):
            assert ours.pop(key, None) or key in ("service_tier", "latency_checkpoint"), where
            sdk.pop(key, None)
        for completion in (ours, sdk):
            for choice in completion["choices"]:
                choice.pop("content_filter_results", None)
    assert ours == sdk, where


TEXT_KEYS = frozenset(
    {"arguments", "code", "content", "input", "reasoning_content", "refusal", "text", "value"}
)


def texts_of(response: Any) -> dict[tuple[Any, ...], str]:
    """The text a response has, by the place where it stands, whatever the kind of response."""
    texts: dict[tuple[Any, ...], str] = {}

    def walk(value: dict[Any, Any], *place: Any) -> None:
        for key, entry in value.items():
            here = (*place, key)
            if isinstance(entry, str) and key in TEXT_KEYS:
                texts[here] = entry
            elif isinstance(entry, dict):
                walk(entry, *here)
            elif isinstance(entry, list):
                walk(by_identity(entry), *here)

    parts = ("choices", "output", "messages", "steps")
    walk({part: response[part] for part in parts if part in response} if isinstance(response, dict) else {})
    return texts


def by_identity(entries: list[Any]) -> dict[Any, Any]:
    """In a stream that was cut a later choice or call may be there and an earlier one not yet."""
    return {
        entry.get("index", entry.get("id", position)) if isinstance(entry, dict) else position: entry
        for position, entry in enumerate(entries)
    }


def pieces_of(text: str, draw: random.Random, *, halves: bool) -> list[str]:
    """`text` cut at random; with `halves` also inside a character that UTF-16 writes as two."""
    units = text
    if halves:
        wide = text.encode("utf-16-le")
        units = "".join(chr(int.from_bytes(wide[at : at + 2], "little")) for at in range(0, len(wide), 2))
    cuts = sorted(draw.sample(range(1, len(units)), min(draw.randrange(6), max(0, len(units) - 1))))
    return [units[start:end] for start, end in zip([0, *cuts], [*cuts, len(units)], strict=True)]


TEXT = st.text(max_size=30)
NAMES = st.text(string.ascii_lowercase, min_size=1, max_size=8)
LOGPROB = st.fixed_dictionaries({"token": TEXT, "logprob": st.floats(-9, 0), "bytes": st.just([65])})


@st.composite
def completions(draw: st.DrawFn) -> dict[str, Any]:
    """A chat completion as the API returns it without `stream`."""

    def choice(index: int) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": draw(TEXT), "refusal": None}
        if draw(st.booleans()):
            message["content"], message["refusal"] = None, draw(TEXT.filter(bool))
        if draw(st.booleans()):
            message["reasoning_content"] = draw(TEXT)
        if draw(st.booleans()):
            message["tool_calls"] = [
                call(number, draw(st.booleans())) for number in range(draw(st.integers(1, 3)))
            ]
            message["content"] = message["content"] or None
        logprobs = None
        if draw(st.booleans()):
            logprobs = {"content": draw(st.lists(LOGPROB, max_size=4)), "refusal": None}
        finish_reason = draw(st.sampled_from(["stop", "length", "tool_calls"]))
        return {"index": index, "message": message, "logprobs": logprobs, "finish_reason": finish_reason}

    def call(number: int, custom: bool) -> dict[str, Any]:
        kind, given_as = ("custom", "input") if custom else ("function", "arguments")
        return {"id": f"call_{number}", "type": kind, kind: {"name": draw(NAMES), given_as: draw(TEXT)}}

    return {
        "id": draw(NAMES),
        "object": "chat.completion",
        "created": draw(st.integers(1, 2**31)),
        "model": draw(NAMES),
        "choices": [choice(index) for index in range(draw(st.integers(1, 3)))],
        "usage": draw(st.none() | st.fixed_dictionaries({"total_tokens": st.integers(0, 99)})),
        "system_fingerprint": draw(st.none() | NAMES),
    }


def deltas_of(message: dict[str, Any], draw: random.Random, *, halves: bool) -> list[dict[str, Any]]:
    """The message in parts: a first one with the role, then its texts, each in order, mixed at random."""
    first = {"role": "assistant", "content": draw.choice([None, ""]), "refusal": None}
    if message["content"] == "":
        first["content"] = ""
    if message.get("reasoning_content") == "":
        first["reasoning_content"] = ""
    queues: list[list[dict[str, Any]]] = []
    for key in ("content", "refusal", "reasoning_content"):
        if message.get(key):
            queues.append([{key: piece} for piece in pieces_of(message[key], draw, halves=halves)])
    for index, call in enumerate(message.get("tool_calls", ())):
        kind = call["type"]
        given_as = "input" if kind == "custom" else "arguments"
        start = {"index": index, **call, kind: {**call[kind], given_as: ""}}
        pieces = pieces_of(call[kind][given_as], draw, halves=halves)
        parts = [start, *({"index": index, kind: {given_as: piece}} for piece in pieces)]
        queues.append([{"tool_calls": [part]} for part in parts])
    return [first, *mixed(queues, draw)]


def mixed(queues: list[list[Any]], draw: random.Random) -> Iterator[Any]:
    """The entries of all queues, those of each queue in order."""
    waiting = [list(reversed(queue)) for queue in queues if queue]
    while waiting:
        queue = draw.choice(waiting)
        yield queue.pop()
        waiting = [queue for queue in waiting if queue]


def streamed(completion: dict[str, Any], draw: random.Random, *, halves: bool) -> bytes:
    """The completion as a stream that a server could have sent."""
    rest = {key: value for key, value in completion.items() if key not in ("choices", "usage")}
    top = {**rest, "object": "chat.completion.chunk", "usage": None}
    queues = []
    for choice in completion["choices"]:
        index, logprobs = choice["index"], choice["logprobs"]
        queue: list[dict[str, Any]] = [
            {"index": index, "delta": delta, "logprobs": None, "finish_reason": None}
            for delta in deltas_of(choice["message"], draw, halves=halves)
        ]
        if logprobs is not None:
            for entry in logprobs["content"]:
                queue.insert(
                    draw.randrange(len(queue)) + 1,
                    {"index": index, "delta": {}, "logprobs": {**logprobs, "content": [entry]}},
                )
            # Kept in order: the place of each was drawn for itself.
            places = [place for place, part in enumerate(queue) if part["logprobs"]]
            for place, entry in zip(places, logprobs["content"], strict=True):
                queue[place] = {**queue[place], "logprobs": {**logprobs, "content": [entry]}}
            queue[0]["logprobs"] = {**logprobs, "content": []}
        queue.append({"index": index, "delta": {}, "finish_reason": choice["finish_reason"]})
        queues.append(queue)
    chunks = [{**top, "choices": [part]} for part in mixed(queues, draw)]
    chunks.append({**top, "choices": [], "usage": completion["usage"]})
    return encoded([*chunks, "[DONE]"], draw, ascii_only=halves or draw.random() < 0.5)


def encoded(events: list[Any], draw: random.Random, *, ascii_only: bool) -> bytes:
    """The events in one of the many ways to write them down."""
    end = draw.choice(["\n", "\r\n", "\r"])
    lines = []
    for event in events:
        indent = draw.choice([None, None, 1])
        text = event if isinstance(event, str) else json.dumps(event, ensure_ascii=ascii_only, indent=indent)
        if draw.random() < 0.2:
            lines += [": keep-alive", ""]
        lines += [draw.choice(["data:", "data: "]) + line for line in text.split("\n")]
        lines.append("")
    return end.join([*lines, ""]).encode()


RANDOM = st.randoms(use_true_random=False)


class TestGenerated:
    @given(completions(), RANDOM, st.booleans())
    @settings(deadline=None)
    def test_a_completion_survives_being_streamed(
        self, completion: dict[str, Any], draw: random.Random, halves: bool
    ) -> None:
        folded = fold_stream(streamed(completion, draw, halves=halves))
        assert folded.response == completion
        assert folded.complete
        assert folded.error is None

    @given(completions(), RANDOM)
    @settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
    def test_a_stream_cut_at_any_byte_folds_to_a_part_of_it(
        self, completion: dict[str, Any], draw: random.Random
    ) -> None:
        body = streamed(completion, draw, halves=False)
        whole = texts_of(completion)
        for end in draw.sample(range(len(body)), min(50, len(body))):
            cut = fold_stream(body[:end])
            assert cut.error is None
            for place, text in texts_of(cut.response).items():
                assert whole.get(place, "").startswith(text)

    @given(st.binary(max_size=200), st.binary(max_size=50))
    @settings(deadline=None)
    def test_no_bytes_make_it_raise(self, noise: bytes, data: bytes) -> None:
        list(parse_events(noise))
        fold_stream(noise)
        fold_stream(b"data: " + data + b"\n\n" + noise)

    @given(st.data())
    @settings(deadline=None, max_examples=200)
    def test_no_json_makes_it_raise(self, data: st.DataObject) -> None:
        """Whatever stands where a provider would put something else; and the outcome is JSON again."""
        events = data.draw(st.lists(st.tuples(st.sampled_from(["", *EVENT_NAMES]), ODD_EVENTS), max_size=6))
        body = "".join(f"event: {name}\ndata: {json.dumps(value)}\n\n" for name, value in events)
        folded = fold_stream(body.encode())
        json.dumps([folded.response, folded.error])


EVENT_NAMES = [
    "error", "message", "done", "thread.run.created", "thread.run.failed", "thread.run.step.delta",
    "thread.message.created", "thread.message.delta", "transcript.text.delta", "transcript.text.done",
    "transcript.text.segment", "image_edit.partial_image", "image_edit.completed", "speech.audio.delta",
    "response.created", "response.completed", "response.failed", "response.output_item.added",
    "response.content_part.added", "response.output_text.delta", "response.output_text.done",
    "response.refusal.delta", "response.output_text.annotation.added",
    "response.reasoning_summary_text.delta", "response.reasoning_summary_part.added",
    "response.function_call_arguments.delta", "response.shell_call_command.delta",
    "response.shell_call_output_content.delta", "response.x.completed",
]  # fmt: skip
KEYS = [
    "action", "annotations", "arguments", "audio", "b64_json", "choices", "command_index", "commands",
    "content", "content_index", "created", "delta", "error", "finish_reason", "function", "function_call",
    "id", "index", "item", "last_error", "logprobs", "message", "model", "name", "object", "output",
    "output_index", "part", "response", "role", "step_details", "summary", "summary_index", "text",
    "tool_calls", "type", "usage",
]  # fmt: skip
SCALARS = st.none() | st.booleans() | st.integers(-2, 3) | st.sampled_from(["", "a", "x"])
ODD = st.recursive(
    SCALARS,
    lambda more: st.lists(more, max_size=3) | st.dictionaries(st.sampled_from(KEYS), more, max_size=4),
)
PLAUSIBLE = st.fixed_dictionaries(
    {},
    optional={
        "object": st.sampled_from(["chat.completion.chunk", "text_completion", "x"]) | ODD,
        "type": st.sampled_from(EVENT_NAMES) | ODD,
        "choices": st.lists(
            st.fixed_dictionaries(
                {},
                optional={
                    "index": st.integers(0, 1) | ODD,
                    "delta": st.dictionaries(st.sampled_from(KEYS), ODD, max_size=4)
                    | st.fixed_dictionaries(
                        {"tool_calls": st.lists(st.dictionaries(st.sampled_from(KEYS), ODD))}
                    ),
                    "message": ODD,
                    "text": ODD,
                    "logprobs": ODD,
                },
            ),
            max_size=2,
        ),
        "output_index": st.integers(0, 1) | ODD,
        "content_index": st.integers(0, 1) | ODD,
        "item": ODD,
        "part": ODD,
        "delta": ODD,
        "response": ODD,
    },
)
ODD_EVENTS = PLAUSIBLE | PLAUSIBLE | ODD


_TEXTS = st.text(st.characters(exclude_categories=()) | st.sampled_from('"\\\n{}[]:, \u2028'), max_size=8)


@st.composite
def chunks_alike(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Chunks of a stream most of which differ in their text alone, with others in between."""
    found = []
    for _ in range(draw(st.integers(1, 12))):
        delta: dict[str, Any] = {"content": draw(_TEXTS)}
        chunk: dict[str, Any] = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
        choice = {"index": draw(st.sampled_from([0] * 6 + [1])), "delta": delta, "finish_reason": None}
        match draw(
            st.sampled_from(
                ["alike"] * 4
                + ["role", "refusal", "reasoning_content", "stop", "usage", "text", "other", "log"]
            )
        ):
            case "role":
                delta["role"] = "assistant"
            case "refusal" | "reasoning_content" as said:
                choice["delta"] = {"content": None, said: draw(_TEXTS)}
            case "stop":
                choice |= {"delta": {}, "finish_reason": "stop"}
            case "usage":
                chunk["usage"] = {"total_tokens": draw(st.integers(0, 9))}
            case "text":
                choice["text"] = draw(_TEXTS)
            case "other":
                chunk["system_fingerprint"] = draw(st.sampled_from("ab"))
            case "log":
                choice["logprobs"] = {"content": [draw(st.integers(0, 9))]}
        chunk["choices"] = [choice]
        if draw(st.booleans()):
            chunk["obfuscation"] = draw(_TEXTS)
        found += [chunk] * draw(st.integers(1, 3))
    return found


@pytest.mark.parametrize("escaped", [False, True])
def test_a_long_text_takes_no_more_than_a_few_times_its_room(escaped: bool) -> None:
    head = b'data: {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": "'
    letters = (rb"\n", rb"\t", rb"\n") if escaped else (b"a", b"b", b"c")
    body = b"".join(head + letter * 100_000 + b'"}}]}\n\n' for letter in letters)
    tracemalloc.start()
    try:
        response = fold_stream(body).response
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(response["choices"][0]["message"]["content"]) == 300_000
    assert peak < 12 * len(body)


def test_a_chunk_in_between_is_not_forgotten() -> None:
    """What stands beside the text holds as it was said last, whoever said something else meanwhile."""
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    text = {"index": 0, "delta": {"content": "x"}}
    one = {**head, "system_fingerprint": "a", "choices": [text]}
    other = {**head, "system_fingerprint": "b", "choices": [{"index": 0, "delta": {}}]}
    body = b"".join(b"data: %b\n\n" % json.dumps(chunk).encode() for chunk in (one, one, one, other, one))
    response = fold_stream(body).response
    assert response["system_fingerprint"] == "a"
    assert response["choices"][0]["message"]["content"] == "xxxx"


@st.composite
def events_alike(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Events of the Responses API most of which differ in their text and their number alone."""
    found: list[dict[str, Any]] = []
    kinds = ["output_text"] * 5 + ["refusal", "function_call_arguments", "reasoning_summary_text"]
    for _ in range(draw(st.integers(1, 12))):
        kind = draw(st.sampled_from(kinds))
        event: dict[str, Any] = {"type": f"response.{kind}.delta", "sequence_number": 0, "item_id": "i"}
        event["output_index"] = draw(st.sampled_from([0] * 6 + [1]))
        if kind != "function_call_arguments":
            event["summary_index" if "summary" in kind else "content_index"] = 0
        event["delta"] = draw(_TEXTS)
        match draw(st.sampled_from(["alike"] * 6 + ["padded", "log", "done", "more"])):
            case "padded":
                event["obfuscation"] = draw(_TEXTS)
            case "log":
                event["logprobs"] = [{"token": draw(_TEXTS)}]
            case "done":
                event |= {"type": f"response.{kind}.done", "text": draw(_TEXTS)}
            case "more":
                event["more"] = draw(_TEXTS)
        found += [{**event} for _ in range(draw(st.integers(1, 3)))]
    for number, event in enumerate(found):
        event["sequence_number"] = number
    return found


@given(
    chunks_alike() | events_alike(),
    st.booleans(),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.integers(64, 2048),
)
@settings(deadline=None)
def test_a_chunk_that_repeats_the_one_before_adds_what_it_would_alone(
    chunks: list[dict[str, Any]], spelled: bool, line_end: str, window: int
) -> None:
    """Written with more and more spaces, none repeats another."""

    def body(separators: Iterator[tuple[str, str]]) -> bytes:
        texts = (json.dumps(chunk, separators=next(separators), ensure_ascii=spelled) for chunk in chunks)
        named = (
            f"event: {chunk['type']}\ndata: {text}\n\n" if "type" in chunk else f"data: {text}\n\n"
            for chunk, text in zip(chunks, texts, strict=True)
        )
        return "".join(named).replace("\n", line_end).encode("utf-8", "surrogatepass")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(repeats, "_WINDOW", window)
        alike = fold_stream(body(iter([(",", ":")] * len(chunks))))
    apart = fold_stream(body((",", ":" + " " * count) for count in range(2, len(chunks) + 2)))
    assert alike.response == apart.response
    assert (alike.complete, alike.error) == (apart.complete, apart.error)


@pytest.mark.parametrize(
    "broken", ['a","b', "a\\", '","a\\', "a\tb", "\\x", '"', 'a"}}]}, {"x": [{"y": {"z": "b']
)
def test_a_chunk_that_is_no_json_adds_nothing_to_those_it_resembles(broken: str) -> None:
    head = '{"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": "'
    texts = ["a", "b", "c", broken, "d", "e", broken, broken, "f"]
    body = "".join(f'data: {head}{text}"}}}}]}}\n\n' for text in texts).encode()
    assert fold_stream(body).response["choices"][0]["message"]["content"] == "abcdef"


@pytest.mark.parametrize("known", [0, 3])
def test_a_delta_that_has_a_response_as_well_adds_no_text(known: int) -> None:
    """Of the two, the response is what is kept, however little it says."""
    delta = {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "a"}
    events = [delta] * known + [{**delta, "response": {}}] * 3
    body = "".join(f"data: {json.dumps(event)}\n\n" for event in events).encode()
    output = fold_stream(body).response["output"]
    assert [part["text"] for item in output for part in item["content"]] == ["a" * known] * bool(known)


@pytest.mark.parametrize("index", [[1], {}, "0", 1.5, None, True])
def test_a_delta_of_an_odd_item_is_no_trouble(index: Any) -> None:
    first = {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "a"}
    events = [first, *[{**first, "output_index": index}] * 3, first]
    body = "".join(f"data: {json.dumps(event)}\n\n" for event in events).encode()
    assert fold_stream(body).response["output"][0]["content"][0]["text"] == "aa"


@pytest.mark.parametrize("size", [1, 3_000])
def test_of_chunks_that_repeat_each_other_few_are_decoded(size: int) -> None:
    """Else a stream takes the worker, and with it the program's other threads, several times as long."""
    head = '{"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": "'
    words = [f"{number} " + "é" * size + "\\n" * (number % 5 == 4) for number in range(100)]
    chunks = [
        f'data: {head}{word}"}}}}], "obfuscation": "{"x" * (number % 7)}"}}\n\n'
        for number, word in enumerate(words)
    ]
    body = "".join(["".join(chunks[:50]), ": keep-alive\n\n", *chunks[50:]]).encode()
    decoded = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(stream, "parsed", lambda text: decoded.append(text) or parsed(text))
        response = fold_stream(body).response
    assert response["choices"][0]["message"]["content"] == "".join(words).replace("\\n", "\n")
    assert len(decoded) < 8
