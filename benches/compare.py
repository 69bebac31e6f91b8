#!/usr/bin/env python3
"""Measures whole commands of Pugmark beside its peers on the same files.

    python3 benches/compare.py --name first-run            an hour on two cores
    python3 benches/compare.py --name short --quick --runs 3   some minutes

builds what is needed, makes the corpora below target/bench/, installs the
peers into a virtual environment there, runs every command in turn (all of
them once, then all of them again: a noisy minute hurts everyone), and writes
benches/runs/DATE-NAME.json and .md with medians.

Fair play: two threads for everyone; the peers' best spelling that works; one
round before the clock starts, so that files are in memory; every answer is
checked against the truth of the generated trail, and a wrong one is marked.
"""

import argparse
import datetime
import glob
import hashlib
import json
import os
import re
import resource
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BENCH = os.path.join(ROOT, "target", "bench")
PEERS_PYTHON = os.path.join(BENCH, "venv", "bin", "python")
PEERS = ["duckdb", "polars", "chdb"]
CORPORA = {"100k": 100_000, "2m": 2_000_000}
THREADS = 2
SLOW_SECONDS = 15.0
QUICK_LEAVES_OUT = re.compile(r"\(columns\)|\(string\)|^errors (duckdb|polars|chdb)|^needle zcat \| jq")


# --- the peers, run inside the virtual environment ---------------------------------


def files_of(directory):
    return os.path.join(directory, "AWSLogs", "**", "*.json.gz")


def peer_duckdb(form, task, directory, key):
    """Form: auto (types found by the engine, three levels deep) or columns (named by us)."""
    import duckdb

    connection = duckdb.connect()
    connection.execute(f"SET threads = {THREADS}")
    # A file is one JSON object, so the longest object is the largest file.
    options = "maximum_object_size = 268435456"
    if form == "auto":
        # Deeper detection fails: members of one name have differing types.
        options += ", maximum_depth = 3"
        key_path = "r.userIdentity->>'$.accessKeyId'"
        error = "r.errorCode"
    else:
        shape = "STRUCT(eventName VARCHAR, eventTime VARCHAR, errorCode VARCHAR, userIdentity STRUCT(accessKeyId VARCHAR))[]"
        options += f", columns = {{'Records': '{shape}'}}"
        key_path = "r.userIdentity.accessKeyId"
        error = "r.errorCode"
    events = f"(SELECT unnest(Records) r FROM read_json('{files_of(directory)}', {options}))"
    rows = {
        "count": f"SELECT r.eventName, count(*) FROM {events} GROUP BY 1",
        "needle": f"SELECT 'key', count(*) FROM {events} WHERE {key_path} = '{key}'",
        "errors": f"SELECT r.eventTime, r.eventName, {error} FROM {events} WHERE {error} IS NOT NULL ORDER BY 1",
    }
    result = connection.execute(rows[task]).fetchall()
    return len(result) if task == "errors" else sum(row[1] for row in result)


def peer_polars(_form, task, directory, key):
    import polars as pl

    identity = pl.Struct({"accessKeyId": pl.String})
    event = {"count": {"eventName": pl.String}, "needle": {"userIdentity": identity}}
    event["errors"] = {"eventTime": pl.String, "eventName": pl.String, "errorCode": pl.String}
    schema = {"Records": pl.List(pl.Struct(event[task]))}
    paths = sorted(glob.glob(files_of(directory), recursive=True))
    # A file is one line, so newline-delimited reading takes many at once.
    events = pl.scan_ndjson(paths, schema=schema).explode("Records").unnest("Records")
    if task == "count":
        return events.group_by("eventName").len().collect()["len"].sum()
    if task == "needle":
        return events.filter(pl.col("userIdentity").struct.field("accessKeyId") == key).collect().height
    return events.filter(pl.col("errorCode").is_not_null()).sort("eventTime").collect().height


def peer_chdb(form, task, directory, key):
    """Form: typed (a named tuple) or string (the file as one text)."""
    import chdb

    if form == "typed":
        shape = "Records Array(Tuple(eventName Nullable(String), eventTime String, errorCode Nullable(String), userIdentity Tuple(accessKeyId Nullable(String))))"
        events = f"(SELECT arrayJoin(Records) AS r FROM file('{files_of(directory)}', 'JSONEachRow', '{shape}'))"
        name, when, error, held = "r.1", "r.2", "r.3", "r.4.1"
    else:
        events = f"(SELECT arrayJoin(JSONExtractArrayRaw(json, 'Records')) AS r FROM file('{files_of(directory)}', 'JSONAsString', 'json String'))"
        name, when, error = (f"JSONExtractString(r, '{path}')" for path in ("eventName", "eventTime", "errorCode"))
        held = "JSONExtractString(r, 'userIdentity', 'accessKeyId')"
        error = f"nullIf({error}, '')"
    queries = {
        "count": f"SELECT {name} AS n, count() FROM {events} GROUP BY n",
        "needle": f"SELECT 'key', count() FROM {events} WHERE {held} = '{key}'",
        "errors": f"SELECT {when} AS t, {name}, {error} AS e FROM {events} WHERE e IS NOT NULL ORDER BY t",
    }
    settings = f" SETTINGS max_threads = {THREADS}, input_format_json_ignore_unknown_keys_in_named_tuple = 1, input_format_skip_unknown_fields = 1, max_parser_depth = 1000"
    lines = chdb.query(queries[task] + settings, "CSV").data().strip().splitlines()
    return len(lines) if task == "errors" else sum(int(line.rsplit(",", 1)[1]) for line in lines)


def run_peer(name, form, task, directory, key):
    # The engines' own thread pools follow these.
    answer = {"duckdb": peer_duckdb, "polars": peer_polars, "chdb": peer_chdb}[name](form, task, directory, key)
    print(answer)


# --- what is measured ----------------------------------------------------------------


def shell(pipeline):
    return ["bash", "-c", "set -o pipefail; " + pipeline]


def each_file(directory, command):
    """Runs a command over all files in two processes."""
    return f"find {directory}/AWSLogs -name '*.json.gz' -print0 | xargs -0 -P {THREADS} -n 400 {command}"


def jq(directory, script, fold):
    """zcat | jq in two processes; each writes its own files, which `fold` reads together."""
    inner = f"'o=$(mktemp \"$OUT/XXXXXX\"); zcat \"$@\" | jq -r \"$JQ\" > \"$o\"' _"
    return shell(
        f"export OUT=$(mktemp -d) JQ={shlex.quote(script)}; trap 'rm -r \"$OUT\"' EXIT; "
        + each_file(directory, f"bash -c {inner}")
        + f"; cat \"$OUT\"/* | {fold}"
    )


def contenders(pugmark, directory, truth):
    """(task, name, command, how the answer is checked)."""
    key = truth["attacks"][0]["access_keys"][1]
    records, events = truth["records"], truth["events"]
    total = "SELECT sum(n) FROM (SELECT eventname, count(*) AS n FROM events GROUP BY 1)"
    held = f"SELECT count(*) FROM events WHERE useridentity.accesskeyid = '{key}'"
    failed = "SELECT eventtime, eventname, errorcode FROM events WHERE errorcode IS NOT NULL ORDER BY eventtime"
    own = [
        ("count", "pugmark sql", ["sql", directory, "-q", total, "--output", "csv"], events),
        ("count", "pugmark sql --with-duplicates", ["sql", directory, "-q", total, "--output", "csv", "--with-duplicates"], records),
        ("count", "pugmark stats", ["stats", directory, "eventName", "-n", "10", "--output", "csv"], None),
        ("needle", "pugmark search --key", ["search", directory, "--key", key, "--output", "jsonl"], "lines"),
        ("needle", "pugmark sql", ["sql", directory, "-q", held, "--output", "csv"], "needle"),
        ("errors", "pugmark search --errors", ["search", directory, "--errors", "--output", "jsonl"], "lines"),
        ("errors", "pugmark sql", ["sql", directory, "-q", failed, "--output", "csv"], "rows"),
        ("all", "pugmark search, every event in order", ["search", directory, "--output", "jsonl"], "lines"),
        ("all", "pugmark search --unordered, every column", ["search", directory, "--unordered", "--output", "arrow"], None),
        ("all", "pugmark sessions", ["sessions", directory, "--output", "csv"], None),
        ("all", "pugmark scan", ["scan", directory], None),
    ]
    rows = [(task, name, [pugmark, *words], check) for task, name, words, check in own] if pugmark else []
    rows.append(("inflate", "zcat > /dev/null, 2 processes", shell(each_file(directory, "zcat") + " > /dev/null"), None))
    forms = [("duckdb", "auto"), ("duckdb", "columns"), ("polars", "schema"), ("chdb", "typed"), ("chdb", "string")]
    for task in ("count", "needle", "errors"):
        for peer, form in forms:
            command = [PEERS_PYTHON, os.path.abspath(__file__), "peer", peer, form, task, directory, key]
            rows.append((task, f"{peer} ({form})", command, records if task == "count" else task))
    if shutil.which("jq"):
        rows.append(("count", "zcat | jq, 2 processes", jq(directory, ".Records[].eventName", "sort | uniq -c | awk '{n += $1} END {print n}'"), records))
        select = f'.Records[] | select(.userIdentity.accessKeyId == "{key}") | .eventID'
        rows.append(("needle", "zcat | jq, 2 processes", jq(directory, select, "wc -l"), "needle"))
    if shutil.which("rg"):
        rows.append(("needle", "rg -z (files with a match)", shell(f"rg -z -l -j {THREADS} {key} {directory}/AWSLogs | wc -l"), None))
    grep = "bash -c 'zcat \"$@\" | grep -o " + key + " || true' _"
    rows.append(("needle", "zcat | grep -o, 2 processes", shell(each_file(directory, grep) + " | wc -l"), None))
    return rows


# --- measuring -------------------------------------------------------------------------


def measure(command, timeout):
    """Wall and CPU seconds, peak memory in MB of the largest process, and what it printed."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        environment = dict(os.environ, POLARS_MAX_THREADS=str(THREADS), NO_COLOR="1")
        started = time.monotonic()
        process = subprocess.Popen(command, stdout=out, stderr=err, env=environment, start_new_session=True)
        deadline = started + timeout
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() > deadline:
                os.killpg(process.pid, 9)
                os.wait4(process.pid, 0)
                process.returncode = -9
                return {"failed": f"more than {timeout:.0f} s"}
            time.sleep(0.002)
        wall = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0, os.SEEK_END)
        size = out.tell()
        out.seek(0)
        lines = 0
        tail = b""
        while chunk := out.read(1 << 20):
            lines += chunk.count(b"\n")
            tail = (tail + chunk)[-400:]
        err.seek(0)
        message = err.read()[-600:].decode(errors="replace").strip()
    result = {
        "wall": wall,
        "cpu": usage.ru_utime + usage.ru_stime,
        "rss_mb": usage.ru_maxrss / 1024,
        "lines": lines,
        "bytes": size,
        "last": tail.decode(errors="replace").strip().splitlines()[-1:] or [""],
        "exit": process.returncode,
    }
    # Pugmark ends with 3 if something was skipped; that is an answer, and it is checked.
    if process.returncode not in (0, 3):
        result["failed"] = f"exit {process.returncode}: {message.splitlines()[-1] if message else ''}"[:200]
    return result


def answer_of(result, check):
    """The number an answer comes down to."""
    if check is None or "failed" in result:
        return None
    if check in ("lines", "rows"):
        # A table has a heading.
        return result["lines"] - (check == "rows")
    numbers = re.findall(r"\d+", result["last"][0].replace(",", ""))
    return int(numbers[-1]) if numbers else None


def run_all(rows, runs, timeout, forecast):
    """Every command once, then every command again; `forecast` says what it may take."""
    seen = [[] for _ in rows]
    for index, (task, name, _, _) in enumerate(rows):
        if forecast.get((task, name), 0.0) > timeout:
            seen[index].append({"failed": f"left out: about {forecast[task, name]:.0f} s"})
    for turn in range(runs + 1):
        for index, (task, name, command, _) in enumerate(rows):
            earlier = seen[index]
            if any("failed" in result for result in earlier):
                continue
            # A slow command is measured once: its warm-up counts, for start-up is nothing to it.
            if turn > 0 and earlier and earlier[0]["wall"] > SLOW_SECONDS:
                continue
            result = measure(command, timeout)
            earlier.append(result)
            shown = result.get("failed") or f"{result['wall']:.2f} s, {result['cpu']:.2f} s CPU, {result['rss_mb']:.0f} MB"
            print(f"  {turn or 'warm-up'}: {task:8} {name:40} {shown}", file=sys.stderr, flush=True)
    return seen


def condense(rows, seen):
    table = []
    for (task, name, _, check), results in zip(rows, seen):
        failed = next((result["failed"] for result in results if "failed" in result), None)
        timed = results[1:] or results
        entry = {"task": task, "name": name, "runs": len(timed)}
        if failed:
            entry["failed"] = failed
        else:
            for field in ("wall", "cpu", "rss_mb"):
                entry[field] = statistics.median(result[field] for result in timed)
            entry["walls"] = [result["wall"] for result in timed]
            entry["answer"] = answer_of(timed[-1], check)
            if isinstance(check, int):
                entry["expected"] = check
        table.append(entry)
    # Where the truth has no number, the peers must at least agree.
    for task in ("needle", "errors"):
        peers = [entry for entry in table if entry["task"] == task and not entry["name"].startswith("pugmark")]
        answers = [entry["answer"] for entry in peers if entry.get("answer") is not None]
        for entry in peers:
            if entry.get("answer") is not None:
                entry["expected"] = statistics.mode(answers)
    return table


# --- preparing ---------------------------------------------------------------------------


def build(pugmark):
    if pugmark:
        return os.path.abspath(pugmark)
    print("building pugmark", file=sys.stderr)
    subprocess.run(["cargo", "build", "--release", "-p", "pugmark"], cwd=ROOT, check=True)
    return os.path.join(ROOT, "target", "release", "pugmark")


def corpus(name, generator):
    """The directory of a corpus, made if it is not there in full."""
    directory = os.path.join(BENCH, f"corpus-{name}")
    events = CORPORA[name]
    truth = os.path.join(directory, "truth.json")
    stamp = os.path.join(directory, "made-by")
    if os.path.exists(stamp) and open(stamp).read() == recipe():
        with open(truth) as text:
            return directory, json.load(text)
    shutil.rmtree(directory, ignore_errors=True)
    print(f"making {events} events", file=sys.stderr)
    subprocess.run([*generator(directory, events)], check=True)
    with open(stamp, "w") as out:
        out.write(recipe())
    with open(truth) as text:
        return directory, json.load(text)


def recipe():
    """What a corpus depends on: the generator's sources."""
    digest = hashlib.sha256()
    sources = os.path.join(ROOT, "crates", "pugmark-sim", "src", "**", "*.*")
    for path in sorted(glob.glob(sources, recursive=True)):
        with open(path, "rb") as source:
            digest.update(source.read())
    return digest.hexdigest()


def install_peers():
    if not os.path.exists(PEERS_PYTHON):
        subprocess.run([sys.executable, "-m", "venv", os.path.join(BENCH, "venv")], check=True)
        subprocess.run([PEERS_PYTHON, "-m", "pip", "install", "-q", *PEERS], check=True)
    script = f"import importlib.metadata as m, json; print(json.dumps({{p: m.version(p) for p in {PEERS}}}))"
    output = subprocess.run([PEERS_PYTHON, "-c", script], check=True, capture_output=True, text=True).stdout
    versions = json.loads(output)
    if shutil.which("jq"):
        versions["jq"] = subprocess.run(["jq", "--version"], capture_output=True, text=True).stdout.strip().removeprefix("jq-")
    else:
        print("jq is not installed (Debian: apt-get install jq), its rows are left out", file=sys.stderr)
    return versions


def machine():
    model = "unknown processor"
    with open("/proc/cpuinfo") as text:
        for line in text:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    return {"cpu": model, "cores": os.cpu_count()}


# --- telling -------------------------------------------------------------------------------


def markdown(report):
    lines = [f"# {report['name']}, {report['date']}", ""]
    cpu = report["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    lines += [f"{cpu['cores']} cores, {cpu['cpu']}. Medians of {report['runs']} interleaved runs, files in memory. {versions}.", ""]
    for name, part in report["corpora"].items():
        truth = part["truth"]
        megabytes = truth["bytes_inflated"] / 1e6
        lines += [f"## {name}: {truth['events']:,} events in {truth['files']:,} files, {megabytes:,.0f} MB of JSON", ""]
        for task in dict.fromkeys(entry["task"] for entry in part["table"]):
            entries = [entry for entry in part["table"] if entry["task"] == task]
            best = min((entry["wall"] for entry in entries if entry["name"].startswith("pugmark") and "wall" in entry), default=None)
            lines += [f"### {task}", "", "| command | wall, s | × fastest pugmark | CPU, s | peak MB | answer |", "|---|---:|---:|---:|---:|---:|"]
            for entry in sorted(entries, key=lambda entry: entry.get("wall", 1e9)):
                shown = entry["name"].replace("|", "\\|")
                if "failed" in entry:
                    lines.append(f"| {shown} | failed: {entry['failed']} | | | | |")
                    continue
                ratio = f"{entry['wall'] / best:.1f}" if best else ""
                answer = entry["answer"] if entry["answer"] is not None else ""
                wrong = " **wrong**" if entry.get("expected") not in (None, entry["answer"]) else ""
                lines.append(
                    f"| {shown} | {entry['wall']:.2f} | {ratio} | {entry['cpu']:.2f} | {entry['rss_mb']:.0f} | {answer}{wrong} |"
                )
            lines.append("")
    lines += [
        "count: events by name, summed up. needle: one access key. errors: failed calls in order of time. all: every event.",
        "Pugmark counts an event once however often it was delivered, the others count each delivery; peak memory is that of the",
        "largest process.",
        "",
    ]
    return "\n".join(lines)


def main():
    if sys.argv[1:2] == ["peer"]:
        return run_peer(*sys.argv[2:7])
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--name", default="run", help="name of the recorded run")
    parser.add_argument("--corpora", default="100k,2m", help="which corpora: 100k,2m")
    parser.add_argument("--runs", type=int, default=5, help="rounds after the warm-up")
    parser.add_argument("--timeout", type=float, default=300.0, help="seconds until a command is given up")
    parser.add_argument("--pugmark", help="binary to measure, instead of building one")
    parser.add_argument("--peers-only", action="store_true", help="leave Pugmark out; needs the example `generate`")
    parser.add_argument("--quick", action="store_true", help="the best spelling of each peer only, and fewer tasks")
    parser.add_argument("--only", help="regular expression on `task name`")
    parser.add_argument("--out", default=os.path.join(ROOT, "benches", "runs"), help="folder for the record")
    arguments = parser.parse_args()
    os.makedirs(BENCH, exist_ok=True)
    if arguments.peers_only:
        pugmark = None
        example = arguments.pugmark or os.path.join(ROOT, "target", "release", "examples", "generate")
        generator = lambda directory, events: [example, directory, str(events)]
    else:
        pugmark = build(arguments.pugmark)
        generator = lambda directory, events: [pugmark, "generate", directory, "--events", str(events), "--days", "30"]
    versions = install_peers()
    report = {
        "name": arguments.name,
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
        "runs": arguments.runs,
        "versions": versions,
        "corpora": {},
    }
    forecast = {}
    for name in arguments.corpora.split(","):
        directory, truth = corpus(name, generator)
        rows = contenders(pugmark, directory, truth)
        if arguments.quick:
            rows = [row for row in rows if not QUICK_LEAVES_OUT.search(f"{row[0]} {row[1]}")]
        if arguments.only:
            rows = [row for row in rows if re.search(arguments.only, f"{row[0]} {row[1]}")]
        print(f"{name}: {len(rows)} commands", file=sys.stderr)
        seen = run_all(rows, arguments.runs, arguments.timeout, {key: per_event * truth["events"] for key, per_event in forecast.items()})
        table = condense(rows, seen)
        forecast = {(entry["task"], entry["name"]): entry["wall"] / truth["events"] for entry in table if "wall" in entry}
        kept = {field: truth[field] for field in ("events", "records", "files", "bytes_inflated", "seed")}
        report["corpora"][name] = {"truth": kept, "table": table}
        stem = os.path.join(arguments.out, f"{report['date']}-{arguments.name}")
        os.makedirs(arguments.out, exist_ok=True)
        # Written after each corpus: an interrupted run keeps what it has.
        with open(stem + ".json", "w") as out:
            json.dump(report, out, indent=1)
            out.write("\n")
        with open(stem + ".md", "w") as out:
            out.write(markdown(report))
    print(f"{stem}.md", file=sys.stderr)


if __name__ == "__main__":
    main()
