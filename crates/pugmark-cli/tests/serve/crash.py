"""`kill -9` at any moment: nothing that was answered is lost, nothing is delivered twice."""

import random
import sys
import threading
import time
import urllib.error

from desk import Desk, event, wait

ROUNDS = int(sys.argv[2])
# Many rounds leave many events, and each is looked up at the end.
BATCH = 10 if ROUNDS <= 20 else 1


def main():
    chance = random.Random(7)
    desk = Desk()
    answered, count = set(), 0
    try:
        c = desk.client()
        c.create_trail(Name="main", S3BucketName="trail-logs", EnableLogFileValidation=True)
        c.start_logging(Name="main")
        for _ in range(ROUNDS):
            killer = threading.Timer(chance.uniform(0.02, 1.5), desk.kill)
            killer.start()
            while desk.process.poll() is None:
                sent = "\n".join(event(f"Crash{count + n}") for n in range(BATCH))
                try:
                    answered |= {r["eventID"] for r in desk.post("/ingest", sent.encode())["results"]}
                except (urllib.error.URLError, OSError, ValueError):
                    time.sleep(0.01)
                count += BATCH
                if BATCH == 1:
                    time.sleep(0.02)
            killer.join()
            desk.start()
        assert answered

        def all_delivered():
            return answered <= {r["eventID"] for r in desk.delivered()}
        wait(all_delivered, 120)
        ids = [r["eventID"] for r in desk.delivered() if r["eventName"].startswith("Crash")]
        assert len(ids) == len(set(ids)), "an event was delivered twice"
        looked = {e["EventId"] for page in desk.client().get_paginator("lookup_events").paginate() for e in page["Events"]}
        assert answered <= looked
        desk.stop()
    except BaseException:
        print(desk.log()[-3000:])
        raise
    finally:
        desk.close()
    print("ok crash", len(answered), "events answered in", ROUNDS, "rounds")


main()
