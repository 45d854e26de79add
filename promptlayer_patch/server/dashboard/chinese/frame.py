"""What stands on every page."""

from __future__ import annotations

__all__ = ["FRAME"]

FRAME = {
    "API key": "API 密钥",
    "Cancel": "取消",
    "Charts": "图表",
    "Close": "关闭",
    "Close what is open": "关闭打开的内容",
    "Copied": "已复制",
    "Copy": "复制",
    "Go on": "继续",
    "Groups": "分组",
    "Keyboard shortcuts": "键盘快捷键",
    "Language": "语言",
    "Main": "主导航",
    "Next row, previous row": "下一行、上一行",
    "Open the row": "打开该行",
    "Open the link that promptlayer-patch serve has shown, or sign in with an API key.": (
        "请打开 promptlayer-patch serve 显示的链接，或使用 API 密钥登录。"
    ),
    "Please confirm": "请确认",
    "Prompts": "提示词模板",
    "Requests": "请求",
    "Search": "搜索",
    "Select the row": "选中该行",
    "Show this list": "显示此列表",
    "Sign in": "登录",
    "Sign out": "退出",
    "Skip to content": "跳到正文",
    "The browser does not let this page copy.": "浏览器不允许此页面复制。",
    "There is no such key.": "密钥不存在。",
    "Traces": "调用链",
}
