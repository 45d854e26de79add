"""What keeps other web sites and other machines out, and what every answer says to browsers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from starlette.types import Scope

from promptlayer_patch.server.refusals import BadRequest, Refusal

__all__ = ["ALWAYS", "Gate"]

_SAFE_METHODS = frozenset({"GET", "HEAD"})
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
_OWN_SITES = frozenset({"same-origin", "none"})

# Not "no-referrer": under it browsers send the forms of our own pages with `Origin: null`, as strangers do.
_REFERRERS = "same-origin"
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)

ALWAYS: tuple[tuple[bytes, bytes], ...] = tuple(
    (name.encode(), value.encode())
    for name, value in {
        "content-security-policy": _POLICY,
        "x-content-type-options": "nosniff",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "referrer-policy": _REFERRERS,
        "cache-control": "no-store",
    }.items()
)
"""Headers of every answer, errors included."""


class Misdirected(Refusal):
    status = 421


class Forbidden(Refusal):
    status = 403


class NotAMethod(Refusal):
    status = 405


class Gate:
    """Refuses what was not sent to this server, and what another web site's page sends.

    A page of any site can make its reader's browser send requests to this machine, and can make its own
    name point here. So the `Host` must be one of ours exactly, and a browser's request that changes
    something must come from a page of ours.
    """

    def __init__(self, hosts: Iterable[str]) -> None:
        self._hosts = frozenset(host.lower() for host in hosts)
        """`name:port`, or `name` alone where the port is the scheme's own."""
        self._origins = frozenset(
            f"{scheme}://{host}" for host in self._hosts for scheme in ("http", "https")
        )

    def admit(self, scope: Scope, headers: Mapping[str, str]) -> None:
        """Raises a `Refusal` for a request that must not be looked at any further."""
        if [name for name, _ in scope["headers"]].count(b"host") != 1:
            raise BadRequest("a request has exactly one Host")
        if headers["host"].lower() not in self._hosts:
            raise Misdirected("this server does not answer to that name")
        method = scope["method"]
        if method not in _METHODS:
            raise NotAMethod("this server does not know the method")
        if method not in _SAFE_METHODS:
            self._refuse_other_sites(headers)

    def admit_own_page(self, headers: Mapping[str, str]) -> None:
        """Raises a `Refusal` unless a browser says that a page of ours sends this."""
        own_site = headers.get("sec-fetch-site") == "same-origin"
        if not own_site and headers.get("origin", "").lower() not in self._origins:
            raise Forbidden("this is for pages of this server")

    def _refuse_other_sites(self, headers: Mapping[str, str]) -> None:
        site = headers.get("sec-fetch-site")
        origin = headers.get("origin")
        if site is not None and site not in _OWN_SITES:
            raise Forbidden("other sites may not send requests to this server")
        if origin is not None and origin.lower() not in self._origins:
            raise Forbidden("other sites may not send requests to this server")
