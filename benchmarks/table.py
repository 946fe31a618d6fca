"""The results as Markdown."""

from typing import Any

from benchmarks.sections import SECTIONS


def tables(results: dict[str, Any]) -> str:
    """The results as Markdown: machines, ratios, and a table a section, each with the machine that it is of."""
    machines, on = results["machines"].values(), results["on"]
    facts = list(dict.fromkeys(name for machine in machines for name in machine))
    lines = [f"| {name.replace('_', ' ')} | {' | '.join(_cell(of.get(name)) for of in machines)} |" for name in facts]
    parts = ["\n".join(["| machine |" + " |" * len(machines), "| --- |" + " ---: |" * len(machines), *lines])]
    lines = [f"| `{name}` | {value:.2f} | {on.get(name, '')} |" for name, value in sorted(results["ratios"].items())]
    parts.append("\n".join(["| ratio | | on |", "| --- | ---: | --- |", *lines]))
    for name, section in SECTIONS.items():
        rows = results["rows"].get(name)
        if not rows:
            continue
        columns = list(dict.fromkeys(column for row in rows.values() for column in row))
        head = f"| | {' | '.join(column.replace('_', ' ') for column in columns)} |"
        body = [f"| {key} | {' | '.join(_cell(row.get(column)) for column in columns)} |" for key, row in rows.items()]
        table = "\n".join([head, "| --- |" + " ---: |" * len(columns), *body])
        picture = "\n\n![time and memory by number of utterances](larger.svg)" if name == "larger" else ""
        parts.append(f"**{name}**, {on[name]}: {section.__doc__}\n\n{table}{picture}")
    return "\n\n".join(parts)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return (
        f"{value:,.{1 if value < 1000 else 0}f}"
        if isinstance(value, float) and value >= 10
        else (f"{value:.2f}" if isinstance(value, float) else str(value))
    )
