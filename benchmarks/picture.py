"""What `larger` measured, as a picture: time and memory over the number of utterances."""

from matplotlib.figure import Figure

from pipelines.search.picture import svg


def draw(rows: dict[str, dict[str, float]]) -> bytes:
    """SVG of two panels: seconds, beside what grows with the data alone (dotted, from 1 x), and memory in MiB."""
    figure = Figure(figsize=(8, 3), layout="constrained")
    seconds, memory = figure.subplots(1, 2)
    for kind, name, colour in (("train", "encode train", "C0"), ("predict", "predict test", "C1")):
        of = [row for key, row in rows.items() if key.startswith(f"{kind}, ")]
        utterances = [row["utterances"] for row in of]
        linear = [of[0]["seconds"] * count / utterances[0] for count in utterances]
        seconds.loglog(utterances, [row["seconds"] for row in of], "o-", color=colour, label=name)
        seconds.loglog(utterances, linear, ":", color=colour)
        for style, key in (("o-", "peak_mib"), ("o--", "own_mib")):
            label = f"{kind}, {'with' if key == 'peak_mib' else 'without'} mapped pages"
            memory.semilogx(utterances, [row[key] for row in of], style, color=colour, label=label)
    seconds.set(xlabel="utterances", ylabel="seconds")
    memory.set(xlabel="utterances", ylabel="MiB", ylim=(0, None))
    for panel in (seconds, memory):
        panel.legend(fontsize="x-small")
    return svg(figure)
