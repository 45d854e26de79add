"""Going through all templates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from promptlayer_patch import _api
from promptlayer_patch._registry import arguments as checks
from promptlayer_patch._registry import publishing
from promptlayer_patch._registry.listing import AsyncListing, Listing, alisting

__all__ = ["AsyncListing", "Listing", "aall", "all"]


def all(
    page: int | None = None,
    per_page: int = 30,
    label: str | None = None,
    name: str | None = None,
    tags: Sequence[str] = (),
    status: str | None = None,
    sort_by: str | None = None,
    sort_order: str | None = None,
    *,
    is_snippet: bool | None = None,
    created_by_email: str | None = None,
    created_after: str | None = None,
    created_before: str | None = None,
    updated_after: str | None = None,
    updated_before: str | None = None,
    external_source: str | None = None,
    external_id: str | None = None,
    timeout_s: float = 10.0,
) -> Listing:
    """All prompt templates, one after another; a page is asked for when the first of it is wanted.

    `total` and `pages` of the listing tell how many there are. Each template is the latest version, or the
    one its label stands at.

    Args:
        page: only this page, counted from 1.
        per_page: templates on a page.
        label: only those that have this release label.
        name: only those with this in their name, in capitals or not.
        tags: only those that have all of these.
        status: `"active"`, `"deleted"` or `"all"`.
        sort_by: `"created_at"`, `"updated_at"`, `"name"` or `"id"`.
        sort_order: `"asc"` or `"desc"`, which is the default.
        is_snippet: only snippets, or only what is none.
        created_by_email: only those made by this person.
        created_after: an ISO date or time; likewise the three after it.
        external_source: only those that another system knows; with `external_id`.
        timeout_s: the longest to wait for a page, in seconds.
    """
    query = [
        ("per_page", str(checks.checked_whole("per_page", per_page))),
        *publishing.query_of(
            label=checks.optional_text("label", label),
            name=checks.optional_text("name", name),
            tags=checks.checked_names("tags", tags),
            status=checks.checked_choice("status", status, ("active", "deleted", "all")),
            is_snippet=checks.optional_switch("is_snippet", is_snippet),
            created_by_email=checks.optional_text("created_by_email", created_by_email),
            created_after=checks.optional_text("created_after", created_after),
            created_before=checks.optional_text("created_before", created_before),
            updated_after=checks.optional_text("updated_after", updated_after),
            updated_before=checks.optional_text("updated_before", updated_before),
            sort_by=checks.checked_choice("sort_by", sort_by, ("created_at", "updated_at", "name", "id")),
            sort_order=checks.checked_choice("sort_order", sort_order, ("asc", "desc")),
            external_source=checks.optional_text("external_source", external_source),
            external_id=checks.optional_text("external_id", external_id),
        ),
    ]
    only = None if page is None else checks.checked_whole("page", page)
    wait_s, account = checks.checked_timeout(timeout_s), _api.account()

    def ask(number: int) -> Any:
        numbered = [("page", str(number)), *query]
        return _api.ask(account, "GET", "/prompt-templates", query=numbered, timeout_s=wait_s)

    return Listing(ask, only)


aall = alisting(all)
