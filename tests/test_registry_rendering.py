"""Templates are rendered by the rules of the reference, and what is hostile in them is refused."""

from __future__ import annotations

import json
import string
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import ChainableUndefined
from jinja2 import TemplateError as JinjaError
from jinja2.sandbox import SandboxedEnvironment

from promptlayer_patch._registry import fstrings, jinja
from promptlayer_patch._registry.budget import OUTPUT_LIMIT, Budget
from promptlayer_patch._registry.rendering import rendered
from promptlayer_patch.errors import InvalidArgument, TemplateError
from promptlayer_patch.templates import PromptTemplate
from tests.support.fake_registry import chat
from tests.support.programs import printed, run_program


def filled(text: str, template_format: str = "f-string", **variables: Any) -> str:
    """A template of one message of the system, rendered."""
    template = PromptTemplate({"prompt_template": chat(text, template_format=template_format)})
    made: str = template.format(**variables).messages[0]["content"][0]["text"]
    return made


# f-strings


def scanned(text: str, variables: Mapping[str, Any]) -> str:
    """The rules once more, letter by letter and without Python's own formatting."""
    made, place = "", 0
    while place < len(text):
        letter = text[place]
        if text[place : place + 2] in ("{{", "}}"):
            made, place = made + letter, place + 2
        elif letter == "}":
            return text
        elif letter == "{":
            end = text.find("}", place)
            name = text[place + 1 : end]
            if end < 0 or not name or any(one in name for one in "{.[!:") or name.isdigit():
                return text
            value = variables.get(name)
            made, place = made + ("" if value is None else str(value)), end + 1
        else:
            made, place = made + letter, place + 1
    return made


names = st.sampled_from(["a", "b", "name", "long_name", "ä", "two words", "missing", "x1"])
values = st.one_of(
    st.text(max_size=20),
    st.text("{}%a._[]", max_size=10),
    st.integers(),
    st.booleans(),
    st.none(),
    st.floats(allow_nan=False),
    st.lists(st.integers(), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)
variables_of_any_kind = st.dictionaries(names.filter(lambda one: one != "missing"), values, max_size=6)
f_pieces = st.one_of(
    st.text(string.ascii_letters + " \n\"'%$äß💡", max_size=10),
    names.map(lambda name: f"{{{name}}}"),
    st.sampled_from(["{{", "}}", "{", "}", "{}", "{0}", '{"a": 1}', "{a.b}", "{a[0]}", "{a.__class__}"]),
)


@given(st.lists(f_pieces, max_size=8).map("".join), variables_of_any_kind)
@settings(max_examples=300)
def test_f_strings_are_rendered_by_the_rules(text: str, variables: dict[str, Any]) -> None:
    wire = {"prompt_template": chat(text)}
    made = rendered(wire, variables)["prompt_template"]["messages"][0]["content"][0]["text"]
    assert made == scanned(text, variables)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{a} and {a}", "1 and 1"),
        ("{missing}{none}", ""),
        ("{{a}} {{{a}}}", "{a} {1}"),
        ("{f:.2f} {f!s:>6} {s!r}", "3.14  3.142 'x'"),
        ('Answer with {"key": "value"}', 'Answer with {"key": "value"}'),
        ('Answer with {{"key": {a}}}', 'Answer with {"key": 1}'),
        ("{s:.2f} stays, and so does {a}", "{s:.2f} stays, and so does {a}"),
        ("{a:{a}}", "{a:{a}}"),
        ("{a!x}", "{a!x}"),
        ("{s.__class__} {a}", "{s.__class__} {a}"),
        ("{s[0]} {a}", "{s[0]} {a}"),
        ("{} {a}", "{} {a}"),
    ],
)
def test_f_strings_by_example(text: str, expected: str) -> None:
    assert filled(text, a=1, f=3.14159, s="x", none=None) == (
        expected if "3.142" not in expected else f"3.14 {3.14159!s:>6} 'x'"
    )


def test_values_are_not_templates() -> None:
    assert filled("{a}", a="{b} {{ b }}", b="no") == "{b} {{ b }}"
    assert filled("{{ a }}", "jinja2", a="{{ b }}{% if %}", b="no") == "{{ b }}{% if %}"


@pytest.mark.parametrize("text", ["{a:>99999}", "{a:>1000000000}", "{a:01000000000d}", "{a:,.99999999f}"])
def test_an_f_string_cannot_ask_for_a_huge_text(text: str) -> None:
    with pytest.raises(TemplateError, match="width"):
        filled(text, a=1)


def test_what_comes_out_is_bounded() -> None:
    with pytest.raises(TemplateError):
        filled("{a}" * 1000, a="x" * 100_000)
    with pytest.raises(TemplateError, match=f"{OUTPUT_LIMIT:,}"):
        PromptTemplate({"prompt_template": chat(*["{a}"] * 1000)}).format(a="x" * 100_000)
    assert len(filled("{a}", a="x" * 1_000_000)) == 1_000_000


# jinja2

reference = SandboxedEnvironment(undefined=ChainableUndefined)


def by_the_reference(text: str, variables: Mapping[str, Any]) -> str:
    """Jinja's own sandbox, without any bounds. A text it cannot render stays as it is."""
    try:
        return reference.from_string(text).render(deepcopy(dict(variables)))
    except Exception:
        return text


def words(text: str) -> list[str]:
    return text.split()


VALUES = words(
    """a b items d missing missing.x.y d.k d['k'] items[0] items[1:] items[9] 1 2.5 'text' '' true none
    [1,'b'] (1,2) {'k':3} range(4)|list"""
)
OPERATORS = words("+ - * ~ / % // == != < in and or")
FILTERS = words(
    """upper lower length default('z') join(',') first last list string int float trim title tojson
    reverse|list sort unique|list sum abs round(1) replace('t','T') truncate(5) indent(2) center(9)
    map('string')|list
    select|list batch(2)|list dictsort items|list wordcount escape"""
)
LOOP = "{{% for x in {} %}}{{{{ loop.index }}}}/{{{{ loop.length }}}}{{{{ x }}}}{}{{% else %}}-{{% endfor %}}"
expressions = st.recursive(
    st.sampled_from(VALUES),
    lambda inner: st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from(OPERATORS), inner),
        st.builds(
            "{}|{}".format,
            inner,
            st.sampled_from(FILTERS),
        ),
        st.builds("({} if {} else {})".format, inner, inner, inner),
        st.builds(
            "{} is {}".format,
            inner,
            st.sampled_from(["defined", "none", "string", "odd", "mapping", "in [1]"]),
        ),
        st.builds("(not {})".format, inner),
        st.builds("('%s-%05d' % ({}, 7))".format, inner),
        st.builds("'{{:>4}}'.format({})".format, inner),
        st.builds("({}).upper()".format, inner),
    ),
    max_leaves=5,
)
bodies = st.recursive(
    st.one_of(
        st.text(string.ascii_letters + " \n<&{}%#", max_size=8),
        expressions.map(lambda one: f"{{{{ {one} }}}}"),
    ),
    lambda inner: st.one_of(
        st.builds("{{% if {} %}}{}{{% else %}}{}{{% endif %}}".format, expressions, inner, inner),
        st.builds(LOOP.format, expressions, inner),
        st.builds("{{% for x in items if x %}}{{{{ x }}}}{}{{% endfor %}}".format, inner),
        st.builds("{{% set a = {} %}}{}{{{{ a }}}}".format, expressions, inner),
        st.builds("{{% set b %}}{}{{% endset %}}{{{{ b }}}}".format, inner),
        st.builds(
            "{{% macro m(v) %}}{}{{{{ v }}}}{{% endmacro %}}{{{{ m({}) }}}}".format, inner, expressions
        ),
        st.builds("{{% filter upper %}}{}{{% endfilter %}}".format, inner),
        st.builds("{}{}".format, inner, inner),
    ),
    max_leaves=6,
)
jinja_variables = st.fixed_dictionaries(
    {},
    optional={
        "a": st.one_of(st.text(max_size=5), st.integers(-9, 9), st.none()),
        "b": st.text("<&{}% ", max_size=4),
        "items": st.lists(st.one_of(st.integers(0, 3), st.text("ab", max_size=2)), max_size=4),
        "d": st.dictionaries(st.sampled_from(["k", "j"]), st.integers(0, 9), max_size=2),
    },
)


@given(bodies, jinja_variables)
@settings(max_examples=300)
def test_jinja2_is_rendered_by_the_rules(text: str, variables: dict[str, Any]) -> None:
    """All that is counted on the way changes nothing of what comes out."""
    expected = by_the_reference(text, variables)
    wire = {"prompt_template": chat(text, template_format="jinja2")}
    made = rendered(wire, deepcopy(variables))["prompt_template"]["messages"][0]["content"][0]["text"]
    assert made == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ missing }}{{ missing.deep.er }}{{ d.none }}", ""),
        ("{% for i in tree recursive %}{{ i.n }}[{{ loop(i.c) if i.c }}]{% endfor %}", "1[2[]]"),
        ("{% set ns = namespace(n=0) %}{% for i in l %}{% set ns.n = ns.n + i %}{% endfor %}{{ ns.n }}", "6"),
        ("{% set _ = l.append(4) %}{{ l|sum }}", "10"),
        ("{{ 'a, b'.split(', ')|join('-') }} {{ d.get('k', 0) }} {{ '{0}{x}'.format(1, x=2) }}", "a-b 7 12"),
        ("{% for k, v in d.items() %}{{ k }}={{ v }}{% endfor %}", "k=7"),
        ("{{ 'Invoice 2026-00007' % () }}", "Invoice 2026-00007"),
        ("{{ cycler('a', 'b').next() }}{% set j = joiner(',') %}{{ j() }}x{{ j() }}y", "ax,y"),
        ("{% call m() %}{% endcall %}", "{% call m() %}{% endcall %}"),
        ("{% if %}", "{% if %}"),
        ("{{ 1 / 0 }} {{ d.k }}", "{{ 1 / 0 }} {{ d.k }}"),
        ("{% include 'x' %}", "{% include 'x' %}"),
        ("{{ l|no_such_filter }}", "{{ l|no_such_filter }}"),
        ("{# note #}{a}", "{a}"),
    ],
)
def test_jinja2_by_example(text: str, expected: str) -> None:
    tree = [{"n": 1, "c": [{"n": 2}]}]
    assert filled(text, "jinja2", d={"k": 7}, l=[1, 2, 3], tree=tree) == expected


def test_rendering_leaves_the_variables_alone() -> None:
    mine = [1]
    template = PromptTemplate(
        {"prompt_template": chat("{% set _ = l.append(2) %}{{ l }}", template_format="jinja2")}
    )
    assert template.format(l=mine).messages[0]["content"][0]["text"] == "[1, 2]"
    assert mine == [1]


# Hostile templates

ATTRIBUTES = """\
{{ ''.__class__.__mro__[1].__subclasses__() }}
{{ missing.__class__ }}
{{ ''|attr('__class__') }}
{{ ''['__class__'] }}
{{ l|map(attribute='__class__')|list }}
{{ l|groupby('__class__')|list }}
{{ range.__init__.__globals__ }}
{{ cycler.__init__.__globals__ }}
{{ self.__init__ }}
{{ '{0.__class__}'.format('') }}
{{ '{a.__class__}'.format_map({'a': 1}) }}
{{ ('{0.__class__}'|attr('format'))('') }}
{% set f = ''.format %}{{ f.__name__ }}
{{ x.upper.__self__ }}""".splitlines()
WORK = """\
{% for i in range(10**9) %}x{% endfor %}
{% for i in range(10**40) %}x{% endfor %}
{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}
{% for i in l %}{% for j in l %}{% for k in l %}{% endfor %}{% endfor %}{% endfor %}
{% for i in range(50000) recursive %}{{ loop(range(50000)) if loop.depth < 4 }}{% endfor %}
{% set t=[1] %}{% for i in t %}{% set _ = t.append(1) %}{% endfor %}
{% macro a() %}{{ a() }}{{ a() }}{% endmacro %}{{ a() }}
{% macro a(n) %}{% if n %}{{ a(n - 1) }}{{ a(n - 1) }}{% endif %}{% endmacro %}{{ a(50) }}
{% block a %}{{ self.a() }}{{ self.a() }}{% endblock %}
{{ range(100000)|select('in', range(100000)|list)|list|length }}
{% for i in range(90000) %}{{ i in l }}{% endfor %}
{% for i in range(9000) %}{{ l == l[:] }}{% endfor %}
{% for i in range(9000) %}{{ l|sort|first }}{% endfor %}
{% for i in range(9000) %}{{ l.index(49999) }}{% endfor %}
{{ ([[1]*100]*1000)|sum(start=[]) }}
{{ ''.join(range(10**8)|map('string')|list) }}
{{ ('a'*1000000).rfind('ab' ~ 'a'*500000) }}
{{ ('a'*1000000).rsplit('ab' ~ 'a'*500000) }}
{{ ('ab'*500000).strip('b' ~ 'a'*500000) }}
{{ ('ab'*500000)|trim('b' ~ 'a'*500000) }}
{{ ('f'*2000000)|int(0, 16) // ('f'*1000000)|int(0, 16) }}
{{ ('f'*2000000)|int(0, 16) is divisibleby(('f'*1000000)|int(0, 16)) }}
{% set t = range(90000)|map('string')|list %}{% for i in t %}{{ t|sort|last }}{% endfor %}
{% set t = (0,)*90000 %}{% set d = {t: 1} %}{% for i in t %}{{ d[t] }}{% endfor %}""".splitlines()
SIZE = """\
{{ 'a'*10**10 }}
{{ 10**10*'a' }}
{{ [0]*10**10 }}
{{ (0,)*10**10 }}
{{ 9**(9**9) }}
{{ 2**100000 }}
{{ x*10**9 }}
{% set n=namespace(x='aaaaaaaa') %}{% for i in range(60) %}{% set n.x = n.x ~ n.x %}{% endfor %}
{% set n=namespace(x='aaaaaaaa') %}{% for i in range(60) %}{% set n.x = n.x + n.x %}{% endfor %}
{% set n=namespace(x=7) %}{% for i in range(60) %}{% set n.x = n.x * n.x %}{% endfor %}
{% set n=namespace(x=7)%}{% for i in range(60) %}{% set y %}{{n.x}}{{n.x}}{%endset%}{%set n.x=y%}{% endfor %}
{% set n=namespace(x=[1]) %}{% for i in range(60) %}{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x }}
{% set n=namespace(x=(1,)) %}{% for i in range(60) %}{% set n.x = (n.x, n.x) %}{% endfor %}{{ {n.x: 1} }}
{% set n=namespace(x={}) %}{% for i in range(60) %}{% set n.x = dict(a=n.x, b=n.x) %}{% endfor %}{{ n.x }}
{% set t=[1] %}{% for i in range(60) %}{% set _ = t.extend(t) %}{% endfor %}
{% set t=[] %}{% for i in range(60) %}{% set _ = t.append(t) %}{% set _ = t.append(t) %}{% endfor %}{{ t }}
{{ 'a'|center(10**9) }}
{{ 'a'.center(10**9) }}
{{ 'a'.ljust(10**9) }}
{{ 'a'.zfill(10**9) }}
{{ '%1000000000d' % 1 }}
{{ '%*d' % (1000000000, 1) }}
{{ '%1000000000d'|format(1) }}
{{ '{:>1000000000}'.format(1) }}
{{ 'a'|indent(10**9, true) }}
{{ 'a'.replace('', 'b'*100000).replace('b', 'c'*1000) }}
{{ ('a'*100000)|replace('a', 'b'*100000) }}
{{ 1.5|round(10**9, 'ceil') }}
{{ [1]|batch(10**9, 'x')|list }}
{{ [1]|slice(10**9)|list }}
{{ [1]|tojson(indent=10**9) }}
{{ ('b'*100000).join(['a']*100000) }}
{{ (['a']*100000)|join('b'*100000) }}
{{ ('{0}'*1000).format('a'*100000) }}
{{ ('%(a)s'*1000) % {'a': 'a'*100000} }}
{{ (l|string)*1000 }}""".splitlines()
SHAPE = [
    "{{ a }}" * 30_000,
    "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
    "{{ " + "1+" * 20_000 + "1 }}",
    "{{ " + "[" * 3000 + "]" * 3000 + " }}",
    "{{ " + "-" * 20_000 + "1 }}",
    "{{ 1" + "|abs" * 5000 + " }}",
    "{{ a" + ".b" * 5000 + " }}",
    "{% if a %}" * 2000 + "{% endif %}" * 2000,
]
HOSTILE = [*ATTRIBUTES, *WORK, *SIZE, *SHAPE]
HARMLESS = [
    "{{ 'a'|wordwrap(1) }}",
    "{{ 'a'|striptags }}",
    "{{ 'a'|urlize }}",
    "{{ [1]|pprint }}",
    "{{ {'a': 1}|xmlattr }}",
    "{{ 'a'.encode() }}",
    "{{ 'a'.expandtabs(4) }}",
    "{{ (1).to_bytes(1, 'big') }}",
    "{{ '{:{w}}'.format(1, w=3) }}",
]
"""Nothing is wrong with these; their cost cannot be told beforehand, so they are left to PromptLayer."""

_PROGRAM = """
import json, sys
try:
    import resource
    resource.setrlimit(resource.RLIMIT_AS, (600_000_000,) * 2)
    resource.setrlimit(resource.RLIMIT_CPU, (50, 50))
except ImportError:
    pass
from promptlayer_patch.errors import TemplateError
from promptlayer_patch.templates import PromptTemplate
outcomes = []
for text in json.load(open(sys.argv[1], encoding="utf-8")):
    message = {"role": "user", "template_format": "jinja2", "content": [{"type": "text", "text": text}]}
    template = PromptTemplate({"prompt_template": {"type": "chat", "messages": [message]}})
    try:
        made = template.format(l=list(range(50_000)), x="x").messages[0]["content"][0]["text"]
        outcomes.append(["rendered", made[:80]])
    except TemplateError as error:
        outcomes.append([type(error).__name__, str(error)])
print(json.dumps(outcomes))
"""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What becomes of them, in a process that may have 600 MB and 50 s for all of them together."""
    file = tmp_path_factory.mktemp("hostile") / "templates.json"
    file.write_text(json.dumps([*HOSTILE, *HARMLESS]), encoding="utf-8")
    ended = run_program(_PROGRAM, file)
    assert ended.code == 0, ended.err
    return dict(zip([*HOSTILE, *HARMLESS], json.loads(ended.out), strict=True))


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:60])
def test_a_hostile_template_is_refused(text: str, outcomes: dict[str, list[str]]) -> None:
    kind, words = outcomes[text]
    assert kind == "Refused", words
    assert words.startswith("the prompt template ")


@pytest.mark.parametrize("text", HARMLESS)
def test_what_cannot_be_counted_is_left_to_promptlayer(text: str, outcomes: dict[str, list[str]]) -> None:
    kind, words = outcomes[text]
    assert kind == "NotHere", words
    assert words.endswith("which only PromptLayer can render")


@pytest.mark.parametrize("size", [1, 1000, 20_000])
def test_large_templates_that_are_honest_are_rendered(size: int) -> None:
    text = "{% for one in items %}{{ loop.index }}. {{ one.name|title }}: {{ one.text|trim }}\n{% endfor %}"
    items = [{"name": f"name {number}", "text": " x" * (200_000 // size)} for number in range(size)]
    assert filled(text, "jinja2", items=items) == by_the_reference(text, {"items": items})


# Whole templates


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["f-string", "jinja2"]), st.sampled_from(["{a}", "{{ a }}", "plain", "{b} {{b}}"])
        ),
        min_size=1,
        max_size=5,
    ),
    st.dictionaries(st.sampled_from(["a", "b"]), st.text(max_size=5)),
)
def test_each_message_has_a_format_of_its_own(
    parts: list[tuple[str, str]], variables: dict[str, str]
) -> None:
    """In the blueprint, and in the call that PromptLayer has made of it."""
    messages = [
        {"role": "user", "template_format": kind, "content": [{"type": "text", "text": text}]}
        for kind, text in parts
    ]
    call = {"model": "m", "messages": [{"role": one["role"], "content": one["content"]} for one in messages]}
    template = PromptTemplate({"prompt_template": {"type": "chat", "messages": messages}, "llm_kwargs": call})
    before = deepcopy(template)

    made = template.format(**variables)

    expected = [
        scanned(text, variables) if kind == "f-string" else by_the_reference(text, variables)
        for kind, text in parts
    ]
    assert [one["content"][0]["text"] for one in made.messages] == expected
    assert [one["content"][0]["text"] for one in made.llm_kwargs["messages"]] == expected
    assert template == before


PLACEHOLDER = {"role": "placeholder", "name": "history", "content": None, "template_format": "f-string"}


def test_a_placeholder_becomes_the_messages_of_its_variable() -> None:
    """As they are: what a user has said is no template."""
    blueprint = chat("You are {who}.", "{question}")
    blueprint["messages"].insert(1, PLACEHOLDER)
    wire = {
        "prompt_template": blueprint,
        "metadata": {"model": {"provider": "openai", "name": "gpt-4o"}},
        "llm_kwargs": {
            "model": "gpt-4o",
            "temperature": 0,
            "messages": [{"role": "system", "content": "You are {who}."}],
        },
    }
    history = [
        {"role": "user", "content": "Is {who} a name?"},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "type": "function"}]},
        {"role": "tool", "tool_call_id": "1", "content": [{"type": "text", "text": "no"}]},
    ]

    made = PromptTemplate(wire).format(who="Ada", question="Why?", history=history)

    assert made.llm_kwargs == {
        "model": "gpt-4o",
        "temperature": 0,
        "messages": [
            {"role": "system", "content": "You are Ada."},
            {"role": "user", "content": [{"type": "text", "text": "Is {who} a name?"}]},
            {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "type": "function"}]},
            {"role": "tool", "tool_call_id": "1", "content": "no"},
            {"role": "user", "content": [{"type": "text", "text": "Why?"}]},
        ],
    }
    assert [one["role"] for one in PromptTemplate(wire).format().messages] == ["system", "user"]
    for wrong in ("text", [1], {"role": "user"}):
        with pytest.raises(TemplateError, match="'history' has to be a list of messages"):
            PromptTemplate(wire).format(history=wrong)


def test_only_texts_are_rendered() -> None:
    """Not names, tool calls, addresses, or what a model has thought."""
    blocks = [
        {"type": "text", "text": "{a}", "annotations": [{"title": "{a}"}]},
        {"type": "image_url", "image_url": {"url": "http://{a}"}},
        {"type": "thinking", "thinking": "{a}"},
        {"type": "code", "code": "{a}"},
    ]
    calls = [{"id": "{a}", "type": "function", "function": {"name": "{a}", "arguments": '{"x": "{a}"}'}}]
    message = {"role": "assistant", "name": "{a}", "content": blocks, "tool_calls": calls}
    tools = [{"type": "function", "function": {"name": "{a}", "description": "{a}", "parameters": {}}}]
    blueprint = {"type": "chat", "messages": [message], "tools": tools}

    made = PromptTemplate(
        {"prompt_template": blueprint, "llm_kwargs": {"messages": [message], "tools": tools}}
    )
    made = made.format(a="1")

    expected = {**message, "content": [{**blocks[0], "text": "1"}, *blocks[1:]]}
    assert made["prompt_template"] == {**blueprint, "messages": [expected]}
    assert made["llm_kwargs"] == {"messages": [expected], "tools": tools}


@pytest.mark.parametrize(
    "call",
    [
        {"system": "{a}", "messages": [{"role": "user", "content": [{"type": "text", "text": "{a}"}]}]},
        {"system": [{"type": "text", "text": "{a}"}], "messages": []},
        {"input": [{"role": "user", "content": [{"type": "input_text", "text": "{a}"}]}]},
        {
            "contents": [{"role": "user", "parts": [{"text": "{a}"}]}],
            "system_instruction": {"parts": [{"text": "{a}"}]},
        },
        {
            "history": [{"parts": [{"text": "{a}"}]}],
            "generation_config": {"system_instruction": {"parts": [{"text": "{a}"}]}},
        },
        {"prompt": "{a}", "max_tokens": 5},
    ],
    ids=["anthropic", "anthropic blocks", "responses", "google", "google chat", "completion"],
)
def test_the_call_of_every_provider_is_filled_in(call: dict[str, Any]) -> None:
    made = PromptTemplate({"prompt_template": chat("{a}"), "llm_kwargs": call}).format(a="done")
    assert made["llm_kwargs"] == json.loads(json.dumps(call).replace("{a}", "done"))


def test_a_completion_template_is_rendered() -> None:
    blueprint = {
        "type": "completion",
        "content": [{"type": "text", "text": "{{ a }}"}],
        "template_format": "jinja2",
        "input_variables": ["a"],
    }
    wire = {"prompt_template": blueprint, "metadata": {"model": {"provider": "openai", "name": "davinci"}}}
    made = PromptTemplate(wire).format(a="once")
    assert made.llm_kwargs == {"model": "davinci", "prompt": "once"}
    assert (made.messages, made.input_variables) == ([], ["a"])


@pytest.mark.parametrize(
    "change",
    [
        {"messages": [{"role": "user", "content": [{"type": "media_variable", "name": "a"}]}]},
        {
            "messages": [
                {"role": "user", "content": [{"type": "image_url", "image_url": {}, "image_variable": "a"}]}
            ]
        },
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "@@@shared@@@ {a}"}]}]},
        {"tools": [{"type": "variable", "name": "a"}]},
    ],
    ids=["media", "image", "snippet", "tool"],
)
def test_what_only_promptlayer_can_do_is_said(change: dict[str, Any]) -> None:
    template = PromptTemplate({"prompt_template": {**chat("x"), **change}})
    with pytest.raises(TemplateError, match="which only PromptLayer can render"):
        template.format(a="x")


def test_variables_are_plain_data() -> None:
    """Nothing whose methods a template could call."""

    class Text(str):
        def __format__(self, _: str) -> str:
            return "called"

    assert filled("{a} {b}", a=Text("x"), b=True) == "x True"
    assert filled("{{ a.k[0] }}", "jinja2", a={"k": (1, 2)}) == "1"
    with pytest.raises(InvalidArgument, match="it has a Thing"):
        filled("{a}", a=type("Thing", (), {})())


def test_without_jinja2_it_is_said_what_to_install() -> None:
    program = """
        import sys
        sys.modules["jinja2"] = None
        from promptlayer_patch import errors, templates
        message = {"role": "user", "content": [{"type": "text", "text": "{a}"}]}
        def template(kind):
            messages = [{**message, "template_format": kind}]
            return templates.PromptTemplate({"prompt_template": {"type": "chat", "messages": messages}})
        print(template("f-string").format(a=1).messages[0]["content"][0]["text"])
        try:
            template("jinja2").format(a=1)
        except errors.TemplateError as error:
            print(error)
    """
    assert printed(program) == [
        "1",
        "the prompt template is written in jinja2: pip install promptlayer-patch[templates]",
    ]


@given(st.text(max_size=200), st.sampled_from([fstrings.render, jinja.render]))
def test_any_text_is_rendered_or_raises_what_is_caught(text: str, render: Any) -> None:
    try:
        assert isinstance(render(text, {"a": "x"}, Budget()), str)
    except (TemplateError, JinjaError, ValueError, LookupError, TypeError, ArithmeticError):
        pass
