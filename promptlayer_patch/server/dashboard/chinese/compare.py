"""What stands on the page that compares two requests."""

from __future__ import annotations

__all__ = ["COMPARE"]

COMPARE = {
    "Cached tokens": "缓存 token",
    "Choose another one": "另选一个",
    "Compare": "比较",
    "Compare two requests": "比较两个请求",
    "Difference": "差异",
    "Figures": "数据",
    "Model": "模型",
    "Name": "名称",
    "Newest requests of the same function": "同一函数的最新请求",
    "Only the beginnings were compared.": "仅比较了开头部分。",
    "Parts of these texts are too long to be compared word by word; they are marked as a whole.": (
        "这些文本的部分内容过长，无法逐词比较，已整体标出。"
    ),
    "Prompt": "提示词",
    "Request id": "请求 ID",
    "Same template, other versions": "同一模板的其他版本",
    "Swap sides": "交换两侧",
    "Thinking tokens": "思考 token",
    "Time": "时间",
    "Version": "版本",
    "Which requests": "哪些请求",
    "characters left out": "个字符已省略",
    "characters that are the same": "个相同的字符",
    "differs": "不同",
    "like A": "与 A 相同",
    "the same": "相同",
}
