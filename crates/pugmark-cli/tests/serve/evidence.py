"""What is delivered is proven by the AWS CLI, told to a queue, and found by `pugmark`, each event once."""

import gzip
import json
import os
import subprocess
import sys
import urllib.request

from desk import ACCOUNT, PUGMARK, REGION, Desk, event, wait

AWS, MOTO = sys.argv[2], sys.argv[3]
TRAIL = f"arn:aws:cloudtrail:{REGION}:{ACCOUNT}:trail/main"


def moto():
    """An S3 service for the AWS CLI to read from."""
    import socket
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen([MOTO, "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"

    def answers():
        try:
            return urllib.request.urlopen(url + "/moto-api/").status
        except OSError:
            return None
    wait(answers)
    return process, url


def validate(desk, s3):
    environment = {
        **os.environ, "AWS_ACCESS_KEY_ID": desk.key, "AWS_SECRET_ACCESS_KEY": desk.secret, "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL_CLOUDTRAIL": desk.url, "AWS_ENDPOINT_URL_S3": s3, "AWS_EC2_METADATA_DISABLED": "true",
    }
    command = [AWS, "cloudtrail", "validate-logs", "--trail-arn", TRAIL, "--start-time", "2020-01-01T00:00:00Z"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


RULE = """
title: A batch
id: 3d1f4c0e-5a55-4c53-9a0b-2f6f5f1f7c11
status: test
level: low
logsource:
    product: aws
    service: cloudtrail
detection:
    selection:
        eventName: Batch1
    condition: selection
"""


def watched(desk, s3, queue):
    """Events that a watch finds in the objects that the trail's queue tells of."""
    rule = os.path.join(desk.folder, "rule.yml")
    with open(rule, "w") as file:
        file.write(RULE)
    found = subprocess.run(
        [PUGMARK, "watch", "s3://in-s3/", "--sqs", queue, "--once", "--rules", rule, "--output", "jsonl"]
        + ["--state", os.path.join(desk.folder, "state"), "--endpoint-url", s3, "--aws-region", REGION],
        capture_output=True, text=True, timeout=120,
    )
    assert found.returncode == 0, found.stderr
    return [json.loads(line)["title"] for line in found.stdout.splitlines()]


def main():
    process, s3 = moto()
    os.environ.update(AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test", AWS_ALLOW_HTTP="true")
    desk = Desk("--endpoint-url", s3, "--aws-region", REGION, "--tail", "s3://inbox/", "--tail-every", "1s",
                "--topic", f"ct=sqs:{s3}/123456789012/told")
    try:
        import boto3
        sqs = boto3.client("sqs", endpoint_url=s3, region_name=REGION)
        queue = sqs.create_queue(QueueName="told")["QueueUrl"]
        store = boto3.client("s3", endpoint_url=s3, region_name=REGION)
        store.create_bucket(Bucket="in-s3", CreateBucketConfiguration={"LocationConstraint": REGION})
        c = desk.client()
        c.create_trail(Name="main", S3BucketName="in-s3", EnableLogFileValidation=True, SnsTopicName="ct")
        c.start_logging(Name="main")
        ids = set()
        for batch in range(3):
            sent = "\n".join(event(f"Batch{batch}") for _ in range(20))
            ids |= {r["eventID"] for r in desk.post("/ingest", sent.encode())["results"]}

        def keys(kind):
            pages = store.get_paginator("list_objects_v2").paginate(Bucket="in-s3")
            return [o["Key"] for page in pages for o in page.get("Contents", []) if f"/{kind}/" in o["Key"]]
        wait(lambda: len(keys("CloudTrail-Digest")) >= 3, 60)
        code, text = validate(desk, s3)
        assert code == 0 and "valid" in text and "INVALID" not in text, text
        folder = os.path.join(desk.folder, "copy")
        for key in keys("CloudTrail") + keys("CloudTrail-Digest"):
            path = os.path.join(folder, key)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            store.download_file("in-s3", key, path)
        found = subprocess.run(
            [PUGMARK, "search", folder, "--with-duplicates", "-q", "--columns", "id", "--output", "jsonl", "--name", "Batch*"],
            capture_output=True, text=True, check=True,
        )
        lines = found.stdout.splitlines()
        assert len(lines) == 60 and all(any(i in line for line in lines) for i in ids), (len(lines), found.stderr)
        left = []

        def all_told():
            left.extend(watched(desk, s3, queue))
            return len(left) >= 20
        wait(all_told, 30)
        assert left == ["A batch"] * 20, left
        key = keys("CloudTrail")[0]
        body = store.get_object(Bucket="in-s3", Key=key)["Body"].read()
        # What appears in a bucket is taken in.
        store.create_bucket(Bucket="inbox", CreateBucketConfiguration={"LocationConstraint": REGION})
        store.put_object(Bucket="inbox", Key="from/elsewhere.json.gz", Body=gzip.compress(
            ('{"Records":[' + event("Elsewhere", eventID="0f6d3a1e-1111-4222-8333-444455556666") + "]}").encode()))
        wanted = [{"AttributeKey": "EventName", "AttributeValue": "Elsewhere"}]
        wait(lambda: len(c.lookup_events(LookupAttributes=wanted)["Events"]) == 1)
        changed = gzip.compress(gzip.decompress(body).replace(b"e", b"f", 1))
        store.put_object(Bucket="in-s3", Key=key, Body=changed)
        code, text = validate(desk, s3)
        assert code == 1 and "INVALID" in text, (code, text)
        desk.stop()
    except BaseException:
        print(desk.log()[-3000:])
        raise
    finally:
        desk.close()
        process.kill()
        process.wait()
    print("ok evidence")


main()
