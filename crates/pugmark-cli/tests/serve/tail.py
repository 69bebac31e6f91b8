"""A folder that is tailed: lines as they come, log files once they are whole, each event once, also over kill -9."""

import gzip
import json
import os
import tempfile
import time

from desk import Desk, event, wait


def main():
    folder = tempfile.mkdtemp(prefix="pugmark-tail-")
    desk = Desk("--tail", folder, "--tail", os.path.join(folder, "..", os.path.basename(folder)), "--tail-every", "1s")
    # What our own trails deliver must not come round: the bucket is tailed too.
    desk.options += ["--tail", desk.bucket]
    desk.kill()
    desk.start()
    try:
        c = desk.client()
        c.create_trail(Name="main", S3BucketName="trail-logs")
        c.start_logging(Name="main")
        path = os.path.join(folder, "app.jsonl")

        def names():
            return sorted(r["eventName"] for r in desk.delivered() if r["eventSource"] == "app.example.com")
        with open(path, "w") as file:
            file.write("".join(event(f"Line{n}") + "\n" for n in range(5)) + "not json\n" + event("Half")[:40])
        wait(lambda: len(names()) == 5)
        assert "a record was refused" in desk.log(), desk.log()
        with open(path, "a") as file:
            file.write(event("Half")[40:] + "\n")
        wait(lambda: "Half" in names())
        records = [json.loads(event("Filed", eventID=f"0f6d3a1e-1111-4222-8333-44445555{n:04}", eventTime="2026-01-15T10:00:00Z"))
                   for n in range(10)]
        for name in ("a.json.gz", "copy.json.gz"):
            with gzip.open(os.path.join(folder, name), "wb") as file:
                file.write(json.dumps({"Records": records}).encode())
        wait(lambda: names().count("Filed") == 10)
        desk.kill()
        with open(path, "a") as file:
            file.write(event("Later") + "\n")
        desk.start()
        wait(lambda: "Later" in names())
        # Time for what must not come: copies, and deliveries that came round.
        time.sleep(4)
        expected = sorted([f"Line{n}" for n in range(5)] + ["Half", "Later"] + ["Filed"] * 10)
        assert names() == expected, names()
        desk.stop()
    except BaseException:
        print(desk.log()[-3000:])
        raise
    finally:
        desk.close()
    print("ok tail")


main()
