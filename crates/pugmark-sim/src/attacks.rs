//! Attacks, each with its truth.

use serde_json::json;

use crate::actors::{Mfa, client, console_login};
use crate::clock::iso;
use crate::identity::{self, Session, User, Voice};
use crate::record::Fault;
use crate::stage::{Assumption, Place, Stage};
use crate::story::{Line, Story, user_voice};
use crate::truth::{Attack, Theft};

const TOOL_AGENT: &str =
    "Boto3/1.26.165 md/Botocore#1.29.165 ua/2.0 os/linux#6.6.9-amd64 md/arch#x86_64 lang/python#3.11.8";

/// A story and the most events it makes.
pub(crate) struct Script {
    pub(crate) play: fn(&mut Stage) -> Attack,
    pub(crate) events_max: u64,
}

/// All attacks, the most telling first.
pub(crate) const STORIES: &[Script] = &[
    Script { play: leaked_key, events_max: 200 },
    Script { play: console_without_factor, events_max: 30 },
    Script { play: cluster_admin, events_max: 20 },
    Script { play: stolen_instance, events_max: 80 },
];

/// A key found in public: look around, make a way back in, blind the trail, take data.
fn leaked_key(stage: &mut Stage) -> Attack {
    let place = place(stage, 1);
    let (ip, time) = ("203.0.113.250", when(stage, 0.55));
    let user = stage.world.user(place.account, "report-export");
    let voice = user_voice(&user, (ip, TOOL_AGENT));
    let mut story = Story::begin(stage, place, time);
    story.does(&voice, ("sts", "GetCallerIdentity"), 0);
    for call in ["ListUsers", "ListRoles", "GetAccountSummary"] {
        story.does(&voice, ("iam", call), 2);
    }
    for call in [
        ("ec2", "DescribeInstances"),
        ("ec2", "DescribeSnapshots"),
        ("secretsmanager", "ListSecrets"),
        ("rds", "DescribeDBInstances"),
    ] {
        for _ in 0..6 {
            story.is_denied(&voice, call, 1);
        }
    }
    story.is_denied(&voice, ("iam", "GetAccountAuthorizationDetails"), 3);
    story.does(&voice, ("s3", "ListBuckets"), 20);
    story.does(&voice, ("cloudtrail", "DescribeTrails"), 41);
    let (way_back, key) = make_user(&mut story, &voice);
    blind_the_trail(&mut story, &way_back);
    take_objects(&mut story, &way_back, 120);
    story.insight(
        (time, time + 120),
        ("ec2.amazonaws.com", "DescribeInstances", "Client.UnauthorizedOperation"),
    );
    Attack {
        name: "leaked-key".into(),
        summary: "A leaked access key lists what there is, makes an administrator, deletes the trail and copies a bucket".into(),
        account: story.account(),
        principal: user.arn(),
        access_keys: vec![user.key, key],
        addresses: vec![ip.into()],
        steps: story.steps,
    }
}

/// A new user with every right; returns its voice and key.
fn make_user(story: &mut Story<'_>, voice: &Voice) -> (Voice, String) {
    let name = "svc-monitor";
    let user = story.stage.world.user(story.place.account, name);
    let created = iso(story.time + 30);
    story.says(voice, ("iam", "CreateUser"), (30, Line {
        request: json!({"userName": name}),
        response: json!({"user": {"path": "/", "userName": name, "userId": user.id, "arn": user.arn(), "createDate": created}}),
        ..Line::default()
    }));
    story.says(voice, ("iam", "AttachUserPolicy"), (4, Line {
        request: json!({"userName": name, "policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}),
        ..Line::default()
    }));
    let issued = story.says(voice, ("iam", "CreateAccessKey"), (3, Line {
        request: json!({"userName": name}),
        response: json!({"accessKey": {"userName": name, "accessKeyId": user.key, "status": "Active", "createDate": created}}),
        ..Line::default()
    }));
    note_key(story, voice, &user, issued);
    (user_voice(&user, (&voice.ip, TOOL_AGENT)), user.key)
}

/// Notes a user's new key; the user acts with it, whoever made it.
pub(crate) fn note_key(story: &mut Story<'_>, maker: &Voice, user: &User, issued: String) {
    let mut opened = story.stage.register.child(maker, "user-key", "access-key");
    opened.access_key.clone_from(&user.key);
    opened.principal.clone_from(&user.id);
    opened.actor = format!("user/{}@{}", user.name, user.account);
    opened.actor_type = "human".into();
    opened.link = "access-key".into();
    opened.depth = 1;
    opened.issued_by = Some(issued);
    story.stage.register.open(opened);
}

/// Notes that a credential was in the wrong hands.
pub(crate) fn steal(story: &mut Story<'_>, (kind, key, address): (&str, &str, &str), events: Vec<String>) {
    let (kind, access_key, address) = (kind.into(), key.into(), address.into());
    story.stage.register.thefts.push(Theft { kind, access_key, address, events });
}

fn blind_the_trail(story: &mut Story<'_>, voice: &Voice) {
    let here = story.place;
    story.place = Place { region: 0, ..here };
    let arn = format!("arn:aws:cloudtrail:us-east-1:{}:trail/main", story.account());
    for (call, wait) in [("StopLogging", 64), ("DeleteTrail", 9)] {
        let line = Line { request: json!({"name": arn}), ..Line::default() };
        story.says(voice, ("cloudtrail", call), (wait, line));
    }
    story.place = here;
}

fn take_objects(story: &mut Story<'_>, voice: &Voice, count: i64) {
    let bucket = format!("customer-exports-{}", story.account());
    for number in 0..count {
        let key = format!("prod/exports/customers-{number:04}.csv");
        let line = Line {
            request: json!({"bucketName": bucket, "Host": format!("{bucket}.s3.{}.amazonaws.com", story.region()), "key": key}),
            additional: json!({"SignatureVersion": "SigV4", "AuthenticationMethod": "AuthHeader", "bytesTransferredIn": 0, "bytesTransferredOut": 4_194_304 + number}),
            resources: json!([{"type": "AWS::S3::Object", "ARN": format!("arn:aws:s3:::{bucket}/{key}")}]),
            ..Line::default()
        };
        story.says(voice, ("s3", "GetObject"), (number % 2, line));
    }
}

/// Credentials of an instance, used far from it.
fn stolen_instance(stage: &mut Stage) -> Attack {
    let place = place(stage, 0);
    let (ip, time) = ("192.0.2.250", when(stage, 0.7));
    let role = stage.world.role(place.account, "batch-node");
    let instance = "i-0f00d5ca1ab1e0042";
    let session = Session { name: instance.into(), on_instance: true, ..Session::default() };
    let caller = identity::service("ec2.amazonaws.com");
    let (session, _) = stage.assume(Assumption {
        caller: &caller,
        from: place.account,
        role: &role,
        place,
        time: time - 900,
        call: "AssumeRole",
        lasts: 6 * 3_600,
        session,
    });
    let at_home = Stage::session_voice(&role, &session, ("10.0.0.99", "aws-sdk-go-v2/1.32.2"));
    let outside = Stage::session_voice(&role, &session, (ip, TOOL_AGENT));
    let mut story = Story::begin(stage, place, time - 600);
    story.does(&at_home, ("ssm", "UpdateInstanceInformation"), 0);
    story.steps.clear();
    story.time = time;
    story.does(&outside, ("sts", "GetCallerIdentity"), 0);
    for _ in 0..4 {
        story.is_denied(&outside, ("ec2", "DescribeInstances"), 5);
    }
    story.does(&outside, ("s3", "ListBuckets"), 11);
    story.does(&outside, ("secretsmanager", "ListSecrets"), 12);
    for _ in 0..5 {
        story.does(&outside, ("secretsmanager", "GetSecretValue"), 2);
    }
    take_objects(&mut story, &outside, 30);
    let abuse: Vec<String> = story.steps.iter().map(|step| step.event_id.clone()).collect();
    steal(&mut story, ("instance-outside", &session.key, ip), abuse);
    Attack {
        name: "stolen-instance-credentials".into(),
        summary: "Credentials of an instance are used from an address outside and read secrets and objects"
            .into(),
        account: story.account(),
        principal: role.session_arn(instance),
        access_keys: vec![session.key],
        addresses: vec![ip.into()],
        steps: story.steps,
    }
}

/// A guessed password, no second factor, and a policy that now allows everything.
fn console_without_factor(stage: &mut Stage) -> Attack {
    let place = place(stage, 0);
    let (name, ip, time) = ("ines", "198.51.100.250", when(stage, 0.3));
    let user = stage.world.user(place.account, name);
    let stranger = client(
        user.identity(""),
        &user.arn(),
        (ip, "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Gecko/20100101 Firefox/145.0"),
    );
    let mut story = Story::begin(stage, Place { region: 0, ..place }, time);
    for _ in 0..5 {
        story.says(&stranger, ("signin", "ConsoleLogin"), (14, Line {
            response: json!({"ConsoleLogin": "Failure"}),
            additional: json!({"LoginTo": "https://console.aws.amazon.com/console/home", "MobileVersion": "No", "MFAUsed": "No"}),
            fault: Some(Fault { code: "", message: "Failed authentication".into() }),
            ..Line::default()
        }));
    }
    story.time += 22;
    let (voice, login) = console_login(story.stage, (name, ip), Mfa::Missing, (place, story.time));
    story.note(login);
    story.does(&voice, ("iam", "ListAttachedUserPolicies"), 40);
    let policy = format!("arn:aws:iam::{}:policy/read-artefacts", user.account);
    let document = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
    story.says(&voice, ("iam", "CreatePolicyVersion"), (75, Line {
        request: json!({"policyArn": policy, "policyDocument": document, "setAsDefault": true}),
        response: json!({"policyVersion": {"versionId": "v7", "isDefaultVersion": true, "createDate": iso(time + 200)}}),
        ..Line::default()
    }));
    story.says(&voice, ("iam", "DeactivateMFADevice"), (31, Line {
        request: json!({"userName": "noor", "serialNumber": format!("arn:aws:iam::{}:mfa/noor", user.account)}),
        ..Line::default()
    }));
    story.says(
        &voice,
        ("iam", "UpdateLoginProfile"),
        (
            12,
            Line { request: json!({"userName": "noor", "passwordResetRequired": false}), ..Line::default() },
        ),
    );
    Attack {
        name: "console-login-without-mfa".into(),
        summary: "After failed attempts someone signs in without a second factor and lets a policy allow everything".into(),
        account: story.account(),
        principal: user.arn(),
        access_keys: vec![voice.key.clone()],
        addresses: vec![ip.into()],
        steps: story.steps,
    }
}

/// A developer's role makes itself administrator of a cluster.
fn cluster_admin(stage: &mut Stage) -> Attack {
    let place = place(stage, 0);
    let (ip, time) = ("203.0.113.199", when(stage, 0.45));
    let role = stage.world.reserved_role(place.account, "Developer");
    let subject = "contractor@example.com";
    let caller = client(identity::saml(subject), subject, (ip, TOOL_AGENT));
    let session = Session { name: subject.into(), ..Session::default() };
    let global = Place { region: 0, ..place };
    let (session, assumed) = stage.assume(Assumption {
        caller: &caller,
        from: place.account,
        role: &role,
        place: global,
        time: time - 60,
        call: "AssumeRoleWithSAML",
        lasts: 3_600,
        session,
    });
    let voice = Stage::session_voice(&role, &session, (ip, TOOL_AGENT));
    let mut story = Story::begin(stage, place, time);
    story.note(assumed);
    story.does(&voice, ("eks", "ListClusters"), 0);
    story.does(&voice, ("eks", "DescribeCluster"), 4);
    let arn = role.arn();
    let cluster = crate::eks::CLUSTER;
    let entry = format!(
        "arn:aws:eks:{}:{}:access-entry/{cluster}/role/{}/{}/a1b2c3d4-0000-4000-8000-000000000001",
        story.region(),
        story.account(),
        story.account(),
        role.name
    );
    story.says(&voice, ("eks", "CreateAccessEntry"), (35, Line {
        request: json!({"name": cluster, "principalArn": arn, "type": "STANDARD", "clientRequestToken": "5d0c1f9e-0000-4000-8000-000000000001"}),
        response: json!({"accessEntry": {"clusterName": cluster, "principalArn": arn, "accessEntryArn": entry, "type": "STANDARD", "kubernetesGroups": []}}),
        ..Line::default()
    }));
    let policy = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy";
    story.says(&voice, ("eks", "AssociateAccessPolicy"), (6, Line {
        request: json!({"name": cluster, "principalArn": arn.replace(':', "%3A").replace('/', "%2F"), "policyArn": policy, "accessScope": {"type": "cluster"}}),
        response: json!({"clusterName": cluster, "principalArn": arn, "associatedAccessPolicy": {"policyArn": policy, "accessScope": {"type": "cluster", "namespaces": []}}}),
        ..Line::default()
    }));
    story.says(&voice, ("eks", "UpdateClusterConfig"), (80, Line {
        request: json!({"name": cluster, "resourcesVpcConfig": {"endpointPublicAccess": true, "publicAccessCidrs": ["0.0.0.0/0"]}}),
        response: json!({"update": {"id": "7f0a1c55-0000-4000-8000-000000000001", "status": "InProgress", "type": "EndpointAccessUpdate", "params": [{"type": "EndpointPublicAccess", "value": "true"}]}}),
        ..Line::default()
    }));
    Attack {
        name: "cluster-admin".into(),
        summary:
            "A developer's role gives itself a cluster's administration and opens its endpoint to the world"
                .into(),
        account: story.account(),
        principal: role.session_arn(subject),
        access_keys: vec![session.key],
        addresses: vec![ip.into()],
        steps: story.steps,
    }
}

/// Some account's place; attacks happen where there is life.
fn place(stage: &Stage, account: usize) -> Place {
    let account = account.min(stage.world.accounts.len() - 1);
    Place { account, region: 1.min(stage.world.regions.len() - 1) }
}

/// A moment at a share of the whole time, with room before and after.
fn when(stage: &Stage, share: f64) -> i64 {
    let span = (stage.world.end - stage.world.start) as f64;
    stage.world.start + (span * share) as i64
}
