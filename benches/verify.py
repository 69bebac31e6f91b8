#!/usr/bin/env python3
"""Verifies a year of digests with Pugmark and with the AWS CLI, in turns, and writes what that took.

    python3 benches/verify.py --name NAME                  8,760 digests, 105,120 log files
    python3 benches/verify.py --name NAME --hours 720      a month

The example `year` makes the trail and serves it on the loopback address; both programs read from there, and Pugmark
from a copy on disk too. One log file is changed and one is missing: both must say so, in the same words.
"""

import argparse
import datetime
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from compare import ROOT, machine

AWSCLI = os.path.join(ROOT, "target", "awscli", "bin", "aws")
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "secret-example",
    "AWS_EC2_METADATA_DISABLED": "true",
}
# One line for digests and one for log files.
SUMS = re.compile(r"(\d+)/\d+ (digest|log) files valid(?:, (\d+)/\d+ \w+ files INVALID)?")


def build(pugmark):
    """The binary, and the example that serves."""
    if not pugmark:
        subprocess.run(["cargo", "build", "--release", "--locked"], cwd=ROOT, check=True)
        pugmark = os.path.join(ROOT, "target", "release", "pugmark")
    example = ["cargo", "build", "--release", "--locked", "-p", "pugmark-integrity", "--example", "year"]
    subprocess.run(example, cwd=ROOT, check=True)
    return os.path.abspath(pugmark), os.path.join(ROOT, "target", "release", "examples", "year")


class Year:
    """A trail on disk and behind an address, as long as the block lasts."""

    def __init__(self, example, folder, hours, files):
        self.command = [example, "serve", folder, str(hours), str(files)]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.about = json.loads(self.process.stdout.readline())
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()

    def cpu(self):
        """CPU seconds of the server so far."""
        with open(f"/proc/{self.process.pid}/stat") as text:
            fields = text.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def contenders(pugmark, folder, about):
    keys = ["--keys", os.path.join(folder, "keys.json"), "--quiet", "--output"]
    bucket = [f"s3://{about['bucket']}/", "--endpoint-url", about["address"]]
    disk = [os.path.join(folder, "copy")]
    asked = ["--trail", about["trail"], "--since", about["since"], "--until", about["until"]]
    validate = [AWSCLI, "cloudtrail", "validate-logs", "--trail-arn", about["trail"], "--s3-bucket", about["bucket"]]
    times = ["--start-time", about["since"], "--end-time", about["until"], "--endpoint-url", about["address"]]
    return [
        ("pugmark verify, bucket", [pugmark, "verify", *bucket, *keys, "table"], True),
        ("pugmark verify --output aws, bucket", [pugmark, "verify", *bucket, *asked, *keys, "aws"], True),
        ("pugmark verify, copy on disk", [pugmark, "verify", *disk, *keys, "table"], False),
        ("aws cloudtrail validate-logs, bucket", [*validate, *times, "--region", about["region"]], True),
    ]


def sums(text):
    """Valid and invalid digests and log files, from the last lines of either program."""
    return {kind: {"valid": int(valid), "invalid": int(invalid or 0)} for valid, kind, invalid in SUMS.findall(text)}


def of_table(text):
    """The same from the table of `pugmark verify`."""
    head = text.splitlines()[0] if text else ""
    count = lambda word: int((re.search(rf"([\d,]+) {word}", head) or [0, "0"])[1].replace(",", ""))
    return {"valid": count("valid"), "modified": count("modified"), "missing": count("missing")}


def same_words(ours, theirs):
    """True if both said the same on both streams and ended alike; the order on stderr is free."""
    words = lambda run: (run.get("stdout"), sorted(filter(None, run.get("stderr", "").splitlines())), run.get("exit"))
    return words(ours) == words(theirs)


def run(command, timeout):
    """Wall and CPU seconds, peak memory in MB, and what was said."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        started = time.monotonic()
        process = subprocess.Popen(command, stdout=out, stderr=err)
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() - started > timeout:
                process.kill()
                process.wait()
                return {"failed": f"more than {timeout:.0f} s"}
            time.sleep(0.005)
        wall = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        texts = []
        for stream in (out, err):
            stream.seek(0)
            texts.append(stream.read().decode(errors="replace"))
    result = {
        "wall": wall,
        "cpu": usage.ru_utime + usage.ru_stime,
        "rss_mb": usage.ru_maxrss / 1024,
        "exit": process.returncode,
        "stdout": texts[0],
        "stderr": texts[1],
    }
    # Something is wrong with the trail, and both must exit with 1 to say so.
    if process.returncode != 1:
        result["failed"] = f"exit {process.returncode}: {texts[1].strip()[-200:]}"
    return result


def turns(rows, rounds, timeout, year):
    """Every program once a round; what each took and said."""
    seen = {name: [] for name, _, _ in rows}
    for turn in range(rounds):
        for name, command, is_remote in rows:
            before = year.cpu()
            result = run(command, timeout)
            result["server_cpu"] = year.cpu() - before if is_remote else 0.0
            seen[name].append(result)
            shown = result.get("failed") or f"{result['wall']:.2f} s, {result['cpu']:.2f} s CPU, server {result['server_cpu']:.2f}"
            print(f"  {turn + 1}: {name:40} {shown}", file=sys.stderr, flush=True)
    return seen


def cost(example, folder, rounds):
    """Median wall and CPU seconds of each step inside the library."""
    output = subprocess.run([example, "cost", folder, str(rounds)], check=True, capture_output=True, text=True).stdout
    steps = {}
    for line in output.splitlines():
        step = json.loads(line)
        steps.setdefault(step["what"], []).append(step)
    return {
        what: {field: statistics.median(run[field] for run in runs) for field in ("wall", "cpu")}
        for what, runs in steps.items()
    }


def condense(seen):
    table = []
    for name, results in seen.items():
        failed = next((result["failed"] for result in results if "failed" in result), None)
        entry = {"name": name, "runs": len(results)}
        if failed:
            entry["failed"] = failed
        else:
            for field in ("wall", "cpu", "server_cpu", "rss_mb"):
                entry[field] = statistics.median(result[field] for result in results)
            entry["walls"] = [result["wall"] for result in results]
        table.append(entry)
    return table


def markdown(report):
    about, cpu = report["trail"], report["machine"]
    rounds = "One round" if report["rounds"] == 1 else f"Medians of {report['rounds']} interleaved rounds"
    lines = [f"# {report['name']}, {report['date']}", ""]
    lines += [
        f"{cpu['cores']} cores, {cpu['cpu']}. {rounds}. Load of the machine before: {report['load']}.",
        f"{report['awscli'].replace('aws-cli/', 'AWS CLI ')}, one trail, one local endpoint in memory.",
        "",
        f"{about['digests']:,} digests and {about['log_files']:,} log files, {about['bytes_stored'] / 1e6:,.0f} MB stored, "
        f"{about['bytes_inflated'] / 1e6:,.0f} MB inflated; one log file changed, one missing.",
        "",
        "| command | wall, s | × pugmark | CPU, s | server's CPU, s | peak MB |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    best = next((entry["wall"] for entry in report["table"] if "wall" in entry), None)
    for entry in report["table"]:
        if "failed" in entry:
            lines.append(f"| {entry['name']} | failed: {entry['failed']} | | | | |")
            continue
        lines.append(
            f"| {entry['name']} | {entry['wall']:.2f} | {entry['wall'] / best:.1f} | {entry['cpu']:.2f} "
            f"| {entry['server_cpu']:.2f} | {entry['rss_mb']:.0f} |"
        )
    said = "; ".join(
        f"{name}: {', '.join(f'{value} {word}' for word, value in verdicts.items())}"
        for name, verdicts in [("pugmark", report["verdicts"]["pugmark"]), *((f"AWS CLI, {kind}s", found) for kind, found in report["verdicts"]["aws"].items())]
    )
    lines += ["", f"{said}."]
    lines += ["", f"Words and exit codes of `--output aws` and of the AWS CLI: {'the same' if report['same'] else '**different**'}.", ""]
    lines += ["| inside the library, copy on disk | wall, s | CPU, s |", "|---|---:|---:|"]
    lines += [f"| {what} | {step['wall']:.2f} | {step['cpu']:.2f} |" for what, step in report["cost"].items()]
    inflate, alone, both = (report["cost"][what]["cpu"] for what in ("inflate", "sha256", "inflate and hash"))
    lines += [
        "",
        f"Inflating, hashing and reading digests cost {both / inflate:.2f} times the CPU of inflating alone. SHA-256 of the same bytes in memory alone "
        f"takes {alone:.2f} s ({about['bytes_inflated'] / alone / 1e9:.1f} GB/s), so hashing alone makes it {1 + alone / inflate:.2f}.",
        "",
    ]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--name", default="verify", help="name of the recorded run")
    parser.add_argument("--hours", type=int, default=8_760, help="digests")
    parser.add_argument("--files", type=int, default=12, help="log files an hour")
    parser.add_argument("--rounds", type=int, default=1, help="rounds")
    parser.add_argument("--timeout", type=float, default=1_800.0, help="seconds until a command is given up")
    parser.add_argument("--pugmark", help="binary to measure, instead of building one")
    parser.add_argument("--example", help="the example `year`, instead of building it")
    parser.add_argument("--out", default=os.path.join(ROOT, "benches", "runs"), help="folder for the record")
    arguments = parser.parse_args()
    if not os.path.exists(AWSCLI):
        sys.exit("no AWS CLI; `cargo xtask awscli` installs it")
    pugmark, example = arguments.pugmark, arguments.example
    if not (pugmark and example):
        pugmark, example = build(pugmark)
    os.environ.update(CREDENTIALS)
    os.environ["PUGMARK_KEY_FILE"] = os.devnull
    folder = tempfile.mkdtemp(prefix="pugmark-year-")
    try:
        with Year(example, folder, arguments.hours, arguments.files) as year:
            os.environ["AWS_REGION"] = year.about["region"]
            os.environ["AWS_ENDPOINT_URL"] = year.about["address"]
            rows = contenders(pugmark, folder, year.about)
            load = ", ".join(f"{load:.1f}" for load in os.getloadavg())
            # What the kernel keeps of the files should not decide who is first.
            run(rows[2][1], arguments.timeout)
            seen = turns(rows, arguments.rounds, arguments.timeout, year)
            table, words, _, theirs = (seen[name][-1] for name, _, _ in rows)
            steps = cost(example, folder, 5)
            report = {
                "name": arguments.name,
                "date": datetime.date.today().isoformat(),
                "machine": machine(),
                "load": load,
                "awscli": subprocess.run([AWSCLI, "--version"], capture_output=True, text=True).stdout.split()[0],
                "rounds": arguments.rounds,
                "trail": year.about,
                "same": same_words(words, theirs),
                "verdicts": {"aws": sums(theirs.get("stdout", "")), "pugmark": of_table(table.get("stdout", ""))},
                "table": condense(seen),
                "cost": steps,
            }
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    stem = os.path.join(arguments.out, f"{report['date']}-{arguments.name}")
    os.makedirs(arguments.out, exist_ok=True)
    with open(stem + ".json", "w") as out:
        json.dump(report, out, indent=1)
        out.write("\n")
    with open(stem + ".md", "w") as out:
        out.write(markdown(report))
    print(f"{stem}.md", file=sys.stderr)


if __name__ == "__main__":
    main()
