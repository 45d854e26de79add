"""Groups and tags."""

from __future__ import annotations

__all__ = ["GROUPS"]

GROUPS = {
    "(empty)": "（空）",
    "(goes on)": "（未完）",
    "Cost": "费用",
    "Cost, 30 days": "近 30 天费用",
    "Earlier messages, not shown here:": "未在此显示的更早消息：",
    "Errors": "错误",
    "Errors: the share of the newest requests of a tag, 200 at most. Days are those of UTC.": (
        "错误：该标签最近的请求（最多 200 个）中出错的比例。日期按 UTC 计算。"
    ),
    "Find": "查找",
    "First request": "首个请求",
    "From first to last": "从首个到最后",
    "From the beginning": "从头开始",
    "Group": "分组",
    "In the list of requests": "在请求列表中查看",
    "Last answer": "最后的回答",
    "Last request": "最后的请求",
    "Last used": "最近使用",
    "Later": "更晚",
    "Less used": "使用较少的",
    "Messages sent again:": "重复发送的消息：",
    "Most used": "使用最多的",
    "Newest": "最新",
    "No text; the request has the rest.": "没有文本；其余内容见该请求。",
    "Not found": "未找到",
    "Of its newest requests, 200 at most": "取最近的请求，最多 200 个",
    "Older": "更早",
    "Pages": "分页",
    "Requests that belong together, the newest group first.": "属于一起的请求；最新的分组在前。",
    "Requests, 30 days": "近 30 天请求",
    "Tag": "标签",
    "Tags": "标签",
    "Tags that begin with": "标签开头为",
    "There are no groups.": "还没有分组。",
    "There are no older groups.": "没有更早的分组。",
    "There are no requests here.": "这里没有请求。",
    "There are no such tags.": "没有这样的标签。",
    "There are no tags.": "还没有标签。",
    "Tokens, 30 days": "近 30 天 token",
    "Where this is": "当前位置",
    "no model": "无模型",
    "unknown": "未知",
}
