"""What was logged is read back over PromptLayer's protocol: by id, by search, and as suggestions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from promptlayer_patch.annotations import PromptLink, Score
from promptlayer_patch.records import Ending, Failure, Record, new_record_id
from promptlayer_patch.store import Entry, Store
from tests.support.serving import Client, client_of_another_workspace, serving

MARCH_2025 = 1_742_034_600.0
SEARCH = "/api/public/v2/requests/search"
SUGGESTIONS = "/api/public/v2/requests/suggestions"


def an_entry(text: str = "Hello", answer: str = "Good day", **fields: Any) -> Entry:
    entry = {
        name: fields.pop(name) for name in ("status", "error_type", "trace_id", "price") if name in fields
    }
    score = fields.pop("score", None)
    model = fields.pop("model", "lantern-4")
    tokens = fields.pop("tokens", (150, 300))
    started = fields.pop("started_at", MARCH_2025)
    record = Record(
        id=new_record_id(),
        function_name="openai.chat.completions.create",
        request={"model": model, "messages": [{"role": "user", "content": text}]},
        response={
            "model": model,
            "object": "chat.completion",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": answer}}],
            "usage": {"prompt_tokens": tokens[0], "completion_tokens": tokens[1]},
        },
        started_at=started,
        ended_at=started + fields.pop("took", 1.25),
        **fields,
    )
    return Entry(record=record, score=score, **entry)


class Place:
    """A server, and the store behind it."""

    def __init__(self, client: Client, other: Client, store: Store) -> None:
        self.client = client
        self.stranger = other
        self.store = store

    def has(self, *entries: Entry) -> list[int]:
        """Store the entries so that they can be found."""
        ids = self.store.add(entries)
        self.store.catch_up()
        return ids

    def search(self, **body: Any) -> dict[str, Any]:
        answer = self.client.post(SEARCH, body)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def found(self, *filters: dict[str, Any], **body: Any) -> list[int]:
        group = {"logic": "AND", "filters": list(filters)}
        return [item["id"] for item in self.search(filter_group=group, **body)["items"]]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with serving(tmp_path) as (server, client), closing(Store.open(server.db)) as store:
        other = client_of_another_workspace(server)
        yield Place(client, other, store)
        other.close()


# --- one request


def test_a_request_is_read_back_as_a_prompt_blueprint(place: Place) -> None:
    (request_id,) = place.has(an_entry("Hello", "Good day", price=0.00123, trace_id="ab" * 16))
    answer = place.client.get(f"/api/public/v2/requests/{request_id}")
    assert answer.status_code == 200
    body = answer.json()
    blueprint = body.pop("prompt_blueprint")
    assert body == {
        "success": True,
        "request_id": request_id,
        "provider": "openai",
        "model": "lantern-4",
        "input_tokens": 150,
        "output_tokens": 300,
        "tokens": 450,
        "price": 0.00123,
        "request_start_time": "2025-03-15T10:30:00Z",
        "request_end_time": "2025-03-15T10:30:01.250000Z",
        "latency_ms": 1250.0,
        "trace_id": "ab" * 16,
    }
    messages = blueprint["prompt_template"]["messages"]
    assert [(one["role"], one["content"][0]["text"]) for one in messages] == [
        ("user", "Hello"),
        ("assistant", "Good day"),
    ]
    assert blueprint["metadata"]["model"]["name"] == "lantern-4"


def test_what_is_not_known_of_a_request_is_null(place: Place) -> None:
    (request_id,) = place.has(an_entry(tokens=(None, None)))
    body = place.client.get(f"/api/public/v2/requests/{request_id}").json()
    assert [body[name] for name in ("input_tokens", "output_tokens", "tokens", "price", "trace_id")] == [
        None
    ] * 5


def test_a_clock_beyond_every_calendar_stops_no_reading(place: Place) -> None:
    ids = place.has(an_entry(started_at=1e15), an_entry(started_at=-1e12), an_entry(took=1e15))
    assert len(place.search()["items"]) == 3
    far = place.client.get(f"/api/public/v2/requests/{ids[0]}").json()
    assert far["request_start_time"] == "9999-12-31T23:59:59Z"


@pytest.mark.parametrize("request_id", ["1", "0", "999999999999999999"])
def test_an_unknown_id_is_not_found(place: Place, request_id: str) -> None:
    answer = place.client.get(f"/api/public/v2/requests/{request_id}")
    assert answer.status_code == 404
    assert answer.json()["success"] is False


@pytest.mark.parametrize("request_id", ["x", "-1", "1.5", "1e3", "9" * 30, "%31%00", "\u0661"])
def test_what_is_no_id_is_refused(place: Place, request_id: str) -> None:
    assert place.client.get(f"/api/public/v2/requests/{request_id}").status_code == 422


def test_the_key_of_another_workspace_finds_nothing(place: Place) -> None:
    (request_id,) = place.has(an_entry())
    assert place.stranger.get(f"/api/public/v2/requests/{request_id}").status_code == 404
    assert place.client.get(f"/api/public/v2/requests/{request_id}").status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", SEARCH), ("GET", f"{SUGGESTIONS}?field=tags"), ("GET", "/api/public/v2/requests/1")],
)
def test_nothing_is_read_without_a_key(place: Place, method: str, path: str) -> None:
    stranger = Client(place.client.url, None)
    assert stranger.send(method, path, **({"json": {}} if method == "POST" else {})).status_code == 401
    stranger.close()


# --- search


def test_a_search_answers_in_promptlayers_names(place: Place) -> None:
    entry = an_entry(
        price=0.005,
        tags=("production",),
        metadata={"user_id": "customer_123"},
        prompt=PromptLink("support-response", 3),
        score=Score(90, "accuracy"),
    )
    (request_id,) = place.has(entry)
    wanted = {"field": "metadata", "operator": "key_equals", "nested_key": "user_id", "value": "customer_123"}
    assert place.search(filter_group={"logic": "AND", "filters": [wanted]}) == {
        "success": True,
        "items": [
            {
                "id": request_id,
                "engine": "lantern-4",
                "provider_type": "openai",
                "input_tokens": 150,
                "output_tokens": 300,
                "price": 0.005,
                "request_start_time": "2025-03-15T10:30:00Z",
                "request_end_time": "2025-03-15T10:30:01.250000Z",
                "latency": 1.25,
                "tags_array": ["production"],
                "metadata": [{"user_id": "customer_123"}],
                "scores": [{"name": "accuracy", "score": 90}],
                "prompt_name": "support-response",
            }
        ],
        "page": 1,
        "pages": 1,
        "per_page": 25,
        "total": 1,
        "has_next": False,
        "has_prev": False,
        "next_num": None,
        "prev_num": None,
    }


def test_the_prompt_name_can_be_left_out(place: Place) -> None:
    place.has(an_entry(prompt=PromptLink("support-response", 3)))
    assert place.search(include_prompt_name=False)["items"][0]["prompt_name"] is None


def test_with_nothing_asked_all_requests_come_newest_first(place: Place) -> None:
    ids = place.has(*(an_entry(started_at=MARCH_2025 + number) for number in (2, 0, 1)))
    assert [item["id"] for item in place.search()["items"]] == sorted(ids, reverse=True)


def test_filters_are_groups_in_groups(place: Place) -> None:
    ids = place.has(
        an_entry(model="lantern-4", tags=("prod",), tokens=(10, 1)),
        an_entry(model="lantern-4", tags=("test",), tokens=(2000, 1)),
        an_entry(model="other", tags=("prod",), tokens=(2000, 1)),
    )
    either = {
        "logic": "OR",
        "filters": [
            {"field": "tags", "operator": "contains", "value": "prod"},
            {"field": "input_tokens", "operator": "gt", "value": 1000},
        ],
    }
    engine = {"field": "engine", "operator": "is", "value": "lantern-4"}
    assert place.found(either) == ids[::-1]
    assert place.found(engine, either) == [ids[1], ids[0]]
    assert place.found({"field": "engine", "operator": "is_not", "value": "lantern-4"}, either) == [ids[2]]
    flat = place.search(filters=[engine])["items"]
    assert [item["id"] for item in flat] == [ids[1], ids[0]]


def test_q_finds_beginnings_of_words_in_what_was_sent_or_came_back(place: Place) -> None:
    ids = place.has(
        an_entry("our refund policy", "no"), an_entry("hello", "a Refünd"), an_entry("退款政策", "好")
    )
    assert [item["id"] for item in place.search(q="refun")["items"]] == [ids[1], ids[0]]
    assert [item["id"] for item in place.search(q="政策")["items"]] == [ids[2]]
    assert place.search(q="policy refund")["items"] == []
    assert len(place.search(q=None)["items"]) == len(place.search(q="")["items"]) == 3


def test_errors_are_found_by_status(place: Place) -> None:
    failed = an_entry(
        ending=Ending.PROVIDER_ERROR,
        error=Failure("RateLimitError", "slow down", 429),
        status="ERROR",
        error_type="PROVIDER_RATE_LIMIT",
    )
    _, request_id = place.has(an_entry(), failed)
    assert place.found({"field": "status", "operator": "is", "value": "ERROR"}) == [request_id]
    assert place.found({"field": "status", "operator": "in", "value": ["ERROR", "WARNING"]}) == [request_id]


def test_times_are_iso_and_a_range_has_both_its_ends(place: Place) -> None:
    ids = place.has(*(an_entry(started_at=MARCH_2025 + number * 3600) for number in range(4)))
    between = {"operator": "between", "value": ["2025-03-15T11:30:00Z", "2025-03-15T12:30:00Z"]}
    assert place.found({"field": "request_start_time", **between}) == [ids[2], ids[1]]
    before = {"field": "request_end_time", "operator": "before", "value": "2025-03-15T10:30:02Z"}
    assert place.found(before) == [ids[0]]


def test_a_search_is_sorted_by_what_it_says(place: Place) -> None:
    ids = place.has(*(an_entry(price=price) for price in (0.5, None, 2.0, 0.5)))
    by_cost = {"sort_by": "cost", "sort_order": "desc"}
    assert [item["id"] for item in place.search(**by_cost)["items"]] == [ids[2], ids[3], ids[0], ids[1]]
    by_cost["sort_order"] = "asc"
    assert [item["id"] for item in place.search(**by_cost)["items"]] == [ids[0], ids[3], ids[2], ids[1]]


def test_pages_have_numbers(place: Place) -> None:
    ids = place.has(*(an_entry() for _ in range(7)))[::-1]
    pages = [place.search(page=number, per_page=3) for number in (1, 2, 3, 4)]
    assert [[item["id"] for item in page["items"]] for page in pages] == [ids[:3], ids[3:6], ids[6:], []]
    numbers = ("page", "pages", "total", "has_next", "has_prev", "next_num", "prev_num")
    assert [[page[name] for name in numbers] for page in pages] == [
        [1, 3, 7, True, False, 2, None],
        [2, 3, 7, True, True, 3, 1],
        [3, 3, 7, False, True, None, 2],
        [4, 3, 7, False, True, None, 3],
    ]
    alone = place.search(page=2, per_page=2)
    assert [item["id"] for item in alone["items"]] == ids[2:4]


def test_whoever_goes_from_page_to_page_meets_every_request_once(place: Place) -> None:
    """What is logged meanwhile is newer, and pushes nothing onto the next page."""
    ids = place.has(*(an_entry() for _ in range(6)))[::-1]
    met: list[int] = []
    for page in (1, 2, 3):
        met.extend(item["id"] for item in place.search(page=page, per_page=2)["items"])
        place.has(an_entry(started_at=MARCH_2025 + page))
    assert met == ids


@pytest.mark.parametrize(
    ("body", "place_named"),
    [
        (
            {"filter_group": {"filters": [{"field": "no", "operator": "is", "value": "x"}]}},
            "filters[0].field",
        ),
        (
            {"filter_group": {"filters": [{"field": "tags", "operator": "is", "value": "x"}]}},
            "filters[0].operator",
        ),
        ({"filter_group": {"filters": [{"field": "cost", "operator": "gt", "value": "x"}]}}, "filters[0]"),
        ({"filter_group": {"logic": "XOR", "filters": []}}, "filter_group.logic"),
        ({"filters": [{"field": "metadata", "operator": "is_empty"}]}, "filters[0]"),
        ({"filters": [3]}, "filters[0]"),
        ({"sort_by": "cost"}, "sort_by"),
        ({"sort_by": "request_id; DROP TABLE requests", "sort_order": "asc"}, "sort_by"),
        ({"sort_by": "cost", "sort_order": "up"}, "sort_order"),
    ],
)
def test_a_bad_filter_is_refused_with_its_place(place: Place, body: dict[str, Any], place_named: str) -> None:
    answer = place.client.post(SEARCH, body)
    assert answer.status_code == 400, answer.text
    assert answer.json()["success"] is False
    assert place_named in answer.json()["message"]


@pytest.mark.parametrize(
    "body",
    [
        {"page": 0},
        {"page": 10**30},
        {"page": "x"},
        {"per_page": 101},
        {"per_page": 0},
        {"q": 3},
        {"filter_group": []},
    ],
)
def test_a_parameter_of_the_wrong_form_is_refused(place: Place, body: dict[str, Any]) -> None:
    answer = place.client.post(SEARCH, body)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"][:2] == ["body", next(iter(body))]


@pytest.mark.parametrize(
    "text",
    [
        '"', "'", "*", "^", "NEAR(", "AND", "OR NOT", "a AND b)", "{input}: x", "input:x", "-x", "x*",
        "a + b", "((", "%", "_", "\\", "\u0000", "\ud800", "🙂", "'; DROP TABLE requests; --", "x" * 5000,
    ],
)  # fmt: skip
def test_text_is_never_taken_for_syntax(place: Place, text: str) -> None:
    (request_id,) = place.has(an_entry(f"before {text.encode('utf-8', 'replace').decode()} after"))
    assert place.client.post(SEARCH, {"q": text}).status_code in (200, 400)
    for operator in ("contains", "starts_with", "ends_with", "not_contains"):
        group = {"filters": [{"field": "input_text", "operator": operator, "value": text}]}
        assert place.client.post(SEARCH, {"filter_group": group}).status_code in (200, 400)
    assert place.found({"field": "input_text", "operator": "contains", "value": "before"}) == [request_id]


# --- suggestions


def suggested(place: Place, field: str, **parameters: str) -> list[str]:
    answer = place.client.get(SUGGESTIONS, params={"field": field, **parameters})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body.keys() == {"success", "values"}
    values: list[str] = body["values"]
    return values


def test_suggestions_are_the_values_that_there_are_the_most_frequent_first(place: Place) -> None:
    place.has(
        an_entry(
            tags=("staging", "production"), metadata={"user_id": "42", "plan": "pro"}, model="lantern-4"
        ),
        an_entry(tags=("production",), metadata={"user_id": "421"}, answer='{"city": "Oslo"}', model="other"),
        an_entry(prompt=PromptLink("support", 1, None, {"name": "Ada"}, 7), status="ERROR"),
    )
    assert suggested(place, "tags") == ["production", "staging"]
    assert suggested(place, "tags", prefix="st") == ["staging"]
    assert suggested(place, "engine", prefix="lan") == ["lantern-4"]
    assert suggested(place, "provider_type") == ["openai"]
    assert suggested(place, "status") == ["SUCCESS", "ERROR"]
    assert suggested(place, "metadata_keys") == ["user_id", "plan"]
    assert suggested(place, "metadata_values", metadata_key="user_id", prefix="42") == ["42", "421"]
    assert suggested(place, "output_keys") == ["city"]
    assert suggested(place, "output_values", metadata_key="city") == ["Oslo"]
    assert suggested(place, "prompt") == ["support"]
    assert suggested(place, "prompt_id") == ["7"]
    assert suggested(place, "input_variable_keys") == ["name"]
    assert suggested(place, "input_variable_values", metadata_key="name") == ["Ada"]
    assert suggested(place, "tool_names") == []


def test_suggestions_can_be_narrowed_by_a_filter_and_a_prompt(place: Place) -> None:
    place.has(
        an_entry(tags=("a",), model="lantern-4", answer='{"x": 1}'),
        an_entry(tags=("b", "a"), model="other", answer='{"y": 1}'),
        an_entry(tags=("c",), model="other", prompt=PromptLink("support", 1, None, {}, 7)),
    )
    group = json.dumps({"filters": [{"field": "engine", "operator": "is", "value": "other"}]})
    assert suggested(place, "tags", filter_group=group) == ["a", "b", "c"]
    assert suggested(place, "output_keys", filter_group=group) == ["y"]
    assert suggested(place, "tags", filter_group=group, prompt_id="7") == ["c"]


@pytest.mark.parametrize(
    ("parameters", "status"),
    [
        ({}, 422),
        ({"field": "input_text"}, 422),
        ({"field": "metadata_values"}, 400),
        ({"field": "tags", "filter_group": "{"}, 400),
        ({"field": "tags", "filter_group": "[" * 100_000}, 400),
        ({"field": "tags", "filter_group": '{"filters": [{"field": "no"}]}'}, 400),
    ],
)
def test_suggestions_for_what_makes_no_sense_are_refused(
    place: Place, parameters: dict[str, str], status: int
) -> None:
    parameters = {name: value[:20_000] for name, value in parameters.items()}
    assert place.client.get(SUGGESTIONS, params=parameters).status_code == status
