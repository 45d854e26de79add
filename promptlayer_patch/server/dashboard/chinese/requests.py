"""The list of requests."""

from __future__ import annotations

__all__ = ["REQUESTS"]

REQUESTS = {
    "Actions": "操作",
    "Add": "添加",
    "All of this query": "此查询的全部请求",
    "All time": "全部时间",
    "Attempts": "尝试次数",
    "Chosen time": "自选时间",
    "Clear": "清除",
    "Columns": "列",
    "Completions": "补全建议",
    "Cost": "费用",
    "Counts are of the newest 10,000 requests.": "计数仅包括最新的 10,000 个请求。",
    "ERROR": "错误",
    "Delete requests": "删除请求",
    "Delete them": "删除",
    "Delete…": "删除…",
    "Download": "下载",
    "Ending": "结束方式",
    "Filters": "筛选",
    "First token": "首个 token",
    "From": "从",
    "Function": "函数",
    "In": "输入",
    "Input tokens": "输入 token",
    "Input and output": "输入与输出",
    "Last 24 hours": "最近 24 小时",
    "Last 30 days": "最近 30 天",
    "Last 7 days": "最近 7 天",
    "Last hour": "最近 1 小时",
    "Latency": "延迟",
    "Live": "实时",
    "Look again": "再看一次",
    "Model": "模型",
    "More requests": "更多请求",
    "Name of the score": "评分名称",
    "No request meets this query.": "没有符合此查询的请求。",
    "No requests yet": "还没有请求",
    "Nothing to draw.": "没有可绘制的内容。",
    "Nothing to filter by.": "没有可筛选的内容。",
    "Of the newest requests only.": "仅包括最新的请求。",
    "Older requests": "更早的请求",
    "One form changes 10,000 requests at most, the newest first.": (
        "一次最多更改 10,000 个请求，从最新的开始。"
    ),
    "Out": "输出",
    "Output tokens": "输出 token",
    "Query": "查询",
    "Remove": "移除",
    "Requests over time": "请求随时间的变化",
    "Requests over time: arrow keys choose a time, with shift a stretch of it; Enter shows its requests": (
        "请求随时间的变化：方向键选择时刻，按住 Shift 选择一段时间，Enter 显示其中的请求"
    ),
    "Score, 0 to 100": "评分（0 到 100）",
    "Scores": "评分",
    "Search: words, model:gpt-4o tag:prod latency:>2s status:error": (
        "搜索：关键词、model:gpt-4o tag:prod latency:>2s status:error"
    ),
    "SUCCESS": "成功",
    "Select all rows": "选中所有行",
    "Select rows first, or all of the query.": "请先选中行，或选择此查询的全部请求。",
    "Select the request": "选中请求",
    "Selected": "已选",
    "Set": "设置",
    "Show": "显示",
    "Show new requests as they come": "实时显示新请求",
    "Start a program that calls OpenAI with this line:": "用这一行启动一个调用 OpenAI 的程序：",
    "Status": "状态",
    "Tag": "标签",
    "Tags": "标签",
    "Template": "模板",
    "The selected rows": "选中的行",
    "The store is being indexed. Look again in a moment.": "正在建立索引，请稍后再看。",
    "There are more than 10,000. One form changes the newest 10,000 of them; a download has all.": (
        "超过 10,000 个。一次最多更改其中最新的 10,000 个；下载则包括全部。"
    ),
    "This takes too long. Ask for less time, or for fewer things at once.": (
        "耗时过长。请缩小时间范围或减少条件。"
    ),
    "Time": "时间",
    "To": "到",
    "User": "用户",
    "WARNING": "警告",
    "What it sends appears here at once.": "它发送的请求会立即显示在这里。",
    "Which requests": "哪些请求",
    "Without": "排除",
    "abandoned": "未读完",
    "cancelled": "已取消",
    "closed_early": "提前关闭",
    "complete": "完成",
    "consumer_error": "调用方出错",
    "error": "错误",
    "errors": "个错误",
    "name, if it has one": "名称（可选）",
    "never_read": "从未读取",
    "ok": "成功",
    "provider_error": "服务方出错",
    "request": "个请求",
    "request will be deleted, with all that was said about it. It cannot be brought back.": (
        "个请求将被删除，连同它的全部标注。删除后无法恢复。"
    ),
    "requests": "个请求",
    "requests will be deleted, with all that was said about them. They cannot be brought back.": (
        "个请求将被删除，连同它们的全部标注。删除后无法恢复。"
    ),
    "warning": "警告",
    "your API key": "您的 API 密钥",
}
