//! The AWS CLI itself, against a server of our own: what it prints and how it
//! exits is what we say that it would.
//!
//! The CLI is in a virtual environment, `target/awscli`, that `cargo xtask
//! test` makes, or in the one that `PUGMARK_AWSCLI` names. Without it the test
//! says so and passes.

use std::path::PathBuf;
use std::process::Command;

use pugmark_event::{Limits, format_time, parse_time};
use pugmark_integrity::aws::{AwsOutput, AwsRun, validate_logs};
use pugmark_integrity::{Digest, PublicKeys, Reading, S3Place, Signer, gather, hex, render, sha256};
use pugmark_source::{Access, Contents, Location, Progress, Selection, list};

use crate::bucket::*;
use crate::server::{Service, serve};

/// Set in the process that does the work: an environment is set from outside.
const INSIDE: &str = "PUGMARK_TEST_AWSCLI";

const HOURS: usize = 5;

/// Runs the CLI's own entry for each list of arguments, in one process: it
/// takes longer to start than to validate.
const DRIVER: &str = "
import contextlib, io, json, sys
from awscli.clidriver import create_clidriver
results = []
for arguments in json.load(open(sys.argv[1])):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = create_clidriver().main(arguments)
        except SystemExit as end:
            code = end.code
    results.append([out.getvalue(), err.getvalue(), code])
json.dump(results, open(sys.argv[2], 'w'))
";

fn python() -> Option<PathBuf> {
    let root = std::env::var_os("PUGMARK_AWSCLI")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/awscli"), PathBuf::from);
    let installed = ["bin/aws", "Scripts/aws.cmd"].iter().any(|name| root.join(name).exists());
    let python = ["bin/python", "Scripts/python.exe"].map(|name| root.join(name));
    python.into_iter().find(|path| installed && path.exists())
}

#[test]
fn the_aws_cli_prints_what_we_say() {
    let Some(python) = python() else {
        eprintln!("SKIPPED: no AWS CLI; install it with `cargo xtask awscli` or name it in PUGMARK_AWSCLI");
        return;
    };
    if std::env::var_os(INSIDE).is_none() {
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "aws_cli::the_aws_cli_prints_what_we_say", "--nocapture"])
            .env(INSIDE, "1")
            .env("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
            .env("AWS_SECRET_ACCESS_KEY", "secret")
            .env("AWS_REGION", REGION)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env_remove("AWS_PROFILE")
            .status()
            .unwrap();
        assert!(status.success());
        return;
    }
    compare(&python);
}

/// One bucket and one run over it.
struct Case {
    name: String,
    run: AwsRun,
    keys: PublicKeys,
}

/// A bucket, about to be changed at one place.
struct Scene {
    store: Store,
    trail: Trail,
    at: usize,
}

impl Scene {
    fn digest(&self) -> Digest {
        self.trail.digests[self.at].clone()
    }

    fn place(&self) -> S3Place {
        self.digest().place
    }

    fn log(&self) -> S3Place {
        self.digest().files[0].place.clone()
    }

    fn sign_anew(&mut self, change: impl FnOnce(&Digest, String) -> String) {
        let digest = self.digest();
        let text = change(&digest, render(&digest));
        let signature = SIGNER.sign_text(&digest.signed_text(&sha256(text.as_bytes())));
        let object = self.store.get(&digest.place);
        object.bytes = gzip(text.as_bytes());
        object.metadata.insert("signature".into(), hex(&signature));
    }
}

type Mutation = (&'static str, fn(&mut Scene));

/// Each is applied to the first, a middle and the last digest.
const MUTATIONS: [Mutation; 33] = [
    ("clean", |_| {}),
    ("log-changed", |s| {
        let log = s.log();
        s.store.rewrite(&log, |text| text.replace("eventID", "eventId"));
    }),
    ("log-flipped", |s| {
        let log = s.log();
        let bytes = &mut s.store.get(&log).bytes;
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x10;
    }),
    ("log-checksum", |s| {
        let log = s.log();
        let bytes = &mut s.store.get(&log).bytes;
        let end = bytes.len() - 6;
        bytes[end] ^= 0x10;
    }),
    ("log-header", |s| {
        let log = s.log();
        s.store.get(&log).bytes[5] ^= 0xff;
    }),
    ("log-member", |s| {
        let log = s.log();
        s.store.get(&log).bytes.extend(gzip(b"{}"));
    }),
    ("log-garbage", |s| {
        let log = s.log();
        s.store.get(&log).bytes.extend(b"garbage");
    }),
    ("log-zeros", |s| {
        let log = s.log();
        s.store.get(&log).bytes.extend([0; 64]);
    }),
    ("log-cut", |s| {
        let log = s.log();
        let bytes = &mut s.store.get(&log).bytes;
        bytes.truncate(bytes.len() - 20);
    }),
    ("log-trailer-cut", |s| {
        let log = s.log();
        let bytes = &mut s.store.get(&log).bytes;
        bytes.truncate(bytes.len() - 5);
    }),
    ("log-empty", |s| {
        let log = s.log();
        s.store.get(&log).bytes.clear();
    }),
    ("log-plain", |s| {
        let log = s.log();
        let object = s.store.get(&log);
        object.bytes = gunzip(&object.bytes);
    }),
    ("log-twice", |s| {
        let log = s.log();
        let object = s.store.get(&log);
        object.bytes = gzip(&object.bytes);
    }),
    ("log-deleted", |s| {
        let log = s.log();
        s.store.remove(&log);
    }),
    ("log-added", |s| {
        let key = s.trail.log_key(s.digest().start + 20 * MINUTE, "forgedforgedforg");
        s.store.put(&s.trail.place(key), gzip(b"{}"));
    }),
    ("logs-swapped", |s| {
        let (one, other) = (s.log(), s.digest().files[1].place.clone());
        let bytes = s.store.get(&one).bytes.clone();
        let swapped = std::mem::replace(&mut s.store.get(&other).bytes, bytes);
        s.store.get(&one).bytes = swapped;
    }),
    ("digest-deleted", |s| {
        let place = s.place();
        s.store.remove(&place);
    }),
    ("digest-space", |s| {
        let place = s.place();
        s.store.rewrite(&place, |text| text.replacen('{', "{ ", 1));
    }),
    ("digest-hash", |s| {
        let (place, hash) = (s.place(), hex(&s.digest().files[0].sha256));
        s.store.rewrite(&place, |text| text.replace(&hash, &hex(&sha256(b"forged"))));
    }),
    ("digest-hash-upper", |s| {
        s.sign_anew(|digest, text| {
            let hash = hex(&digest.files[0].sha256);
            text.replace(&hash, &hash.to_uppercase())
        });
    }),
    ("digest-algorithm", |s| {
        s.sign_anew(|_, text| text.replace("\"digestSignatureAlgorithm\":\"SHA256withRSA\",", ""));
    }),
    ("digest-twice", |s| {
        s.sign_anew(|_, text| text.replacen('{', "{\"digestS3Object\":\"other\",", 1));
    }),
    ("digest-member-missing", |s| {
        s.sign_anew(|_, text| text.replacen("digestStartTime", "digestStart", 1));
    }),
    ("digest-no-json", |s| {
        let place = s.place();
        s.store.rewrite(&place, |text| text.replacen('}', "", 1));
    }),
    ("digest-no-gzip", |s| {
        let place = s.place();
        s.store.get(&place).bytes = b"{}".to_vec();
    }),
    ("digest-garbage", |s| {
        let place = s.place();
        s.store.get(&place).bytes.extend(b"garbage");
    }),
    ("digest-replayed", |s| {
        let other = s.trail.digests[(s.at + 1) % HOURS].place.clone();
        let (place, replayed) = (s.place(), s.store.get(&other).clone());
        *s.store.get(&place) = replayed;
    }),
    ("metadata-none", |s| {
        let place = s.place();
        s.store.get(&place).metadata.clear();
    }),
    ("metadata-no-algorithm", |s| {
        let place = s.place();
        s.store.get(&place).metadata.remove("signature-algorithm");
    }),
    ("metadata-other-algorithm", |s| {
        let place = s.place();
        s.store.get(&place).metadata.insert("signature-algorithm".into(), "SHA1withRSA".into());
    }),
    ("metadata-upper", |s| {
        let place = s.place();
        let signature = s.store.get(&place).metadata.get_mut("signature").unwrap();
        *signature = signature.to_uppercase();
    }),
    ("metadata-odd", |s| {
        let place = s.place();
        s.store.get(&place).metadata.insert("signature".into(), "abc".into());
    }),
    ("metadata-no-hex", |s| {
        let place = s.place();
        s.store.get(&place).metadata.insert("signature".into(), "zz".into());
    }),
];

fn run(trail: &Trail) -> AwsRun {
    AwsRun {
        trail_arn: format!("arn:aws:cloudtrail:{REGION}:{ACCOUNT}:trail/{}", trail.name),
        start: beginning() - MINUTE,
        end: trail.now + MINUTE,
        region: REGION.into(),
        bucket: Some(trail.bucket.into()),
        ..AwsRun::default()
    }
}

/// All buckets in one store, each under a name of its own.
fn cases(service: &mut Service) -> Vec<Case> {
    let mut cases = Vec::new();
    let leak = |text: String| -> &'static str { Box::leak(text.into_boxed_str()) };
    for (name, mutate) in MUTATIONS {
        for at in [0, HOURS / 2, HOURS - 1] {
            let trail = Trail { bucket: leak(format!("{name}-{at}-example")), ..Trail::default() };
            let mut scene = Scene { store: Store::default(), trail, at };
            scene.trail.hours(&mut scene.store, HOURS as u32);
            mutate(&mut scene);
            service.store.objects.extend(scene.store.objects);
            let verbose = at != HOURS / 2;
            cases.push(Case {
                name: format!("{name} at {at}"),
                run: AwsRun { verbose, ..run(&scene.trail) },
                keys: keys(),
            });
        }
    }
    special(service, &mut cases);
    cases
}

/// What is not a change at one place.
fn special(service: &mut Service, cases: &mut Vec<Case>) {
    let mut add = |name: &'static str, change: &dyn Fn(&mut Store, &mut Trail, &mut AwsRun)| {
        let bucket: &'static str = Box::leak(format!("{name}-example").into_boxed_str());
        let (mut store, mut trail) = (Store::default(), Trail { bucket, ..Trail::default() });
        let mut asked = run(&trail);
        change(&mut store, &mut trail, &mut asked);
        if asked.end == beginning() + MINUTE {
            asked.end = trail.now + MINUTE;
        }
        service.store.objects.extend(store.objects);
        cases.push(Case { name: name.to_owned(), run: asked, keys: keys() });
    };
    add("empty", &|_, _, _| {});
    add("pages", &|store, trail, _| trail.hours(store, 150));
    add("gap", &|store, trail, run| {
        trail.hours(store, 3);
        trail.pause(5);
        trail.hours(store, 3);
        run.verbose = true;
    });
    add("gap-and-no-older-digest", &|store, trail, _| {
        trail.hours(store, 3);
        store.objects.clear();
        trail.pause(5);
        trail.hours(store, 3);
    });
    add("tail-cut", &|store, trail, _| {
        trail.hours(store, 8);
        for digest in &trail.digests[5..] {
            store.remove(&digest.place);
        }
    });
    add("hole", &|store, trail, _| {
        trail.hours(store, 8);
        for digest in &trail.digests[3..6] {
            store.remove(&digest.place);
        }
    });
    add("range", &|store, trail, run| {
        trail.hours(store, 30);
        (run.start, run.end) = (beginning() + 7 * HOUR + 17 * MINUTE, beginning() + 11 * HOUR + 40 * MINUTE);
        run.verbose = true;
    });
    add("range-before", &|store, trail, run| {
        trail.hours(store, 5);
        (run.start, run.end) = (beginning() - 50 * HOUR, beginning() - 40 * HOUR);
    });
    add("prefix", &|store, trail, run| {
        trail.prefix = "audit/x/";
        trail.hours(store, 4);
        run.prefix = Some("audit/x".into());
    });
    add("two-trails", &|store, trail, _| {
        trail.hours(store, 4);
        Trail { name: "main_2", count: 100, ..trail.clone() }.hours(store, 4);
        Trail { name: "a", count: 200, now: beginning(), previous: None, ..trail.clone() }.hours(store, 4);
    });
    add("no-keys", &|store, trail, run| {
        trail.hours(store, 3);
        run.region = "us-east-1".into();
    });
    add("backfill", &|store, trail, run| {
        trail.hours(store, 4);
        backfill(store, trail, true);
        run.verbose = true;
    });
    add("backfill-without-time", &|store, trail, _| {
        trail.hours(store, 4);
        backfill(store, trail, false);
    });
    add("another-bucket", &|store, trail, _| {
        trail.hours(store, 4);
        trail.bucket = "another-bucket-2-example";
        trail.hours(store, 4);
    });
    cases.last_mut().unwrap().run.bucket = Some("another-bucket-2-example".into());
}

/// Two digests that list what missed its hour.
fn backfill(store: &mut Store, trail: &Trail, is_dated: bool) {
    let mut late = Trail { previous: None, count: 500, ..trail.clone() };
    for number in 0..2 {
        late.deliver(store, trail.digests[number].start + 10 * MINUTE);
        let file = std::mem::take(&mut late.waiting);
        let (start, end) = (trail.digests[number].start, trail.digests[number].end);
        let place = late.place(late.digest_key(end, "_backfill"));
        let digest = late.digest(start, end, place.clone(), file);
        late.put(store, digest);
        if is_dated {
            let time = format_time(end + 30 * HOUR);
            store.get(&place).metadata.insert("backfill-generation-timestamp".into(), time);
        }
    }
}

fn arguments(run: &AwsRun) -> Vec<String> {
    let mut words: Vec<String> =
        ["cloudtrail", "validate-logs", "--trail-arn", &run.trail_arn].map(str::to_owned).into();
    let times = [("--start-time", run.start), ("--end-time", run.end)];
    words.extend(times.into_iter().flat_map(|(name, time)| [name.to_owned(), format_time(time)]));
    words.extend(["--region".to_owned(), run.region.clone()]);
    let options =
        [("--s3-bucket", &run.bucket), ("--s3-prefix", &run.prefix), ("--account-id", &run.account)];
    for (name, value) in options {
        words.extend(value.iter().flat_map(|value| [name.to_owned(), value.clone()]));
    }
    words.extend(run.verbose.then(|| "--verbose".to_owned()));
    words
}

fn compare(python: &PathBuf) {
    let mut service = Service::default();
    let mut key = public_key();
    // The keys of the Region are not served elsewhere; see `no-keys`.
    key.since = parse_time(b"2026-01-01T00:00:00Z");
    key.until = parse_time(b"2026-02-01T00:00:00Z");
    service.keys.push(key.clone());
    service.keys.push(Signer::generate().unwrap().public_key("another").unwrap());
    let mut cases = cases(&mut service);
    trails(&mut service, &mut cases);
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy");
    service.store.copy_to(&copy, true);
    let address = serve(service);
    let results = drive(python, &cases, &address, folder.path());
    let mut differences = Vec::new();
    for (case, expected) in cases.iter().zip(&results) {
        // From the buckets themselves, and from a copy of them on disk.
        let bucket = case.run.bucket.clone().unwrap();
        let also = (case.name == "another-bucket").then(|| "another-bucket-example".to_owned());
        let buckets: Vec<String> = also.into_iter().chain([bucket]).collect();
        let in_s3: Vec<String> = buckets.iter().map(|bucket| format!("s3://{bucket}/")).collect();
        let on_disk: Vec<String> =
            buckets.iter().map(|bucket| copy.join(bucket).display().to_string()).collect();
        for sources in [in_s3, on_disk] {
            if sources.iter().any(|source| !source.starts_with("s3:") && !PathBuf::from(source).exists()) {
                continue;
            }
            let mut said = validate_logs(&collect(&sources, &address), &case.keys, &case.run);
            let mut expected = expected.clone();
            if said.exit == 255 {
                // Only the reason is alike.
                assert!(expected.stderr.contains(said.stderr.trim()), "{}: {expected:?}", case.name);
                (said.stderr, expected.stderr) = (String::new(), String::new());
            }
            if said != expected {
                let (name, sources) = (&case.name, &sources[0]);
                differences.push(format!("{name} from {sources}\nAWS CLI: {expected:#?}\nwe: {said:#?}"));
            }
        }
    }
    assert!(
        differences.is_empty(),
        "{} differences\n{}",
        differences.len(),
        differences[..differences.len().min(3)].join("\n\n")
    );
}

/// Runs that ask `DescribeTrails`, and Organizations too.
fn trails(service: &mut Service, cases: &mut Vec<Case>) {
    for (name, is_organization) in [("alone", false), ("everyone", true)] {
        let bucket: &'static str = Box::leak(format!("described-{name}-example").into_boxed_str());
        let trail = Trail { bucket, name, prefix: "audit/", is_organization, ..Trail::default() };
        let (mut store, mut trail) = (Store::default(), trail);
        trail.hours(&mut store, 3);
        service.store.objects.extend(store.objects);
        let mut run = run(&trail);
        service.trails.push((run.trail_arn.clone(), bucket.into(), Some("audit".into()), is_organization));
        run.prefix = Some("audit".into());
        if is_organization {
            run.organization = Some("o-exampleorg11".into());
            run.account = Some(ACCOUNT.into());
        }
        cases.push(Case { name: format!("described {name}"), run, keys: keys() });
    }
}

fn drive(python: &PathBuf, cases: &[Case], address: &str, folder: &std::path::Path) -> Vec<AwsOutput> {
    let described = |case: &Case| {
        let mut run = case.run.clone();
        if case.name.starts_with("described") {
            (run.bucket, run.prefix) = (None, None);
        }
        arguments(&run)
    };
    let (asked, answered) = (folder.join("asked.json"), folder.join("answered.json"));
    let lines: Vec<_> = cases.iter().map(described).collect();
    std::fs::write(&asked, serde_json::to_vec(&lines).unwrap()).unwrap();
    let status = Command::new(python)
        .args(["-c", DRIVER])
        .args([&asked, &answered])
        .env("AWS_ENDPOINT_URL", address)
        .env("AWS_CONFIG_FILE", folder.join("none"))
        .env("AWS_SHARED_CREDENTIALS_FILE", folder.join("none"))
        .env("AWS_MAX_ATTEMPTS", "1")
        .status()
        .unwrap();
    assert!(status.success());
    let results: Vec<(String, String, u8)> =
        serde_json::from_slice(&std::fs::read(answered).unwrap()).unwrap();
    results.into_iter().map(|(stdout, stderr, exit)| AwsOutput { stdout, stderr, exit }).collect()
}

/// What is found in buckets or folders.
fn collect(sources: &[String], address: &str) -> pugmark_integrity::Evidence {
    let access = Access { endpoint_url: Some(address.to_owned()), ..Access::default() };
    let (limits, progress) = (Limits::default(), Progress::default());
    let selection = Selection { contents: Contents::Evidence, ..Selection::default() };
    let locations: Vec<_> = sources.iter().map(|text| Location::parse(text).unwrap()).collect();
    let listing = list(&locations, &selection, &access, &limits, &progress).unwrap();
    let reading = Reading { access: &access, limits: &limits, threads: 2, progress: &progress };
    gather(listing, &reading).unwrap().0
}
