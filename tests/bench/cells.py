"""The cells that everything is measured with: the same code for all, and what its answer must hold."""

PRINT, INCREMENT, DESCRIBE, PLOT = "print", "increment", "describe", "plot"
NAMES = {PRINT: "print(1)", INCREMENT: "x += 1", DESCRIBE: "df.describe() of 10 rows", PLOT: "a plot as PNG"}
IMPORTS = "import numpy as np, pandas as pd, matplotlib.pyplot as plt\n"
CODE = {
    PRINT: "print(1)",
    INCREMENT: "x += 1",
    DESCRIBE: IMPORTS + 'df = pd.DataFrame({"a": range(10), "b": np.arange(10) * 0.5})\nprint(df.describe())',
    PLOT: IMPORTS + "fig, ax = plt.subplots()\nax.plot(range(10))\nplt.show()",
}
# Where a program's output is all that there is of it, the picture is its output.
ONE_SHOT = {**CODE, INCREMENT: "x = 0\nx += 1\nprint(x)",
            PLOT: CODE[PLOT].replace("plt.show()", "import sys\nfig.savefig(sys.stdout.buffer, format='png')")}
KEPT_SETUP = IMPORTS + "x = 0"
FRESH = {**CODE, INCREMENT: ONE_SHOT[INCREMENT]}  # in a new session there is no x yet
LINES = 1_000_000
MANY_LINES = f"for i in range({LINES}): print(i)"
IDLE = IMPORTS + "import sys\nprint('ready', flush=True)\nsys.stdin.read()"


class WrongAnswer(Exception):
    """A cell was answered with something else than its result: its time is not a figure."""


def check(cell, text, has_png=False):
    """Text: what the cell printed."""
    right = {PRINT: text.strip() == "1", INCREMENT: text.strip() in ("", "1"), DESCRIBE: "75%" in text, PLOT: has_png}[cell]
    if not right:
        raise WrongAnswer(f"{cell}: {text[:300]!r}")
