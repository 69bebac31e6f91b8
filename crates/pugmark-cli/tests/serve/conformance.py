"""Every operation through boto3, which checks the shapes: success and documented errors."""

import base64
import csv
import datetime
import gzip
import hashlib
import http.server
import io
import json
import os
import threading

from desk import ACCOUNT, REGION, Desk, event, refused, wait

TRAIL = f"arn:aws:cloudtrail:{REGION}:{ACCOUNT}:trail/main"
MISSING = "0f6d3a1e-1111-4222-8333-444455556666"
MANAGEMENT = [{"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}]}]
ACTIVITY = [{"FieldSelectors": [{"Field": "eventCategory", "Equals": ["ActivityAuditLog"]}]}]


def trails(desk):
    """Terraform-shaped: create, read, update, read, delete, read."""
    c = desk.client()
    made = c.create_trail(
        Name="main", S3BucketName="trail-logs", EnableLogFileValidation=True, IsMultiRegionTrail=True,
        TagsList=[{"Key": "owner", "Value": "alice"}],
    )
    assert made["TrailARN"] == TRAIL and made["IsMultiRegionTrail"] and made["LogFileValidationEnabled"]
    c.start_logging(Name="main")
    shown = c.describe_trails(trailNameList=["main", "nonesuch"])["trailList"]
    assert [trail["Name"] for trail in shown] == ["main"] and shown[0]["HomeRegion"] == REGION
    assert c.get_trail_status(Name=TRAIL)["IsLogging"]
    assert c.list_tags(ResourceIdList=[TRAIL])["ResourceTagList"][0]["TagsList"] == [{"Key": "owner", "Value": "alice"}]
    assert c.get_trail(Name="main")["Trail"]["TrailARN"] == TRAIL
    assert c.list_trails()["Trails"] == [{"TrailARN": TRAIL, "Name": "main", "HomeRegion": REGION}]
    assert c.get_event_selectors(TrailName="main")["AdvancedEventSelectors"]
    updated = c.update_trail(Name="main", S3KeyPrefix="audit")
    assert updated["S3KeyPrefix"] == "audit" and updated["IsMultiRegionTrail"]
    c.update_trail(Name="main", S3KeyPrefix="")
    c.add_tags(ResourceId=TRAIL, TagsList=[{"Key": "team"}])
    c.remove_tags(ResourceId=TRAIL, TagsList=[{"Key": "owner"}])
    assert c.list_tags(ResourceIdList=[TRAIL])["ResourceTagList"][0]["TagsList"] == [{"Key": "team"}]
    basic = [{"ReadWriteType": "WriteOnly", "IncludeManagementEvents": True}]
    assert c.put_event_selectors(TrailName="main", EventSelectors=basic)["EventSelectors"][0]["ReadWriteType"] == "WriteOnly"
    assert c.put_event_selectors(TrailName="main", AdvancedEventSelectors=MANAGEMENT)["AdvancedEventSelectors"]
    refused("InsightNotEnabledException", c.get_insight_selectors, TrailName="main")
    c.put_insight_selectors(TrailName="main", InsightSelectors=[{"InsightType": "ApiCallRateInsight"}])
    assert c.get_insight_selectors(TrailName="main")["InsightSelectors"][0]["InsightType"] == "ApiCallRateInsight"
    c.put_event_configuration(TrailName="main", MaxEventSize="Large", ContextKeySelectors=[])
    assert c.get_event_configuration(TrailName="main")["MaxEventSize"] == "Large"
    c.stop_logging(Name="main")
    assert not c.get_trail_status(Name="main")["IsLogging"]
    trail_faults(desk, c)
    c.delete_trail(Name="main")
    assert c.describe_trails()["trailList"] == []
    refused("TrailNotFoundException", c.get_trail, Name="main")


def trail_faults(desk, c):
    refused("TrailAlreadyExistsException", c.create_trail, Name="main", S3BucketName="trail-logs")
    refused("S3BucketDoesNotExistException", c.create_trail, Name="other", S3BucketName="nonesuch")
    refused("InvalidS3BucketNameException", c.create_trail, Name="other", S3BucketName="A")
    refused("InvalidTrailNameException", c.create_trail, Name="a!", S3BucketName="trail-logs")
    refused("InvalidParameterCombinationException", c.create_trail, Name="other", S3BucketName="trail-logs",
            IsMultiRegionTrail=True, IncludeGlobalServiceEvents=False)
    refused("CloudTrailARNInvalidException", c.get_trail, Name="arn:aws:s3:::x")
    refused("TrailNotFoundException", c.get_trail_status, Name="nonesuch")
    refused("TrailNotFoundException", c.start_logging, Name="nonesuch")
    refused("TrailNotFoundException", c.update_trail, Name="nonesuch")
    refused("TrailNotFoundException", c.delete_trail, Name="nonesuch")
    refused("InvalidEventSelectorsException", c.put_event_selectors, TrailName="main", EventSelectors=[])
    refused("InvalidHomeRegionException", desk.client(region="us-west-2").stop_logging, Name=TRAIL)
    refused("ResourceNotFoundException", c.add_tags, ResourceId=TRAIL + "x", TagsList=[{"Key": "a"}])
    refused("CloudTrailARNInvalidException", c.list_tags, ResourceIdList=["arn:aws:s3:::x"])
    refused("InvalidParameterCombinationException", c.get_insight_selectors)
    refused("InvalidTimeRangeException", c.list_public_keys,
            StartTime=datetime.datetime(2026, 2, 1), EndTime=datetime.datetime(2026, 1, 1))
    refused("InvalidTokenException", c.list_public_keys, NextToken="nonesuch")


def notifications(desk, heard):
    """A trail's topic hears of each log file, as SNS would tell it."""
    c = desk.client()
    made = c.create_trail(Name="told", S3BucketName="trail-logs", SnsTopicName="ct")
    assert made["SnsTopicARN"] == f"arn:aws:sns:{REGION}:{ACCOUNT}:ct"
    c.start_logging(Name="told")
    desk.post("/ingest", event("Told").encode())
    wait(lambda: heard)
    message, headers = heard[0]
    assert message["Type"] == "Notification" and message["TopicArn"] == made["SnsTopicARN"]
    assert headers["x-amz-sns-message-type"] == "Notification" and "x-pugmark-signature" in headers
    told = json.loads(message["Message"])
    assert told["s3Bucket"] == "trail-logs" and told["s3ObjectKey"]
    assert all(os.path.exists(os.path.join(desk.bucket, key)) for key in told["s3ObjectKey"])
    wait(lambda: c.get_trail_status(Name="told").get("LatestNotificationTime"))
    c.update_trail(Name="told", SnsTopicName="nobody")
    desk.post("/ingest", event("Untold").encode())
    wait(lambda: c.get_trail_status(Name="told").get("LatestNotificationError") == "NotFound")
    c.delete_trail(Name="told")


def lookup(desk):
    c = desk.client()
    sent = "\n".join(event(f"Event{n}") for n in range(60))
    assert desk.post("/ingest", sent.encode())["accepted"] == 60
    found = [e for page in c.get_paginator("lookup_events").paginate(PaginationConfig={"PageSize": 7}) for e in page["Events"]]
    names = [e["EventName"] for e in found]
    assert {f"Event{n}" for n in range(60)} <= set(names)
    assert len({e["EventId"] for e in found}) == len(found)
    times = [e["EventTime"] for e in found]
    assert times == sorted(times, reverse=True)
    one = c.lookup_events(LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "Event7"}])["Events"]
    assert [e["Username"] for e in one] == ["alice"] and json.loads(one[0]["CloudTrailEvent"])["eventName"] == "Event7"
    for key, value, expected in [
        ("EventId", one[0]["EventId"], 1), ("Username", "alice", 50), ("ReadOnly", "true", 0), ("Username", "bob", 0),
        ("EventSource", "app.example.com", 50), ("ResourceName", "nonesuch", 0), ("AccessKeyId", "nonesuch", 0),
    ]:
        found = c.lookup_events(LookupAttributes=[{"AttributeKey": key, "AttributeValue": value}])["Events"]
        found = [e for e in found if e["EventSource"] == "app.example.com"]
        assert len(found) == expected, (key, len(found))
    assert c.lookup_events(EventCategory="insight")["Events"] == []
    token = c.lookup_events(MaxResults=5)["NextToken"]
    refused("InvalidNextTokenException", c.lookup_events, MaxResults=6, NextToken=token)
    refused("InvalidNextTokenException", c.lookup_events, NextToken="nonesuch")
    refused("InvalidMaxResultsException", c.lookup_events, MaxResults=51)
    refused("InvalidTimeRangeException", c.lookup_events, StartTime=2_000_000_000, EndTime=1_900_000_000)
    two = [{"AttributeKey": "EventName", "AttributeValue": "a"}, {"AttributeKey": "EventId", "AttributeValue": "b"}]
    refused("InvalidLookupAttributesException", c.lookup_events, LookupAttributes=two)
    refused("InvalidEventCategoryException", c.lookup_events, EventCategory="other")


def stores(desk):
    c = desk.client()
    made = c.create_event_data_store(Name="events", AdvancedEventSelectors=MANAGEMENT, RetentionPeriod=30)
    arn = made["EventDataStoreArn"]
    assert made["Status"] == "ENABLED" and made["RetentionPeriod"] == 30
    refused("EventDataStoreAlreadyExistsException", c.create_event_data_store, Name="events")
    refused("InvalidEventSelectorsException", c.create_event_data_store, Name="other",
            AdvancedEventSelectors=[{"FieldSelectors": [{"Field": "readOnly", "Equals": ["true"]}]}])
    refused("InvalidParameterException", c.create_event_data_store, Name="other", RetentionPeriod=3_000,
            BillingMode="FIXED_RETENTION_PRICING")
    assert c.get_event_data_store(EventDataStore=arn.split("/")[1])["Name"] == "events"
    assert [s["Name"] for s in c.list_event_data_stores()["EventDataStores"]] == ["events"]
    refused("EventDataStoreNotFoundException", c.get_event_data_store, EventDataStore=MISSING)
    refused("EventDataStoreARNInvalidException", c.get_event_data_store, EventDataStore="nonesuch")
    c.stop_event_data_store_ingestion(EventDataStore=arn)
    refused("InvalidEventDataStoreStatusException", c.stop_event_data_store_ingestion, EventDataStore=arn)
    c.start_event_data_store_ingestion(EventDataStore=arn)
    c.add_tags(ResourceId=arn, TagsList=[{"Key": "a", "Value": "b"}])
    assert c.list_tags(ResourceIdList=[arn])["ResourceTagList"][0]["TagsList"] == [{"Key": "a", "Value": "b"}]
    c.put_resource_policy(ResourceArn=arn, ResourcePolicy='{"Version":"2012-10-17","Statement":[]}')
    assert c.get_resource_policy(ResourceArn=arn)["ResourcePolicy"]
    c.delete_resource_policy(ResourceArn=arn)
    refused("ResourcePolicyNotFoundException", c.get_resource_policy, ResourceArn=arn)
    refused("ResourcePolicyNotValidException", c.put_resource_policy, ResourceArn=arn, ResourcePolicy="no")
    refused("EventDataStoreTerminationProtectedException", c.delete_event_data_store, EventDataStore=arn)
    updated = c.update_event_data_store(EventDataStore=arn, TerminationProtectionEnabled=False)
    assert not updated["TerminationProtectionEnabled"]
    refused("InvalidParameterException", c.update_event_data_store, EventDataStore=arn)
    refused("InvalidEventDataStoreStatusException", c.restore_event_data_store, EventDataStore=arn)
    c.delete_event_data_store(EventDataStore=arn)
    assert c.get_event_data_store(EventDataStore=arn)["Status"] == "PENDING_DELETION"
    refused("InactiveEventDataStoreException", c.start_query, QueryStatement=f"SELECT 1 FROM {arn.split('/')[1]}")
    assert c.restore_event_data_store(EventDataStore=arn)["Status"] == "ENABLED"


def queries(desk):
    c = desk.client()
    arn = c.create_event_data_store(Name="asked", AdvancedEventSelectors=MANAGEMENT)["EventDataStoreArn"]
    store = arn.split("/")[1]
    sent = "\n".join(event("Asked", requestParameters={"n": n}) for n in range(25))
    assert desk.post("/ingest", sent.encode())["failed"] == 0
    statement = f"SELECT eventName, element_at(requestParameters,'n') AS n, eventTime FROM {store} WHERE eventName = 'Asked'"
    query = c.start_query(QueryStatement=statement)["QueryId"]
    done = finished(c, query)
    assert done["QueryStatus"] == "FINISHED", done
    assert done["QueryStatistics"]["EventsMatched"] == 25
    first = c.get_query_results(QueryId=query, MaxQueryResults=10)
    assert first["QueryStatistics"]["TotalResultsCount"] == 25 and len(first["QueryResultRows"]) == 10
    rows, token = first["QueryResultRows"], first["NextToken"]
    while token:
        page = c.get_query_results(QueryId=query, MaxQueryResults=10, NextToken=token)
        rows, token = rows + page["QueryResultRows"], page.get("NextToken")
    assert sorted(int(row[1]["n"]) for row in rows) == list(range(25))
    assert len(rows[0][2]["eventtime"]) == len("2026-01-15 10:00:00.000")
    counted = c.start_query(QueryStatement=f"SELECT count(*) FROM {store}")["QueryId"]
    finished(c, counted)
    assert list(c.get_query_results(QueryId=counted)["QueryResultRows"][0][0]) == ["_col0"]
    assert {q["QueryId"] for q in c.list_queries(EventDataStore=arn)["Queries"]} == {query, counted}
    assert c.list_queries(EventDataStore=arn, QueryStatus="FAILED")["Queries"] == []
    refused("InactiveQueryException", c.cancel_query, QueryId=query)
    refused("QueryIdNotFoundException", c.describe_query, QueryId=MISSING)
    refused("InvalidQueryStatementException", c.start_query, QueryStatement=f"SELEC 1 FROM {store}")
    refused("InvalidQueryStatementException", c.start_query, QueryStatement=f"DROP TABLE {store}")
    refused("InvalidQueryStatementException", c.start_query, QueryStatement="SELECT 1")
    refused("EventDataStoreNotFoundException", c.start_query, QueryStatement=f"SELECT 1 FROM {MISSING}")
    refused("InvalidNextTokenException", c.get_query_results, QueryId=query, NextToken="nonesuch")
    refused("InvalidDateRangeException", c.list_queries, EventDataStore=arn, StartTime=2_000_000_000, EndTime=1)
    refused("UnsupportedOperationException", c.generate_query, EventDataStores=[arn], Prompt="who did it")
    delivered_results(desk, c, statement)


def delivered_results(desk, c, statement):
    """Results in a bucket, proven with the keys of ListPublicKeys."""
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import load_der_public_key
    query = c.start_query(QueryStatement=statement, DeliveryS3Uri="s3://trail-logs/answers/")["QueryId"]
    done = wait(lambda: (q := c.describe_query(QueryId=query)).get("DeliveryStatus") != "PENDING" and q)
    assert done["DeliveryStatus"] == "SUCCESS" and done["DeliveryS3Uri"] == "s3://trail-logs/answers/", done
    day = datetime.datetime.now(datetime.timezone.utc).strftime("%Y/%m/%d")
    folder = os.path.join(desk.bucket, f"answers/AWSLogs/{ACCOUNT}/CloudTrail-Lake/Query/{day}/{query}")
    assert sorted(os.listdir(folder)) == ["result_1.csv.gz", "result_sign.json"]
    with open(os.path.join(folder, "result_sign.json")) as file:
        sign = json.load(file)
    with open(os.path.join(folder, "result_1.csv.gz"), "rb") as file:
        body = file.read()
    assert sign["files"] == [{"fileHashValue": hashlib.sha256(body).hexdigest(), "fileName": "result_1.csv.gz"}]
    keys = {k["Fingerprint"]: k["Value"] for k in c.list_public_keys()["PublicKeyList"]}
    hashes = " ".join(f["fileHashValue"] for f in sign["files"]).encode()
    key = load_der_public_key(keys[sign["publicKeyFingerprint"]])
    key.verify(bytes.fromhex(sign["hashSignature"]), hashes, PKCS1v15(), SHA256())
    rows = list(csv.DictReader(io.StringIO(gzip.decompress(body).decode())))
    assert sorted(int(row["n"]) for row in rows) == list(range(25)) and set(rows[0]) == {"eventname", "n", "eventtime"}
    asked = {"QueryStatement": statement}
    bare = c.start_query(DeliveryS3Uri="s3://trail-logs", **asked)["QueryId"]
    wait(lambda: c.describe_query(QueryId=bare)["DeliveryStatus"] == "SUCCESS")
    assert os.listdir(os.path.join(desk.bucket, f"AWSLogs/{ACCOUNT}/CloudTrail-Lake/Query/{day}")) == [bare]
    refused("S3BucketDoesNotExistException", c.start_query, DeliveryS3Uri="s3://nonesuch", **asked)
    refused("InvalidS3BucketNameException", c.start_query, DeliveryS3Uri="s3://A/b", **asked)
    refused("InvalidS3PrefixException", c.start_query, DeliveryS3Uri="s3://trail-logs/../other", **asked)
    refused("InvalidParameterException", c.start_query, DeliveryS3Uri="https://trail-logs/", **asked)


def finished(c, query):
    def done():
        answer = c.describe_query(QueryId=query)
        return answer if answer["QueryStatus"] not in ("QUEUED", "RUNNING") else None
    return wait(done)


def imports(desk):
    c = desk.client()
    c.create_trail(Name="source", S3BucketName="trail-logs")
    c.start_logging(Name="source")
    desk.post("/ingest", "\n".join(event("Imported") for _ in range(5)).encode())
    wait(lambda: len([r for r in desk.delivered() if r["eventName"] == "Imported"]) == 5)
    c.delete_trail(Name="source")
    arn = c.create_event_data_store(Name="imported", AdvancedEventSelectors=MANAGEMENT, StartIngestion=False)["EventDataStoreArn"]
    source = {"S3": {"S3LocationUri": "s3://trail-logs/AWSLogs/", "S3BucketRegion": REGION,
                     "S3BucketAccessRoleArn": f"arn:aws:iam::{ACCOUNT}:role/import"}}
    started = c.start_import(Destinations=[arn], ImportSource=source)["ImportId"]
    done = wait(lambda: (i := c.get_import(ImportId=started))["ImportStatus"] != "IN_PROGRESS" and i)
    assert done["ImportStatus"] == "COMPLETED" and done["ImportStatistics"]["EventsCompleted"] >= 5, done
    query = c.start_query(QueryStatement=f"SELECT eventID FROM {arn.split('/')[1]} WHERE eventName = 'Imported'")["QueryId"]
    assert finished(c, query)["QueryStatistics"]["EventsMatched"] == 5
    assert [i["ImportId"] for i in c.list_imports()["Imports"]] == [started]
    assert c.list_import_failures(ImportId=started)["Failures"] == []
    c.stop_import(ImportId=started)
    refused("ImportNotFoundException", c.get_import, ImportId=MISSING)
    bad = {"S3": {**source["S3"], "S3LocationUri": "http://169.254.169.254/"}}
    refused("InvalidImportSourceException", c.start_import, Destinations=[arn], ImportSource=bad)


def channels(desk):
    c, d = desk.client(), desk.client("cloudtrail-data")
    store = c.create_event_data_store(Name="activity", AdvancedEventSelectors=ACTIVITY)["EventDataStoreArn"]
    to = [{"Type": "EVENT_DATA_STORE", "Location": store}]
    arn = c.create_channel(Name="app", Source="Custom", Destinations=to)["ChannelArn"]
    assert c.get_channel(Channel=arn)["Name"] == "app" and c.list_channels()["Channels"][0]["ChannelArn"] == arn
    assert c.update_channel(Channel=arn, Name="app2")["Name"] == "app2"
    refused("ChannelAlreadyExistsException", c.create_channel, Name="app2", Source="Custom", Destinations=to)
    refused("ChannelNotFoundException", c.get_channel, Channel=MISSING)
    refused("ChannelARNInvalidException", c.get_channel, Channel="arn:nonesuch")
    data = json.dumps({
        "version": "1", "userIdentity": {"type": "person", "principalId": "alice"}, "eventSource": "app.example.com",
        "eventName": "Login", "eventTime": "2026-01-15T10:00:00", "UID": "u1", "recipientAccountId": ACCOUNT,
    })
    checksum = base64.b64encode(hashlib.sha256(data.encode()).digest()).decode()
    answer = d.put_audit_events(channelArn=arn, auditEvents=[
        {"id": "good", "eventData": data, "eventDataChecksum": checksum},
        {"id": "bad", "eventData": "{}"}, {"id": "sum", "eventData": data, "eventDataChecksum": "AAAA"},
    ])
    assert [s["id"] for s in answer["successful"]] == ["good"]
    assert [(f["id"], f["errorCode"]) for f in answer["failed"]] == [("bad", "InvalidData"), ("sum", "InvalidChecksum")]
    query = c.start_query(QueryStatement=f"SELECT eventJson FROM {store.split('/')[1]}")["QueryId"]
    assert finished(c, query)["QueryStatistics"]["EventsMatched"] == 1
    twice = [{"id": "a", "eventData": data}, {"id": "a", "eventData": data}]
    refused("DuplicatedAuditEventId", d.put_audit_events, channelArn=arn, auditEvents=twice)
    refused("ChannelNotFound", d.put_audit_events, channelArn=arn[:-12] + "000000000000", auditEvents=twice[:1])
    refused("InvalidChannelARN", d.put_audit_events, channelArn="arn:nonesuch", auditEvents=twice[:1])
    c.delete_channel(Channel=arn)


def honest_refusals(desk):
    c = desk.client()
    refused("UnsupportedOperationException", c.list_dashboards)
    refused("UnsupportedOperationException", c.create_dashboard, Name="none")
    refused("UnsupportedOperationException", c.enable_federation, EventDataStore=MISSING, FederationRoleArn="arn:aws:iam::1:role/a")
    refused("UnsupportedOperationException", c.search_sample_queries, SearchPhrase="errors")
    refused("OperationNotPermittedException", c.register_organization_delegated_admin, MemberAccountId=ACCOUNT)


def strangers(desk):
    refused("UnrecognizedClientException", desk.client(key="PMAKNONESUCH", secret="x" * 40).list_trails)
    refused("InvalidSignatureException", desk.client(secret="x" * 40).list_trails)


def own_calls(desk):
    c = desk.client()
    made = c.lookup_events(LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "CreateTrail"}])["Events"]
    records = [json.loads(e["CloudTrailEvent"]) for e in made]
    good = [r for r in records if "errorCode" not in r and r["requestParameters"]["name"] == "main"][0]
    assert good["eventSource"] == "cloudtrail.amazonaws.com" and not good["readOnly"]
    assert good["userIdentity"]["userName"] == "admin" and good["responseElements"]["trailARN"] == TRAIL
    assert any(r.get("errorCode") == "TrailAlreadyExistsException" for r in records)


def bodies(desk):
    packed = gzip.compress(("{\"Records\":[" + event("Packed") + "," + "{\"no\":1}" + "]}").encode())
    answer = desk.post("/ingest", packed)
    assert (answer["accepted"], answer["failed"]) == (1, 1) and answer["results"][1]["errorCode"] == "InvalidData"


def listener():
    """An address that a topic stands for, and what it heard."""
    heard = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            # The first time it is out of order: what it did not take comes again.
            is_up = getattr(Handler, "is_up", False)
            Handler.is_up = True
            if is_up:
                heard.append((json.loads(body), {k.lower(): v for k, v in self.headers.items()}))
            self.send_response(200 if is_up else 503)
            self.end_headers()

        def log_message(self, *words):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}/hook", heard


PARTS = [trails, lookup, stores, queries, imports, channels, honest_refusals, strangers, own_calls, bodies]

if __name__ == "__main__":
    hook, heard = listener()
    os.environ["PUGMARK_WEBHOOK_KEY"] = "a key of signatures"
    desk = Desk("--topic", f"ct={hook}")
    try:
        for part in PARTS:
            part(desk)
            print("ok", part.__name__, flush=True)
        notifications(desk, heard)
        desk.stop()
        assert desk.secret not in desk.log()
    except BaseException:
        print(desk.log()[-3000:])
        raise
    finally:
        desk.close()
