"""Coming into the dashboard and leaving it; choosing its language."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from string import punctuation
from typing import Literal
from urllib.parse import quote, urlsplit

from pydantic import BaseModel, Field

from promptlayer_patch.server.dashboard.rendering import rendered
from promptlayer_patch.server.dashboard.words import COOKIE
from promptlayer_patch.server.endpoints import Answer, Auth, Call, Endpoint
from promptlayer_patch.server.sessions import Sessions
from promptlayer_patch.server.workspaces import Workspace

__all__ = ["endpoints", "entered", "stranger"]

_HTML = "text/html; charset=utf-8"


class LanguageBody(BaseModel):
    language: Literal["en", "zh"]


class SignInBody(BaseModel):
    key: str = Field(min_length=1, max_length=500)
    back: str = Field(default="", max_length=20_000)
    """Where the reader was before a wrong key."""


def stranger(headers: Mapping[str, str], *, wrong: bool = False, back: str = "") -> Answer:
    """What somebody sees who has not been let in; the right key leads to the page that was asked for."""
    if not back and "origin" in headers:
        back = "/"  # Browsers name the origin of who sends a form, and where forms are sent to is no page.
    text = rendered(headers, "sign_in.html", {"title": "Sign in", "wrong": wrong, "back": back})
    return Answer(text.encode(), 401, content_type=_HTML)


def entered(sessions: Sessions, address: str) -> Answer:
    """Exchange the token of a link for a cookie, and leave it behind: no history or referrer has it."""
    return Answer(b"", 303, {"Location": address, "Set-Cookie": sessions.cookie()}, _HTML)


def _language(call: Call[LanguageBody, None]) -> Answer:
    cookie = f"{COOKIE}={call.body.language}; Path=/; Max-Age=31536000; SameSite=Strict"
    return Answer(b"", 303, {"Location": _back(call.headers), "Set-Cookie": cookie}, _HTML)


def _back(headers: Mapping[str, str], named: str = "") -> str:
    """The page that a form was sent from, or the one it names; no other site, whatever that says."""
    page = urlsplit(named or headers.get("referer", ""))
    where = page.path + (f"?{page.query}" if page.query else "")
    return "/" + quote(where.lstrip("/\\"), safe=punctuation)


def endpoints(sessions: Sessions, workspace_of: Callable[[str], Workspace | None]) -> tuple[Endpoint, ...]:
    """Those that let browsers in and out, which each server has of its own."""

    def sign_in(call: Call[SignInBody, None]) -> Answer:
        back = _back(call.headers, call.body.back)
        workspace = workspace_of(call.body.key.strip())
        if workspace is None:
            return stranger(call.headers, wrong=True, back=back)
        return Answer(b"", 303, {"Location": back, "Set-Cookie": sessions.cookie(workspace.id)}, _HTML)

    def sign_out(call: Call[None, None]) -> Answer:
        return Answer(b"", 303, {"Location": "/", "Set-Cookie": sessions.end(call.headers)}, _HTML)

    return (
        Endpoint(
            method="POST",
            path="/sign-in",
            handler=sign_in,
            summary="come in with a key",
            auth=Auth.NONE,
            form=True,
            body=SignInBody,
            ok=303,
        ),
        Endpoint(
            method="POST",
            path="/sign-out",
            handler=sign_out,
            summary="leave",
            auth=Auth.SESSION,
            form=True,
            ok=303,
        ),
        Endpoint(
            method="POST",
            path="/language",
            handler=_language,
            summary="choose the language of the interface",
            auth=Auth.SESSION,
            form=True,
            body=LanguageBody,
            ok=303,
        ),
    )
