//! What a person wrote for a resource, and how a record names it.

use std::collections::BTreeSet;

use serde_json::Value;

use super::account_of;
use crate::Arn;
use crate::mentions::{text, texts, verb};

/// The shortest name that counts inside a longer text, such as a policy: shorter ones are in too many.
const MENTION_MIN: usize = 8;

/// A resource, as asked for.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    text: String,
    scope: Option<Scope>,
}

/// What an ARN tells besides the name.
#[derive(Clone, Debug)]
struct Scope {
    name: String,
    service: String,
    region: String,
    account: String,
    kind: String,
}

/// How a record names the resource.
#[derive(Clone, Debug, Default)]
pub(super) struct Naming {
    /// Stems of the members that hold exactly its name; empty for members like `name` and `arn`.
    pub(super) stems: BTreeSet<String>,
    /// Something in it is named.
    pub(super) is_within: bool,
    /// A longer text speaks of it.
    is_mention: bool,
}

impl Naming {
    pub(super) fn is_exact(&self) -> bool {
        !self.stems.is_empty()
    }
}

impl Subject {
    pub(super) fn new(text: &str) -> Subject {
        let scope = Arn::parse(text).map(|arn| {
            let (head, name) = arn.resource.rsplit_once(['/', ':']).unwrap_or(("", arn.resource));
            let kind = head.split(['/', ':']).next().unwrap_or_default();
            let kind = if arn.service == "s3" { "bucket" } else { kind };
            let name = if arn.service == "s3" { arn.resource } else { name };
            Scope {
                name: name.to_owned(),
                service: arn.service.to_owned(),
                region: arn.region.to_owned(),
                account: arn.account.to_owned(),
                kind: kind.replace('-', "").to_ascii_lowercase(),
            }
        });
        Subject { text: text.to_owned(), scope }
    }

    /// The last part of an ARN, or the text.
    pub(super) fn name(&self) -> &str {
        self.scope.as_ref().map_or(&self.text, |scope| &scope.name)
    }

    /// What the resource is, by its ARN or the form of its id.
    pub(super) fn noun(&self) -> Option<&str> {
        let by_arn = self.scope.as_ref().map(|scope| scope.kind.as_str()).filter(|kind| !kind.is_empty());
        let prefix = || if is_id(&self.text) { self.text.split('-').next() } else { None };
        by_arn.or_else(|| match prefix()? {
            "i" => Some("instance"),
            "vol" => Some("volume"),
            "snap" => Some("snapshot"),
            "ami" => Some("image"),
            "sg" => Some("securitygroup"),
            "eni" => Some("networkinterface"),
            "subnet" => Some("subnet"),
            "vpc" => Some("vpc"),
            "lt" => Some("launchtemplate"),
            _ => None,
        })
    }

    /// True if `text` is the resource itself.
    pub(super) fn is(&self, text: &str) -> bool {
        let is_name =
            || Arn::parse(text).is_some_and(|arn| arn.resource.rsplit(['/', ':']).next() == Some(&self.text));
        text == self.text || text == self.name() || (self.scope.is_none() && is_name())
    }

    /// How `record` names the resource; `None` if it does not.
    pub(super) fn named(&self, record: &Value) -> Option<Naming> {
        let mut naming = Naming::default();
        for part in ["resources", "requestParameters", "responseElements", "serviceEventDetails"] {
            let Some(value) = record.get(part) else { continue };
            texts(value, &mut |member, text| self.weigh(record, member, text, &mut naming));
        }
        (naming.is_exact() || naming.is_within || naming.is_mention).then_some(naming)
    }

    fn weigh(&self, record: &Value, member: &str, text: &str, naming: &mut Naming) {
        let is_same = text == self.text
            || self.is_role_without_path(text)
            || (text == self.name() && self.fits(record, member))
            || (self.scope.is_none() && text.starts_with("arn:") && self.is(text));
        let rest = text.strip_prefix(self.text.as_str());
        if is_same {
            naming.stems.insert(stem(member));
        } else if self.scope.is_some() && rest.is_some_and(|rest| rest.starts_with(['/', ':'])) {
            naming.is_within = true;
        } else if self.text.len() >= MENTION_MIN && text.contains(self.text.as_str()) {
            naming.is_mention = true;
        }
    }

    /// Access entries and `aws-auth` write roles without their path.
    fn is_role_without_path(&self, text: &str) -> bool {
        let (Some(ours), Some(theirs)) = (Arn::parse(&self.text), Arn::parse(text)) else { return false };
        let (Some(our_role), Some(their_role)) = (ours.role(), theirs.role()) else { return false };
        ours.account == theirs.account
            && our_role.1 == their_role.1
            && (our_role.0 == "/" || their_role.0 == "/")
    }

    /// A bare name counts for an ARN if the member, the account and the Region are its own.
    fn fits(&self, record: &Value, member: &str) -> bool {
        let Some(scope) = &self.scope else { return true };
        let stem = stem(member);
        let is_service = text(record, &["eventSource"])
            .and_then(|source| source.strip_suffix(".amazonaws.com"))
            .is_some_and(|service| service == scope.service);
        let is_here =
            |ours: &str, theirs: Option<&str>| ours.is_empty() || theirs.is_none_or(|one| one == ours);
        (stem == scope.kind || (stem.is_empty() && is_service))
            && is_here(&scope.account, account_of(record))
            && is_here(&scope.region, text(record, &["awsRegion"]))
    }
}

/// `i-0abc…`, `vpc-…`, `sgr-…`: letters, a hyphen, and 8 or 17 hexadecimal digits.
pub(super) fn is_id(text: &str) -> bool {
    text.rsplit_once('-').is_some_and(|(prefix, digits)| {
        !prefix.is_empty()
            && prefix.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
            && matches!(digits.len(), 8 | 17)
            && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

/// What a member is the name of: `bucketName` is of a `bucket`, `name` of nothing that it says.
pub(super) fn stem(member: &str) -> String {
    let lower = member.to_ascii_lowercase();
    let endings = ["identifiers", "identifier", "names", "name", "arns", "arn", "ids", "id"];
    let stem = endings.iter().find_map(|ending| lower.strip_suffix(ending)).unwrap_or(&lower);
    if stem == "resource" { String::new() } else { stem.to_owned() }
}

/// `bucket` of `CreateBucket`, `instance` of `RunInstances`.
pub(super) fn noun(event: &str) -> String {
    let noun = event[verb(event).len()..].to_ascii_lowercase();
    noun.strip_suffix('s').filter(|_| !noun.ends_with("ss")).unwrap_or(&noun).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_event_name_is_a_verb_and_a_noun() {
        assert_eq!((verb("RunInstances"), noun("RunInstances").as_str()), ("Run", "instance"));
        assert_eq!((verb("CreateAccess"), noun("CreateAccess").as_str()), ("Create", "access"));
        assert_eq!((verb("Invoke"), noun("Invoke").as_str()), ("Invoke", ""));
    }

    #[test]
    fn a_bare_name_is_an_arn_only_in_its_own_account_and_region() {
        let subject = Subject::new("arn:aws:eks:eu-west-1:111122223333:cluster/prod");
        let record = |region: &str, account: &str| {
            json!({"eventSource": "eks.amazonaws.com", "awsRegion": region, "recipientAccountId": account,
                "requestParameters": {"clusterName": "prod"}})
        };
        assert!(subject.named(&record("eu-west-1", "111122223333")).is_some());
        assert!(subject.named(&record("us-east-1", "111122223333")).is_none());
        assert!(subject.named(&record("eu-west-1", "444455556666")).is_none());
    }

    #[test]
    fn an_object_is_within_its_bucket() {
        let subject = Subject::new("arn:aws:s3:::acme");
        let record = json!({"resources": [{"ARN": "arn:aws:s3:::acme/key"}]});
        assert!(subject.named(&record).is_some_and(|naming| naming.is_within && !naming.is_exact()));
        let other = json!({"resources": [{"ARN": "arn:aws:s3:::acme-other/key"}]});
        assert!(subject.named(&other).is_none_or(|naming| !naming.is_within));
    }
}
