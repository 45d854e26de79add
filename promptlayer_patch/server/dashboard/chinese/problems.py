"""What is wrong with what somebody has typed: queries, forms, templates. `{}` stands for what differs."""

from __future__ import annotations

__all__ = ["PROBLEMS"]

_QUERIES = {
    "a field may have {} values": "一个字段最多可有 {} 个值",
    "a query may be nested {} deep": "查询最多可嵌套 {} 层",
    "a query may have {} characters, this one has {}": "查询最多 {} 个字符，这个有 {} 个",
    "a query may have {} conditions": "查询最多可有 {} 个条件",
    "a text is asked for at the beginning (^) or at the end ($)": "文本可以按开头（^）或结尾（$）查询",
    "a value is missing after {}": "{} 后面缺少值",
    "brackets may be nested {} deep": "括号最多可嵌套 {} 层",
    "something to look for is missing here": "这里缺少要查找的内容",
    "the bracket is not closed": "括号没有闭合",
    "the name says it already, {} is too much": "名称中已有此含义，{} 是多余的",
    "the quotation mark is not closed": "引号没有闭合",
    "the quotation marks go around the whole value": "引号要括住整个值",
    "there is no ( for this )": "这个 ) 没有对应的 (",
    'there is no field {}, the nearest is {}; put words with a colon in "quotes"': (
        '没有字段 {}，最接近的是 {}；带冒号的词请放在 "引号" 中'
    ),
    'there is no field {}; put words with a colon in "quotes"': '没有字段 {}；带冒号的词请放在 "引号" 中',
    "there is no field {}": "没有字段 {}",
    '{} cannot be asked for beginnings; put the star in "quotes" to mean it': (
        '{} 不能按开头查询；要查找星号本身，请放在 "引号" 中'
    ),
    '{} cannot be asked of {}; put it in "quotes" to mean it': (
        '{} 不能用于 {}；要按字面查找，请放在 "引号" 中'
    ),
    "{} cannot be asked for {}": "{} 不能按 {} 查询",
    "{} has no keys; {} have": "{} 没有键；{} 有键",
    "{} has no keys": "{} 没有键",
    "{} has no unit {}, it has {}": "{} 没有单位 {}，可用 {}",
    "{} has no unit {}": "{} 没有单位 {}",
    "{} is no ISO 8601 date or time; write 2026-11-01, today or 7d": (
        "{} 不是 ISO 8601 日期或时间；请写 2026-11-01、today 或 7d"
    ),
    "the year {} is out of range; write 2026-11-01, today or 7d": (
        "年份 {} 超出范围；请写 2026-11-01、today 或 7d"
    ),
    "{}; write 2026-11-01, today or 7d": "{}；请写 2026-11-01、today 或 7d",
    "{} is true or false": "{} 的值是 true 或 false",
    "{} needs a key, as in {}.user_id:42": "{} 需要键，例如 {}.user_id:42",
    "{} needs a key": "{} 需要键",
    "{} needs a list of values": "{} 需要一组值",
    "{} needs a number of ordinary size": "{} 需要大小正常的数字",
    "{} needs a number": "{} 需要数字",
    "{} needs a text": "{} 需要文本",
    "{} needs two values, the first and the last": "{} 需要两个值：起始和结束",
    '{} stands between two conditions; put it in "quotes" to look for the word': (
        '{} 用在两个条件之间；要查找这个词，请放在 "引号" 中'
    ),
    "{} takes {}": "{} 可用的值：{}",
    "{}: a text of {} characters is too long": "{}：{} 个字符的文本太长",
}
_FORMS = {
    "Field required": "必填",
    "Input should be a valid boolean": "应为 true 或 false",
    "Input should be a valid dictionary": "应为对象",
    "Input should be a valid integer": "应为整数",
    "Input should be a valid integer, got a number with a fractional part": "应为整数，不能有小数",
    "Input should be a valid integer, unable to parse string as an integer": "应为整数",
    "Input should be a valid list": "应为列表",
    "Input should be a valid number": "应为数字",
    "Input should be a valid string": "应为文本",
    "Input should be greater than or equal to {}": "应大于或等于 {}",
    "Input should be less than or equal to {}": "应小于或等于 {}",
    "Input should be less than {}": "应小于 {}",
    "Input should be {}": "应为 {}",
    "List should have at most {} items after validation, not {}": "列表最多 {} 项，现有 {} 项",
    "List should have at least {} item after validation, not {}": "列表至少 {} 项，现有 {} 项",
    "String should have at least {} character": "至少 {} 个字符",
    "String should have at least {} characters": "至少 {} 个字符",
    "String should have at most {} characters": "最多 {} 个字符",
    "String should match pattern {}": "应符合格式 {}",
    "Value error, {}": "{}",
    "a block of text needs a text": "文本块需要有文本",
    "a body has at most {} bytes": "内容最多 {} 字节",
    "a tag has at most 512 characters": "标签最多 512 个字符",
    "expected a JSON object": "应为 JSON 对象",
    "expected a list": "应为列表",
    "expected a list of messages: {}": "应为消息列表：{}",
    "expected a list of strings": "应为文本列表",
    "expected a list of tools": "应为工具列表",
    "expected addresses, or objects, of media": "应为媒体的地址或对象",
    "the body is no JSON: {}": "内容不是 JSON：{}",
    "the body is nested more than {} levels deep": "内容的嵌套超过 {} 层",
    "the form is no UTF-8": "表单不是 UTF-8",
    "the store is busy; try again": "存储正忙，请重试",
    "there are too many values in the body": "内容中的值太多",
    "the content type must be application/json": "内容类型必须是 application/json",
    "the server made a mistake": "服务器出错",
    "this server does not answer to that name": "本服务器不以该名称提供服务",
}
_TEMPLATES = {
    "another prompt template has this external id": "另一个提示词模板已有此外部 ID",
    "another prompt template has this name": "另一个提示词模板已有此名称",
    "the prompt template has a release label of this name already": "该提示词模板已有此名称的发布标签",
    "the prompt template has more than {} snippets": "该提示词模板的片段超过 {} 个",
    "the prompt template has {}, which this server does not render": "该提示词模板含有 {}，本服务器不渲染",
    "the prompt template comes to more than {} characters": "该提示词模板渲染后超过 {} 个字符",
    "the prompt template counts too far": "该提示词模板计数过大",
    "the prompt template does more work than is allowed here": "该提示词模板的计算量超出此处的限制",
    "the prompt template nests too deeply, or is too large": "该提示词模板嵌套过深或过大",
    "the prompt template reaches for what it must not have": "该提示词模板访问了不允许的内容",
    "the prompt template is too large to be rendered here": "该提示词模板太大，无法在此渲染",
    "the snippets come to more than {} characters": "片段合计超过 {} 个字符",
}

PROBLEMS = {**_QUERIES, **_FORMS, **_TEMPLATES}
"""Those with more text of their own stand before those that would take it for what differs."""
