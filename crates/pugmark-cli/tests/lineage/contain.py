"""Every command that `pugmark contain` can print is one that the AWS CLI takes: parsed and validated by it, sent to nobody."""

import contextlib
import io
import json
import os
import shlex
import subprocess
import sys
import tempfile

from awscli.clidriver import create_clidriver

PUGMARK = sys.argv[1]
ACCOUNT = "111122223333"
KEY = "AKIAEXAMPLE000000001"
ARN = f"arn:aws:iam::{ACCOUNT}"
CLUSTER = {"name": "prod", "principalArn": f"{ARN}:role/Guest"}
# Source, call, request, answer: one of each thing that is left behind.
CALLS = [
    ("iam", "CreateUser", {"userName": "mallory"}, {"user": {"arn": f"{ARN}:user/mallory"}}),
    ("iam", "CreateAccessKey", {"userName": "mallory"}, {"accessKey": {"accessKeyId": "AKIAEXAMPLE000000002", "userName": "mallory"}}),
    ("iam", "UpdateAccessKey", {"userName": "bob", "accessKeyId": "AKIAEXAMPLE000000003", "status": "Active"}, None),
    ("iam", "CreateLoginProfile", {"userName": "mallory"}, None),
    ("iam", "CreateRole", {"roleName": "Back"}, {"role": {"arn": f"{ARN}:role/Back"}}),
    ("iam", "UpdateAssumeRolePolicy", {"roleName": "Door"}, None),
    ("iam", "AttachUserPolicy", {"userName": "mallory", "policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}, None),
    ("iam", "AttachRolePolicy", {"roleName": "Back", "policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}, None),
    ("iam", "AttachGroupPolicy", {"groupName": "all", "policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}, None),
    ("iam", "PutUserPolicy", {"userName": "mallory", "policyName": "p"}, None),
    ("iam", "PutRolePolicy", {"roleName": "Back", "policyName": "p"}, None),
    ("iam", "PutGroupPolicy", {"groupName": "all", "policyName": "p"}, None),
    ("iam", "CreatePolicyVersion", {"policyArn": f"{ARN}:policy/wide"}, None),
    ("iam", "AddUserToGroup", {"userName": "mallory", "groupName": "admins"}, None),
    ("iam", "DeactivateMFADevice", {"userName": "bob", "serialNumber": f"{ARN}:mfa/bob"}, None),
    ("iam", "CreateOpenIDConnectProvider", {"url": "https://idp.example.com"}, {"openIDConnectProviderArn": f"{ARN}:oidc-provider/idp.example.com"}),
    ("iam", "CreateSAMLProvider", {"name": "idp"}, {"sAMLProviderArn": f"{ARN}:saml-provider/idp"}),
    ("iam", "UpdateSAMLProvider", {"name": "other"}, None),
    ("rolesanywhere", "CreateTrustAnchor", {"name": "anchor"}, None),
    ("lambda", "CreateFunction20150331", {"functionName": "f"}, None),
    ("events", "PutRule", {"name": "rule"}, None),
    ("scheduler", "CreateSchedule", {"name": "nightly"}, None),
    ("ec2", "RunInstances", {}, {"instancesSet": {"items": [{"instanceId": "i-0123456789abcdef0"}]}}),
    ("ec2", "ModifyInstanceAttribute", {"instanceId": "i-0123456789abcdef1"}, None),
    ("eks", "CreateAccessEntry", CLUSTER, None),
    ("eks", "CreatePodIdentityAssociation", {"clusterName": "prod", "serviceAccount": "api"}, None),
    ("ec2", "ModifySnapshotAttribute", {"snapshotId": "snap-0123456789abcdef0"}, None),
    ("ec2", "ModifyImageAttribute", {"imageId": "ami-0123456789abcdef0"}, None),
    ("rds", "ModifyDBSnapshotAttribute", {"dBSnapshotIdentifier": "copy"}, None),
    ("rds", "ModifyDBClusterSnapshotAttribute", {"dBClusterSnapshotIdentifier": "clustercopy"}, None),
    ("s3", "PutBucketPolicy", {"bucketName": "open-bucket"}, None),
    ("kms", "PutKeyPolicy", {"keyId": "0f6d3a1e-1111-4222-8333-444455556666"}, None),
    ("secretsmanager", "PutResourcePolicy", {"secretId": "db"}, None),
    ("cloudtrail", "StopLogging", {"name": "main"}, None),
]
ROLE = {
    "type": "AssumedRole", "principalId": "AROAEXAMPLE:x", "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/Deploy/x", "accountId": ACCOUNT,
    "accessKeyId": "ASIAEXAMPLE000000001",
    "sessionContext": {"sessionIssuer": {"type": "Role", "arn": f"{ARN}:role/Deploy", "accountId": ACCOUNT, "userName": "Deploy"},
                       "attributes": {"creationDate": "2026-01-15T10:00:00Z", "mfaAuthenticated": "false"}},
}
USER = {"type": "IAMUser", "principalId": "AIDAEXAMPLE", "arn": f"{ARN}:user/alice", "accountId": ACCOUNT, "userName": "alice", "accessKeyId": KEY}


def record(number, identity, service, call, request, answer):
    return {
        "eventVersion": "1.11", "userIdentity": identity, "eventTime": f"2026-01-15T10:{number:02}:00Z", "eventSource": f"{service}.amazonaws.com",
        "eventName": call, "awsRegion": "eu-west-1", "sourceIPAddress": "198.51.100.7", "requestParameters": request, "responseElements": answer,
        "eventID": f"0f6d3a1e-1111-4222-8333-4444555566{number:02}", "readOnly": False, "eventType": "AwsApiCall", "recipientAccountId": ACCOUNT,
    }


def taken(argv):
    """What the AWS CLI says of a command that nobody answers: nothing if it takes it, and would send it."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            create_clidriver().main([*argv, "--endpoint-url", "http://127.0.0.1:9"])
        except SystemExit:
            pass
    text = err.getvalue()
    return None if "Could not connect to the endpoint URL" in text else text[-500:]


def main():
    os.environ.update(AWS_DEFAULT_REGION="eu-west-1", AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test", AWS_EC2_METADATA_DISABLED="true",
                      AWS_MAX_ATTEMPTS="1")
    assumed = record(0, USER, "sts", "AssumeRole", {"roleArn": f"{ARN}:role/Deploy", "roleSessionName": "x"},
                     {"credentials": {"accessKeyId": ROLE["accessKeyId"], "expiration": "Jan 15, 2026, 11:00:00 AM"}})
    records = [assumed, record(1, ROLE, "s3", "ListBuckets", None, None)]
    records += [record(n + 2, USER, *call) for n, call in enumerate(CALLS)]
    with tempfile.TemporaryDirectory(prefix="pugmark-contain-") as folder:
        with open(os.path.join(folder, "log.json"), "w") as file:
            json.dump({"Records": records}, file)
        command = [PUGMARK, "contain", folder, KEY, "--at", "2026-01-15T10:50:00Z"]
        environment = {**os.environ, "XDG_CONFIG_HOME": folder}
        script = subprocess.run([*command, "--output", "sh"], capture_output=True, text=True, check=True, env=environment).stdout
        plan = json.loads(subprocess.run([*command, "--output", "json"], capture_output=True, text=True, check=True, env=environment).stdout)
    bare = [one["call"] for one in plan["left_behind"] if not one["commands"]]
    assert not bare, f"no command against {bare}"
    assert {one["call"] for one in plan["left_behind"]} == {call for _, call, _, _ in CALLS}
    lines = sorted({line for line in script.splitlines() if line.startswith("aws ")})
    assert len(lines) > 40, lines
    refused = {line: reason for line in lines if (reason := taken(shlex.split(line)[1:]))}
    assert not refused, json.dumps(refused, indent=1)
    # What it would refuse, it does refuse here.
    assert taken(["iam", "put-role-policy", "--role-name", "x"]) and taken(["iam", "put-role-policys"])
    print("ok", len(lines), "commands")


main()
