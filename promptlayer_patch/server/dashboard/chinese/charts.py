"""Charts."""

from __future__ import annotations

__all__ = ["CHARTS"]

CHARTS = {
    "All time": "全部时间",
    "Bars by": "条形按",
    "Begins": "开始于",
    "Cost": "费用",
    "Counting all of them would take too long: part of this page is about the newest 20,000 requests.": (
        "全部统计耗时过长：本页部分内容只统计最近的 20,000 条请求。"
    ),
    "Errors": "错误",
    "Input": "输入",
    "Latency": "延迟",
    "Latency p50": "延迟 p50",
    "Latency p95": "延迟 p95",
    "List these requests": "列出这些请求",
    "Metadata": "元数据",
    "Models": "模型",
    "Name": "名称",
    "None.": "无。",
    "Of the input cached": "输入中的缓存",
    "Of the output thinking": "输出中的思考",
    "Output": "输出",
    "Prompt templates": "提示词模板",
    "Query": "查询",
    "Show": "显示",
    "Show as table": "以表格显示",
    "Show {count} more": "再显示 {count} 项",
    "Successes": "成功",
    "Tags": "标签",
    "The requests are being indexed; try again in a moment.": "正在建立索引，请稍后再试。",
    "There are no requests of this query and time.": "该查询和时间范围内没有请求。",
    "Time": "时间",
    "Time to first token": "首个 token 用时",
    "Tokens": "Token 数",
    "Tools": "工具",
    "Warnings": "警告",
    "against the same time before": "与之前同样长的时间相比",
    "empty": "空",
    "from": "之前为",
    "nothing to compare": "无可比较",
    "of the newest requests only": "仅最近的请求",
    "p50": "p50",
    "p90": "p90",
    "p95": "p95",
    "unknown": "未知",
}
