"""What a page must never do, seen from outside of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Dialog, Request

__all__ = ["Watch"]

_REPORTS_VIOLATIONS = """
addEventListener("securitypolicyviolation", (event) =>
  reportViolation(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
"""
_STAYS_INSIDE = ("data", "blob", "about")
_SAID_OF_ERROR_STATUS = "Failed to load resource: the server responded with a status of "


@dataclass
class Watch:
    """Everything that goes on in one browser's context, held against what may."""

    origin: str = ""
    """Where all requests must go: scheme, host and port."""
    statuses: set[int] = field(default_factory=set)
    """Those of errors that a test asks for; any other that the console reports is trouble."""
    trouble: list[str] = field(default_factory=list)

    def begin(self, origin: str) -> None:
        """Forget what was before; whoever comes now has to do with the server at `origin` alone."""
        self.origin = origin
        self.statuses.clear()
        self.trouble.clear()

    def over(self, context: BrowserContext) -> None:
        context.on("dialog", self._dialog)
        context.on("request", self._request)
        context.on("console", self._console)
        context.on("weberror", lambda error: self.trouble.append(f"error: {error.error}"))
        context.expose_binding("reportViolation", self._violation)
        context.add_init_script(_REPORTS_VIOLATIONS)

    def check(self) -> None:
        """Fails if anything went on that may not."""
        assert not self.trouble, "\n".join(self.trouble)

    def _dialog(self, dialog: Dialog) -> None:
        self.trouble.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _request(self, request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme not in _STAYS_INSIDE and f"{address.scheme}://{address.netloc}" != self.origin:
            self.trouble.append(f"request elsewhere: {request.url}")

    def _console(self, message: ConsoleMessage) -> None:
        if message.type != "error":
            return
        status = message.text.removeprefix(_SAID_OF_ERROR_STATUS)[:3]
        if not (status.isdigit() and int(status) in self.statuses):
            self.trouble.append(f"console: {message.text} ({message.location.get('url')})")

    def _violation(self, source: Any, what: str) -> None:
        self.trouble.append(f"policy violation: {what}")
