"""What somebody wants to find, said without a word of any storage engine.

`model` is the tree, `fields` what may be asked of which field. Filter groups in JSON (`groups`) and the query
bar's language (`language`) are two ways to write the same tree.
"""

from __future__ import annotations

from promptlayer_patch._query.fields import FIELDS, Field, Kind, condition
from promptlayer_patch._query.model import (
    And,
    Condition,
    Cursor,
    Filter,
    InvalidQuery,
    Not,
    Operator,
    Or,
    Order,
    Query,
    SortKey,
    all_of,
    any_of,
    negated,
)

__all__ = [
    "FIELDS",
    "And",
    "Condition",
    "Cursor",
    "Field",
    "Filter",
    "InvalidQuery",
    "Kind",
    "Not",
    "Operator",
    "Or",
    "Order",
    "Query",
    "SortKey",
    "all_of",
    "any_of",
    "condition",
    "negated",
]
