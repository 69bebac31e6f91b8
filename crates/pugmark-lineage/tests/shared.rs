//! Real trails, where they lie beside the repository; passed over in silence where they do not.

mod trail;

use std::fs;
use std::path::{Path, PathBuf};

use pugmark_lineage::{
    ActorClass, ActorType, Confidence, Counted, Facts, Lineage, LinkKind, Session, SuspicionKind,
};

fn lineage_of(folder: &str) -> Option<Lineage> {
    let folder: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data").join(folder);
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder).ok()?.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    let read = |path: &PathBuf| {
        let mut facts = Facts::default();
        let bytes = fs::read(path).expect("a readable file");
        for batch in &trail::decoded(&bytes) {
            facts.read(batch);
        }
        facts
    };
    Some(files.iter().map(read).reduce(Facts::merge)?.resolve())
}

fn by_key<'a>(lineage: &'a Lineage, key: &str) -> Session<'a> {
    lineage.sessions().find(|session| session.access_key() == Some(key)).expect("a session with this key")
}

const INSTANCE: &str = "instance/i-0dbc91f429e48eeed@123837392027";

#[test]
fn the_issuer_of_the_stolen_instance_credentials_is_named() {
    let Some(lineage) = lineage_of("records") else { return };
    let stolen = by_key(&lineage, "ASIATFQR7NSC36DZQP7P");
    assert_eq!((stolen.actor().text(), stolen.confidence()), (INSTANCE, Confidence::Certain));
    let link = stolen.link().expect("a link");
    assert_eq!(
        (link.kind, link.events),
        (LinkKind::AccessKeyId, vec!["55e25aa9-7165-446e-aef6-815c7a79a961"])
    );
    assert_eq!(stolen.above().map(Session::name).as_deref(), Some("ec2.amazonaws.com"));
    let suspicions: Vec<(SuspicionKind, &str)> =
        stolen.suspicions().map(|one| (one.kind(), one.about())).collect();
    assert_eq!(suspicions, [(SuspicionKind::OutsideAws, "192.168.10.20, as user/bert-jan@123837392027")]);
    let at_home = by_key(&lineage, "ASIATFQR7NSCSHSEVYP5");
    assert_eq!((at_home.actor().text(), at_home.suspicions().count()), (INSTANCE, 0));
}

#[test]
fn the_operators_terraform_is_told_from_calls_of_services() {
    let Some(lineage) = lineage_of("records") else { return };
    let operator = by_key(&lineage, "AKIATFQR7NSC8Q4X20BJ");
    let has_terraform = |session: Session<'_>| {
        session.counts(Counted::Agent).kept.iter().any(|(agent, _)| agent.contains("Terraform"))
    };
    assert!(has_terraform(operator));
    let terraform: Vec<Session<'_>> = lineage.parties().filter(|party| has_terraform(*party)).collect();
    assert!(terraform.iter().all(|party| party.actor() == operator.actor()), "{terraform:?}");
    assert_eq!(operator.actor().kind(), ActorType::Human);
    // Secrets Manager acts for the operator, with keys of its own that hang below his.
    let forwarded: Vec<Session<'_>> =
        operator.below().filter(|session| session.class() == ActorClass::ForwardAccess).collect();
    assert_eq!(forwarded.len(), 46);
    assert!(forwarded.iter().all(|session| session.actor() == operator.actor()));
    let services = lineage.actors().filter(|actor| actor.kind() == ActorType::Service);
    let services: Vec<(&str, u64)> = services.map(|actor| (actor.text(), actor.events())).collect();
    let expected = [
        ("service/cloudtrail.amazonaws.com", 3),
        ("service/ec2.amazonaws.com", 4),
        ("service/inspector2.amazonaws.com", 3),
    ];
    assert_eq!(services, expected);
}

#[test]
fn services_that_act_in_a_console_session_hang_below_it_and_not_below_a_key() {
    let Some(lineage) = lineage_of("records") else { return };
    let forwarded = by_key(&lineage, "ASIATFQR7NSC47I74ISO");
    let above = forwarded.above().expect("a session above");
    assert_ne!(above.access_key(), Some("AKIATFQR7NSCUXC3DDDP"));
    assert_eq!(above.created(), forwarded.created());
}
