#!/usr/bin/env python3
"""Scores what Pugmark says about who and why against a generated trail's truth.

    pugmark generate /tmp/trail --events 100000 --audit-logs
    python3 benches/lineage_score.py /tmp/trail                        table to stdout
    python3 benches/lineage_score.py /tmp/trail --misses 20            and what was wrong
    python3 benches/lineage_score.py /tmp/trail --json FILE            and for machines
    python3 benches/lineage_score.py --truth T --events E --sessions S of files made before

asks the product four things (`pugmark sql … --output jsonl`, `pugmark eks`), never showing it truth.json:

    events     eventid, accesskeyid, principalid, creationdate, session, actor, actor_type, cause, confidence
    sessions   SELECT * FROM sessions: session, access_key_id, issued_by_event, opener, depth, suspicions
    clusters   eks TRAIL --output json: the lives of clusters with what was asked for, refused, and done by pods
    timeline   eks TRAIL --audit LOGS --output jsonl: who was behind each entry of the clusters' own audit logs

and compares (the truth's members are documented in crates/pugmark-sim/src/truth.rs):

actor          per kind of join that the records allow (`sessions[].link`): who stands behind each session's events. An answer of type
               `unknown` is no answer. Where the truth says `none`, the records cannot tell, and any answer is a wrong one. Behind `irsa`
               without its issuing record only the type can be known.
copy           the same for records that show their caller only as another account.
session        each credential is one session of the product and no two are one.
issuance       the record that issued the credential (of keys with an issuing record).
parent         the credential by which it was issued (of those issued with one, if the product shows both).
cause          the request because of which a service acted. `parameters`, `time`: what the record shows of it. Taking up a role
               (`session`) may have the true cause or none. An event that the truth does not list has no cause.
theft          credentials in the wrong hands among the sessions that the product calls suspicious.
life           clusters: that they were, who made and deleted them (`creator`, `deletion`: the event), their last version, node groups, the
               requests that let someone in (`entry`: also identity providers whose cluster no record names), those that failed (`failure`), and pods
               that worked in AWS, where a record tells their cluster.
join           the actor behind an entry of an audit log, by whether it came with an access key (`key`) or was a pod's (`pod`; what pods
               read is no part of the timeline, and not asked).

Precision is right answers among answers, recall right answers among those that could be given.
"""

import argparse
import collections
import json
import os
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
EVENTS = (
    "SELECT eventid, useridentity.accesskeyid, useridentity.principalid, useridentity.invokedby, "
    "useridentity.sessioncontext.attributes.creationdate, "
    "session, actor, actor_type, cause, confidence FROM events"
)
SESSIONS = "SELECT * FROM sessions"
THEFTS = {
    "two-networks": "networks",
    "instance-outside": "outside AWS",
    "instance-in-other-account": "another account",
}
# The goals: precision and recall.
BARS = {"actor access-key": (1.0, 1.0), "issuance": (1.0, 1.0), "cause": (0.98, 0.95)}


class Score:
    """Right answers, answers, and answers that could be given, by kind."""

    def __init__(self):
        self.kinds = collections.defaultdict(lambda: [0, 0, 0])
        self.misses = []

    def add(self, kind, expected, answer, about):
        """Counts one question; `None` is no answer, or that there is none."""
        for name in (kind, kind.split(" ")[0] + " (all)"):
            counts = self.kinds[name]
            counts[0] += expected is not None and answer == expected
            counts[1] += answer is not None
            counts[2] += expected is not None
        if answer != expected:
            self.misses.append({"kind": kind, "about": about, "expected": expected, "answer": answer})

    def rows(self):
        for kind, (right, answers, possible) in sorted(self.kinds.items()):
            precision = right / answers if answers else None
            recall = right / possible if possible else None
            yield kind, right, answers, possible, precision, recall


def ask(pugmark, trail, query, folder, name):
    """The rows that the product answers a query with."""
    path = os.path.join(folder, name)
    command = [pugmark, "sql", os.path.join(trail, "AWSLogs"), "-q", query, "--output", "jsonl", "--to", path]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"`{' '.join(command)}` failed:\n{done.stderr}")
    return read(path)


def read(path):
    """Rows of a file of JSON Lines, with names in lower case."""
    with open(path, encoding="utf-8") as lines:
        return [{name.lower(): value for name, value in json.loads(line).items()} for line in lines if line.strip()]


def identity(row):
    """What joins an event to a session of the truth: its key, or principal and time of issue."""
    key = row.get("accesskeyid")
    return key if key else (row.get("principalid"), row.get("creationdate"))


def score_actors(score, truth, events):
    by_join = {}
    for session in truth["sessions"]:
        join = session["access_key"] or (session["principal"], session["created"])
        by_join[join] = session
    copies = {copy["event_id"]: copy for copy in truth["copies"]}
    answers = collections.defaultdict(set)
    for row in events:
        if row["eventid"] in copies:
            copy = copies[row["eventid"]]
            seen = "whole" if copy["original"] else "one-sided"
            score.add(f"copy {seen}", copy["actor"], known(row), row["eventid"])
            continue
        session = by_join.get(identity(row))
        if session is None:
            continue
        link, expected, answer = session["link"], session["actor"], known(row)
        if link == "none":
            expected = None
        elif link == "irsa" and session["issued_by"] is None:
            expected, answer = session["actor_type"], answer and row.get("actor_type")
        elif "/?/" in expected:
            # No story knows which cluster this issuer is of; only the pod's account is told.
            expected, answer = unplaced(expected), answer and unplaced(answer)
        elif link == "source-identity":
            # A name without an account: the truth has the account, the product may not.
            expected, answer = name_of(expected), answer and name_of(answer)
        score.add(f"actor {link}", expected, answer, (row["eventid"], session["class"]))
        if row.get("session"):
            answers[identity(row)].add(row["session"])
    return by_join, answers


def known(row):
    return None if row.get("actor_type") in (None, "unknown") else row.get("actor")


def name_of(actor):
    return actor.split("/", 1)[-1].rsplit("@", 1)[0]


def unplaced(actor):
    kind, _, rest = actor.partition("/")
    return f"{kind}/{rest.partition('/')[2]}"


def score_sessions(score, by_join, answers, sessions):
    owners = collections.Counter(name for names in answers.values() for name in names)
    for join, names in answers.items():
        single = len(names) == 1 and owners[next(iter(names))] == 1
        score.add("session", "one", "one" if single else "other", join)
    by_name = {row["session"]: row for row in sessions}
    for row in sessions:
        session = by_join.get(row.get("access_key_id"))
        if session is None or session["class"] in ("console", "forward-access", "service-linked"):
            continue
        if session["link"] == "access-key" or session["issued_by"] is None:
            score.add("issuance", session["issued_by"], row.get("issued_by_event"), session["access_key"])
        opener = by_name.get(row.get("opener"), {}).get("access_key_id")
        if opener and session["issued_by"]:
            score.add("parent", session["parent"], opener, session["access_key"])


def score_causes(score, truth, events):
    causes = {cause["event_id"]: cause for cause in truth["causes"]}
    requests = {cause["cause"] for cause in truth["causes"]}
    for row in events:
        answer, cause = row.get("cause"), causes.get(row["eventid"])
        if cause is None:
            if answer is not None:
                score.add("cause none", None, answer, row["eventid"])
        elif cause["evidence"] == "session":
            if answer is not None:
                score.add("cause session", cause["cause"], answer, row["eventid"])
        else:
            score.add(f"cause {cause['evidence']}", cause["cause"], answer, row["eventid"])
    return requests


def score_thefts(score, truth, sessions):
    said = {row.get("access_key_id"): " ".join(row.get("suspicions") or []) for row in sessions}
    stolen = {(theft["access_key"], theft["kind"]) for theft in truth["thefts"]}
    for key, kind in sorted(stolen):
        found = THEFTS[kind] in said.get(key, "")
        score.add(f"theft {kind}", kind, kind if found else None, key)
    for key, text in said.items():
        for kind, words in THEFTS.items():
            others = {known for owner, known in stolen if owner == key}
            if words in text and not others:
                score.add(f"theft {kind}", None, kind, key)


def score_lives(score, truth, clusters):
    said = collections.defaultdict(list)
    for cluster in clusters:
        said[cluster["account"], cluster["region"], cluster["name"]].append(cluster)
    for life in truth["lives"]:
        about = (life["account"], life["region"], life["name"], life["created_by"])
        found = [one for one in said[about[:3]] if one.get("created_by_event") == life["created_by"]]
        score.add("life found", 1, len(found) or None, about)
        if not found:
            continue
        cluster = found[0]
        score.add("life creator", life["creator"], cluster.get("created_by"), about)
        score.add("life deletion", life["deleted_by"], cluster.get("deleted_by_event"), about)
        score.add("life version", life["version"], cluster.get("version"), about)
        happenings = cluster["happenings"]
        of = lambda kind: {one["subject_name"] for one in happenings if one["subject"] == kind and not one["error"]}
        compare(score, "life node group", set(life["nodegroups"]), of("node group"), about)
        refused = {one["id"] for one in happenings if one["error"]}
        compare(score, "life failure", set(life["failures"]), refused, about)
        asked = {one["id"] for one in happenings if not one["error"]}
        for entry in life["entries"]:
            score.add("life entry", entry, entry if entry in asked else None, about)
        account = life["account"]
        pods = {f"pod/{cluster['name']}/{pod['namespace']}/{pod['service_account']}@{account}" for pod in cluster["pods"]}
        # Of which cluster a pod is, no record may tell.
        told = {pod for pod in life["pods"] if "/?/" not in pod}
        compare(score, "life pod", told, pods, about)


def compare(score, kind, expected, said, about):
    for one in expected | said:
        score.add(kind, one if one in expected else None, one if one in said else None, (about, one))


def score_joins(score, truth, timeline):
    said = {row["id"]: row for row in timeline if row["source"] == "kubernetes"}
    for join in truth["joins"]:
        kind = "join key" if join["access_key"] else "join pod"
        row = said.get(join["audit_id"], {})
        # What pods read is left out of the timeline; behind their own accounts nobody else stands.
        if not row and not join["access_key"]:
            continue
        answer = row.get("actor") or (None if join["access_key"] else row.get("who"))
        score.add(kind, join["actor"], answer, join["audit_id"])


def eks(pugmark, trail, words, folder, name):
    path = os.path.join(folder, name)
    command = [pugmark, "eks", os.path.join(trail, "AWSLogs"), "-q", *words, "--to", path]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"`{' '.join(command)}` failed:\n{done.stderr}")
    return path


def score_clusters(score, truth, asked, folder):
    with open(eks(asked.pugmark, asked.trail, ["--output", "json"], folder, "clusters"), encoding="utf-8") as file:
        clusters = json.load(file)["clusters"]
    score_lives(score, truth, clusters)
    logs = os.path.join(asked.trail, "k8s")
    if os.path.isdir(logs):
        words = ["--audit", logs, "--output", "jsonl"]
        score_joins(score, truth, read(eks(asked.pugmark, asked.trail, words, folder, "timeline")))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("trail", nargs="?", help="folder of a generated trail, with its truth.json")
    parser.add_argument("--pugmark", default=os.path.join(ROOT, "target", "release", "pugmark"))
    parser.add_argument("--truth", help="in place of TRAIL/truth.json")
    parser.add_argument("--events", help="rows of events made before, as JSON Lines")
    parser.add_argument("--sessions", help="rows of sessions made before, as JSON Lines")
    parser.add_argument("--misses", type=int, default=0, help="show so many wrong or missing answers of each kind")
    parser.add_argument("--json", help="also write the scores here")
    found = parser.parse_args()
    if not found.trail and not (found.truth and found.events and found.sessions):
        parser.error("name a trail, or --truth with --events and --sessions")
    return found


def main():
    asked = arguments()
    with open(asked.truth or os.path.join(asked.trail, "truth.json"), encoding="utf-8") as file:
        truth = json.load(file)
    score = Score()
    with tempfile.TemporaryDirectory() as folder:
        events = read(asked.events) if asked.events else ask(asked.pugmark, asked.trail, EVENTS, folder, "events")
        sessions = (
            read(asked.sessions) if asked.sessions else ask(asked.pugmark, asked.trail, SESSIONS, folder, "sessions")
        )
        if asked.trail:
            score_clusters(score, truth, asked, folder)
    by_join, answers = score_actors(score, truth, events)
    score_sessions(score, by_join, answers, sessions)
    score_causes(score, truth, events)
    score_thefts(score, truth, sessions)
    rows = list(score.rows())
    print(f"{len(events):,} events, {len(truth['sessions']):,} sessions, {len(truth['causes']):,} effects with a cause\n")
    print("| kind | right | answers | possible | precision | recall |")
    print("|---|---:|---:|---:|---:|---:|")
    share = lambda value: "" if value is None else f"{value:.4f}"
    for kind, right, given, possible, precision, recall in rows:
        print(f"| {kind} | {right:,} | {given:,} | {possible:,} | {share(precision)} | {share(recall)} |")
    shown = collections.Counter()
    for miss in score.misses:
        shown[miss["kind"]] += 1
        if shown[miss["kind"]] <= asked.misses:
            print(json.dumps(miss))
    if asked.json:
        names = ("kind", "right", "answers", "possible", "precision", "recall")
        with open(asked.json, "w", encoding="utf-8") as file:
            json.dump([dict(zip(names, row)) for row in rows], file, indent=1)
    failed = [
        kind
        for kind, _, _, _, precision, recall in rows
        for bar in [BARS.get(kind.replace(" (all)", ""))]
        if bar and ((precision or 0) < bar[0] or (recall or 0) < bar[1])
    ]
    print("\nbelow the goals: " + (", ".join(failed) if failed else "none"))


if __name__ == "__main__":
    main()
