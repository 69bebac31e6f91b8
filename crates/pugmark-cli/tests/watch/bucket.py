"""`pugmark watch` on a bucket that is listed, and on one whose queue tells of objects.

Usage: bucket.py PUGMARK. Moto plays Amazon S3 and Amazon SQS on a port of its own.
"""

import gzip
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import boto3
from moto.server import ThreadedMotoServer

PUGMARK = sys.argv[1]
RULES = pathlib.Path(__file__).resolve().parents[4] / "rules"
BUCKET = "trail-logs-example"
FOLDER = "audit/AWSLogs/111122223333/CloudTrail/us-east-1/2026/08/01/"
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


def event(number, minute, name, **parameters):
    return {
        "eventVersion": "1.08",
        "eventTime": f"2026-08-01T10:{minute:02}:00Z",
        "eventSource": "iam.amazonaws.com",
        "eventName": name,
        "awsRegion": "us-east-1",
        "sourceIPAddress": "203.0.113.7",
        "userAgent": "aws-cli/2",
        "eventID": f"00000000-0000-4000-8000-{number:012}",
        "recipientAccountId": "111122223333",
        "userIdentity": {
            "type": "IAMUser",
            "arn": "arn:aws:iam::111122223333:user/mia",
            "accountId": "111122223333",
            "userName": "mia",
        },
        "requestParameters": {"userName": "eve", **parameters},
    }


MADE = event(1, 0, "CreateUser")
RIGHTS = event(2, 1, "AttachUserPolicy", policyArn="arn:aws:iam::aws:policy/AdministratorAccess")
KEYED = event(3, 2, "CreateAccessKey")
USER = "IAM user created outside CloudFormation"
KEY = "Access key created for another user"
POLICY = "Administrator policy attached to a user or group"
BOTH = "New user with keys and every right"


class Place:
    """Moto, a bucket in it, and a folder for states."""

    def __init__(self, server, folder):
        host, port = server.get_host_and_port()
        self.url = f"http://{host}:{port}"
        self.folder = folder
        access = {
            "endpoint_url": self.url,
            "region_name": "us-east-1",
            "aws_access_key_id": "AKIAEXAMPLE",
            "aws_secret_access_key": "secret",
        }
        self.s3 = boto3.client("s3", **access)
        self.sqs = boto3.client("sqs", **access)
        self.s3.create_bucket(Bucket=BUCKET)

    def put(self, name, *events):
        body = gzip.compress(json.dumps({"Records": events}).encode())
        self.s3.put_object(Bucket=BUCKET, Key=FOLDER + name, Body=body)
        return FOLDER + name

    def watch(self, state, *words, code=0):
        """Titles of what one look tells, and what it says."""
        rules = [
            "correlations/administrator_made.yml",
            "aws/persistence/iam_user_created.yml",
            "aws/persistence/access_key_created_for_another_user.yml",
            "aws/privilege_escalation/admin_policy_attached_to_user.yml",
        ]
        ran = subprocess.run(
            [PUGMARK, "watch", f"s3://{BUCKET}/audit/", "--once", "--state", self.folder / state]
            + ["--endpoint-url", self.url, "--output", "jsonl", *words, "--rules"]
            + [RULES / rule for rule in rules],
            env={"HOME": str(self.folder), **ENVIRONMENT},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert ran.returncode == code, (ran.returncode, ran.stdout, ran.stderr)
        return [json.loads(line)["title"] for line in ran.stdout.splitlines()], ran.stderr

    def left(self, queue):
        """Messages of a queue, those under way too."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
        return sum(int(found[name]) for name in names)


def polled(place):
    place.put("a.json.gz", MADE, KEYED)
    assert place.watch("polled")[0] == [USER, KEY]
    assert place.watch("polled")[0] == [], "a restart tells nothing again"
    # What comes late completes a correlation, from matches that the state kept.
    place.put("late.json.gz", RIGHTS)
    told = place.watch("polled")[0]
    assert sorted(told) == sorted([BOTH, POLICY]), told
    place.put("copy.json.gz", MADE, RIGHTS)
    assert place.watch("polled")[0] == [], "an event that is delivered twice is told once"


def notified(bucket, *keys, name="ObjectCreated:Put"):
    """A notification of Amazon S3, whose keys are written as in a query."""
    quoted = [key.replace("+", "%2B").replace(" ", "+") for key in keys]
    return json.dumps(
        {
            "Records": [
                {
                    "eventVersion": "2.1",
                    "eventSource": "aws:s3",
                    "eventName": name,
                    "s3": {"bucket": {"name": bucket}, "object": {"key": key}},
                }
                for key in quoted
            ]
        }
    )


def in_envelope(message):
    return json.dumps({"Type": "Notification", "TopicArn": "arn:aws:sns:us-east-1:1:t", "Message": message})


def queued(place):
    queue = place.sqs.create_queue(QueueName="trail")["QueueUrl"]

    def send(body):
        place.sqs.send_message(QueueUrl=queue, MessageBody=body)

    def hear(**expected):
        return place.watch("queued", "--sqs", queue, **expected)

    # What lies there and is not named is not read.
    assert hear()[0] == []
    send(notified(BUCKET, place.put("a b+c.json.gz", MADE)))
    assert hear()[0] == [USER]
    assert place.left(queue) == 0, "what was read is deleted"
    # The same again, the key in an envelope, the rights in CloudTrail's own words.
    send(notified(BUCKET, FOLDER + "a b+c.json.gz"))
    send(in_envelope(notified(BUCKET, place.put("key.json.gz", KEYED))))
    own = {"s3Bucket": BUCKET, "s3ObjectKey": [place.put("rights.json.gz", RIGHTS)]}
    send(in_envelope(json.dumps(own)))
    send(in_envelope("CloudTrail validation message."))
    send(json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": BUCKET}))
    send(notified(BUCKET, FOLDER + "gone.json.gz", name="ObjectRemoved:Delete"))
    told = hear()[0]
    assert sorted(told) == sorted([KEY, POLICY, BOTH]), told
    assert place.left(queue) == 0
    # Other buckets and prefixes are not read.
    place.s3.put_object(Bucket=BUCKET, Key="other/x.json", Body=json.dumps({"Records": [MADE]}))
    send(notified(BUCKET, "other/x.json"))
    send(notified("elsewhere", FOLDER + "a b+c.json.gz"))
    told, said = hear()
    assert (told, place.left(queue)) == ([], 0), (told, said)
    # A message that is an event itself, as Amazon EventBridge passes it on, and one that is a log file.
    send(json.dumps({"version": "0", "source": "aws.iam", "detail": event(4, 30, "CreateUser")}))
    send(in_envelope(json.dumps({"Records": [event(5, 31, "CreateUser"), event(4, 30, "CreateUser")]})))
    told, said = hear()
    assert (told, place.left(queue)) == ([USER, USER], 0), (told, said)
    # What cannot be understood, and what names an object that is not there, stays.
    send("hello \x1b[31m")
    send(notified(BUCKET, FOLDER + "missing.json.gz", FOLDER + "key.json.gz"))
    told, said = hear(code=3)
    assert told == [] and "it is not JSON" in said and "missing.json.gz" in said, said
    assert "\x1b" not in said, said
    assert place.left(queue) == 2, place.left(queue)


def many(place):
    """More than one answer of the queue holds, in one look."""
    queue = place.sqs.create_queue(QueueName="many")["QueueUrl"]
    for number in range(35):
        key = place.put(f"many-{number}.json.gz", event(100 + number, number, "CreateUser"))
        place.sqs.send_message(QueueUrl=queue, MessageBody=notified(BUCKET, key))
    told, said = place.watch("many", "--sqs", queue)
    assert told == [USER] * 35, (told, said)
    assert place.left(queue) == 0
    # A watch that died before it deleted hears of them again, and tells nothing.
    for number in range(35):
        place.sqs.send_message(QueueUrl=queue, MessageBody=notified(BUCKET, FOLDER + f"many-{number}.json.gz"))
    assert place.watch("many", "--sqs", queue)[0] == []
    assert place.left(queue) == 0


def refused(place):
    _, said = place.watch("none", "--sqs", f"{place.url}/123456789012/none", code=2)
    assert "QueueDoesNotExist" in said or "NonExistentQueue" in said, said


def main():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        with tempfile.TemporaryDirectory() as folder:
            place = Place(server, pathlib.Path(folder))
            for part in (polled, queued, many, refused):
                part(place)
    finally:
        server.stop()


if __name__ == "__main__":
    os.environ.pop("AWS_PROFILE", None)
    main()
