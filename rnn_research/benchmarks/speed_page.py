"""The page of `experiments.engine_speed`: a table of times, their spread, memory."""

import statistics

from rnn_research import hardware


def record(key, found: list[dict]) -> dict:
    (cell, length, batch, hidden), name, tuned = key
    times = [result["ms"] for result in found]
    return {
        "cell": cell,
        "T": length,
        "B": batch,
        "H": hidden,
        "library": name,
        "tuned": tuned,
        "ms": round(statistics.median(times), 2),
        "ms_min": round(min(times), 2),
        "ms_max": round(max(times), 2),
        "first_call_s": round(statistics.median(r["first_s"] for r in found), 2),
        "peak_mb": round(max(result["peak_mb"] for result in found)),
        "devices": found[0]["devices"],
        "device": found[0]["device"],
        "variant": found[0]["variant"],
        "rounds": len(found),
    }


def ratios(records) -> list[dict]:
    """For each row and side: its time over ours."""
    by = {(row_of(r), r["library"], r["tuned"]): r["ms"] for r in records}
    return [
        {
            "row": f"{row[0]} {row[1]} x {row[2]} x {row[3]}",
            "library": name,
            "tuned": tuned,
            "ratio": ms / by[row, "ours", False],
        }
        for (row, name, tuned), ms in by.items()
        if name != "ours" and (row, "ours", False) in by
    ]


def markdown(rows, records, chosen, *, platform: str, precision: str) -> str:
    """The page: times, spread, and what the processes took; a line a row in each."""
    by = {(row_of(r), r["library"], r["tuned"]): r for r in records}
    others = [name for name in chosen if name != "ours"]
    tuned = any(record["tuned"] for record in records)
    lines = [
        "# A gradient through time",
        "",
        f"Median ms on {platform.upper()} in {precision}"
        + "; of the others as they come / with our settings (the allocator, wide "
        "vectors, one CPU device a core). Fastest is of those as they come"
        * tuned
        + ". - was not measured.",
        "",
        "| cell | T, B, H | ours | " + " | ".join(others) + " | fastest / ours |",
        "|---" * (len(others) + 4) + "|",
    ]
    gains = []

    def like(row):
        return [other for other in rows if other[0] == row[0]]

    for row in rows:
        texts = []
        for name in others:
            found = [by.get((row, name, tuned)) for tuned in (False, True)]
            texts.append(" / ".join(f"{r['ms']:.1f}" for r in found if r) or "-")
        own = by.get((row, "ours", False))
        peers = [by[row, n, False]["ms"] for n in others if (row, n, False) in by]
        able = {n for n in others if any((r, n, False) in by for r in like(row))}
        whole = own and peers and len(peers) == len(able)
        gain = min(peers) / own["ms"] if whole else None
        gains += [gain] if gain else []
        lines.append(
            f"| {row[0]} | {_shape(row)} | {own['ms'] if own else '-'} | "
            f"{' | '.join(texts)} | {f'{gain:.2f}' if gain else '-'} |"
        )
    if gains:
        lines += [
            "",
            f"Geometric mean of fastest / ours {statistics.geometric_mean(gains):.2f}, "
            f"least {min(gains):.2f}.",
            "",
            "![Times of other libraries over ours](engine_speed.png)",
        ]
    where = "on the GPU" if platform == "gpu" else "of the process"
    for title, text in (
        ("Spread over the rounds, ms", lambda r: f"{r['ms_min']} to {r['ms_max']}"),
        ("First call, compiling included, s", lambda r: f"{r['first_call_s']:.1f}"),
        (f"Peak memory {where}, MB", lambda r: f"{r['peak_mb']:.0f}"),
    ):
        lines += ["", f"## {title}", ""]
        lines += [f"| cell | T, B, H | {' | '.join(chosen)} |"]
        lines += ["|---" * (len(chosen) + 2) + "|"]
        for row in rows:
            found = [by.get((row, name, False)) for name in chosen]
            texts = [text(record) if record else "-" for record in found]
            lines.append(f"| {row[0]} | {_shape(row)} | {' | '.join(texts)} |")
    accelerators = {r["device"] for r in records} - {"cpu"}
    return "\n".join([*lines, "", *sorted(accelerators), *machine(chosen)]) + "\n"


def _shape(row) -> str:
    return ", ".join(str(number) for number in row[1:])


def machine(chosen) -> list[str]:
    names = {
        "ours": "jax",
        "linen": "flax",
        "nnx": "flax",
        "haiku": "dm-haiku",
        "pytorch": "torch",
        "cudnn": "jax",
    }
    packages = dict.fromkeys(names.get(name, name) for name in chosen)
    return [hardware.machine(packages)]


def row_of(record: dict) -> tuple:
    return record["cell"], record["T"], record["B"], record["H"]
