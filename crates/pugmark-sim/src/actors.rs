//! The callers of everyday life and how each gets its credentials.

use std::rc::Rc;

use crate::clock;
use crate::identity::{self, Manner, Role, Session, Voice};
use crate::stage::{Act, Assumption, Body, Place, Stage};
use crate::world::World;

const CONSOLE_AGENT: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Safari/537.36";
const CLI_AGENT: &str = "aws-cli/2.22.0 md/awscrt#0.23.8 ua/2.0 os/linux#6.8.0 md/arch#x86_64 lang/python#3.12.6 md/pyimpl#CPython cfg/retry-mode#standard md/prompt#off md/command#ec2.describe-instances";
const TERRAFORM_AGENT: &str = "APN/1.0 HashiCorp/1.0 Terraform/1.9.8 (+https://www.terraform.io) terraform-provider-aws/5.74.0 (+https://registry.terraform.io/providers/hashicorp/aws) aws-sdk-go-v2/1.32.2 ua/2.1 os/linux lang/go#1.23.2 md/GOOS#linux md/GOARCH#amd64 api/ec2#1.182.0";
const GO_AGENT: &str =
    "aws-sdk-go-v2/1.32.2 ua/2.1 os/linux lang/go#1.23.2 md/GOOS#linux md/GOARCH#amd64 api/ec2#1.182.0 m/g";
const BOTO_AGENT: &str = "Boto3/1.35.49 md/Botocore#1.35.49 ua/2.0 os/linux#5.10.226 md/arch#x86_64 lang/python#3.13.0 md/pyimpl#CPython exec-env/AWS_Lambda_python3.13";
const SSM_AGENT: &str = "aws-sdk-go/1.55.5 (go1.22.5; linux; amd64) amazon-ssm-agent/3.3.987.0";

/// The kinds of callers, each with its tag in the table of calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Person,
    Provisioner,
    Pipeline,
    Instance,
    Function,
    Pod,
    Machine,
    Recorder,
    Auditor,
}

impl Kind {
    pub(crate) const ALL: [Kind; 9] = [
        Kind::Person,
        Kind::Provisioner,
        Kind::Pipeline,
        Kind::Instance,
        Kind::Function,
        Kind::Pod,
        Kind::Machine,
        Kind::Recorder,
        Kind::Auditor,
    ];

    /// Letter in the table of calls.
    pub(crate) fn tag(self) -> char {
        match self {
            Kind::Person => 'c',
            Kind::Provisioner => 't',
            Kind::Pipeline => 'i',
            Kind::Instance => 'n',
            Kind::Function => 'l',
            Kind::Pod => 'p',
            Kind::Machine => 'k',
            Kind::Recorder | Kind::Auditor => 's',
        }
    }

    /// Share of the events that are not deliveries, in percent.
    pub(crate) fn share(self) -> f64 {
        match self {
            Kind::Instance => 29.0,
            Kind::Function => 20.0,
            Kind::Person => 13.0,
            Kind::Provisioner | Kind::Pod => 10.0,
            Kind::Recorder => 8.0,
            Kind::Machine => 4.0,
            Kind::Pipeline | Kind::Auditor => 3.0,
        }
    }

    /// Share of calls that fail.
    pub(crate) fn error_rate(self) -> f64 {
        match self {
            Kind::Recorder | Kind::Auditor => 0.20,
            Kind::Provisioner => 0.16,
            Kind::Function | Kind::Machine => 0.15,
            Kind::Instance | Kind::Person => 0.12,
            Kind::Pod | Kind::Pipeline => 0.10,
        }
    }
}

/// One caller and the session it holds.
pub(crate) struct Actor {
    pub(crate) kind: Kind,
    /// What tells it from others of its kind: a person, an instance, a function.
    name: String,
    ip: String,
    place: Place,
    session: Option<Held>,
}

struct Held {
    voice: Rc<Voice>,
    created: i64,
    expires: i64,
}

impl Actor {
    /// The callers of a kind in an account and Region.
    pub(crate) fn cast(world: &World, kind: Kind, place: Place) -> Vec<Actor> {
        let actor = |name: &str, ip: &str| Actor {
            kind,
            name: name.to_owned(),
            ip: ip.to_owned(),
            place,
            session: None,
        };
        let inner = |last: usize| format!("10.{}.{}.{last}", place.account % 200, 16 * place.region);
        let numbered = |names: &[&str]| -> Vec<Actor> {
            names.iter().enumerate().map(|(index, name)| actor(name, &inner(index + 10))).collect()
        };
        let region = world.regions[place.region];
        match kind {
            Kind::Person => {
                // Not everyone works in every account.
                let skip = place.account % 3;
                World::people()
                    .enumerate()
                    .filter(|(index, _)| index % 3 != skip)
                    .map(|(_, (name, ip))| actor(name, ip))
                    .collect()
            }
            Kind::Provisioner => vec![actor("deployer", "198.51.100.52")],
            Kind::Pipeline => vec![
                actor("orders", "192.0.2.18"),
                actor("billing", "192.0.2.19"),
                actor("search", "192.0.2.20"),
            ],
            Kind::Instance => (0..8)
                .map(|index| {
                    let place_name = index.to_string();
                    let id = world.id("i-0", 0, &[])
                        + &hex_id(world, &[&world.accounts[place.account], region, &place_name]);
                    actor(&id, &inner(index + 30))
                })
                .collect(),
            Kind::Function => {
                numbered(&["orders-intake", "thumbnailer", "invoice-mailer", "stock-sync", "price-cache"])
            }
            Kind::Pod => {
                numbered(&["kube-system:aws-node", "kube-system:ebs-csi-controller-sa", "shop:orders-api"])
            }
            Kind::Machine => {
                vec![actor("backup-agent", "198.51.100.60"), actor("report-export", "203.0.113.66")]
            }
            Kind::Recorder => vec![
                actor("Config", ""),
                actor("AmazonGuardDuty", ""),
                actor("SecurityHub", ""),
                actor("TrustedAdvisor", ""),
            ],
            Kind::Auditor => vec![actor("posture-scan", "192.0.2.77")],
        }
    }

    /// The voice of a valid session at a time, opened now if there is none;
    /// also the earliest second at which it may speak.
    pub(crate) fn voice(&mut self, stage: &mut Stage, time: i64) -> (Rc<Voice>, i64) {
        if let Some(held) = self.session.as_ref().filter(|held| time < held.expires) {
            return (Rc::clone(&held.voice), time.max(held.created));
        }
        let (voice, lasts) = self.sign_in(stage, time);
        self.session = Some(Held { voice: Rc::clone(&voice), created: time, expires: time + lasts });
        (voice, time)
    }

    /// Opens a session, records how, and says how long it lasts.
    fn sign_in(&self, stage: &mut Stage, time: i64) -> (Rc<Voice>, i64) {
        match self.kind {
            Kind::Person => self.sign_in_person(stage, time),
            Kind::Provisioner => self.assume_across(stage, ("deployer", TERRAFORM_AGENT), time),
            Kind::Auditor => self.assume_across(stage, ("security-audit", GO_AGENT), time),
            Kind::Pipeline => {
                let subject = format!("repo:example/{}:ref:refs/heads/main", self.name);
                self.bring_token(stage, ("ci-deploy", "ci.example.com", &subject), time)
            }
            Kind::Pod => {
                let region = stage.world.regions[self.place.region];
                let id = stage.world.id("", 12, &[&stage.world.accounts[self.place.account], region, "oidc"]);
                let provider = format!("oidc.eks.{region}.amazonaws.com/id/{id}");
                let subject = format!("system:serviceaccount:{}", self.name);
                let role = self.name.rsplit(':').next().unwrap_or_default();
                self.bring_token(stage, (role, &provider, &subject), time)
            }
            Kind::Instance => self.run_as(stage, ("web-node", "ec2.amazonaws.com"), time),
            Kind::Function => {
                let role = format!("{}-role", self.name);
                self.run_as(stage, (&role, "lambda.amazonaws.com"), time)
            }
            Kind::Machine => {
                let user = stage.world.user(self.place.account, &self.name);
                let voice = Voice {
                    identity: user.identity(&user.key),
                    arn: user.arn(),
                    key: user.key.clone(),
                    ip: self.ip.clone(),
                    agent: BOTO_AGENT.replace(" exec-env/AWS_Lambda_python3.13", ""),
                    manner: Manner::Client,
                };
                (Rc::new(voice), i64::MAX / 4)
            }
            Kind::Recorder => {
                let principal = match self.name.as_str() {
                    "Config" => "config.amazonaws.com",
                    "AmazonGuardDuty" => "guardduty.amazonaws.com",
                    "SecurityHub" => "securityhub.amazonaws.com",
                    _ => "trustedadvisor.amazonaws.com",
                };
                let role = stage.world.linked_role(self.place.account, principal, &self.name);
                let name = format!("{}-session", self.name);
                stage.register.service_session(&role, &name, (time, time + 3_600));
                (identity::linked_role(&role, &name, time), 3_600)
            }
        }
    }

    /// A person signs in: some as IAM users, some of those go on to another
    /// account, the others through Identity Center.
    fn sign_in_person(&self, stage: &mut Stage, time: i64) -> (Rc<Voice>, i64) {
        let at_console = stage.chance.odds(0.7);
        if self.name.len().is_multiple_of(2) {
            let manner = if at_console { Manner::Console } else { Manner::Client };
            return (self.federate(stage, manner, time), 8 * 3_600);
        }
        let switches = self.place.account != 0 && stage.chance.odds(0.5);
        let home = if switches { Place { account: 0, region: 0 } } else { self.place };
        let (voice, _) = console_login(stage, (&self.name, &self.ip), Mfa::Used, (home, time));
        if switches { (self.switch_role(stage, &voice, time), 3_600) } else { (voice, 12 * 3_600) }
    }

    /// Identity Center: a SAML assertion becomes a session of a reserved role.
    fn federate(&self, stage: &mut Stage, manner: Manner, time: i64) -> Rc<Voice> {
        let set = if self.name.len() > 4 { "ReadOnly" } else { "Administrator" };
        let role = stage.world.reserved_role(self.place.account, set);
        let subject = format!("{}@example.com", self.name);
        let agent = if manner == Manner::Console { CONSOLE_AGENT } else { CLI_AGENT };
        let caller = client(identity::saml(&subject), &subject, (&self.ip, agent));
        let session = Session { name: subject, ..Session::default() };
        let place = Place { region: 0, ..self.place };
        let call = "AssumeRoleWithSAML";
        let from = place.account;
        let (session, _) = stage.assume(Assumption {
            caller: &caller,
            from,
            role: &role,
            place,
            time,
            call,
            lasts: 8 * 3_600,
            session,
        });
        let mut voice = voice_of(&role, &session, (&self.ip, agent));
        voice.manner = manner;
        if manner == Manner::Console {
            let body = login_body("Success", r#","MFAUsed":"No""#);
            stage.step(
                ("signin", "ConsoleLogin"),
                Act { body: Some(&body), ..Act::new(&voice, 0, place, time) },
            );
        }
        Rc::new(voice)
    }

    /// The console changes into a role of another account.
    fn switch_role(&self, stage: &mut Stage, voice: &Voice, time: i64) -> Rc<Voice> {
        let role = stage.world.role(self.place.account, "operations");
        let place = Place { region: 0, ..self.place };
        let home = Place { account: 0, region: 0 };
        let body = Body {
            additional: format!(
                r#"{{"SwitchFrom":"{}","RedirectTo":"https://us-east-1.console.aws.amazon.com/console/home"}}"#,
                voice.arn
            ),
            response: r#"{"SwitchRole":"Success"}"#.to_owned(),
            ..Body::default()
        };
        stage.step(("signin", "SwitchRole"), Act { body: Some(&body), ..Act::new(voice, 0, home, time) });
        let session = Session {
            name: self.name.clone(),
            mfa: true,
            source_identity: self.name.clone(),
            ..Session::default()
        };
        let assumption = Assumption {
            caller: voice,
            from: 0,
            role: &role,
            place,
            time,
            call: "AssumeRole",
            lasts: 3_600,
            session,
        };
        let (session, _) = stage.assume(assumption);
        let mut voice = voice_of(&role, &session, (&self.ip, CONSOLE_AGENT));
        voice.manner = Manner::Console;
        Rc::new(voice)
    }

    /// A machine user of the tooling account assumes a role here.
    fn assume_across(&self, stage: &mut Stage, (name, agent): (&str, &str), time: i64) -> (Rc<Voice>, i64) {
        let user = stage.world.user(0, &format!("{}-agent", self.name));
        let caller = client(user.identity(&user.key), &user.arn(), (&self.ip, agent));
        let role = stage.world.role(self.place.account, name);
        let session = Session { name: format!("{}-{}", self.name, time), ..Session::default() };
        let place = Place { region: 0, ..self.place };
        let (session, _) = stage.assume(Assumption {
            caller: &caller,
            from: 0,
            role: &role,
            place,
            time,
            call: "AssumeRole",
            lasts: 3_600,
            session,
        });
        (Stage::session_voice(&role, &session, (&self.ip, agent)), 3_600)
    }

    /// A job or pod brings a token of another identity provider.
    fn bring_token(
        &self,
        stage: &mut Stage,
        (role, provider, subject): (&str, &str, &str),
        time: i64,
    ) -> (Rc<Voice>, i64) {
        let account = &stage.world.accounts[self.place.account];
        let provider = format!("arn:aws:iam::{account}:oidc-provider/{provider}");
        let caller = client(identity::web_identity(&provider, subject), subject, (&self.ip, GO_AGENT));
        let role = stage.world.role(self.place.account, role);
        let session = Session { name: format!("session-{time}"), provider, ..Session::default() };
        let (session, _) = stage.assume(Assumption {
            caller: &caller,
            from: self.place.account,
            role: &role,
            place: self.place,
            time,
            call: "AssumeRoleWithWebIdentity",
            lasts: 3_600,
            session,
        });
        (Stage::session_voice(&role, &session, (&self.ip, GO_AGENT)), 3_600)
    }

    /// A service hands an instance or a function its role.
    fn run_as(&self, stage: &mut Stage, (role, principal): (&str, &str), time: i64) -> (Rc<Voice>, i64) {
        let role = stage.world.role(self.place.account, role);
        let on_instance = principal == "ec2.amazonaws.com";
        let session = Session { name: self.name.clone(), on_instance, ..Session::default() };
        let (session, _) = stage.assume(Assumption {
            caller: &identity::service(principal),
            from: self.place.account,
            role: &role,
            place: self.place,
            time,
            call: "AssumeRole",
            lasts: 6 * 3_600,
            session,
        });
        let agent = if on_instance { SSM_AGENT } else { BOTO_AGENT };
        (Stage::session_voice(&role, &session, (&self.ip, agent)), 6 * 3_600)
    }
}

/// Whether a second factor was used at sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mfa {
    Used,
    Missing,
}

/// An IAM user signs in to the console; returns the console session.
pub(crate) fn console_login(
    stage: &mut Stage,
    (name, ip): (&str, &str),
    mfa: Mfa,
    (place, time): (Place, i64),
) -> (Rc<Voice>, crate::truth::Step) {
    let user = stage.world.user(place.account, name);
    let place = Place { region: 0, ..place };
    let caller = client(user.identity(""), &user.arn(), (ip, CONSOLE_AGENT));
    if mfa == Mfa::Used {
        let body = Body {
            response: r#"{"CheckMfa":"Success"}"#.to_owned(),
            additional: r#"{"MfaType":"Virtual MFA"}"#.to_owned(),
            ..Body::default()
        };
        stage.step(("signin", "CheckMfa"), Act { body: Some(&body), ..Act::new(&caller, 0, place, time) });
    }
    let factor = match mfa {
        Mfa::Used => {
            format!(r#","MFAIdentifier":"arn:aws:iam::{}:mfa/{name}","MFAUsed":"Yes""#, user.account)
        }
        Mfa::Missing => r#","MFAUsed":"No""#.to_owned(),
    };
    let body = login_body("Success", &factor);
    let step = stage
        .step(("signin", "ConsoleLogin"), Act { body: Some(&body), ..Act::new(&caller, 0, place, time) });
    let session =
        Session { key: stage.temporary_key(), created: time, mfa: mfa == Mfa::Used, ..Session::default() };
    let mut opened = stage.register.child(&caller, "console", "principal-creation");
    opened.access_key.clone_from(&session.key);
    opened.principal.clone_from(&user.id);
    opened.created = clock::iso(time);
    opened.expires = clock::iso(time + 12 * 3_600);
    opened.issued_by = Some(step.event_id.clone());
    stage.register.open(opened);
    let voice = Voice {
        identity: user.console_identity(&session),
        arn: user.arn(),
        key: session.key.clone(),
        ip: ip.to_owned(),
        agent: CONSOLE_AGENT.to_owned(),
        manner: Manner::Console,
    };
    (Rc::new(voice), step)
}

fn login_body(outcome: &str, factor: &str) -> Body {
    Body {
        response: format!(r#"{{"ConsoleLogin":"{outcome}"}}"#),
        additional: format!(
            r#"{{"LoginTo":"https://console.aws.amazon.com/console/home?hashArgs=%23&isauthcode=true","MobileVersion":"No"{factor}}}"#
        ),
        ..Body::default()
    }
}

/// A client on the network.
pub(crate) fn client(identity: String, arn: &str, (ip, agent): (&str, &str)) -> Voice {
    Voice {
        identity,
        arn: arn.to_owned(),
        key: String::new(),
        ip: ip.to_owned(),
        agent: agent.to_owned(),
        manner: Manner::Client,
    }
}

fn voice_of(role: &Role, session: &Session, from: (&str, &str)) -> Voice {
    let mut voice = client(role.identity(session), &role.session_arn(&session.name), from);
    voice.key.clone_from(&session.key);
    voice
}

/// Sixteen hexadecimal digits that always name the same thing.
fn hex_id(world: &World, names: &[&str]) -> String {
    let text = world.id("", 10, names);
    let bits = text.bytes().fold(0_u64, |hash, byte| crate::chance::scramble(hash ^ u64::from(byte)));
    let mut digits = String::new();
    crate::chance::push_hex(&mut digits, bits, 16);
    digits
}
