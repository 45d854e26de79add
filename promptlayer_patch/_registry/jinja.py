"""Templates of the format `jinja2`, in jinja's sandbox and within a budget.

The sandbox keeps a template from reaching into Python; it does not keep it from looping for hours or from
making a text that fills the memory. So everything that repeats, grows or compares is counted: loops, calls,
filters, operators, comparisons, literals. What jinja would do natively, without a place to count, is moved
into a filter of ours (`_Counting`) before it is compiled. Filters and methods whose cost cannot be told from
their arguments are left out (`jinja_costs`), and a template that uses one is left to PromptLayer.

The only module that imports jinja2, and imported only when there is such a template.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from typing import Any

from jinja2 import ChainableUndefined, Template, TemplateError, meta, nodes
from jinja2.exceptions import SecurityError
from jinja2.filters import FILTERS
from jinja2.runtime import Context, LoopContext, Undefined
from jinja2.sandbox import SandboxedEnvironment
from jinja2.visitor import NodeTransformer

from promptlayer_patch._registry.budget import Budget, NotHere, Refused
from promptlayer_patch._registry.jinja_costs import ALLOWED_FILTERS, check_call, check_filter, check_operator

_TOKENS = 20_000
"""Pieces of a text; compiling takes about 20 us for each, which is as long as this many steps:"""
_TOKEN_STEPS = 10
_TEXT_STEPS = 300
"""What making an environment takes: a template may have many short texts."""
_GLOBALS = ("dict", "cycler", "joiner", "namespace")


def render(text: str, variables: Mapping[str, Any], budget: Budget) -> str:
    """Raises `Refused`, `NotHere`, or what jinja2 and Python raise for a text that makes no sense."""
    try:
        return _Sandbox(budget).rendered(text, variables)
    except SecurityError:
        raise Refused("the prompt template reaches for what it must not have") from None
    except (RecursionError, MemoryError):
        raise Refused("the prompt template nests too deeply, or is too large") from None


def names_in(text: str) -> list[str]:
    """The variables of a text; none if it does not parse, or is too large to be rendered here."""
    environment = SandboxedEnvironment()
    try:
        if any(count > _TOKENS for count, _ in enumerate(environment.lex(text))):
            return []
        return sorted(meta.find_undeclared_variables(_Unfolded().visit(environment.parse(text))))
    except (TemplateError, RecursionError, ValueError):  # the last for a number of very many digits
        return []


class _Sandbox(SandboxedEnvironment):
    """An environment for one rendering."""

    intercepted_binops = frozenset(SandboxedEnvironment.default_binop_table)

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        super().__init__(
            undefined=ChainableUndefined, optimized=False, cache_size=0, finalize=self._finalized
        )
        self.concat = self._joined  # type: ignore[method-assign]
        self.globals = {"range": range, **{name: self.globals[name] for name in _GLOBALS}}
        self.filters = {name: self._guarded(name, FILTERS[name]) for name in ALLOWED_FILTERS}
        self.tests = {name: self._guarded("", test) for name, test in self.tests.items()}
        self.filters.update(_looped=self._looped, _weighed=self._weighed, _joined=self._texts)

    def rendered(self, text: str, variables: Mapping[str, Any]) -> str:
        self._budget.spend(_TEXT_STEPS)
        for count, _ in enumerate(self.lex(text)):
            self._budget.spend(_TOKEN_STEPS)
            if count > _TOKENS:
                raise Refused("the prompt template is too large to be rendered here")
        tree = _Counting().visit(self.parse(text))
        _check_filters(tree)
        template = Template.from_code(self, self.compile(tree), self.make_globals(None))
        return template.render(dict(variables))

    # What templates do, and where it is counted

    def getattr(self, obj: Any, attribute: str) -> Any:
        self._budget.spend()
        return super().getattr(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        # A key is hashed anew each time, however much is in it.
        self._budget.weigh(argument)
        return super().getitem(obj, argument)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        return not attr.startswith("_") and super().is_safe_attribute(obj, attr, value)

    def unsafe_undefined(self, obj: Any, attribute: str) -> Undefined:
        raise SecurityError("an attribute that is not for templates")

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        budget = __self._budget
        budget.weigh(*args, kwargs)
        if isinstance(__obj, LoopContext):
            args = tuple(__self._looped(one) for one in args)
        else:
            check_call(budget, __obj, args, kwargs)
        result = super().call(__context, __obj, *args, **kwargs)
        budget.weigh(result)
        return result

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        self._budget.weigh(left, right)
        check_operator(self._budget, operator, left, right)
        result = super().call_binop(context, operator, left, right)
        self._budget.weigh(result)
        return result

    def _finalized(self, value: Any) -> Any:
        if not isinstance(value, str):
            self._budget.weigh(value)
        return value

    def _joined(self, parts: Iterable[str]) -> str:
        texts = list(self._budget.counted(parts))
        self._budget.characters(sum(map(len, texts)))
        return "".join(texts)

    # The filters that stand for what jinja does natively

    def _looped(self, value: Any) -> Any:
        """Before a loop over `value`."""
        if hasattr(value, "__len__"):
            self._budget.spend(len(value))
            return value
        return self._budget.counted(value)

    def _weighed(self, value: Any) -> Any:
        self._budget.weigh(value)
        return value

    def _texts(self, values: list[Any]) -> str:
        self._budget.weigh(values)
        return self._joined(str(value) for value in values)

    def _guarded(self, name: str, function: Any) -> Callable[..., Any]:
        budget = self._budget

        # With the marks that say whether it is given the context or the environment first.
        @wraps(function)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            shift = 1 if hasattr(function, "jinja_pass_arg") else 0
            budget.weigh(*args[shift:], kwargs)
            given = check_filter(budget, name, list(args[shift:]), kwargs)
            result = function(*args[:shift], *given, **kwargs)
            if hasattr(result, "__next__"):
                return budget.counted(result)
            budget.weigh(result)
            return result

        return guarded


class _Counting(NodeTransformer):
    """Moves what is compiled to native code into filters that count."""

    def visit_For(self, node: nodes.For) -> nodes.Node:
        self.generic_visit(node)
        node.iter = _through("_looped", node.iter)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        self.generic_visit(node)
        return _through("_joined", nodes.List(node.nodes, lineno=node.lineno))

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:
        self.generic_visit(node)
        node.expr = _through("_weighed", node.expr)
        return node

    def visit_Operand(self, node: nodes.Operand) -> nodes.Node:
        self.generic_visit(node)
        node.expr = _through("_weighed", node.expr)
        return node

    def visit_List(self, node: nodes.List) -> nodes.Node:
        self.generic_visit(node)
        return _through("_weighed", node)

    def visit_Dict(self, node: nodes.Dict) -> nodes.Node:
        self.generic_visit(node)
        return _through("_weighed", node)

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Node:
        self.generic_visit(node)
        return _through("_weighed", node) if node.ctx == "load" else node

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:
        self.generic_visit(node)
        return _through("_weighed", node) if isinstance(node.arg, nodes.Slice) else node


class _Unfolded(NodeTransformer):
    """Leaves no constant: jinja works out, while it looks for names, what does not depend on any.

    A text times a billion would fill the memory then.
    """

    def visit_Const(self, node: nodes.Const) -> nodes.Node:
        return nodes.ContextReference(lineno=node.lineno)

    def visit_List(self, node: nodes.List) -> nodes.Node:
        return self._of(node, node.items)

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Node:
        return self._of(node, node.items)

    def visit_Dict(self, node: nodes.Dict) -> nodes.Node:
        return self._of(node, node.items)

    def _of(self, node: nodes.Expr, items: list[Any]) -> nodes.Node:
        if not items:
            return nodes.ContextReference(lineno=node.lineno)
        self.generic_visit(node)
        return node


def _through(name: str, node: Any) -> nodes.Filter:
    return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)


def _check_filters(tree: nodes.Template) -> None:
    """A filter that jinja knows and we leave out is not the template's mistake."""
    for node in tree.find_all(nodes.Filter):
        if node.name in FILTERS and node.name not in ALLOWED_FILTERS:
            raise NotHere(f"the filter {node.name!r}")
