"""Streamed bodies written by hand, and the objects they stand for."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import time
from typing import Any

import pytest

from promptlayer_patch._folding import Event, Folded, fold_stream, parse_events


def sse(*events: Any) -> bytes:
    """A body of these events: data, or (name, data). Data that is no text becomes JSON."""
    lines = []
    for event in events:
        name, data = event if isinstance(event, tuple) else (None, event)
        if name:
            lines.append(f"event: {name}")
        lines.append(f"data: {data if isinstance(data, str) else json.dumps(data)}\n")
    return ("\n".join(lines) + "\n").encode()


def chat(*choices: dict[str, Any], **top: Any) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 7,
        "model": "gpt-x",
        "choices": list(choices),
        **top,
    }


def delta(index: int = 0, /, **fields: Any) -> dict[str, Any]:
    return {"index": index, "delta": fields, "finish_reason": None}


def message_of(*deltas: dict[str, Any]) -> dict[str, Any]:
    folded = fold_stream(sse(*(chat(delta(**fields)) for fields in deltas), "[DONE]"))
    (choice,) = folded.response["choices"]
    message = choice["message"]
    assert isinstance(message, dict)
    return message


class TestEvents:
    def test_each_line_end_is_understood(self) -> None:
        for end in (b"\n", b"\r\n", b"\r"):
            body = end.join((b": hello", b"event: a", b"data: 1", b"id: 7", b"", b"data:2", b"", b""))
            assert list(parse_events(body)) == [
                Event("a", "1", body.index(b"data:2")),
                Event(None, "2", len(body)),
            ]

    def test_data_lines_of_one_event_are_joined(self) -> None:
        assert [event.data for event in parse_events(b'data: {\ndata:  "a": 1\ndata\ndata: }\n\n')] == [
            '{\n "a": 1\n\n}'
        ]

    def test_a_name_without_data_is_no_event_and_names_no_other(self) -> None:
        assert list(parse_events(b"event: a\n\ndata: 1\n\n")) == [Event(None, "1", 19)]

    def test_byte_order_mark_counts_in_the_offsets(self) -> None:
        assert list(parse_events(b"\xef\xbb\xbfdata: 1\n\n")) == [Event(None, "1", 12)]

    @pytest.mark.parametrize("tail", [b'data: {"a": 1}', b'data: {"a": 1}\n', b"data: [DONE]"])
    def test_an_unterminated_event_counts_if_it_is_whole(self, tail: bytes) -> None:
        *_, last = parse_events(b"data: 1\n\n" + tail)
        assert last.data == tail.decode().strip().removeprefix("data: ")
        assert last.end == 9 + len(tail)

    @pytest.mark.parametrize("tail", [b'data: {"a": ', b"data: [DON", b"data", b"event: a", b"data: \xff"])
    def test_an_unterminated_event_that_is_not_whole_does_not_count(self, tail: bytes) -> None:
        assert len(list(parse_events(b"data: 1\n\n" + tail))) == 1

    def test_invalid_utf8_is_replaced(self) -> None:
        folded = fold_stream(b'data: {"choices": [{"delta": {"content": "a\xffb"}}]}\n\n')
        assert folded.response["choices"][0]["message"]["content"] == "a�b"


class TestWholeStream:
    @pytest.mark.parametrize("body", [b"", b"\n\n", b": ping\n\n", b'data: {"id": "chatc', b"event: x\n\n"])
    def test_without_data_there_is_no_response(self, body: bytes) -> None:
        assert fold_stream(body) == Folded(None, False, None, None)

    def test_done_alone_is_complete(self) -> None:
        assert fold_stream(b"data: [DONE]\n\n") == Folded(None, True, None, None)

    def test_nothing_is_read_after_done(self) -> None:
        body = sse(chat(delta(content="a")), "[DONE]", chat(delta(content="b")))
        assert fold_stream(body).response["choices"][0]["message"]["content"] == "a"

    def test_unknown_events_are_all_kept(self) -> None:
        folded = fold_stream(sse({"type": "agent.session.created"}, [1], "not json", "null"))
        assert folded.response == {"events": [{"type": "agent.session.created"}, [1], "not json", None]}
        assert not folded.complete

    @pytest.mark.parametrize(
        ("choice", "kind"),
        [({"delta": {"content": "a"}}, "chat.completion"), ({"text": "a"}, "text_completion")],
    )
    def test_streams_that_do_not_name_their_kind_are_known_by_shape(
        self, choice: dict[str, Any], kind: str
    ) -> None:
        response = fold_stream(sse({"choices": [choice]})).response
        assert response["object"] == kind
        assert response["choices"][0]["index"] == 0

    def test_first_output_is_the_first_event_that_brings_text(self) -> None:
        events = [
            chat(delta(role="assistant", content="")),
            chat(delta(content="Hi")),
            chat(delta(content="!")),
        ]
        assert fold_stream(sse(*events)).first_output_at == len(sse(*events[:2]))
        assert fold_stream(sse(events[0], "[DONE]")).first_output_at is None

    @pytest.mark.parametrize(
        "fields",
        [
            {"reasoning_content": "hm"},
            {"refusal": "no"},
            {"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": ""}}]},
            {"audio": {"id": "a", "data": "AAAA"}},
        ],
    )
    def test_output_is_more_than_content(self, fields: dict[str, Any]) -> None:
        assert fold_stream(sse(chat(delta(**fields)))).first_output_at is not None

    def test_data_nested_too_deeply_costs_only_itself(self) -> None:
        deep: Any = "x"
        for _ in range(700):
            deep = {"a": deep}
        body = sse(chat(delta(content="a", x=deep)), chat(delta(content="b", x=deep)), "[" * 100_000)
        assert fold_stream(body).response["choices"][0]["message"]["content"][0] == "a"

    def test_folding_is_linear(self) -> None:
        """Ten thousand chunks take little more than their JSON does; appending to text would be quadratic."""
        body = sse(*[chat(delta(content=" word" * 20))] * 10_000, "[DONE]")

        def seconds(work: Any) -> float:
            started = time.thread_time()
            work()
            return time.thread_time() - started

        decoding = min(
            seconds(lambda: [json.loads(e.data) for e in list(parse_events(body))[:-1]]) for _ in "123"
        )
        assert min(seconds(lambda: fold_stream(body)) for _ in "123") < 5 * decoding

    def test_openai_is_not_imported(self) -> None:
        code = "import sys, promptlayer_patch._folding; sys.exit('openai' in sys.modules)"
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


class TestErrors:
    @pytest.mark.parametrize(
        ("event", "error"),
        [
            ({"error": {"message": "m", "type": "server_error"}}, {"message": "m", "type": "server_error"}),
            ({"error": "overloaded"}, {"message": "overloaded"}),
            (
                ("error", {"code": "c", "message": "m", "type": "t"}),
                {"code": "c", "message": "m", "type": "t"},
            ),
            (("error", {"error": {"message": "m"}}), {"message": "m"}),
            (("error", "upstream died"), {"message": "upstream died"}),
            (
                {"type": "error", "code": "c", "message": "m", "param": None, "sequence_number": 3},
                {"code": "c", "message": "m", "param": None},
            ),
            ({"type": "response.failed", "response": {"error": {"code": "c"}}}, {"code": "c"}),
            ({"type": "response.failed", "response": {"error": None}}, {"message": "response.failed"}),
            (("thread.run.failed", {"last_error": {"code": "c"}}), {"code": "c"}),
        ],
    )
    def test_an_error_inside_the_stream_is_reported(self, event: Any, error: dict[str, Any]) -> None:
        assert fold_stream(sse(event)).error == error

    def test_output_before_and_with_the_error_is_kept(self) -> None:
        """OpenRouter sends the error in a last chunk that has choices too."""
        folded = fold_stream(
            sse(
                chat(delta(content="a")),
                chat({"delta": {"content": "b"}, "finish_reason": "error"}, error={"code": 5}),
            )
        )
        assert folded.error == {"code": 5}
        assert folded.response["choices"][0]["message"]["content"] == "ab"
        assert "error" not in folded.response
        assert not folded.complete

    def test_the_first_error_stands(self) -> None:
        assert fold_stream(sse({"error": "a"}, {"error": "b"})).error == {"message": "a"}

    def test_null_errors_are_none(self) -> None:
        assert fold_stream(sse(chat(delta(content="a"), error=None))).error is None


class TestChat:
    def test_interleaved_choices_and_late_usage(self) -> None:
        folded = fold_stream(
            sse(
                chat(delta(1, role="assistant", content=""), usage=None, obfuscation="x"),
                chat(delta(0, role="assistant", content=""), usage=None),
                chat(delta(1, content="one"), usage=None, system_fingerprint="fp"),
                chat(delta(0, content="zero"), delta(1, content="!"), usage={"total_tokens": 1}),
                chat({"index": 0, "delta": {}, "finish_reason": "stop"}, usage=None, service_tier="default"),
                chat(usage={"total_tokens": 9}),
                "[DONE]",
            )
        )
        assert folded.complete
        assert folded.response == {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 7,
            "model": "gpt-x",
            "system_fingerprint": "fp",
            "service_tier": "default",
            "usage": {"total_tokens": 9},
            "choices": [
                {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "zero"}},
                {"index": 1, "finish_reason": None, "message": {"role": "assistant", "content": "one!"}},
            ],
        }

    def test_azure_filter_results_and_empty_first_chunk(self) -> None:
        safe, risky = {"filtered": False}, {"filtered": True}
        prompt_results = [{"prompt_index": 0, "content_filter_results": {"hate": safe}}]
        azure = {"id": "", "object": "", "created": 0, "model": "", "choices": []}
        azure["prompt_filter_results"] = prompt_results
        chunks = [
            azure,
            chat({**delta(content="a"), "content_filter_results": {}}),
            chat({**delta(content="b"), "content_filter_results": {"hate": safe, "sexual": safe}}),
            chat({"index": 0, "finish_reason": "stop", "content_filter_results": {"hate": risky}}),
        ]
        response = fold_stream(sse(*chunks)).response
        assert (response["id"], response["created"], response["model"]) == ("chatcmpl-1", 7, "gpt-x")
        assert response["prompt_filter_results"] == prompt_results
        assert response["choices"][0]["content_filter_results"] == {"hate": risky, "sexual": safe}
        cut = fold_stream(sse(azure)).response
        assert (cut["object"], cut["prompt_filter_results"]) == ("chat.completion", prompt_results)

    def test_parallel_tool_calls(self) -> None:
        message = message_of(
            {"role": "assistant", "content": ""},
            {
                "tool_calls": [
                    {"index": 1, "id": "b", "type": "function", "function": {"name": "g", "arguments": ""}}
                ]
            },
            {
                "tool_calls": [
                    {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}
                ]
            },
            {"tool_calls": [{"index": 1, "function": {"arguments": "{}"}}]},
            {
                "tool_calls": [
                    {"index": 0, "function": {"arguments": "[1"}},
                    {"index": 0, "function": {"arguments": "]"}},
                ]
            },
        )
        assert message == {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "a", "type": "function", "function": {"name": "f", "arguments": "[1]"}},
                {"id": "b", "type": "function", "function": {"name": "g", "arguments": "{}"}},
            ],
        }

    @pytest.mark.parametrize("index", [{}, {"index": 0}, {"index": None}])
    def test_whole_calls_without_an_index_of_their_own_stay_apart(self, index: dict[str, Any]) -> None:
        calls = [{"id": i, "type": "function", "function": {"name": "f", "arguments": i}} for i in "ab"]
        assert message_of(*({"tool_calls": [{**index, **call}]} for call in calls))["tool_calls"] == calls

    def test_calls_without_index_are_continued_by_id_or_by_order(self) -> None:
        message = message_of(
            {"tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "1"}}]},
            {"tool_calls": [{"id": "b", "function": {"name": "g", "arguments": "2"}}]},
            {"tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "3"}}]},
            {"tool_calls": [{"function": {"arguments": "4"}}]},
        )
        assert [call["function"] for call in message["tool_calls"]] == [
            {"name": "f", "arguments": "13"},
            {"name": "g", "arguments": "24"},
        ]

    def test_calls_as_gemini_sends_them(self) -> None:
        """Through its compatible endpoint: no index, and a signature in a part of its own."""
        call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
        signature = {"extra_content": {"google": {"thought_signature": "s"}}}
        message = message_of({"tool_calls": [call]}, {"tool_calls": [signature]})
        assert message["tool_calls"] == [{**call, **signature}]

    def test_ids_names_and_roles_that_are_repeated_do_not_grow(self) -> None:
        part = {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": "x"}}
        message = message_of(*[{"role": "assistant", "tool_calls": [part]}] * 3)
        assert message["role"] == "assistant"
        assert message["tool_calls"] == [
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": "xxx"}}
        ]

    def test_custom_tools_and_legacy_function_calls(self) -> None:
        message = message_of(
            {
                "tool_calls": [
                    {"index": 0, "id": "a", "type": "custom", "custom": {"name": "sh", "input": ""}}
                ]
            },
            {"tool_calls": [{"index": 0, "custom": {"input": "ls"}}], "function_call": {"name": "f"}},
            {"tool_calls": [{"index": 0, "custom": {"input": " -l"}}], "function_call": {"arguments": "{"}},
            {"function_call": {"arguments": "}"}},
        )
        assert message["tool_calls"] == [
            {"id": "a", "type": "custom", "custom": {"name": "sh", "input": "ls -l"}}
        ]
        assert message["function_call"] == {"name": "f", "arguments": "{}"}

    def test_refusal_audio_annotations_and_reasoning(self) -> None:
        message = message_of(
            {
                "role": "assistant",
                "content": "",
                "refusal": None,
                "reasoning_content": "I ",
                "reasoning": "a",
            },
            {"audio": {"id": "audio_1", "transcript": "Hel", "data": "AA"}, "reasoning_content": "think"},
            {"audio": {"id": "audio_1", "transcript": "lo", "data": "BB"}, "refusal": "I can"},
            {"audio": {"expires_at": 5}, "annotations": [{"type": "url_citation"}], "reasoning": "b"},
            {"audio": {"expires_at": 5}, "annotations": [{"type": "file"}], "refusal": "not"},
        )
        assert message == {
            "role": "assistant",
            "content": None,
            "refusal": "I cannot",
            "reasoning_content": "I think",
            "reasoning": "ab",
            "audio": {"id": "audio_1", "transcript": "Hello", "data": "AABB", "expires_at": 5},
            "annotations": [{"type": "url_citation"}, {"type": "file"}],
        }

    def test_reasoning_details_grow_by_index_and_type(self) -> None:
        """The readable and the encrypted part of one thought can have the same index."""
        text = {"type": "reasoning.text", "format": "v1", "index": 0}
        sealed = {"type": "reasoning.encrypted", "format": "v1", "index": 0, "data": "=="}
        message = message_of(
            {"reasoning_details": [{**text, "text": "a"}]},
            {"reasoning_details": [{**text, "text": "b", "signature": "s"}]},
            {"reasoning_details": [sealed]},
        )
        assert message["reasoning_details"] == [{**text, "text": "ab", "signature": "s"}, sealed]

    @pytest.mark.parametrize("answer", [["4", "", "2"], [[{"type": "text", "text": text}] for text in "42"]])
    def test_content_in_parts_becomes_one_part_of_each_kind(self, answer: list[Any]) -> None:
        """Mistral streams its thoughts as lists of parts, and then the answer as text or as parts."""

        def thought(text: str) -> list[dict[str, Any]]:
            return [{"type": "thinking", "thinking": [{"type": "text", "text": text}]}]

        contents = ["", thought("Hm"), thought("mm."), *answer]
        message = message_of(*({"content": content} for content in contents))
        assert message["content"] == [*thought("Hmmm."), {"type": "text", "text": "42"}]

    def test_parts_after_text_keep_it(self) -> None:
        image = {"type": "image_url", "image_url": {"url": "u"}}
        message = message_of({"content": "a"}, {"content": "b"}, {"content": [image]}, {"content": [image]})
        assert message["content"] == [{"type": "text", "text": "ab"}, image, image]

    def test_a_message_in_one_piece_is_taken_as_it_is(self) -> None:
        whole = {"role": "assistant", "content": "all", "tool_calls": []}
        body = sse({"object": "chat.completion", "choices": [{"index": 0, "message": whole}]})
        assert fold_stream(body).response["choices"][0]["message"] == whole
        both = sse(chat({"delta": {"content": "a"}, "message": whole}), chat({"delta": {"content": "b"}}))
        assert fold_stream(both).response["choices"][0]["message"]["content"] == "ab"

    def test_logprobs_are_one_list(self) -> None:
        def part(**logprobs: Any) -> dict[str, Any]:
            return chat({**delta(content="x"), "logprobs": logprobs or None})

        response = fold_stream(
            sse(
                part(content=[1], refusal=None), part(), part(content=[2, 3]), part(content=None, refusal=[4])
            )
        ).response
        assert response["choices"][0]["logprobs"] == {"content": [1, 2, 3], "refusal": [4]}

    def test_halves_of_a_character_are_put_together(self) -> None:
        assert message_of({"content": "a\ud83d"}, {"content": "\ude00"})["content"] == "a😀"
        assert message_of({"content": "é"}, {"content": "\ud83d"})["content"] == "é�"

    def test_lists_of_unknown_fields_are_appended(self) -> None:
        assert message_of({"hints": ["a", "b"]}, {"hints": ["c"]}, {"hints": [1]})["hints"] == [
            "a",
            "b",
            "c",
            1,
        ]

    def test_unknown_fields_are_preserved(self) -> None:
        first, last = chat(delta(content="a"), citations=["x"], took={"ms": 1}), chat(citations=["x", "y"])
        response = fold_stream(sse(first, last, {**last, "citations": None})).response
        assert (response["citations"], response["took"]) == (["x", "y"], {"ms": 1})


def test_legacy_completions() -> None:
    def chunk(index: int, text: str, *tokens: str, finish: str | None = None) -> dict[str, Any]:
        logprobs = {"tokens": list(tokens), "token_logprobs": [-1.0 for _ in tokens], "text_offset": [0]}
        choice = {
            "index": index,
            "text": text,
            "logprobs": logprobs if tokens else None,
            "finish_reason": finish,
        }
        return {"id": "cmpl-1", "object": "text_completion", "created": 7, "model": "m", "choices": [choice]}

    usage = {"total_tokens": 4}
    chunks = [
        chunk(0, "a", "a"),
        chunk(1, "x"),
        chunk(0, "b", "b", finish="length"),
        chunk(1, "", finish="stop"),
    ]
    folded = fold_stream(sse(*chunks, {**chunk(0, ""), "choices": [], "usage": usage}, "[DONE]"))
    assert folded.first_output_at == len(sse(chunks[0]))
    assert folded.response == {
        "id": "cmpl-1",
        "object": "text_completion",
        "created": 7,
        "model": "m",
        "usage": usage,
        "choices": [
            {
                "index": 0,
                "text": "ab",
                "logprobs": {"tokens": ["a", "b"], "token_logprobs": [-1.0, -1.0], "text_offset": [0, 0]},
                "finish_reason": "length",
            },
            {"index": 1, "text": "x", "logprobs": None, "finish_reason": "stop"},
        ],
    }


def item_event(kind: str, index: int = 0, **fields: Any) -> dict[str, Any]:
    return {"type": f"response.{kind}", "output_index": index, **fields}


def output_of(*events: dict[str, Any]) -> Any:
    created = {
        "type": "response.created",
        "response": {"id": "resp_1", "status": "in_progress", "output": []},
    }
    folded = fold_stream(sse(created, *events))
    assert not folded.complete
    assert folded.response["id"] == "resp_1"
    return folded.response["output"]


class TestResponses:
    @pytest.mark.parametrize("status", ["completed", "incomplete", "failed"])
    def test_the_last_event_has_the_response(self, status: str) -> None:
        response = {"id": "resp_1", "status": status, "output": [{"type": "message"}], "error": None}
        folded = fold_stream(
            sse(
                {"type": "response.created", "response": {"id": "resp_1", "output": []}},
                item_event("output_text.delta", content_index=0, delta="a"),
                {"type": f"response.{status}", "response": response},
            )
        )
        assert (folded.response, folded.complete) == (response, True)

    def test_output_missing_in_the_last_event_is_taken_from_the_stream(self) -> None:
        item = {"type": "message", "content": []}
        end = {"type": "response.completed", "response": {"id": "resp_1", "output": None}}
        folded = fold_stream(sse(item_event("output_item.done", item=item), end))
        assert (folded.response, folded.complete) == ({"id": "resp_1", "output": [item]}, True)

    def test_text_refusal_annotations_and_logprobs_are_rebuilt(self) -> None:
        part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
        citation = {"type": "file_citation", "index": 3, "file_id": "f"}
        assert output_of(
            item_event("output_item.added", item={"type": "message", "role": "assistant", "content": []}),
            item_event("content_part.added", content_index=0, part=part),
            item_event("output_text.delta", content_index=0, delta="Hel", logprobs=[{"token": "Hel"}]),
            item_event("output_text.delta", content_index=0, delta="lo", logprobs=[{"token": "lo"}]),
            item_event("output_text.annotation.added", content_index=0, annotation=citation),
            item_event("output_text.annotation.added", content_index=0, annotation=citation),
            item_event("refusal.delta", content_index=1, delta="I ca"),
            item_event("refusal.done", content_index=1, refusal="I can't"),
        ) == [
            {
                "type": "message",
                "role": "assistant",
                "content": [
                    {
                        "type": "output_text",
                        "text": "Hello",
                        "annotations": [citation, citation],
                        "logprobs": [{"token": "Hel"}, {"token": "lo"}],
                    },
                    {"type": "refusal", "refusal": "I can't"},
                ],
            }
        ]

    @pytest.mark.parametrize(
        ("kind", "stem", "field"),
        [
            ("function_call", "function_call_arguments", "arguments"),
            ("mcp_call", "mcp_call_arguments", "arguments"),
            ("custom_tool_call", "custom_tool_call_input", "input"),
            ("code_interpreter_call", "code_interpreter_call_code", "code"),
            ("brand_new_call", "brand_new_call_shiny_thing", "shiny_thing"),
        ],
    )
    def test_what_calls_are_given_is_rebuilt(self, kind: str, stem: str, field: str) -> None:
        added = item_event("output_item.added", 1, item={"type": kind, "id": "i", field: ""})
        deltas = [item_event(f"{stem}.delta", 1, delta=delta) for delta in "{}"]
        assert output_of(added, *deltas) == [{"type": kind, "id": "i", field: "{}"}]
        assert output_of(added, deltas[0], item_event(f"{stem}.done", 1, **{field: "{1}"})) == [
            {"type": kind, "id": "i", field: "{1}"}
        ]

    def test_reasoning_is_rebuilt(self) -> None:
        assert output_of(
            item_event("output_item.added", item={"type": "reasoning", "summary": []}),
            item_event(
                "reasoning_summary_part.added", summary_index=0, part={"type": "summary_text", "text": ""}
            ),
            item_event("reasoning_summary_text.delta", summary_index=0, delta="a"),
            item_event("reasoning_summary_text.delta", summary_index=0, delta="b"),
            item_event("reasoning_summary_text.delta", summary_index=1, delta="c"),
            item_event("reasoning_text.delta", content_index=0, delta="hm"),
        ) == [
            {
                "type": "reasoning",
                "summary": [{"type": "summary_text", "text": "ab"}, {"type": "summary_text", "text": "c"}],
                "content": [{"type": "reasoning_text", "text": "hm"}],
            }
        ]

    def test_shell_calls_are_rebuilt(self) -> None:
        assert output_of(
            item_event("output_item.added", item={"type": "shell_call", "action": {"timeout_ms": 1}}),
            item_event("shell_call_command.added", command_index=0, command=""),
            item_event("shell_call_command.delta", command_index=0, delta="l"),
            item_event("shell_call_command.delta", command_index=0, delta="s"),
            item_event("shell_call_command.done", command_index=1, command="pwd"),
            item_event("output_item.added", 1, item={"type": "shell_call_output", "output": []}),
            item_event("shell_call_output_content.delta", 1, command_index=0, delta={"stdout": "a"}),
            item_event(
                "shell_call_output_content.delta", 1, command_index=0, delta={"stdout": "b", "stderr": "!"}
            ),
        ) == [
            {"type": "shell_call", "action": {"timeout_ms": 1, "commands": ["ls", "pwd"]}},
            {"type": "shell_call_output", "output": [{"stdout": "ab", "stderr": "!"}]},
        ]

    def test_status_and_whole_items_are_followed(self) -> None:
        search = item_event("output_item.added", item={"type": "web_search_call", "status": "in_progress"})
        searching = item_event("web_search_call.searching")
        done = item_event("output_item.done", item={"type": "web_search_call", "status": "completed", "q": 1})
        assert output_of(search, searching) == [{"type": "web_search_call", "status": "searching"}]
        assert output_of(search, searching, done) == [
            {"type": "web_search_call", "status": "completed", "q": 1}
        ]

    def test_partial_images_count_as_output_and_are_not_kept(self) -> None:
        item = {"type": "image_generation_call", "status": "generating"}
        events = [
            item_event("output_item.added", item=item),
            item_event(
                "image_generation_call.partial_image", partial_image_b64="AAAA", partial_image_index=0
            ),
        ]
        assert output_of(*events) == [item]
        assert fold_stream(sse(*events)).first_output_at == len(sse(*events))

    def test_deltas_that_belong_to_no_item_are_kept_beside_the_output(self) -> None:
        events = [{"type": "response.audio.transcript.delta", "delta": delta} for delta in ("Hel", "lo")]
        assert fold_stream(sse(*events)).response == {
            "object": "response",
            "output": [],
            "audio.transcript": "Hello",
        }


RUN: dict[str, Any] = {"id": "run_1", "object": "thread.run"}
MESSAGE: dict[str, Any] = {"id": "msg_1", "object": "thread.message", "content": []}
STEP: dict[str, Any] = {"id": "step_1", "object": "thread.run.step", "step_details": {"type": "tool_calls"}}


class TestRuns:
    def events(self) -> list[Any]:
        def text(value: str) -> dict[str, Any]:
            content = [{"index": 0, "type": "text", "text": {"value": value, "annotations": []}}]
            return {"id": "msg_1", "object": "thread.message.delta", "delta": {"content": content}}

        def call(code: str, **more: Any) -> dict[str, Any]:
            calls = [{"index": 0, "type": "code_interpreter", **more, "code_interpreter": {"input": code}}]
            details = {"step_details": {"type": "tool_calls", "tool_calls": calls}}
            return {"id": "step_1", "object": "thread.run.step.delta", "delta": details}

        return [
            ("thread.run.created", {**RUN, "status": "queued"}),
            ("thread.run.step.created", STEP),
            ("thread.run.step.delta", call("", id="call_1")),
            ("thread.run.step.delta", call("1+")),
            ("thread.run.step.delta", call("1")),
            ("thread.message.created", MESSAGE),
            ("thread.message.delta", text("Hel")),
            ("thread.message.delta", text("lo")),
        ]

    def test_a_run_that_was_cut(self) -> None:
        folded = fold_stream(sse(*self.events()))
        call = {"type": "code_interpreter", "id": "call_1", "code_interpreter": {"input": "1+1"}}
        assert not folded.complete
        assert folded.first_output_at == len(sse(*self.events()[:4]))
        assert folded.response == {
            **RUN,
            "status": "queued",
            "messages": [
                {**MESSAGE, "content": [{"type": "text", "text": {"value": "Hello", "annotations": []}}]}
            ],
            "steps": [{**STEP, "step_details": {"type": "tool_calls", "tool_calls": [call]}}],
        }

    def test_deltas_continue_what_the_message_had(self) -> None:
        begun = {**MESSAGE, "content": [{"type": "text", "text": {"value": "Hé"}}, {"type": "image_file"}]}
        more = {"id": "msg_1", "delta": {"content": [{"index": 0, "type": "text", "text": {"value": "llo"}}]}}
        folded = fold_stream(sse(("thread.message.created", begun), ("thread.message.delta", more)))
        assert folded.response["messages"][0]["content"] == [
            {"type": "text", "text": {"value": "Héllo"}},
            {"type": "image_file"},
        ]

    @pytest.mark.parametrize("status", ["completed", "requires_action", "failed"])
    def test_the_last_objects_stand(self, status: str) -> None:
        message = {**MESSAGE, "status": "completed"}
        end = [
            ("thread.message.completed", message),
            (f"thread.run.{status}", {**RUN, "status": status}),
        ]
        folded = fold_stream(sse(*self.events(), *end))
        assert folded.complete
        assert (folded.response["status"], folded.response["messages"]) == (status, [message])

    def test_a_finished_step_does_not_finish_the_run(self) -> None:
        assert not fold_stream(sse(*self.events(), ("thread.run.step.completed", STEP))).complete


class TestMedia:
    def test_transcriptions(self) -> None:
        deltas = [
            {"type": "transcript.text.delta", "delta": "Hel", "logprobs": [1]},
            {"type": "transcript.text.delta", "delta": "lo", "logprobs": [2]},
        ]
        usage = {"type": "tokens", "total_tokens": 3}
        cut = fold_stream(sse(*deltas))
        assert (cut.response, cut.complete) == ({"text": "Hello", "logprobs": [1, 2]}, False)
        assert cut.first_output_at == len(sse(deltas[0]))
        whole = fold_stream(sse(*deltas, {"type": "transcript.text.done", "text": "Hello.", "usage": usage}))
        assert whole.response == {"text": "Hello.", "logprobs": [1, 2], "usage": usage}
        assert whole.complete

    def test_diarized_segments(self) -> None:
        segment = {"type": "transcript.text.segment", "id": "s", "speaker": "A", "text": "Hi"}
        done = {"type": "transcript.text.done", "text": "Hi"}
        assert fold_stream(sse(segment, done)).response == {"text": "Hi", "segments": [segment]}

    @pytest.mark.parametrize("kind", ["image_generation", "image_edit"])
    def test_images(self, kind: str) -> None:
        about = {"created_at": 7, "size": "1x1"}
        partial = {"type": f"{kind}.partial_image", "b64_json": "AA", "partial_image_index": 0, **about}
        final = {"type": f"{kind}.completed", "b64_json": "BB", "usage": {"total_tokens": 3}, **about}
        cut = fold_stream(sse(partial))
        assert (cut.response, cut.complete) == ({"created": 7, "size": "1x1", "data": []}, False)
        whole = fold_stream(sse(partial, final, final))
        assert whole.complete
        assert whole.first_output_at == len(sse(partial))
        assert whole.response == {
            "created": 7,
            "size": "1x1",
            "usage": {"total_tokens": 3},
            "data": [{"b64_json": "BB"}, {"b64_json": "BB"}],
        }

    @pytest.mark.parametrize("size", range(7))
    def test_speech_is_only_counted(self, size: int) -> None:
        audio = base64.b64encode(b"x" * size).decode()
        part = {"type": "speech.audio.delta", "audio": audio}
        folded = fold_stream(sse(part, part, {"type": "speech.audio.done", "usage": {"total_tokens": 1}}))
        assert folded == Folded(
            {"bytes": 2 * size, "usage": {"total_tokens": 1}}, True, None, len(sse(part)) if size else None
        )
