"""What the import policy says of a text: the same judge for /validate (analyzer.py) and before a cell runs (guard.py).

It follows names to modules as Python would: `matplotlib.os` is judged because it is os, and a column `df.os` is not. An import itself
is judged by import_hook.py when it happens; here, only for who asks beforehand.
"""

import ast
import importlib
import sys
from dataclasses import dataclass
from types import ModuleType

from . import import_hook

PASSES = 3  # over assignments, for modules that go from name to name
MODULE_CALLS = {"__import__", "import_module"}
SHELL_CALLS = {"system", "getoutput", "getoutput_pexpect", "system_piped", "system_raw"}
SHELL_MAGICS = {"system", "sx", "sc", "!", "!!", "bash", "sh", "script", "perl", "ruby", "pypy", "python", "python2", "python3", "js", "javascript"}


@dataclass
class Finding:
    what: str  # "import os"
    rule: str  # "blocked.os"
    why: str
    instead: str
    severity: str  # critical high medium
    message: str  # as compat has it, without level and line
    line: int
    column: int
    module: str = ""
    escape: bool = False  # nothing at run time would notice: the cell is refused before it starts

    def error(self):
        violation = import_hook.refuse(self.what, self.why, self.instead, self.module or None)
        violation.lineno = self.line
        return violation


def text_of(node):
    """The text that a constant expression is, or None. No more than the compiler itself folds."""
    if isinstance(node, ast.Constant):
        return node.value if type(node.value) is str else None
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = text_of(node.left), text_of(node.right)
        return None if left is None or right is None else left + right
    return None


class Judge:
    """One text, judged by rules. `names`: values that its names have already, as in a session."""

    def __init__(self, tree, rules, names=None, lines=()):
        self.tree, self.rules, self.names, self.lines = tree, rules, names or {}, lines
        self.nodes = list(ast.walk(tree))
        self.modules = {}  # name -> dotted module or module object, by imports and assignments of this text
        self.bound = set()
        self.found = {}

    def findings(self):
        self._collect()
        for node in self.nodes:
            handler = getattr(self, f"_on_{type(node).__name__}", None)
            if handler is not None:
                handler(node)
        return sorted(self.found.values(), key=lambda f: (f.line, f.column))

    # names

    def _collect(self):
        for node in self.nodes:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    self.modules[alias.asname or alias.name.split(".")[0]] = alias.name if alias.asname else alias.name.split(".")[0]
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                for alias in node.names:
                    self.modules[alias.asname or alias.name] = (node.module, alias.name)
            elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
                self.bound.add(node.id)
            elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                self.bound.add(node.name)
            elif isinstance(node, ast.arg):
                self.bound.add(node.arg)
        assigned = [n for n in self.nodes if isinstance(n, (ast.Assign, ast.NamedExpr)) and isinstance(n.value, (ast.Name, ast.Attribute, ast.Call, ast.Subscript))]
        self.aliases = {}
        for node in assigned:
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if isinstance(target, ast.Name):
                    self.aliases.setdefault(target.id, node.value)

    def _module_named(self, name, depth):
        known = self.modules.get(name)
        if _is_module(known):
            return known
        if isinstance(known, str):
            found = self.modules[name] = load(known, self.rules) or ""
            return found or None
        if isinstance(known, tuple):
            parent = load(known[0], self.rules)
            found = getattr(parent, known[1], None) if parent is not None else None
            return found if _is_module(found) else None
        if name in self.aliases and depth < PASSES * 4:
            return self._resolve(self.aliases[name], depth + 1)
        found = self.names.get(name)
        return found if _is_module(found) else None

    def _resolve(self, node, depth=0):
        """The module that an expression is, or None."""
        if depth > 40:
            return None
        if isinstance(node, ast.Name):
            return self._module_named(node.id, depth)
        if isinstance(node, ast.NamedExpr):
            return self._resolve(node.value, depth + 1)
        base, name = self._access(node)
        if base is None:
            return None
        module = self._resolve(base, depth + 1)
        found = module.__dict__.get(name) if module is not None else None
        return found if _is_module(found) else None

    def _access(self, node):
        """(expression, name) of whatever looks a constant name up in an object, else (None, None)."""
        if isinstance(node, ast.Attribute):
            return node.value, node.attr
        if isinstance(node, ast.Call):
            return self._called(node)
        if isinstance(node, ast.Subscript):
            name, base = text_of(node.slice), node.value
            if name is not None and isinstance(base, ast.Attribute) and base.attr == "__dict__":
                return base.value, name
            if name is not None and isinstance(base, ast.Call) and _name(base.func) == "vars" and len(base.args) == 1:
                return base.args[0], name
        return None, None

    def _called(self, node):
        name = _name(node.func)
        if name in ("getattr", "hasattr", "setattr", "delattr") and len(node.args) >= 2:
            text = text_of(node.args[1])
            return (node.args[0], text) if text is not None else (None, None)
        if name == "__getattribute__" and isinstance(node.func, ast.Attribute) and len(node.args) == 1:
            text = text_of(node.args[0])
            return (node.func.value, text) if text is not None else (None, None)
        if isinstance(node.func, ast.Call) and _name(node.func.func) == "attrgetter" and len(node.args) == 1 and node.func.args:
            text = text_of(node.func.args[0])
            return (node.args[0], text) if text is not None else (None, None)
        return None, None

    # what is judged

    def _on_Import(self, node):
        for alias in node.names:
            self._judge_import(node, alias.name, f"import {alias.name}")

    def _on_ImportFrom(self, node):
        if node.level or not node.module:
            return
        if self._judge_import(node, node.module, f"from {node.module} import {node.names[0].name}"):
            return
        for alias in node.names:
            self._judge_from(node, node.module, alias.name)

    def _judge_import(self, node, name, what):
        why = self.rules.judge(name)
        if why is None:
            return False
        rule = _rule_of(why)
        if rule == "not-allowed":
            message, severity = f"Import '{name}' not in allowlist", "medium"
        elif name.split(".")[0] == "importlib":
            message, severity = "Dynamic import detected", "critical"
        else:
            message, severity = f"Blocked import '{name}'", "critical"
        self._add(node, Finding(what, rule, why, self.rules.instead(name), severity, message, 0, 0, name))
        return True

    def _judge_from(self, node, module, name):
        what = f"from {module} import {name}"
        why = self.rules.judge_name(module, name)
        if why is not None:
            message = f"Restricted function '{name}' from '{module}'"
            self._add(node, Finding(what, _rule_of(why), why, self.rules.instead(f"{module}.{name}"), "high", message, 0, 0, f"{module}.{name}"))
            return
        if name not in self.rules.watched:
            return
        parent = load(module, self.rules)
        found = getattr(parent, name, None) if parent is not None else None
        self._judge_module(node, found, what, module, escape=False)

    def _judge_module(self, node, found, what, parent, escape):
        if not _is_module(found) or found.__dict__["__name__"].startswith(parent + "."):
            return
        name = found.__dict__["__name__"]
        why = self.rules.judge(name)
        if why is not None:
            self._add(node, Finding(what, _rule_of(why), why, self.rules.instead(name), "critical", f"Blocked import '{name}'", 0, 0, name, escape))

    def _on_Attribute(self, node):
        self._judge_access(node)

    def _on_Subscript(self, node):
        name = text_of(node.slice)
        if name in self.rules.attributes and isinstance(node.value, (ast.Call, ast.Attribute)):
            self._blocked_attribute(node, name)
        else:
            self._judge_access(node)

    def _on_Call(self, node):
        self._judge_access(node)
        name = _name(node.func)
        if isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Call) and _name(node.func.value.func) == "get_ipython":
            magic = text_of(node.args[0]) if node.args else None
            if name in SHELL_CALLS or (name in ("run_line_magic", "run_cell_magic") and (magic or "").split(" ")[0] in SHELL_MAGICS):
                self._command(node)

    def _command(self, node):
        why = self.rules.judge("subprocess")
        if why is not None:
            self._add(node, Finding("a shell command", _rule_of(why), why, "", "critical", "System command execution detected", 0, 0, "subprocess"))

    def _judge_access(self, node):
        base, path = self._access(node)
        if base is None:
            return
        for name in path.split("."):
            if name in self.rules.attributes:
                self._blocked_attribute(node, name)
                return
        if self.rules.watched.isdisjoint(path.split(".")):
            return
        module = self._resolve(base)
        for name in path.split(".") if module is not None else ():
            if self._judge_member(node, module, name):
                return
            module = module.__dict__.get(name) if _is_module(module) else None

    def _judge_member(self, node, module, name):
        if not _is_module(module):
            return True
        parent = module.__dict__["__name__"]
        what = f"{parent}.{name}"
        why = self.rules.judge_name(parent, name) if parent in self.rules.restricted else None
        if why is not None:
            message = f"Restricted function '{name}' from '{parent}'"
            self._add(node, Finding(what, _rule_of(why), why, self.rules.instead(what), "high", message, 0, 0, what, True))
            return True
        self._judge_module(node, module.__dict__.get(name), what, parent, escape=True)
        return False

    def _blocked_attribute(self, node, name):
        why = f"rule attribute.{name}" + (f": {self.rules.reasons[name]}" if name in self.rules.reasons else "")
        self._add(node, Finding(name, f"attribute.{name}", why, "", "critical", f"Blocked keyword '{name}'", 0, 0, escape=True))

    def _on_Name(self, node):
        if not isinstance(node.ctx, ast.Load):
            return
        if node.id in self.rules.attributes and node.id not in self.rules.builtins and node.id != "__import__":
            self._blocked_attribute(node, node.id)
        elif (node.id in self.rules.builtins or node.id == "__import__") and node.id not in self.bound and node.id not in self.modules:
            self._builtin(node, node.id)

    def _builtin(self, node, name):
        rule = f"restricted.builtins.{name}"
        why = f"rule {rule}" + (f": {self.rules.reasons[name]}" if name in self.rules.reasons else "")
        message = {
            "__import__": "Dynamic import detected",
            "eval": "Code execution functions detected (eval/exec)",
            "exec": "Code execution functions detected (eval/exec)",
            "compile": "Dynamic code compilation detected",
        }.get(name, f"Blocked keyword '{name}'")
        self._add(node, Finding(f"{name}()", rule, why, "", "critical", message, 0, 0))

    def _add(self, node, finding):
        finding.line, finding.column = node.lineno, self.column(node)
        self.found.setdefault((finding.line, finding.rule, finding.message, finding.column), finding)

    def column(self, node):
        """Counted in characters from 1; the tree counts bytes from 0."""
        if 0 < node.lineno <= len(self.lines):
            return len(self.lines[node.lineno - 1].encode("utf-8", "surrogatepass")[: node.col_offset].decode("utf-8", "replace")) + 1
        return node.col_offset + 1


def _is_module(value):
    """Without a question to the value, which may be made to lie."""
    return issubclass(type(value), ModuleType) and type(value.__dict__.get("__name__")) is str


def _name(node):
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _rule_of(why):
    """The rule's name, as the reason begins with it."""
    return why[5:].split(":")[0].split(";")[0] if why.startswith("rule ") else "not-allowed"


def load(name, rules):
    """A module that the text may import, imported. Never one of the user's own, whose code would run before its time."""
    if rules.judge(name) is not None or import_hook.is_users_own(name.split(".")[0]):
        return None
    try:
        return sys.modules.get(name) or importlib.import_module(name)
    except BaseException:  # a library may fail in any way; then the text that imports it does, too
        return None
