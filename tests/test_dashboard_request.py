"""The page of one request: whatever it was, it can be read, repeated and annotated, and does nothing."""

from __future__ import annotations

import json
import random
import shlex
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
import requests

from promptlayer_patch.annotations import PromptLink
from promptlayer_patch.records import Ending, Failure, Record
from promptlayer_patch.server.running import Server
from promptlayer_patch.store import Store
from tests.support.dashboard_pages import HOSTILE, Page
from tests.support.dashboard_records import PNG, STARTED, chat, request_of
from tests.support.serving import TIMEOUT_S, Client, client_of_another_workspace, serving


class Site:
    """A server, somebody who looks at its pages, and requests to look at."""

    def __init__(self, server: Server, client: Client) -> None:
        self.server = server
        self.client = client

    def put(self, *records: Record) -> list[int]:
        with closing(Store.open(self.server.db)) as store:
            ids = store.add(records)
            store.catch_up()
        return ids

    def page(self, record: Record) -> Page:
        (number,) = self.put(record)
        return self.open(f"/requests/{number}")

    def open(self, path: str) -> Page:
        answer = self.client.get(path)
        assert answer.status_code == 200, answer.text[:300]
        return Page(answer.text)

    def send(self, path: str, **fields: str) -> requests.Response:
        return self.client.post(path, data=fields, allow_redirects=False)

    def found(self, query: str) -> list[int]:
        items = self.client.get("/", params={"q": query, "format": "json"}).json()["items"]
        return [item["summary"]["request_id"] for item in items]

    def data(self, number: int) -> dict[str, Any]:
        found: dict[str, Any] = self.client.get(f"/requests/{number}?format=json").json()
        return found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with serving(tmp_path_factory.mktemp("site")) as (server, client):
        yield Site(server, client)


def turns(page: Page) -> list[tuple[str, str]]:
    return [(one.attributes["data-role"], one.text) for one in page.all("article", class_="turn")]


def test_a_conversation_is_read_from_top_to_bottom(site: Site) -> None:
    page = site.page(
        chat(
            [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why is the sky blue?"}],
            "Because of scattering.",
        )
    )
    assert [role for role, _ in turns(page)] == ["system", "user", "assistant"]
    assert page.one("article", class_="answer").text == "assistant answer Because of scattering."


def test_a_tool_call_stands_with_its_result(site: Site) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Paris"}'}}
    page = site.page(
        chat(
            [
                {"role": "user", "content": "Weather?"},
                {"role": "assistant", "content": None, "tool_calls": [call]},
                {"role": "tool", "tool_call_id": "c1", "content": '{"sky":"clear"}'},
                {"role": "tool", "tool_call_id": "c9", "content": "of a call that is not here"},
            ],
            "It is clear.",
        )
    )
    assert [role for role, _ in turns(page)] == ["user", "assistant", "tool", "assistant"]
    called = page.one("details", class_="call").text
    assert called == 'calls weather c1 { "city": "Paris" } Result { "sky": "clear" }'


def test_code_is_told_from_prose_and_no_html_comes_of_either(site: Site) -> None:
    page = site.page(chat("Code?", "Like so:\n\n```python\nprint('<b>')\n```\n\nThen call `main()` **now**."))
    code = page.one("pre", data_language="python")
    assert code.text == "print('<b>')"
    assert "main()" in [one.text for one in page.all("code")]
    assert "**now**" in page.one("article", class_="answer").text
    assert not page.all("b")


def test_an_answer_that_is_json_is_set_out(site: Site) -> None:
    (number,) = site.put(chat("JSON?", '{"total":12.5,"items":[1,2]}'))
    html = site.client.get(f"/requests/{number}").text
    assert "{\n  &#34;total&#34;: 12.5,\n  &#34;items&#34;: [" in html


def test_a_refusal_is_marked(site: Site) -> None:
    page = site.page(chat("Locks?", {"role": "assistant", "content": None, "refusal": "I cannot help."}))
    assert page.one("div", class_="refusal").text == "refusal I cannot help."


def test_thoughts_are_folded_away(site: Site) -> None:
    page = site.page(
        request_of(
            "responses.create",
            {"model": "o4-mini", "input": "2+2"},
            {
                "output": [
                    {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Simple."}]},
                    {"type": "web_search_call", "id": "w", "action": {"query": "two plus two"}},
                    {
                        "type": "message",
                        "role": "assistant",
                        "content": [{"type": "output_text", "text": "4"}],
                    },
                ]
            },
        )
    )
    thought = page.one("details", class_="thinking")
    assert thought.text == "Reasoning Simple."
    assert "open" not in thought.attributes
    assert "two plus two" in page.one("details", class_="call").text


def test_pictures_are_shown_from_data_and_named_from_elsewhere(site: Site) -> None:
    def image(url: str) -> dict[str, Any]:
        return {"type": "image_url", "image_url": {"url": url}}

    elsewhere = "https://elsewhere.example/x.png"
    page = site.page(
        chat(
            [
                {
                    "role": "user",
                    "content": [
                        image(f"data:image/png;base64,{PNG}"),
                        image(elsewhere),
                        image("data:image/svg+xml;base64,PHN2Zz48L3N2Zz4="),
                        image('data:image/png;base64,AA" onerror="alert(1)'),
                    ],
                }
            ],
            "A dot.",
        )
    )
    shown = [one.attributes["src"] for one in page.all("img") if "static" not in one.attributes["src"]]
    assert shown == [f"data:image/png;base64,{PNG}"]
    assert elsewhere in page.one("article", data_role="user").text
    page.assert_harmless()


def test_a_long_text_is_folded_and_a_huge_one_is_bounded(site: Site) -> None:
    page = site.page(chat("word " * 2_000, "short"))
    fold = page.one("details", class_="fold")
    assert "10,000 characters" in fold.text
    assert fold.text.count("word") > 1_500
    assert page.one("article", data_role="user").text.count("word") == 2_000
    (number,) = site.put(chat("word " * 400_000, "the answer is here"))
    answer = site.client.get(f"/requests/{number}", headers={"Accept-Encoding": "gzip"})
    assert int(answer.headers["content-length"]) < 150_000
    assert "the answer is here" in answer.text
    assert "in the raw data only" in answer.text


def test_from_the_top_of_a_long_conversation_a_link_leads_to_the_answer(site: Site) -> None:
    said = [{"role": ("user", "assistant")[at % 2], "content": f"turn {at}"} for at in range(300)]
    page = site.page(chat(said, "the answer"))
    assert "the answer" in page.one("article", id="answer").text
    assert site.page(chat(said[:5], "the answer")).all("a", href="#answer") == []
    assert (
        site.page(request_of("chat.completions.create", {"messages": said}, None)).all("a", href="#answer")
        == []
    )


def test_what_was_asked_stands_above_a_huge_answer(site: Site) -> None:
    page = site.page(chat("Write a book", "word " * 400_000))
    assert "Write a book" in page.one("article", data_role="user").text
    fold = page.one("details", class_="fold")
    assert fold.text.startswith("Show more")
    assert "200,000 characters" in fold.text


def test_a_tool_call_without_arguments_says_so(site: Site) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "now", "arguments": ""}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    asked = {"messages": [{"role": "user", "content": "What time is it?"}]}
    page = site.page(request_of("chat.completions.create", asked, {"choices": [{"message": message}]}))
    assert page.one("details", class_="call").text.endswith("nothing")


def test_a_huge_text_in_another_script_is_bounded_too(site: Site) -> None:
    chance = random.Random(1)
    text = "".join(chr(chance.randrange(0x4E00, 0x5600)) for _ in range(300_000))
    (number,) = site.put(chat(text, "好"))
    answer = site.client.get(f"/requests/{number}", headers={"Accept-Encoding": "gzip"})
    assert int(answer.headers["content-length"]) < 300_000, "that of text which says something is half of it"


def test_vectors_are_drawn(site: Site) -> None:
    page = site.page(
        request_of(
            "embeddings.create",
            {"model": "text-embedding-3-small", "input": "a text"},
            {"data": [{"index": 0, "embedding": [0.5, -0.25, 0.0, 0.125] * 100}]},
        )
    )
    vector = page.one("figure", class_="vector")
    assert vector.text.startswith("400 dimensions · length 5.728 · -0.25 … 0.5")
    assert page.one("path").attributes["d"].count("M") == 96
    assert "a text" in page.one("article", data_role="user").text


def test_a_moderation_shows_its_categories_the_gravest_first(site: Site) -> None:
    page = site.page(
        request_of(
            "moderations.create",
            {"input": "I will find you"},
            {
                "results": [
                    {
                        "flagged": True,
                        "categories": {"violence": False, "harassment": True},
                        "category_scores": {"violence": 0.4, "harassment": 0.8125},
                    }
                ]
            },
        )
    )
    rows = [row.text for row in page.all("tr")]
    assert rows == ["CategoryScoreValue", "harassment flagged0.8125", "violence0.4000"]


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (request_of("completions.create", {"prompt": "Once"}, {"choices": [{"text": " upon"}]}), "upon"),
        (
            request_of(
                "images.generate", {"prompt": "A cat"}, {"data": [{"url": "https://x.example/1.png"}]}
            ),
            "https://x.example/1.png",
        ),
        (
            request_of("audio.speech.create", {"input": "Hello"}, {"content_type": "audio/mpeg", "bytes": 9}),
            "audio/mpeg",
        ),
        (
            request_of(
                "audio.transcriptions.create",
                {"file": {"name": "call.mp3", "bytes": 5}},
                {"text": "Hi there"},
            ),
            "Hi there",
        ),
        (
            request_of(
                "beta.threads.runs.create",
                {"assistant_id": "a", "instructions": "Plan"},
                {"object": "thread.run", "status": "queued"},
            ),
            "Plan",
        ),
        (request_of("files.create", {"purpose": "batch"}, {"id": "file-1", "deep": {"er": 1}}), "file-1"),
        (request_of("odd.call", {"args": ["a prompt"]}, "plain words"), "plain words"),
    ],
    ids=lambda value: value.function_name if isinstance(value, Record) else "",
)
def test_every_kind_of_request_can_be_read(site: Site, record: Record, expected: str) -> None:
    page = site.page(record)
    assert expected in page.one("main").text
    page.assert_harmless()


def test_what_is_known_stands_at_the_top_and_what_is_not_is_unknown(site: Site) -> None:
    page = site.page(
        chat(
            "Hi",
            "Hello",
            first_token_at=None,
            usage={
                "prompt_tokens": 1200,
                "prompt_tokens_details": {"cached_tokens": 1024},
                "completion_tokens": 300,
                "completion_tokens_details": {"reasoning_tokens": 120},
            },
            attempts=3,
        )
    )
    strip = page.one("dl", class_="strip").text
    assert "Latency2.50 s" in strip
    assert "First tokenunknown" in strip
    assert "1,200 1,024 cached" in strip
    assert "300 120 thinking" in strip
    assert "3 attempts, retries included" in page.one("div", class_="timing").text


def test_the_bar_shows_the_wait_for_the_first_token(site: Site) -> None:
    record = chat("Hi", "Hello", started_at=STARTED, ended_at=STARTED + 4, first_token_at=STARTED + 1)
    page = site.page(record)
    assert [one.attributes["width"] for one in page.all("rect")] == ["250", "750"]
    assert "until the first token 1.00 s generation 3.00 s" in page.one("div", class_="timing").text


def test_a_failure_says_what_it_was_and_what_its_ending_means(site: Site) -> None:
    record = request_of(
        "chat.completions.create",
        {"messages": [{"role": "user", "content": "Hi"}]},
        None,
        ending=Ending.PROVIDER_ERROR,
        error=Failure("RateLimitError", "Slow down", 429),
    )
    text = site.page(record).one("main").text
    assert "RateLimitError · HTTP 429" in text
    assert "Slow down" in text
    assert "The request failed, or the stream broke on the way." in text
    assert "Nothing came back." in text
    assert "until the end" in text
    assert "until the whole answer" not in text


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        ({"choices": [{"text": "", "finish_reason": "length"}] * 2}, "length"),
        (
            {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}},
            "incomplete, max_output_tokens",
        ),
        ({"content": [], "stop_reason": "end_turn"}, "end_turn"),
        ("text", ""),
    ],
)
def test_why_the_model_stopped_is_said(site: Site, response: Any, reason: str) -> None:
    facts = site.page(request_of("some.call", {"model": "m"}, response)).one("aside").text
    assert (f"Finish reason{reason}" in facts) if reason else ("Finish reason" not in facts)


def test_the_template_and_its_variables_are_named(site: Site) -> None:
    link = PromptLink("support-reply", 2, "prod", {"customer": "Ada"})
    page = site.page(chat("Hi", "Hello", prompt=link))
    aside = page.one("aside").text
    assert "support-reply version 2 prod" in aside
    assert "customerAda" in aside


def test_what_was_sent_and_what_came_back_are_files(site: Site) -> None:
    (number,) = site.put(chat("Hi", "Hello"))
    sent = site.client.get(f"/requests/{number}/request.json")
    assert sent.headers["content-disposition"] == f'attachment; filename="request-{number}.json"'
    assert sent.json() == {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}]}
    assert site.client.get(f"/requests/{number}/response.json").json()["model"] == "gpt-4o"


def test_the_same_is_there_as_data(site: Site) -> None:
    (number,) = site.put(chat("Hi", "Hello", tags=("blue",)))
    data = site.data(number)
    assert data["request"]["request_id"] == number
    assert data["request"]["tags"] == ["blue"]
    assert data["record"]["request"]["messages"][0]["content"] == "Hi"
    assert data["record"]["ending"] == "complete"


def shell_words(page: Page) -> list[str]:
    return shlex.split(page.one("pre", id="curl").texts[0].replace("\\\n", ""))


def test_curl_repeats_the_request_with_the_key_of_the_environment(site: Site) -> None:
    question = 'It\'s `here` and $HOME; "quoted" \\ done \u202e \U000e0041'
    words = shell_words(site.page(chat(question, "Hello")))
    assert words[:2] == ["curl", "https://api.openai.com/v1/chat/completions"]
    assert "Authorization: Bearer $OPENAI_API_KEY" in words
    body = json.loads(words[words.index("--data-raw") + 1])
    assert body["messages"][0]["content"] == question


def test_python_repeats_the_request(site: Site) -> None:
    text = site.page(chat("Hi 'there'", "Hello")).one("pre", id="python").texts[0]
    compile(text, "repeat.py", "exec")
    assert "client = OpenAI()" in text
    assert "client.chat.completions.create(" in text


def test_the_key_of_openai_is_for_openai_alone(site: Site) -> None:
    record = chat("Hi", "Hello", endpoint="https://api.openai.com.evil.example/v1/chat/completions")
    page = site.page(record)
    assert "Authorization: Bearer $API_KEY" in shell_words(page)
    assert "OPENAI_API_KEY" not in page.one("main").text
    assert "os.environ['API_KEY']" in page.one("pre", id="python").texts[0]


def test_an_endpoint_that_is_no_address_is_not_repeated(site: Site) -> None:
    page = site.page(chat("Hi", "Hello", endpoint="https://a$(touch x)/v1/chat/completions"))
    assert not page.all("pre", id="curl")


def test_a_body_that_no_shell_takes_is_a_file(site: Site) -> None:
    (number,) = site.put(chat("word " * 20_000, "Hello"))
    page = site.open(f"/requests/{number}")
    assert f"@request-{number}.json" in shell_words(page)
    assert page.one("a", download=f"request-{number}.json").attributes["href"].endswith("/request.json")


def test_the_newer_and_the_older_one_are_of_the_query(site: Site) -> None:
    first, second, third, fourth = site.put(
        chat("1", "a", tags=("beside",)),
        chat("2", "b"),
        chat("3", "c", tags=("beside",)),
        chat("4", "d", tags=("beside",)),
    )
    page = site.open(f"/requests/{third}?q=tag:beside")
    assert page.one("a", data_key="k").attributes["href"] == f"/requests/{fourth}?q=tag%3Abeside"
    assert page.one("a", data_key="j").attributes["href"] == f"/requests/{first}?q=tag%3Abeside"
    assert not site.open(f"/requests/{first}?q=tag:beside").all("a", data_key="j")
    assert site.data(first)["beside"]["newer"] == second, "without a query, of all requests"


def test_a_query_that_makes_no_sense_does_not_hide_the_request(site: Site) -> None:
    (number,) = site.put(chat("1", "a"))
    site.open(f"/requests/{number}?q=latency:((")


def test_a_form_says_something_about_the_request_and_leads_back(site: Site) -> None:
    (number,) = site.put(chat("Hi", "Hello", tags=("blue",)))
    where = f"/requests/{number}"
    answer = site.send(f"{where}/scores", name="tone", value="88", q="tag:beside")
    assert (answer.status_code, answer.headers["location"]) == (303, f"{where}?q=tag%3Abeside#scores")
    site.send(f"{where}/scores", value="7")
    site.send(f"{where}/metadata", key="user", value="Ada")
    site.send(f"{where}/tags", add="green <b>")
    site.send(f"{where}/tags", remove="blue")
    site.send(f"{where}/groups", new="yes")
    request = site.data(number)["request"]
    assert request["scores"] == {"tone": 88, "default": 7}
    assert request["metadata"] == {"user": "Ada"}
    assert request["tags"] == ["green <b>"]
    assert len(request["groups"]) == 1
    site.send(f"{where}/metadata", key="user", value="Grace")
    assert site.data(number)["request"]["metadata"] == {"user": "Grace"}


def test_what_was_said_is_taken_away_and_neither_found_nor_counted_any_more(site: Site) -> None:
    said = {"user": "Ada", "line\nbreak": "kept", "another\nbreak": "gone"}
    (number,) = site.put(chat("Hi", "Hello", metadata=said))
    where = f"/requests/{number}"
    site.send(f"{where}/scores", name="zeal", value="88")
    site.send(f"{where}/scores", value="7")
    site.send(f"{where}/groups", new="yes")
    (group,) = site.data(number)["request"]["groups"]
    site.put()
    for query in ("score.zeal:88", "metadata.user:Ada", f"group:{group}"):
        assert site.found(query) == [number]

    answer = site.send(f"{where}/scores", remove="zeal", q="tag:beside")
    assert (answer.status_code, answer.headers["location"]) == (303, f"{where}?q=tag%3Abeside#scores")
    site.send(f"{where}/metadata", remove="user")
    site.send(f"{where}/metadata", remove="another\r\nbreak")  # as browsers send it
    site.send(f"{where}/groups", remove=str(group))
    request = site.data(number)["request"]
    assert request["scores"] == {"default": 7}
    assert request["metadata"] == {"line\nbreak": "kept"}
    assert request["groups"] == []
    site.put()
    for query in ("score.zeal:88", "metadata.user:Ada", f"group:{group}"):
        assert site.found(query) == []
    assert "zeal" not in site.client.get("/requests/facets").text


def test_each_thing_said_has_a_button_with_a_name_that_takes_it_away(site: Site) -> None:
    (number,) = site.put(chat("Hi", "Hello", tags=("blue",), metadata={"user": "Ada"}))
    where = f"/requests/{number}"
    site.send(f"{where}/scores", name="tone", value="88")
    site.send(f"{where}/groups", new="yes")
    (group,) = site.data(number)["request"]["groups"]
    buttons = site.open(where).all("button", name="remove")
    assert [(one.attributes["value"], one.attributes["aria-label"]) for one in buttons] == [
        ("blue", "Take away the tag blue"),
        ("tone", "Take away the score tone"),
        ("user", "Take away the key user"),
        (str(group), f"Take it out of group {group}"),
    ]


@pytest.mark.parametrize(
    ("part", "name"), [("scores", "tone"), ("metadata", "user"), ("tags", "blue"), ("groups", "1")]
)
def test_taking_away_what_is_not_there_any_more_is_no_trouble(site: Site, part: str, name: str) -> None:
    (number,) = site.put(chat("Hi", "Hello"))
    assert site.send(f"/requests/{number}/{part}", remove=name).status_code == 303
    assert site.send(f"/requests/{number}/{part}", remove="").status_code == 303


def test_programs_send_the_same_forms_as_json_and_get_json(site: Site) -> None:
    (number,) = site.put(chat("Hi", "Hello", tags=("blue",)))
    where = f"/requests/{number}"
    site.client.post(f"{where}/metadata", {"key": "user", "value": "Ada"})
    answer = site.client.post(f"{where}/scores", {"value": 88})
    assert (answer.status_code, answer.json()) == (
        200,
        {"success": True, "request_id": number, "tags": ["blue"], "scores": {"default": 88},
         "metadata": {"user": "Ada"}, "groups": []},
    )  # fmt: skip
    assert site.client.post(f"{where}/scores", {"remove": "default"}).json()["scores"] == {}
    refused = site.client.post(f"{where}/scores", {"value": 101})
    assert (refused.status_code, refused.json()["message"]) == (
        422,
        "A score is a whole number from 0 to 100.",
    )


def test_with_script_only_the_panel_comes_back(site: Site) -> None:
    (number,) = site.put(chat("Hi", "Hello"))
    headers = {"HX-Request": "true"}
    answer = site.client.post(f"/requests/{number}/tags", data={"add": "green"}, headers=headers)
    assert answer.status_code == 200
    assert answer.text.lstrip().startswith('<div id="about"')
    assert "green" in answer.text


@pytest.mark.parametrize(
    ("part", "fields", "trouble"),
    [
        ("scores", {"value": "101"}, "A score is a whole number from 0 to 100."),
        ("scores", {"value": "-1"}, "A score is a whole number from 0 to 100."),
        ("scores", {"value": "good"}, "A score is a whole number from 0 to 100."),
        ("metadata", {"key": " ", "value": "x"}, "Metadata needs a key."),
        ("tags", {"add": " "}, "A tag needs a name."),
        ("groups", {"group": "999"}, "There is no such group."),
        ("groups", {"group": "x"}, "There is no such group."),
    ],
)
def test_a_form_that_makes_no_sense_is_answered_at_its_place(
    site: Site, part: str, fields: dict[str, str], trouble: str
) -> None:
    (number,) = site.put(chat("Hi", "Hello"))
    answer = site.send(f"/requests/{number}/{part}", **fields)
    assert answer.status_code == 422
    page = Page(answer.text)
    assert trouble in page.one("section", id=part).text
    assert page.all("a", href=f"/requests/{number}")


def test_forms_of_other_sites_are_refused(site: Site) -> None:
    (number,) = site.put(chat("Hi", "Hello"))
    with requests.Session() as browser:
        browser.trust_env = False
        browser.get(site.server.link, timeout=TIMEOUT_S)
        address, form = f"{site.server.url}/requests/{number}/tags", {"add": "theirs"}

        def status(**headers: str) -> int:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            sent = browser.post(address, form, headers=named, timeout=TIMEOUT_S, allow_redirects=False)
            return sent.status_code

        assert status() == 403
        assert status(Origin="https://evil.example") == 403
        assert status(Sec_Fetch_Site="cross-site") == 403
        assert site.data(number)["request"]["tags"] == []
        assert status(Origin=site.server.url) == 303


@pytest.mark.parametrize("number", ["12", "0", "x", "-1", "999999999999999999999", "1e5", "%00"])
def test_what_is_not_there_is_said_on_a_page(site: Site, number: str) -> None:
    for answer in (
        site.client.get(f"/requests/{number}"),
        site.send(f"/requests/{number}/tags", add="x"),
    ):
        assert answer.status_code == 404
        assert "There is no such request." in Page(answer.text).one("main").text


def test_requests_of_another_workspace_are_not_there(site: Site) -> None:
    (number,) = site.put(chat("Hi", "Hello"))
    stranger = client_of_another_workspace(site.server)
    for path in (f"/requests/{number}", f"/requests/{number}?format=json"):
        assert stranger.get(path).status_code == 404
    for name in ("request", "response"):
        assert stranger.get(f"/requests/{number}/{name}.json").status_code == 404
    assert stranger.post(f"/requests/{number}/tags", data={"add": "x"}).status_code == 404
    stranger.close()
    assert site.data(number)["request"]["tags"] == []


def test_whatever_a_request_says_is_text(site: Site) -> None:
    call = {"id": HOSTILE, "type": "function", "function": {"name": HOSTILE, "arguments": HOSTILE}}
    tool = {
        "type": "function",
        "function": {"name": HOSTILE, "description": HOSTILE, "parameters": {HOSTILE: 1}},
    }
    record = chat(
        [
            {
                "role": "user",
                "name": HOSTILE,
                "content": f"{HOSTILE}\n```{HOSTILE}\n{HOSTILE}\n```\n`{HOSTILE}`",
            },
            {"role": "assistant", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": HOSTILE, "content": HOSTILE},
            {"role": HOSTILE, "content": HOSTILE},
            {"role": "user", "content": [{"type": HOSTILE, HOSTILE: HOSTILE}]},
        ],
        HOSTILE,
        request={"model": HOSTILE, "tools": [tool], HOSTILE: HOSTILE},
        tags=(HOSTILE,),
        metadata={HOSTILE: HOSTILE},
        prompt=PromptLink(HOSTILE, 1, HOSTILE, {HOSTILE: HOSTILE}),
        error=Failure(HOSTILE, HOSTILE),
        provider_request_id=HOSTILE,
        sdk_version=HOSTILE,
    )
    (number,) = site.put(record)
    site.send(f"/requests/{number}/scores", name=HOSTILE, value="1")
    page = site.open(f"/requests/{number}?q={HOSTILE}")
    page.assert_harmless()
    text = page.one("main").text
    assert "{{7*7}}" in text
    assert "49" not in [one.text for one in page.elements]
    assert "\u202e" not in text, "what would turn text around is spelled out"
    assert "\\u202e" in text
    site.send(f"/requests/{number}/tags", remove=HOSTILE)
    assert site.data(number)["request"]["tags"] == []


def test_half_surrogates_and_nan_break_no_page(site: Site) -> None:
    record = chat("half \ud800 pair", "and \udfff back", request={"temperature": float("nan")})
    (number,) = site.put(record)
    assert "half \\ud800 pair" in site.open(f"/requests/{number}").one("main").text
    assert site.data(number)["record"]["request"]["temperature"] is None
    assert site.client.get(f"/requests/{number}/request.json").status_code == 200
