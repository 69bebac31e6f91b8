"""Puts the files of a folder into a bucket: ENDPOINT BUCKET FOLDER.

What a file `NAME.metadata.json` says becomes the metadata of the object `NAME`, as trails deliver digests.
"""

import json
import os
import sys

import boto3

endpoint, bucket, folder = sys.argv[1:]
store = boto3.client("s3", endpoint_url=endpoint)
store.create_bucket(Bucket=bucket)
for directory, _, names in os.walk(folder):
    for name in names:
        path = os.path.join(directory, name)
        if name.endswith(".metadata.json"):
            continue
        metadata = {}
        if os.path.exists(path + ".metadata.json"):
            with open(path + ".metadata.json") as text:
                metadata = json.load(text)["Metadata"]
        with open(path, "rb") as body:
            key = os.path.relpath(path, folder).replace(os.sep, "/")
            store.put_object(Bucket=bucket, Key=key, Body=body.read(), Metadata=metadata)
