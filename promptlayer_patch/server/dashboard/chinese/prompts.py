"""The prompt registry."""

from __future__ import annotations

__all__ = ["PROMPTS"]

PROMPTS = {
    "A message whose text is empty is left out.": "内容为空的消息会被省略。",
    "A name that is taken already gets a new version.": "名称已存在时会发布为新版本。",
    "A release label has 1 to 512 characters.": "发布标签的长度为 1 到 512 个字符。",
    "Add a message": "添加消息",
    "An image of the message": "消息中的图片",
    "At most 72 characters.": "最多 72 个字符。",
    "Braces are doubled: {name} in single ones stands for a variable.": (
        "花括号已加倍：单花括号的 {name} 表示变量。"
    ),
    "By name": "按名称",
    "Compare": "比较",
    "Counted are the newest 10,000 requests of the template.": "仅统计该模板最近的 10,000 条请求。",
    "It has more than texts of the system, the user and the assistant, so it is written as JSON.": (
        "它不只有系统、用户和助手的文本，因此以 JSON 编写。"
    ),
    "Its requests": "相关请求",
    "Last changed": "最近修改",
    "Made of request": "来自请求",
    "Mean score": "平均评分",
    "Mean scores": "平均评分",
    "Message": "消息",
    "Messages": "消息",
    "Model and parameters": "模型与参数",
    "More": "更多",
    "Move": "移动",
    "Neither version says which model it is for.": "两个版本都没有指明模型。",
    "New prompt template": "新建提示词模板",
    "New template": "新建模板",
    "New version": "新版本",
    "New version from this one": "基于此版本新建",
    "Newest": "最近创建",
    "Next page": "下一页",
    "No prompt template is called so.": "没有符合条件的提示词模板。",
    "None yet. A label such as prod lets programs fetch the version it stands at.": (
        "暂无。程序可以通过 prod 这样的标签获取它所指的版本。"
    ),
    "Not found": "未找到",
    "Of the template; separated by commas.": "模板的标签，用逗号分隔。",
    "Older versions": "更早的版本",
    "Order": "排序",
    "Pages": "分页",
    "Parts are too long to be compared word by word.": "部分内容过长，无法逐词比较。",
    "Previous page": "上一页",
    "Publish": "发布",
    "Publish one here, from a request, or from Python:": "可以在这里发布，也可以由请求或用 Python 发布：",
    "Published": "发布时间",
    "Put at version {number}": "标到版本 {number}",
    "Release label": "发布标签",
    "Release labels": "发布标签",
    "Render": "渲染",
    "Render with variables": "填入变量渲染",
    "Rendered": "渲染结果",
    "Requests name these templates; they were published to another registry, or to none.": (
        "有请求提到这些模板；它们发布在别的注册表，或从未发布。"
    ),
    "Role": "角色",
    "Separated by commas; they move to this version.": "用逗号分隔；标签会移到此版本。",
    "Show differences": "显示差异",
    "Somebody else has just put this label. Look, and try again.": "刚刚有人标了这个标签，请查看后重试。",
    "Stands for the messages in the variable of this name.": "代表同名变量中的消息。",
    "Tag": "标签",
    "Take off": "取下",
    "Take the release label {name} off?": "取下发布标签 {name}？",
    "Text": "文本",
    "The other way round": "反过来",
    "There are no prompt templates yet": "还没有提示词模板",
    "There is no such prompt template or version.": "没有这个提示词模板或版本。",
    "There is no such request.": "没有这个请求。",
    "This cannot be published:": "无法发布：",
    "This version does not say which model it is for.": "此版本没有指明模型。",
    "This version has no variables.": "此版本没有变量。",
    "Tools, as JSON": "工具（JSON）",
    "Use it": "使用",
    "Used, but not kept here": "用过但不在此处",
    "Variables as": "变量写作",
    "Version": "版本",
    "Version of": "版本：",
    "Versions": "版本",
    "What has changed": "改动说明",
    "What you see is version {number}; publishing leaves it as it is.": (
        "当前显示的是版本 {number}；发布不会改动它。"
    ),
    "Write it as JSON": "以 JSON 编写",
    "Write it as text": "以文本编写",
    "only in version {number}": "仅在版本 {number}",
    "snippet": "片段",
    "text or JSON": "文本或 JSON",
    "the same": "相同",
    "{count} characters are not shown: there are too many for a page.": (
        "有 {count} 个字符未显示：内容超出一页的容量。"
    ),
    "with": "与",
}
