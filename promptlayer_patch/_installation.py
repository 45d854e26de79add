"""What is installed from an `install()` to its `uninstall()`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from promptlayer_patch._delivery.pipeline import Pipeline
    from promptlayer_patch._options import Options
    from promptlayer_patch._settings import Settings

UNINSTALLED = "promptlayer_patch was uninstalled"


class Installation:
    """From an `install()` to its `uninstall()`; a call belongs to the one it began in."""

    __slots__ = ("_made", "is_on", "is_ready", "only_asked", "options", "over", "pipeline")

    def __init__(
        self, options: Options | None = None, *, is_on: bool = False, only_asked: bool = False
    ) -> None:
        self.options = options if options is not None else {}
        self.is_on = is_on
        self.is_ready = False
        """Whether what it patches is patched too, which takes its time after it is on."""
        self.only_asked = only_asked
        self.pipeline: Pipeline | None = None
        """Opened when it is first needed."""
        self.over = UNINSTALLED
        """Why nothing is taken any more, once it is off."""
        self._made: tuple[Options | None, Settings | None] = None, None

    @property
    def settings(self) -> Settings:
        """The options, for those who read them."""
        made_of, settings = self._made
        if settings is None or made_of is not self.options:
            # Only for them: loading what makes such a class takes longer than all of `install()`.
            from promptlayer_patch._settings import Settings

            options = self.options
            settings = Settings(**options)
            self._made = options, settings
        return settings

    def end(self, reason: str) -> Pipeline | None:
        """Take no call any more that began in it; its pipeline, if it was opened, which is not closed."""
        pipeline, self.pipeline, self.is_on, self.over = self.pipeline, None, False, reason
        self.is_ready = False
        return pipeline
