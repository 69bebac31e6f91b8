#!/usr/bin/env python3
"""How many events `pugmark serve` takes, how long a batch waits, and whether memory stays flat.

    python3 benches/serve.py --name NAME                     everything: about 15 minutes
    python3 benches/serve.py --name NAME --quick             without the ten minutes of steady load
    python3 benches/serve.py --pugmark PATH --load PATH      with binaries that are there already

A trail logs all events into a folder while events of 1.5 kB come in, signed, in batches of 500, each answered when it is synced to the
disk. Everything is on the loopback address, stops by itself, and lies below target/bench/serve, which is removed at the end.

full       as fast as four connections go
half       at half the bar (25,000 events/s), open loop: a batch is late from when it was due
disk       the same bytes written and synced by a plain program, batch by batch: what the disk alone allows
flat       5,000 events/s for ten minutes: peak memory of each minute
calls      the trail operations that `moto`'s server has too, side by side, in turn, through boto3 (needs target/moto)

Writes runs/DATE-NAME.json and .md. Compare ratios, not seconds: a run belongs to its machine.
"""

import argparse
import datetime
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
WORK = os.path.join(ROOT, "target/bench/serve")
BAR = 50_000
BATCH = 500
EVENT_BYTES = 1_500


class Server:
    """`pugmark serve` with a trail that logs into a folder."""

    def __init__(self, pugmark):
        shutil.rmtree(WORK, ignore_errors=True)
        os.makedirs(os.path.join(WORK, "bucket"))
        log = open(os.path.join(WORK, "log"), "w")
        command = [
            pugmark, "serve", "--listen", "127.0.0.1:0", "--data", os.path.join(WORK, "data"), "--bucket",
            "trail-logs=" + os.path.join(WORK, "bucket"), "--cadence", "10s", "--digest-cadence", "30s", "--requests-per-second", "100000",
        ]
        self.process = subprocess.Popen(command, stderr=log, env={**os.environ, "XDG_CONFIG_HOME": WORK})
        for _ in range(200):
            with open(os.path.join(WORK, "log")) as file:
                found = re.search(r"listening on (http://\S+);", file.read())
            if found:
                break
            time.sleep(0.05)
        self.url = found.group(1)
        with open(os.path.join(WORK, "data", "access-keys.toml")) as file:
            text = file.read()
        self.keys = {
            "AWS_ACCESS_KEY_ID": re.search(r'id = "(\w+)"', text).group(1),
            "AWS_SECRET_ACCESS_KEY": re.search(r'secret = "(\w+)"', text).group(1),
        }

    def memory(self):
        """Peak memory since the last call, MB."""
        with open(f"/proc/{self.process.pid}/status") as file:
            peak = int(re.search(r"VmHWM:\s+(\d+)", file.read()).group(1)) / 1024
        with open(f"/proc/{self.process.pid}/clear_refs", "w") as file:
            file.write("5")
        return round(peak)

    def cpu(self):
        with open(f"/proc/{self.process.pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def counted(self, name):
        with urllib.request.urlopen(self.url + "/metrics") as answer:
            return int(re.search(rf"^{name} (\d+)", answer.read().decode(), re.M).group(1))

    def close(self):
        self.process.terminate()
        self.process.wait(30)
        shutil.rmtree(WORK, ignore_errors=True)


def load(program, server, **options):
    command = [program, server.url]
    for name, value in options.items():
        command += [f"--{name}", str(value)]
    done = subprocess.run(command, env={**os.environ, **server.keys}, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def disk(seconds=5):
    """Batches written and synced one by one: what the disk allows a server that does not gather them."""
    path = os.path.join(WORK, "plain")
    batch = b"x" * (BATCH * EVENT_BYTES)
    begun, count = time.monotonic(), 0
    with open(path, "wb", buffering=0) as file:
        while time.monotonic() - begun < seconds:
            file.write(batch)
            os.fdatasync(file.fileno())
            count += BATCH
            if count % (200 * BATCH) == 0:
                file.seek(0)
    rate = count / (time.monotonic() - begun)
    os.remove(path)
    return rate


def client(url, keys):
    import boto3
    from botocore.config import Config
    return boto3.client(
        "cloudtrail", endpoint_url=url, region_name="us-east-1", aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"], config=Config(retries={"max_attempts": 0}),
    )


def moto():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    program = os.path.join(ROOT, "target/moto/bin/moto_server")
    process = subprocess.Popen([program, "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    for _ in range(200):
        try:
            urllib.request.urlopen(url + "/moto-api/")
            return process, url
        except OSError:
            time.sleep(0.1)
    raise SystemExit("moto does not start")


def calls(server, rounds=40):
    """Median milliseconds of each operation, ours and moto's in turn."""
    process, url = moto()
    try:
        import boto3
        theirs = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
        store = boto3.client("s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test")
        store.create_bucket(Bucket="trail-logs")
        both = {"pugmark": client(server.url, server.keys), "moto": client(url, theirs)}
        times = {}
        for n in range(rounds):
            name = f"calls-{n}"
            steps = [
                ("CreateTrail", "create_trail", {"Name": name, "S3BucketName": "trail-logs"}),
                ("StartLogging", "start_logging", {"Name": name}),
                ("GetTrailStatus", "get_trail_status", {"Name": name}),
                ("DescribeTrails", "describe_trails", {"trailNameList": [name]}),
                ("ListTrails", "list_trails", {}),
                ("StopLogging", "stop_logging", {"Name": name}),
                ("DeleteTrail", "delete_trail", {"Name": name}),
            ]
            for operation, method, members in steps:
                for who, c in both.items():
                    begun = time.monotonic()
                    getattr(c, method)(**members)
                    times.setdefault(operation, {}).setdefault(who, []).append(time.monotonic() - begun)
        return {
            operation: {who: round(statistics.median(taken) * 1_000, 2) for who, taken in by.items()}
            for operation, by in times.items()
        }
    finally:
        process.kill()
        process.wait()


def delivered(server, trail_client, accepted, patience=300):
    """Waits until every accepted event is in a log file; answers how long that took."""
    begun = time.monotonic()
    while time.monotonic() - begun < patience:
        if server.counted("pugmark_undelivered_events") == 0:
            return round(time.monotonic() - begun, 1)
        time.sleep(0.5)
    status = trail_client.get_trail_status(Name="main")
    raise SystemExit(f"not all of {accepted} events were delivered: {status}")


def measure(arguments):
    server = Server(arguments.pugmark)
    found = {"bar_events_per_second": BAR, "batch": BATCH, "event_bytes": EVENT_BYTES}
    try:
        sys.path[:0] = [path for path in [site_packages()] if path]
        trail = client(server.url, server.keys)
        trail.create_trail(Name="main", S3BucketName="trail-logs", EnableLogFileValidation=True)
        trail.start_logging(Name="main")
        server.memory()
        for name, options in {
            "full": {"seconds": 20, "connections": 4},
            "half": {"seconds": 20, "connections": 4, "rate": BAR // 2},
        }.items():
            before = server.cpu()
            found[name] = load(arguments.load, server, batch=BATCH, **options)
            found[name]["server_cpu_seconds"] = round(server.cpu() - before, 2)
            found[name]["peak_mb"] = server.memory()
            found[name]["delivered_after_seconds"] = delivered(server, trail, found[name]["events"])
            print(name, found[name], flush=True)
        found["disk_events_per_second"] = round(disk())
        found["calls_ms"] = calls(server)
        print(found["calls_ms"], flush=True)
        if not arguments.quick:
            minutes = []
            server.memory()
            for _ in range(10):
                load(arguments.load, server, batch=BATCH, connections=2, seconds=60, rate=5_000)
                minutes.append(server.memory())
                print("flat", minutes[-1], flush=True)
            found["flat_mb_by_minute"] = minutes
    finally:
        server.close()
    return found


def site_packages():
    folder = os.path.join(ROOT, "target/moto/lib")
    names = os.listdir(folder) if os.path.isdir(folder) else []
    return os.path.join(folder, names[0], "site-packages") if names else None


def report(name, found):
    full, half = found["full"], found["half"]
    lines = [
        f"# {name}", "",
        "`python3 benches/serve.py`: events of 1.5 kB, signed, in batches of 500 over loopback, answered when they are on the disk, with a trail that",
        "logs all of them into a folder. Client and server share the machine.", "",
        "| | events/s | to the bar of 50,000 | p50 ms | p99 ms | CPU s of the server | peak MB | all delivered after |", "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for label, run in (("four connections, as fast as they go", full), ("25,000 events/s, open loop", half)):
        lines.append(
            f"| {label} | {run['events_per_second']:,.0f} | {run['events_per_second'] / BAR:.2f} | {run['p50_ms']:.1f} | {run['p99_ms']:.1f} "
            f"| {run['server_cpu_seconds']} | {run['peak_mb']} | {run['delivered_after_seconds']} s |"
        )
    lines += ["", f"The disk alone, a plain program that writes and syncs such batches one by one: {found['disk_events_per_second']:,} events/s.", ""]
    if "flat_mb_by_minute" in found:
        lines += ["Peak memory of each minute at 5,000 events/s, MB: " + ", ".join(map(str, found["flat_mb_by_minute"])) + ".", ""]
    lines += ["| operation, median ms through boto3 | pugmark | moto |", "|---|---:|---:|"]
    for operation, by in found["calls_ms"].items():
        lines.append(f"| {operation} | {by['pugmark']} | {by['moto']} |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--name", required=True)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--pugmark", default=os.path.join(ROOT, "target/release/pugmark"))
    parser.add_argument("--load", default=os.path.join(ROOT, "target/release/examples/load"))
    arguments = parser.parse_args()
    if not os.path.exists(arguments.pugmark):
        subprocess.run(["cargo", "build", "--release", "--locked"], cwd=ROOT, check=True)
    if not os.path.exists(arguments.load):
        command = ["cargo", "build", "--release", "--locked", "--package", "pugmark-client", "--example", "load"]
        subprocess.run(command, cwd=ROOT, check=True)
    found = measure(arguments)
    stem = os.path.join(ROOT, "benches/runs", f"{datetime.date.today()}-{arguments.name}")
    with open(stem + ".json", "w") as file:
        json.dump(found, file, indent=1)
    with open(stem + ".md", "w") as file:
        file.write(report(os.path.basename(stem), found))
    print(report(os.path.basename(stem), found))


main()
