"""IPython as a library: one shell whose parts are used where plain Python does not reach. Plain cells never come here."""

import builtins
import subprocess
import sys

import _penny
from IPython.core import page
from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.formatters import BaseFormatter
from IPython.core.history import HistoryManager
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.text import LSString, SList
from traitlets import ObjectName, Unicode
from traitlets.config import Config

from . import charts, command, errors, output_handler, sandbox_env


class ColumnsFormatter(BaseFormatter):
    """A table's values beside its picture, where they are wanted."""

    format_type = Unicode(charts.COLUMNS)
    print_method = ObjectName("_repr_columns_")
    _return_type = dict

    def __call__(self, obj):
        return charts.columns(obj) if charts.wanted else None


class Publisher(DisplayPublisher):
    def publish(self, data, metadata=None, source=None, *, transient=None, update=False, **unused):
        output_handler.publish(data, metadata, transient, update)

    def clear_output(self, wait=False):
        output_handler.clear_output(wait)


class ResultHook(DisplayHook):
    def __call__(self, result=None):
        if result is not None:
            self.fill_exec_result(result)
            output_handler.show_result(result)

    def flush(self):
        output_handler.forget_results()


class Shell(InteractiveShell):
    """The shell that get_ipython() returns. It adds nothing to the user's namespace and writes nothing to disk."""

    def init_ipython_dir(self, ipython_dir):
        pass

    def init_profile_dir(self, profile_dir):
        pass

    def init_history(self):
        self.history_manager = HistoryManager(shell=self, parent=self, enabled=False, hist_file=":memory:")

    def init_virtualenv(self):
        pass

    def init_prompts(self):
        pass

    def init_user_ns(self):
        self.user_ns.pop("__builtin__", None)
        self.user_ns_hidden.update(self.user_ns)

    def init_hooks(self):
        super().init_hooks()
        self.set_hook("show_in_pager", page.as_hook(_print_page), 90)

    @property
    def db(self):
        if self._db is None:
            self._db = {}
        return self._db

    def showtraceback(self, exc_tuple=None, filename=None, tb_offset=None, exception_only=False, running_compiled_code=False):
        kind, value, trace = exc_tuple or sys.exc_info()
        if kind is not None:
            sys.stderr.write(errors.text_of(kind, value, None if exception_only else trace))

    def showsyntaxerror(self, filename=None, running_compiled_code=False):
        self.showtraceback(exception_only=True)

    def system(self, cmd):
        """Runs a command line. It writes to the session's own descriptors, so its output is seen as it comes."""
        sandbox_env.check_command(cmd)
        _penny.flush()
        self.user_ns["_exit_code"] = command.run(self.var_expand(cmd, depth=1))[0]

    system_piped = system_raw = system

    def getoutput(self, cmd, split=True, depth=0):
        """What it writes, as a list of lines or one text."""
        sandbox_env.check_command(cmd)
        if cmd.rstrip().endswith("&"):
            raise OSError("Background processes not supported.")
        _, output = command.run(self.var_expand(cmd, depth=depth + 1), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        text = output.decode(errors="replace")
        return SList(text.splitlines()) if split else LSString(text)

    def enable_gui(self, gui=None):
        pass

    def enable_matplotlib(self, gui=None):
        """Figures reach the client whatever is chosen here: there is one way, and it is on. Only its settings are made known."""
        from matplotlib_inline.config import InlineBackend

        settings = InlineBackend.instance(parent=self)
        if settings not in self.configurables:
            self.configurables.append(settings)
        return "inline", "agg"

    def run_line_magic(self, magic_name, line, _stack_depth=1):
        """In a notebook the inline backend is there from the start, so its settings can be changed before anything else."""
        if magic_name == "config" and line.lstrip().startswith("InlineBackend"):
            self.enable_matplotlib()
        return super().run_line_magic(magic_name, line, _stack_depth + 1)

    def enable_pylab(self, gui=None, import_all=True, welcome_message=False):
        from IPython.core import pylabtools

        names = {}
        pylabtools.import_pylab(names, import_all)
        self.user_ns.update(names)
        return "inline", "agg", set()


def _print_page(text, start=0, screen_lines=0):
    plain = text.get("text/plain", "") if isinstance(text, dict) else text
    sys.stdout.write(plain if plain.endswith("\n") else plain + "\n")


def start(main_module):
    """Makes the shell and puts get_ipython() and display() where user code finds them."""
    config = Config()
    config.InteractiveShell.colors = "nocolor"
    config.InteractiveShell.automagic = True
    shell = Shell.instance(
        config=config, user_module=main_module, user_ns=main_module.__dict__, display_pub_class=Publisher, displayhook_class=ResultHook
    )
    for name in ("_", "__", "___"):
        main_module.__dict__.pop(name, None)
    shell.display_formatter.formatters[charts.COLUMNS] = ColumnsFormatter(parent=shell.display_formatter)
    builtins.get_ipython = shell.get_ipython
    return shell


def transform(source):
    """The Python that a cell in IPython's syntax stands for, or None when it is not in that syntax."""
    shell = Shell.instance()
    shell.execution_count = _penny.execution_count()
    shell.user_ns.setdefault("_dh", shell.history_manager.dir_hist)  # %cd wants it; plain cells never see it
    try:
        text = shell.transform_cell(source)
    except SyntaxError:
        return None
    return None if text.rstrip() == source.rstrip() else text
