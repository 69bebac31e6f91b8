"""A server under test, and clients for it."""

import gzip
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

ACCOUNT = "111122223333"
REGION = "eu-west-1"


class Desk:
    """`pugmark serve` in a folder of its own."""

    def __init__(self, *options):
        self.folder = tempfile.mkdtemp(prefix="pugmark-serve-")
        self.bucket = os.path.join(self.folder, "bucket")
        os.mkdir(self.bucket)
        self.options = [
            "--data", os.path.join(self.folder, "data"), "--region", REGION,
            "--bucket", "trail-logs=" + self.bucket, "--cadence", "1s", "--digest-cadence", "5s",
            "--lookups-per-second", "1000", *options,
        ]
        self.process = None
        self.start()

    def start(self):
        log = open(os.path.join(self.folder, "log"), "w")
        command = [PUGMARK, "serve", "--listen", "127.0.0.1:0", *self.options]
        environment = {**os.environ, "XDG_CONFIG_HOME": self.folder}
        self.process = subprocess.Popen(command, stderr=log, env=environment)
        found = wait(lambda: re.search(r"listening on (http://\S+);", self.log()))
        self.url = found.group(1)
        with open(os.path.join(self.folder, "data", "access-keys.toml")) as file:
            text = file.read()
        self.key = re.search(r'id = "(\w+)"', text).group(1)
        self.secret = re.search(r'secret = "(\w+)"', text).group(1)

    def log(self):
        with open(os.path.join(self.folder, "log")) as file:
            return file.read()

    def client(self, service="cloudtrail", key=None, secret=None, region=REGION):
        return boto3.client(
            service, endpoint_url=self.url, region_name=region,
            aws_access_key_id=key or self.key, aws_secret_access_key=secret or self.secret,
            config=Config(retries={"max_attempts": 0}, parameter_validation=True),
        )

    def post(self, path, body):
        """A signed request that is no SDK's."""
        request = AWSRequest("POST", self.url + path, data=body, headers={"Content-Type": "application/x-ndjson"})
        SigV4Auth(Credentials(self.key, self.secret), "cloudtrail", REGION).add_auth(request)
        plain = urllib.request.Request(self.url + path, body, dict(request.headers), method="POST")
        with urllib.request.urlopen(plain) as answer:
            return json.load(answer)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(15) == 0, self.log()

    def files(self, kind):
        found = []
        for folder, _, names in os.walk(self.bucket):
            if f"/{kind}/" in folder + "/":
                found += [os.path.join(folder, name) for name in names if name.endswith(".json.gz")]
        return sorted(found)

    def delivered(self):
        """Every record of every log file, as often as it was delivered."""
        records = []
        for path in self.files("CloudTrail"):
            with gzip.open(path) as file:
                records += json.load(file)["Records"]
        return records

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def wait(condition, seconds=30):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError("waited in vain")


def refused(code, call, **members):
    """The call is refused with this code, and no other."""
    try:
        answer = call(**members)
    except ClientError as error:
        assert error.response["Error"]["Code"] == code, error
        return
    raise AssertionError(f"expected {code}, got {answer}")


def event(name, **members):
    record = {
        "eventSource": "app.example.com", "eventName": name, "awsRegion": REGION,
        "recipientAccountId": ACCOUNT, "readOnly": False,
        "userIdentity": {"type": "IAMUser", "userName": "alice", "accountId": ACCOUNT}, **members,
    }
    return json.dumps(record)


PUGMARK = sys.argv[1]
