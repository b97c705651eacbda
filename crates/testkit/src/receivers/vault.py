"""The bucket `vault` through boto3: ENDPOINT make | ENDPOINT versions FOLDER.

`versions` prints every version of every object as a JSON array, with its lock and the file in FOLDER that has its content.
"""

import json
import os
import sys

import boto3

endpoint, what, folder = sys.argv[1:4]
s3 = boto3.client(
    "s3",
    endpoint_url=endpoint,
    region_name="us-east-1",
    aws_access_key_id="AKIAIOSFODNN7EXAMPLE",
    aws_secret_access_key="example",
    config=boto3.session.Config(s3={"addressing_style": "path"}),
)
if what == "make":
    s3.create_bucket(Bucket="vault", ObjectLockEnabledForBucket=True)
else:
    found = []
    for page in s3.get_paginator("list_object_versions").paginate(Bucket="vault"):
        assert not page.get("DeleteMarkers"), page
        for version in page.get("Versions", []):
            got = s3.get_object(Bucket="vault", Key=version["Key"], VersionId=version["VersionId"])
            content = os.path.join(folder, f"version-{len(found)}")
            with open(content, "wb") as file:
                file.write(got["Body"].read())
            found.append({"key": version["Key"], "lock": got.get("ObjectLockMode"), "content": content})
    print(json.dumps(sorted(found, key=lambda version: version["key"])))
