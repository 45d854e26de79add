"""What browsers show in place of a page."""

from __future__ import annotations

__all__ = ["REFUSING"]

REFUSING = {
    "Not found": "未找到",
    "Only pages of this server may send this. Open the page anew and try again.": (
        "只有本服务器的页面才能提交。请重新打开页面后再试。"
    ),
    "That did not work": "操作未成功",
    "The store is busy. Try again in a moment.": "存储正忙，请稍后再试。",
    "There is nothing at this address.": "此地址没有内容。",
    "There is nothing to see at this address.": "此地址没有可查看的内容。",
}
