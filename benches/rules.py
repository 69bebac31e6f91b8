#!/usr/bin/env python3
"""What rules cost over a whole trail, as there are more of them, beside the full decode.

    pugmark generate /tmp/calm --no-attacks --days 1 --events 2000000 --seed 7
    python3 benches/rules.py /tmp/calm                 a table to stdout: about two minutes
    python3 benches/rules.py /tmp/calm --rounds 9

Rules are as those of public packs: mostly exact conditions on one event, one in seven about agents, identities or errors only, one in twenty about
events that occur here. All commands run in turn, medians; the full decode is `search --unordered --output arrow`. Compare ratios, not seconds.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
COUNTS = (1, 50, 500, 5_000)


def pairs(pugmark, trail):
    """The (eventSource, eventName) pairs of the trail, sorted."""
    query = "SELECT DISTINCT eventsource, eventname FROM events WHERE eventsource IS NOT NULL AND eventname IS NOT NULL"
    done = subprocess.run([pugmark, "sql", trail, "-q", query, "--output", "jsonl"], capture_output=True, text=True, check=True)
    rows = (tuple(json.loads(line).values()) for line in done.stdout.splitlines() if line.strip())
    return sorted(row for row in rows if len(row) == 2)


def rule(number, known):
    source, name = known[number * 7 % len(known)]
    if number % 7 == 0 and number % 2 == 0:
        asked = f"{{userAgent|contains: ['tool-{number}', 'kit{number}/']}}"
    elif number % 7 == 0:
        asked = f"{{userIdentity.arn|endswith: ':user/mallory-{number}', errorCode: AccessDenied}}"
    elif number % 7 == 1 and number % 3 == 0:
        asked = f"{{eventSource: {source}, eventName: {name}, sourceIPAddress|startswith: '192.0.2.{number % 256}'}}"
    elif number % 7 == 2:
        asked = f"{{eventSource: {source}, eventName: [Odd{number}, Rare{number}], errorCode: null}}"
    else:
        asked = f"{{eventSource: s{number}.amazonaws.com, eventName: Delete{number}}}"
    head = f"---\ntitle: rule {number}\nid: r{number}\nlevel: low\nlogsource: {{product: aws, service: cloudtrail}}\n"
    return f"{head}detection:\n  a: {asked}\n  condition: a\n"


def run(command):
    """Seconds, CPU seconds and peak megabytes."""
    done = subprocess.run(["/usr/bin/time", "-v", *command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=True)
    number = lambda words: float(re.search(words + r".*?: ([\d.]+)\n", done.stderr).group(1))
    minutes, seconds = re.search(r"Elapsed.*?: (?:\d+:)?(\d+):([\d.]+)\n", done.stderr).groups()
    cpu = number("User time") + number("System time")
    return int(minutes) * 60 + float(seconds), cpu, number("Maximum resident") / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trail")
    parser.add_argument("--pugmark", default=os.path.join(ROOT, "target", "release", "pugmark"))
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    known = pairs(asked.pugmark, asked.trail)
    with tempfile.TemporaryDirectory() as folder:
        commands = {"full decode": [asked.pugmark, "search", asked.trail, "--unordered", "--output", "arrow", "-q"]}
        for count in COUNTS:
            path = os.path.join(folder, f"{count}.yml")
            with open(path, "w", encoding="utf-8") as file:
                file.writelines(rule(number, known) for number in range(count))
            options = ["--rules", path, "--no-lineage", "--output", "jsonl", "-q"]
            commands[f"{count:,} rules"] = [asked.pugmark, "detect", asked.trail, *options]
        taken = {name: [] for name in commands}
        # The first round fills the file cache.
        for number in range(asked.rounds + 1):
            for name, command in commands.items():
                found = run(command)
                if number > 0:
                    taken[name].append(found)
    median = lambda name, place: statistics.median(one[place] for one in taken[name])
    print("| | s | to the full decode | CPU s | to the full decode | peak MB |\n|---|---:|---:|---:|---:|---:|")
    for name in commands:
        seconds, cpu, peak = (median(name, place) for place in range(3))
        shares = seconds / median("full decode", 0), cpu / median("full decode", 1)
        print(f"| {name} | {seconds:.2f} | {shares[0]:.2f} | {cpu:.2f} | {shares[1]:.2f} | {peak:.0f} |")


main()
