/** Programs to begin with. */

export interface Example {
    readonly name: string;
    readonly code: string;
}

const WELCOME = `# Runs in a real, isolated Python: press Run, or Ctrl+Enter.
import time
import numpy as np
import pandas as pd
import matplotlib.pyplot as plt

rng = np.random.default_rng(7)
days = pd.date_range("2026-01-01", periods=180)
visits = pd.DataFrame(
    {
        "search": 90 + np.cumsum(rng.normal(0.5, 4, 180)),
        "social": 60 + np.cumsum(rng.normal(0.3, 3, 180)),
    },
    index=days,
)

for month, part in visits.groupby(visits.index.month):
    print(f"month {month}: {part.sum(axis=1).mean():7.1f} a day")
    time.sleep(0.15)  # each line is shown when it is printed

fig, ax = plt.subplots(figsize=(8, 4))
ax.fill_between(days, visits["search"], alpha=0.12)
ax.plot(visits.rolling(7).mean(), label=visits.columns)
ax.set_title("Visits a day, mean of 7 days")
ax.legend(frameon=False)
ax.spines[["top", "right"]].set_visible(False)
plt.show()

visits.describe().loc[["mean", "min", "max"]].round(1)
`;

const TABLE = `# Open the Variables tab after the run: search, sort, page through the table.
import numpy as np
import pandas as pd

rng = np.random.default_rng(1)
orders = pd.DataFrame(
    {
        "customer": rng.integers(1000, 1200, 5000),
        "amount": rng.gamma(2.0, 30.0, 5000).round(2),
        "country": rng.choice(["DE", "FR", "JP", "US", "BR"], 5000),
    }
)
by_country = orders.groupby("country")["amount"].agg(["count", "sum", "mean"]).round(2)
threshold = 100
large = int((orders["amount"] > threshold).sum())
print(f"{large} of {len(orders)} orders are above {threshold}")
by_country
`;

const INTERACTIVE = `# plotly: hover, zoom and turn the figure.
import numpy as np
import plotly.graph_objects as go

x = np.linspace(-3, 3, 60)
z = np.sin(x[:, None] ** 2 + x[None, :] ** 2) * np.exp(-0.2 * (x[:, None] ** 2 + x[None, :] ** 2))
figure = go.Figure(go.Surface(x=x, y=x, z=z, colorscale="Viridis", showscale=False))
figure.update_layout(title="A ripple")
figure.show()
`;

const INPUT = `# The program asks, you answer below the output.
name = input("What is your name? ")
count = int(input("How often shall I greet you? "))
for i in range(count):
    print(f"{i + 1}: Hello, {name}!")
`;

const COLOURS = `# Progress bars and colours, as in a terminal.
import time

steps = 40
for done in range(steps + 1):
    bar = "█" * done + "░" * (steps - done)
    print(f"\\r\\x1b[36m{bar}\\x1b[0m {100 * done // steps:3d}%", end="")
    time.sleep(0.04)
print("\\n\\x1b[1;32mdone\\x1b[0m")
`;

const LONG = `# Output as it comes, a million lines of it. Interrupt stops the run and keeps the variables.
for n in range(1_000_000):
    print(n)
`;

export const EXAMPLES: readonly Example[] = [
    { name: 'Output and a plot', code: WELCOME },
    { name: 'Tables and variables', code: TABLE },
    { name: 'An interactive figure', code: INTERACTIVE },
    { name: 'Questions to the reader', code: INPUT },
    { name: 'Colours and progress', code: COLOURS },
    { name: 'A million lines', code: LONG },
];
