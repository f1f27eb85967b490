"""Reading the learner's own code: is it still blank, and on which of its lines did it stop?"""

from __future__ import annotations

import ast
import inspect
import linecache
import textwrap
import traceback
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Line", "is_blank", "own_line", "placeholder_line"]


@dataclass(frozen=True)
class Line:
    """A line of the learner's: its number within the cell (or file), its text, and the function it is in."""

    number: int
    text: str
    function: str


def definition(fn: Callable) -> ast.FunctionDef | None:
    """The syntax tree of ``fn``'s definition with line numbers of its cell; None if the source cannot be had."""
    code = getattr(inspect.unwrap(fn), "__code__", None)
    if code is None:
        return None
    lines = linecache.getlines(code.co_filename)
    try:
        tree = ast.parse("".join(lines))
    except (SyntaxError, ValueError):
        return _definition_alone(fn, code)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name == code.co_name:
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            if code.co_firstlineno in (first, node.lineno):
                return node
    return None


def _definition_alone(fn: Callable, code) -> ast.FunctionDef | None:
    # A cell with a magic is not Python as a whole; the function alone may be.
    try:
        node = ast.parse(textwrap.dedent(inspect.getsource(fn))).body[0]
    except (OSError, TypeError, SyntaxError, IndexError):
        return None
    return ast.increment_lineno(node, code.co_firstlineno - 1) if isinstance(node, ast.FunctionDef) else None


def body(node: ast.FunctionDef) -> list[ast.stmt]:
    """The statements of a function without its docstring."""
    return node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body


def is_blank(fn: Callable) -> bool | None:
    """Whether the body holds nothing but a docstring, ``...``, ``pass``, an empty return or NotImplementedError.

    None if the source cannot be had; then only behaviour can tell.
    """
    node = definition(fn)
    return None if node is None else all(_says_nothing(statement) for statement in body(node))


def placeholder_line(fn: Callable) -> int | None:
    """The line of an ``...`` that still stands where code should be, or None."""
    node = definition(fn)
    for child in ast.walk(node) if node is not None else ():
        if isinstance(child, (ast.Expr, ast.Assign, ast.AnnAssign, ast.Return)) and _is_ellipsis(child.value):
            return child.lineno
    return None


def own_line(error: BaseException, fn: Callable) -> Line | None:
    """The deepest line of the learner's own code that an error went through; None if it never did."""
    mine = getattr(getattr(inspect.unwrap(fn), "__code__", None), "co_filename", None)
    found = None
    for frame, number in traceback.walk_tb(error.__traceback__):
        code = frame.f_code
        if code.co_filename == mine or "ipykernel_" in code.co_filename or code.co_filename.startswith("<ipython-"):
            text = linecache.getline(code.co_filename, number).strip()
            found = Line(number, text, code.co_name)
    return found


def _says_nothing(statement: ast.stmt) -> bool:
    match statement:
        case ast.Pass() | ast.Expr(value=ast.Constant()) | ast.Return(value=None):
            return True
        case ast.Return(value=ast.Constant(value=None)):
            return True
        case ast.Raise(exc=ast.Name(id="NotImplementedError")):
            return True
        case ast.Raise(exc=ast.Call(func=ast.Name(id="NotImplementedError"))):
            return True
    return isinstance(statement, ast.Return) and _is_ellipsis(statement.value)


def _is_ellipsis(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is ...
