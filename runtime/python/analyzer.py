"""What /validate says of a text, without running it: Python's own parser, compiler and tokenizer, and the import policy (judge.py).

It runs in a jailed worker like any session's, since a parser is code that strangers feed.
"""

import ast
import importlib.util
import io
import symtable
import sys
import tokenize
import warnings

from . import judge, payload, runtime, sandbox_env

LINE_LIMIT = 120
ISSUES_LIMIT = 1000
NAMES_LIMIT = 1000
VARIABLES_LIMIT = 50
TOKENS_LIMIT = 2_000_000  # characters that are tokenized: it is slow
BIG = 1 << 30  # bytes or elements of one constant allocation
COMPLEX = 10
TIME_LIMIT_MS = 30_000
LIBRARY_MS = {"numpy": 200, "pandas": 300, "matplotlib": 500, "seaborn": 500, "scipy": 300, "sklearn": 800, "plotly": 300, "sympy": 300}

LEVELS = ("low", "medium", "high", "critical")
_BRANCHES = (ast.If, ast.IfExp, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler, ast.Assert, ast.With, ast.AsyncWith, ast.match_case)
_LOOPS = (ast.For, ast.AsyncFor, ast.While)


class Text:
    """A text, parsed: `tree` is None when it is not Python, and `error` says why."""

    def __init__(self, code):
        self.code = code.removeprefix("\ufeff")
        self.lines = self.code.splitlines()
        self.tree = self.error = None
        self.is_shell = False
        self.warnings = []
        self._parse()

    def _parse(self):
        try:
            self.tree = self._compile(self.code)
        except SyntaxError as error:
            other = runtime.transform(self.code) if not _is_nested_too_deeply(error) else None
            try:
                self.tree, self.is_shell = (self._compile(other), True) if other is not None else (None, False)
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                pass
            self.error = _error(error) if self.tree is None else None
        except ValueError as error:  # a NUL, a number of too many digits
            self.error = {"message": str(error), "line": 1, "column": 1, "type": "SyntaxError"}
        except (RecursionError, MemoryError):
            self.error = {"message": "the code is nested too deeply", "line": 1, "column": 1, "type": "SyntaxError"}

    def _compile(self, code):
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            tree = ast.parse(code)
            compile(code, "<code>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, True)
        self.warnings = list({(w.lineno, str(w.message)): w for w in seen if issubclass(w.category, (SyntaxWarning, DeprecationWarning))}.values())
        return tree


def _is_nested_too_deeply(error):
    return "too many" in str(error)


def _error(error):
    line = error.lineno or 1
    return {"message": error.msg, "line": line, "column": max(1, error.offset or 1), "type": type(error).__name__}


# Policy and risk


def findings_of(text, request):
    """`names` and `installed` of the request: which modules a session's names are, and what it has installed. Both are the session's word."""
    if text.tree is None or request["profile"] != "standard":
        return []
    rules = sandbox_env.rules()
    rules.installed = frozenset(i for i in request.get("installed", ()) if type(i) is str)
    try:
        names = {name: judge.load(module, rules) for name, module in request.get("names", {}).items() if type(module) is str}
        return judge.Judge(text.tree, rules, names, text.lines).findings()
    finally:
        rules.installed = frozenset()


def hints_of(text):
    """What is allowed and will probably meet a limit of the session."""
    if text.tree is None:
        return []
    nodes = list(ast.walk(text.tree))
    column = judge.Judge(ast.Module([], []), None, {}, text.lines).column
    found = [(node, *hint) for node in nodes for hint in _hints(node)]
    return [
        {"type": "warning", "severity": severity, "message": message, "line": node.lineno, "column": column(node), "rule": rule}
        for node, severity, rule, message in found
    ]


def _hints(node):
    if isinstance(node, ast.While) and _is_true(node.test) and not _leaves(node):
        yield "medium", "infinite-loop", "The loop has no end: it will run into the time limit"
    size = _constant_size(node)
    if size is not None and size >= BIG:
        yield "medium", "large-allocation", f"{size} elements at once will run into the memory limit"


def _is_true(node):
    return isinstance(node, ast.Constant) and bool(node.value)


def _leaves(loop):
    """Whether something in the loop can end it. A break of a loop inside is none of this one."""
    waiting = list(loop.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.Break, ast.Return, ast.Raise, ast.Yield, ast.YieldFrom, ast.Await)) or _is_exit(node):
            return True
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            continue
        if isinstance(node, _LOOPS):
            waiting += [n for n in ast.walk(node) if isinstance(n, (ast.Return, ast.Raise, ast.Yield, ast.Await))]
            continue
        waiting += ast.iter_child_nodes(node)
    return False


def _is_exit(node):
    return isinstance(node, ast.Call) and judge._name(node.func) in ("exit", "quit", "next", "input", "send")


def _constant_size(node):
    if isinstance(node, ast.Call) and judge._name(node.func) in ("bytearray", "bytes", "zeros", "ones", "empty") and len(node.args) == 1:
        return _number(node.args[0])
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        for one, other in ((node.left, node.right), (node.right, node.left)):
            if isinstance(one, (ast.List, ast.Tuple)) or (isinstance(one, ast.Constant) and isinstance(one.value, (str, bytes))):
                return _number(other)
    return None


def _number(node):
    """The value of an integer expression of constants, or None."""
    if isinstance(node, ast.Constant):
        return node.value if type(node.value) is int else None
    if not isinstance(node, ast.BinOp):
        return None
    left, right = _number(node.left), _number(node.right)
    if left is None or right is None or abs(left) > 1 << 64 or abs(right) > 1 << 64:
        return None
    if isinstance(node.op, ast.Pow):
        return left**right if 0 <= right <= 64 and abs(left) <= 1 << 32 else BIG if right > 64 and abs(left) > 1 else None
    operations = {ast.Mult: int.__mul__, ast.Add: int.__add__, ast.Sub: int.__sub__}
    if isinstance(node.op, ast.LShift):
        return left << right if 0 <= right <= 128 else None
    return operations[type(node.op)](left, right) if type(node.op) in operations else None


def security_of(findings):
    violations = [f"{f.severity.upper()}: {f.message} at line {f.line}" for f in findings]
    risk = max((LEVELS.index(f.severity) for f in findings), default=0)
    return {"allowed": not findings, "riskLevel": LEVELS[risk], "violations": violations}


def details_of(findings):
    """Each really found, once, in order."""
    imports = [f.module for f in findings if f.module and not f.rule.startswith("restricted.builtins")]
    patterns = [f.what for f in findings if f.escape or f.what == "a shell command"]
    keywords = [f.what.removesuffix("()") for f in findings if f.rule.startswith(("restricted.builtins.", "attribute."))]
    return {"blockedImports": _once(imports), "dangerousPatterns": _once(patterns), "restrictedKeywords": _once(keywords)}


def _once(items):
    return list(dict.fromkeys(items))


# Measures


def analysis_of(text, findings, hints):
    tree = text.tree if text.tree is not None else ast.Module([], [])
    nodes = list(ast.walk(tree))
    imports = _imports(nodes)
    complexity = _complexity(nodes)
    loops = sum(isinstance(n, (*_LOOPS, ast.comprehension)) for n in nodes)
    cost = 100 + 10 * complexity + 50 * loops + (200 if _recursive(nodes) else 0)
    cost += sum(LIBRARY_MS.get(top, 0) for top in {name.split(".")[0] for name in imports})
    functions = _once(n.name for n in nodes if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef)))
    return {
        "complexity": complexity,
        "linesOfCode": _lines_of_code(text),
        "imports": imports[:NAMES_LIMIT],
        "functions": functions[:NAMES_LIMIT],
        "classes": _once(n.name for n in nodes if isinstance(n, ast.ClassDef))[:NAMES_LIMIT],
        "variables": _variables(text)[:VARIABLES_LIMIT],
        "hasHighRiskPatterns": any(f.severity in ("high", "critical") for f in findings) or any(h["rule"] in ("infinite-loop", "large-allocation") for h in hints),
        "estimatedExecutionTime": min(cost, TIME_LIMIT_MS),
    }


def _imports(nodes):
    found = []
    for node in sorted((n for n in nodes if isinstance(n, (ast.Import, ast.ImportFrom))), key=lambda n: (n.lineno, n.col_offset)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif node.module and not node.level:
            found.append(node.module)
    return _once(found)


def _complexity(nodes):
    """McCabe's number of the whole text: one, and one for each branch."""
    total = 1
    for node in nodes:
        if isinstance(node, _BRANCHES):
            total += not isinstance(node, (ast.With, ast.AsyncWith))
        elif isinstance(node, ast.BoolOp):
            total += len(node.values) - 1
        elif isinstance(node, ast.comprehension):
            total += 1 + len(node.ifs)
    return total


def _recursive(nodes):
    for node in nodes:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            if any(isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id == node.name for n in ast.walk(node)):
                return True
    return False


def _variables(text):
    """Names that the text's own level assigns: no imports, functions or classes."""
    if text.tree is None or text.is_shell:
        return []
    table = symtable.symtable(text.code, "<code>", "exec")
    return [s.get_name() for s in table.get_symbols() if s.is_assigned() and not s.is_imported() and not s.is_namespace()]


_NO_CODE = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER, tokenize.ENCODING}


def _tokens(text):
    """All tokens, or those before the first that is none."""
    if len(text.code) > TOKENS_LIMIT:
        return []
    found = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(text.code).readline):
            found.append(token)
    except (tokenize.TokenError, SyntaxError):
        pass
    return found


def _lines_of_code(text):
    if text.tree is None or text.is_shell or len(text.code) > TOKENS_LIMIT:
        return sum(1 for line in text.lines if line.strip() and not line.strip().startswith("#"))
    lines = set()
    for token in _tokens(text):
        if token.type not in _NO_CODE:
            lines.update(range(token.start[0], token.end[0] + 1))
    return len(lines)


# Style and advice


def style_of(text):
    inside = set()  # lines whose end lies in a string
    tabbed = set()
    for token in _tokens(text):
        if token.type == tokenize.STRING:
            inside.update(range(token.start[0], token.end[0]))
        elif token.type == tokenize.INDENT and "\t" in token.string:
            tabbed.add(token.start[0])
    for number, line in enumerate(text.lines, 1):
        if len(line) > LINE_LIMIT:
            yield _style("warning", "line-length", f"Line too long ({len(line)} > {LINE_LIMIT} characters)", number, LINE_LIMIT + 1)
        if number in tabbed:
            yield _style("warning", "indentation", "Tab in the indentation: use spaces", number, line.index("\t") + 1)
        if number not in inside and line != line.rstrip():
            yield _style("info", "whitespace", "Trailing whitespace", number, len(line.rstrip()) + 1)


def _style(kind, rule, message, line, column):
    return {"type": kind, "severity": "low", "message": message, "line": line, "column": column, "rule": rule}


def _warned(text):
    for warning in text.warnings:
        message, line = str(warning.message), warning.lineno or 1
        yield {"type": "warning", "severity": "low", "message": message, "line": line, "column": 1, "rule": "syntax-warning"}


def _missing(text, findings, installed):
    """Imports that are allowed and cannot succeed."""
    if text.tree is None:
        return
    refused = {f.module for f in findings}
    for node in ast.walk(text.tree):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module] if isinstance(node, ast.ImportFrom) and not node.level else []
        for name in names:
            top = name.split(".")[0]
            if name not in refused and top not in refused and top not in installed and not _is_installed(top):
                message = f"Module '{top}' is allowed but not installed"
                yield {"type": "warning", "severity": "low", "message": message, "line": node.lineno, "column": node.col_offset + 1, "rule": "not-installed"}


def _is_installed(top):
    try:
        return top in sys.modules or importlib.util.find_spec(top) is not None
    except (ImportError, ValueError):
        return False


def suggestions_of(text, findings, complexity):
    found = []
    for finding in findings:
        if finding.instead:
            found.append(_suggestion("security", f"{finding.what} is refused in the standard profile. {finding.instead}", finding.line))
    if text.tree is not None:
        found += [_suggestion(*advice, node.lineno) for node in ast.walk(text.tree) for advice in _advice(node)]
    if complexity > COMPLEX:
        found.append(_suggestion("best-practice", f"The complexity is {complexity}: several small functions are easier to follow"))
    unique = {(s["message"], s.get("line")): s for s in found}
    return sorted(unique.values(), key=lambda s: s.get("line", 0))[:ISSUES_LIMIT]


def _suggestion(kind, message, line=None):
    return {"type": kind, "message": message} if line is None else {"type": kind, "message": message, "line": line}


def _advice(node):
    if isinstance(node, ast.For):
        if len(node.body) == 1 and _is_append(node.body[0]):
            yield "performance", "A list comprehension does the same faster than a loop with append"
        if isinstance(node.iter, ast.Call) and judge._name(node.iter.func) == "iterrows":
            yield "performance", "iterrows makes a Series of each row: work on whole columns, or use itertuples"
        if isinstance(node.iter, ast.Call) and judge._name(node.iter.func) == "range" and _is_len(node.iter.args):
            yield "style", "enumerate() gives the index and the item together"
    elif isinstance(node, ast.ExceptHandler) and node.type is None:
        yield "best-practice", "A bare except catches KeyboardInterrupt too, so that the run cannot be interrupted: name the exception"
    elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
        if any(isinstance(d, (ast.List, ast.Dict, ast.Set)) for d in (*node.args.defaults, *node.args.kw_defaults)):
            yield "best-practice", "A mutable default is shared by all calls: use None and make it inside"
    elif isinstance(node, ast.Compare) and any(isinstance(o, (ast.Eq, ast.NotEq)) and isinstance(c, ast.Constant) and c.value is None for o, c in zip(node.ops, node.comparators)):
        yield "style", "Compare with None by `is`"


def _is_append(node):
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Attribute) and node.value.func.attr == "append"


def _is_len(arguments):
    return len(arguments) == 1 and isinstance(arguments[0], ast.Call) and judge._name(arguments[0].func) == "len"


# The answers


def issues_of(text, findings, hints, installed=()):
    issues = []
    if text.error is not None:
        error = text.error
        issues.append({"type": "error", "severity": "critical", "message": error["message"], "line": error["line"], "column": error["column"], "rule": "syntax"})
    for f in findings:
        issues.append({"type": "error", "severity": f.severity, "message": f"{f.what} is not allowed ({f.why})", "line": f.line, "column": f.column, "rule": f.rule})
    issues += [*hints, *_warned(text), *_missing(text, findings, installed), *style_of(text)]
    return sorted(issues, key=lambda i: (i["line"], i["column"]))[:ISSUES_LIMIT]


def validate(text, request):
    """`strict`: warnings count too. `includeWarnings` false: they are not listed, whether they count or not."""
    findings, hints = findings_of(text, request), hints_of(text)
    issues = issues_of(text, findings, hints, request.get("installed", ()))
    counting = ("error", "warning") if request.get("strict") else ("error",)
    analysis = analysis_of(text, findings, hints)
    return {
        "valid": not any(i["type"] in counting for i in issues),
        "issues": issues if request.get("includeWarnings", True) else [i for i in issues if i["type"] == "error"],
        "security": security_of(findings),
        "analysis": analysis,
        "suggestions": suggestions_of(text, findings, analysis["complexity"]),
    }


def security(text, request):
    findings = findings_of(text, request)
    return {**security_of(findings), "details": details_of(findings)}


def syntax(text, request):
    return {"valid": text.error is None, "errors": [] if text.error is None else [text.error]}


_kinds = {"all": validate, "security": security, "syntax": syntax}


def answer(request):
    """The answer to {"op": "analyze", "kind", "code", "profile", ...}, as bytes."""
    text = Text(request["code"])
    return payload.dumps({"ok": True, "result": _kinds[request["kind"]](text, request)})
