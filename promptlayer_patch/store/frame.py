"""Bodies compressed with what nearly all of them have in common: the frame around the messages.

It is zlib's preset dictionary, which makes a body a quarter smaller, and far more where the messages are
stored apart. It is part of the file format: not a byte of it may change.
"""

from __future__ import annotations

import zlib

__all__ = ["FRAME", "deflated", "inflated", "is_long", "is_plain", "packed"]

FRAME = (
    b'"},"finish_reason":"tool_calls"}],"tool_calls":[{"id":"call_","type":"function","function":{"name":"'
    b'","arguments":"{\\"","tool_call_id":"call_","role":"tool","role":"developer","instructions":"'
    b'{"id":"resp_","object":"response","status":"completed","error":null,"incomplete_details":null,"output":['
    b'{"id":"msg_","type":"message","status":"completed","role":"assistant","content":[{"type":"output_text",'
    b'"text":"","annotations":[],"logprobs":[]}]}],"parallel_tool_calls":true,"previous_response_id":null,'
    b'"reasoning":{"effort":null,"summary":null},"store":true,"temperature":1.0,"text":{"format":{"type":"text"'
    b'}},"tool_choice":"auto","tools":[],"top_p":1.0,"truncation":"disabled","usage":{"input_tokens":'
    b',"input_tokens_details":{"cached_tokens":0},"output_tokens":,"output_tokens_details":{"reasoning_tokens":'
    b'0},"total_tokens":},"user":null,"metadata":{}},"function_name":"openai.responses.create",'
    b'"endpoint":"https://api.openai.com/v1/responses","client":"AsyncOpenAI",'
    b'{"id":"0","function_name":"openai.chat.completions.create","client":"OpenAI","provider":"openai",'
    b'"endpoint":"https://api.openai.com/v1/chat/completions","request":{"messages":[{"role":"system","content":'
    b'},{"role":"user","content":},{"role":"assistant","content":}],"model":"gpt-4o-mini","temperature":0.2,'
    b'"max_tokens":1000,"stream":true,"stream_options":{"include_usage":true}},"response":{"id":"chatcmpl-'
    b'","object":"chat.completion","created":17,"model":"gpt-4o-mini-2024-07-18","choices":[{"index":0,"message"'
    b':{"role":"assistant","content":,"refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":,"completion_tokens":,"total_tokens":,"prompt_tokens_details":{"cached_tokens":0,'
    b'"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,'
    b'"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}},"service_tier":"default",'
    b'"system_fingerprint":"fp_"},"streamed":false,"started_at":17,"ended_at":17,"first_token_at":null,'
    b'"ending":"complete","error":null,"status":200,"attempts":1,"provider_request_id":"req_","tags":[],'
    b'"metadata":{},"group_id":null,"prompt":null,"sdk":"openai-python","sdk_version":"2.","shortened_from":null}'
)


_LONG_BYTES = 16_384
_SHORT_BYTES = 8192 - len(FRAME)
"""What fits with the frame into a window of 8 KiB."""


def deflated(data: bytes) -> bytes:
    # Level 1 takes half the time of 6, and 4 % more room. To make the tables for a window of 32 KiB takes
    # longer than to compress what is short; smaller tables than these have more to be searched.
    bits, memory = (13, 8) if len(data) <= _SHORT_BYTES else (zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL)
    compressor = zlib.compressobj(1, wbits=bits, memLevel=memory, zdict=FRAME)
    return compressor.compress(data) + compressor.flush()


def packed(data: bytes, *, now: bool) -> bytes:
    """A body, JSON of an object, as it is first stored: compressed `now`, or as it is, for the indexer.

    What is long is left to the indexer in any case.
    """
    return deflated(data) if not is_plain(data) or (now and not is_long(data)) else data


def is_long(data: bytes) -> bool:
    """Whether to compress it takes longer than all else that is done to store it."""
    return len(data) > _LONG_BYTES


def is_plain(body: bytes) -> bool:
    """Whether a body is not compressed (yet). No zlib data begins with this byte."""
    return body.startswith(b"{")


def inflated(data: bytes) -> bytes:
    """What `data` was made of, with the frame or, by an older version, without it."""
    if is_plain(data):
        return data
    decompressor = zlib.decompressobj(zdict=FRAME)
    text = decompressor.decompress(data) + decompressor.flush()
    if not decompressor.eof:
        raise ValueError("the body of the request ends too early")
    return text
