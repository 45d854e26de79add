"""What customers of Lantern, an invented bookkeeping app, have asked, and what they were told."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CONVERSATIONS", "ERRORS", "INVOICES", "ORDERS", "SEARCHES", "SYSTEM", "TOPICS", "Conversation"]

SYSTEM = {
    1: "You answer customers of Lantern, a bookkeeping app. Be brief.",
    2: "You answer customers of Lantern, a bookkeeping app. Be brief and friendly, and name the menu.",
    3: (
        "You answer customers of Lantern, a bookkeeping app, in their own language. Be brief and friendly, "
        "name the menu to open, and offer a person where you are not sure."
    ),
}
"""By version of the prompt template `support-reply`."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """Turns of one customer: question, answer, question, answer."""

    topic: str
    turns: tuple[tuple[str, str], ...]


CONVERSATIONS = (
    Conversation(
        "refund",
        (
            (
                "I was charged twice for November. How do I get the second payment back?",
                "Sorry about that! I see two payments of 29 EUR. The second one goes back to your card in "
                "three to five working days; under Billing > Payments you can follow it.",
            ),
            (
                "Will the refund policy change next year?",
                "Not that we know of: 30 days, no questions asked. If it does, we write a month before.",
            ),
        ),
    ),
    Conversation(
        "退款",
        (
            (
                "我上周取消了订阅，为什么还没有收到退款？",
                "您好！退款已于周一提交，银行通常需要三到五个工作日。您可以在“账单 > 付款记录”里查看进度。",
            ),
            ("如果五天以后还没有到账怎么办？", "请把订单号发给我们，我们会马上联系银行，并在当天回复您。"),
        ),
    ),
    Conversation(
        "export",
        (
            (
                "My accountant needs all bookings of 2025 as a spreadsheet.",
                "Open Settings > Data > Export, choose 2025 and XLSX. The file is ready in about a minute.",
            ),
            (
                "Does it contain the receipts too?",
                "Tick 'with receipts', and a ZIP with all of them comes along. Careful, it can be large.",
            ),
            (
                "It says 1.2 GB. Is there another way?",
                "Yes: export quarter by quarter, or share read access instead.",
            ),
        ),
    ),
    Conversation(
        "sign-in",
        (
            (
                "The link to reset my password has expired already!",
                "The link is good for one hour. Choose 'Forgot password' once more; a new one is on its way.",
            ),
        ),
    ),
    Conversation(
        "team",
        (
            (
                "How do I let my colleague see the reports, but not the salaries?",
                "Under Settings > Team give her the role 'Analyst': all reports, nothing about payroll.",
            ),
            ("And can she invite others?", "No, only owners and administrators can invite."),
        ),
    ),
    Conversation(
        "bank",
        (
            (
                "Meine Bank wird nicht gefunden, es ist die Sparkasse Münster.",
                "Suchen Sie bitte nach der Bankleitzahl 400 501 50, der Name steht ohne Umlaut da. Klappt es "
                "nicht, verbinde ich Sie gern mit einer Kollegin.",
            ),
        ),
    ),
    Conversation(
        "請求書",
        (
            (
                "請求書を英語で発行できますか？",
                "はい。「設定 > 請求書 > 言語」で英語を選ぶと、次回から英語になります。",
            ),
        ),
    ),
    Conversation(
        "vat",
        (
            (
                "Why does the VAT report show 0 for October? This is the third time, it is really annoying.",
                "I am sorry for the trouble. October is empty because the period is still open: close it "
                "under Reports > VAT > Periods. I'm not sure whether September is affected as well.",
            ),
        ),
    ),
)

TOPICS = tuple(conversation.topic for conversation in CONVERSATIONS)

ORDERS = (
    ("Where is order A-1001?", "A-1001", {"status": "on its way", "courier": "Northline", "days": 2}),
    ("Has A-1044 been delivered?", "A-1044", {"status": "delivered", "courier": "Northline", "days": 0}),
    ("My card reader A-1093 never arrived.", "A-1093", {"status": "lost", "courier": "Paketo", "days": 9}),
)

INVOICES = (
    (
        "Invoice 2026-0412, Fjord Supplies AS, 12 office chairs at 149.00, VAT 25 %, due 2026-12-10",
        1788.0,
        "EUR",
    ),
    ("Rechnung 881, Druckerei Kolb, 5000 Flyer, netto 412,50, MwSt 19 %, zahlbar bis 05.12.", 412.5, "EUR"),
    ("发票 20261118，上海光明办公用品有限公司，打印纸 40 箱，合计 3,960 元", 3960.0, "CNY"),
)

SEARCHES = (
    "how to close a period",
    "import bank statement csv",
    "退款政策",
    "payroll for contractors",
    "VAT Norway",
)

ERRORS = (
    ("RateLimitError", "Rate limit reached for gpt-4o: 30000 tokens per minute. Try again in 2.4s.", 429),
    ("APITimeoutError", "Request timed out.", None),
    ("BadRequestError", "This model's maximum context length is 128000 tokens.", 400),
    ("InternalServerError", "The server had an error while processing your request.", 500),
)
"""Type, message and HTTP status."""
