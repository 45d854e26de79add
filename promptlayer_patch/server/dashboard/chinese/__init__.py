"""The words of the interface in Chinese; each group of pages has its own."""

from __future__ import annotations

from promptlayer_patch.server.dashboard.chinese.charts import CHARTS
from promptlayer_patch.server.dashboard.chinese.compare import COMPARE
from promptlayer_patch.server.dashboard.chinese.completions import COMPLETIONS
from promptlayer_patch.server.dashboard.chinese.frame import FRAME
from promptlayer_patch.server.dashboard.chinese.groups import GROUPS
from promptlayer_patch.server.dashboard.chinese.prompts import PROMPTS
from promptlayer_patch.server.dashboard.chinese.refusing import REFUSING
from promptlayer_patch.server.dashboard.chinese.request import REQUEST
from promptlayer_patch.server.dashboard.chinese.requests import REQUESTS
from promptlayer_patch.server.dashboard.chinese.traces import TRACES

__all__ = ["CHINESE"]

CHINESE = {
    **FRAME,
    **CHARTS,
    **COMPARE,
    **COMPLETIONS,
    **GROUPS,
    **PROMPTS,
    **REFUSING,
    **REQUEST,
    **REQUESTS,
    **TRACES,
}
