"""Traces and spans."""

from __future__ import annotations

__all__ = ["TRACES"]

TRACES = {
    "(no name)": "（无名称）",
    "Attributes": "属性",
    "Attributes and events that are not shown:": "未显示的属性和事件：",
    "Began": "开始时间",
    "Close all": "全部收起",
    "Drawn are the spans that began first:": "仅绘制最先开始的 span：",
    "Duration": "耗时",
    "Events": "事件",
    "Inside of": "包含于",
    "Its requests in the list": "在列表中查看其请求",
    "Kind": "类型",
    "Linked spans": "关联的 span",
    "Look at the request": "查看请求",
    "Made by": "来源",
    "Name": "名称",
    "No trace begins here.": "此处没有调用链。",
    "Only the beginning is shown.": "仅显示开头部分。",
    "Open all": "全部展开",
    "Parent": "父级",
    "Span": "Span",
    "Spans": "Span",
    "The program that made it": "产生它的程序",
    "The steps of a program around its requests; what began last comes first.": (
        "程序围绕请求所执行的步骤；最后开始的在前。"
    ),
    "Their times are those of the part that is drawn.": "时间以所绘制的部分为准。",
    "There are no traces. Spans of OpenTelemetry are taken at this address, with the API key as X-API-KEY:": (
        "还没有调用链。此地址接收 OpenTelemetry 的 span，API 密钥放在 X-API-KEY 中："
    ),
    "There is no such span.": "该 span 不存在。",
    "There is no such trace.": "该调用链不存在。",
    "Trace": "调用链",
    "client": "客户端",
    "closed": "已结束",
    "consumer": "消费者",
    "error": "错误",
    "failed": "失败",
    "internal": "内部",
    "ok": "成功",
    "producer": "生产者",
    "server": "服务端",
    "unspecified": "未指定",
}
