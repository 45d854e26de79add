"""What the query bar says of the fields and values that it offers."""

from __future__ import annotations

__all__ = ["COMPLETIONS"]

COMPLETIONS = {
    "30 days ago": "30 天前",
    "HTTP requests made for the call": "此调用发出的 HTTP 请求数",
    "HTTP status of the provider's answer": "提供商响应的 HTTP 状态码",
    "SUCCESS, WARNING or ERROR": "SUCCESS、WARNING 或 ERROR",
    "US dollars": "美元",
    "a day ago": "一天前",
    "a metadata value by its key": "按键查询的元数据值",
    "a prompt template's variable by its name": "按名称查询的提示词模板变量",
    "a score, 0 to 100, by its name": "按名称查询的评分，0 到 100",
    "a value in an output that is a JSON object, by its dotted path": (
        "输出为 JSON 对象时，按点分路径查询的值"
    ),
    "a week ago": "一周前",
    "an hour ago": "一小时前",
    "anything": "任意值",
    "apologetic, refusal or uncertain, going by phrases in English and Chinese": (
        "apologetic（致歉）、refusal（拒绝）或 uncertain（不确定），依据中英文短语判断"
    ),
    "as the provider counted them": "以提供商的计数为准",
    "at least": "不少于",
    "at most": "不多于",
    "began earlier, that day excluded": "在此之前开始，不含当天",
    "began later, that day excluded": "在此之后开始，不含当天",
    "began on that day": "在当天开始",
    "began then or earlier, all of that day included": "在此时或之前开始，含当天全天",
    "began then or later: 7d, 2026-11-01": "在此时或之后开始：7d、2026-11-01",
    "dotted paths in an output that is a JSON object": "输出为 JSON 对象时其中的点分路径",
    "frustrated, satisfied or curious, going by phrases in English and Chinese": (
        "frustrated（沮丧）、satisfied（满意）或 curious（好奇），依据中英文短语判断"
    ),
    "id of the prompt template": "提示词模板的 ID",
    "ids of its groups": "所属分组的 ID",
    "input and output tokens together": "输入与输出 token 之和",
    "input tokens that came from the provider's cache": "来自提供商缓存的输入 token",
    "its tags": "标签",
    "keys of its metadata": "元数据的键",
    "less than": "少于",
    "metadata session_id": "元数据 session_id",
    "metadata user_id": "元数据 user_id",
    "milliseconds from start to end": "从开始到结束的毫秒数",
    "milliseconds from start to the first output of a stream": "从开始到流首次输出的毫秒数",
    "more than": "多于",
    "name of the prompt template": "提示词模板的名称",
    "names of its scores": "评分的名称",
    "names of the prompt template's variables": "提示词模板变量的名称",
    "output tokens spent on reasoning": "用于推理的输出 token",
    "release label of the prompt template": "提示词模板的发布标签",
    "since midnight": "今天零点以来",
    "the day before": "前一天",
    "the method that was called": "被调用的方法",
    "the model that answered": "作答的模型",
    "the output calls tools": "输出调用了工具",
    "the output is a JSON object": "输出是 JSON 对象",
    "the output is neither": "输出两者都不是",
    "the record's own id": "记录自身的 ID",
    "the request id": "请求 ID",
    "the score without a name, 0 to 100": "没有名称的评分，0 到 100",
    "the trace it belongs to": "所属的调用链",
    "tools that the output calls": "输出调用的工具",
    "version of the prompt template": "提示词模板的版本",
    "what came back": "收到的内容",
    "what was sent": "发送的内容",
    "what was sent or what came back": "发送或收到的内容",
    "when the call began": "调用开始的时间",
    "when the call ended": "调用结束的时间",
}
