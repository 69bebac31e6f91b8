//! What a column of a table is called in a record.
//!
//! The tree of members is grown from the field table, so a new field is known
//! here at once. Names are compared without case, blanks and punctuation:
//! `userIdentity.arn`, `useridentity.arn`, `useridentity_arn` and the
//! console's `Source IP address` all find their member (record.md §15.5).

use std::collections::HashMap;
use std::sync::OnceLock;

use pugmark_event::{FIELDS, Kind};

/// A member of a record, or the record itself.
#[derive(Debug)]
pub(super) struct Member {
    /// As `CloudTrail` spells it; empty for the record itself.
    pub(super) name: &'static str,
    /// What a leaf holds; `None` for a group.
    pub(super) kind: Option<Kind>,
    /// True for a list of groups.
    pub(super) is_list: bool,
    /// Number in a walk from the root: members of a group stand together.
    pub(super) order: usize,
    members: Vec<Member>,
}

impl Member {
    /// The member of this group called `name`, in any case.
    pub(super) fn find(&self, name: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.name.eq_ignore_ascii_case(name))
    }

    /// True if this has members of its own.
    pub(super) fn is_group(&self) -> bool {
        !self.members.is_empty()
    }

    fn grow(&mut self, path: &'static str, kind: Kind) {
        let (segment, rest) = match path.split_once('.') {
            Some((segment, rest)) => (segment, Some(rest)),
            None => (path, None),
        };
        let name = segment.trim_end_matches("[]");
        let at = self.members.iter().position(|member| member.name == name).unwrap_or_else(|| {
            let is_list = segment.ends_with("[]");
            self.members.push(Member { name, kind: None, is_list, order: 0, members: Vec::new() });
            self.members.len() - 1
        });
        match rest {
            Some(rest) => self.members[at].grow(rest, kind),
            None => self.members[at].kind = Some(kind),
        }
    }

    fn number(&mut self, next: &mut usize) {
        self.order = *next;
        *next += 1;
        for member in &mut self.members {
            member.number(next);
        }
    }
}

/// The way from the record to a member; the record itself is left out.
pub(super) type Place = Vec<&'static Member>;

/// The record, with every member that the field table knows.
pub(super) fn record() -> &'static Member {
    static RECORD: OnceLock<Member> = OnceLock::new();
    RECORD.get_or_init(|| {
        let mut root = Member { name: "", kind: None, is_list: false, order: 0, members: Vec::new() };
        for field in FIELDS.iter().filter(|field| !field.member.is_empty()) {
            root.grow(field.member, field.kind);
        }
        root.number(&mut 0);
        root
    })
}

/// What a column holds.
#[derive(Clone, Debug)]
pub(super) enum Meaning {
    /// The whole record as JSON text: Lake's `eventJson`, our own `raw`.
    Record,
    /// A member of the record.
    Member(Place),
    /// The name or ARN of the one resource that the console lists.
    ResourceName(Place),
    /// Something of ours that is no part of the record.
    Provenance,
    /// A column we do not know; kept under its own name.
    Unknown,
}

/// What the column called `name` holds.
pub(super) fn meaning(name: &str) -> Meaning {
    let known = normal(name);
    match known.as_str() {
        "eventjson" | "raw" | "cloudtrailevent" => return Meaning::Record,
        "sourceobject" | "sourceoffset" => return Meaning::Provenance,
        "resourcename" => {
            return places().get("resourcesarn").cloned().map_or(Meaning::Unknown, Meaning::ResourceName);
        }
        _ => {}
    }
    let path = ALIASES.iter().find(|(alias, _)| *alias == known).map_or(known.as_str(), |(_, path)| path);
    places().get(path).cloned().map_or(Meaning::Unknown, Meaning::Member)
}

/// The member with this `CloudTrail` path.
pub(super) fn place(path: &str) -> Option<Place> {
    places().get(&normal(path)).cloned()
}

/// True if columns with these meanings can make a record: it has a name, an
/// id, or a time and a source.
pub(super) fn can_be_event<'m>(meanings: impl Iterator<Item = &'m Meaning>) -> bool {
    let (mut named, mut time, mut source) = (false, false, false);
    for meaning in meanings {
        match meaning {
            Meaning::Record => named = true,
            Meaning::Member(place) if place.len() == 1 => match place[0].name {
                "eventName" | "eventID" => named = true,
                "eventTime" => time = true,
                "eventSource" => source = true,
                _ => {}
            },
            _ => {}
        }
    }
    named || time && source
}

/// Columns of the console's event history, and others that go by a name of
/// their own. The console's names are partly from memory (delivery.md §7).
const ALIASES: [(&str, &str); 9] = [
    ("username", "useridentityusername"),
    ("awsaccesskey", "useridentityaccesskeyid"),
    ("awsaccesskeyid", "useridentityaccesskeyid"),
    ("accesskeyid", "useridentityaccesskeyid"),
    ("resourcetype", "resourcestype"),
    ("resourcearn", "resourcesarn"),
    ("region", "awsregion"),
    ("useridentityinscopeofcredentiaisissuedto", "useridentityinscopeofcredentialsissuedto"),
    ("sourceip", "sourceipaddress"),
];

fn places() -> &'static HashMap<String, Place> {
    static PLACES: OnceLock<HashMap<String, Place>> = OnceLock::new();
    PLACES.get_or_init(|| {
        let mut places = HashMap::new();
        collect(record(), &mut Vec::new(), &mut places);
        places
    })
}

fn collect(group: &'static Member, place: &mut Place, places: &mut HashMap<String, Place>) {
    for member in &group.members {
        place.push(member);
        let path: String = place.iter().map(|member| normal(member.name)).collect();
        places.insert(path, place.clone());
        collect(member, place, places);
        place.pop();
    }
}

/// Letters and digits only, lower case.
fn normal(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(name: &str) -> Option<String> {
        match meaning(name) {
            Meaning::Member(place) | Meaning::ResourceName(place) => {
                Some(place.iter().map(|member| member.name).collect::<Vec<_>>().join("."))
            }
            _ => None,
        }
    }

    #[test]
    fn every_spelling_of_a_column_finds_its_member() {
        for (name, expected) in [
            ("eventid", "eventID"),
            ("Event ID", "eventID"),
            ("Read-only", "readOnly"),
            ("Source IP address", "sourceIPAddress"),
            ("AWS access key", "userIdentity.accessKeyId"),
            ("User name", "userIdentity.userName"),
            (
                "useridentity.sessionContext.sessionissuer.userName",
                "userIdentity.sessionContext.sessionIssuer.userName",
            ),
            ("useridentity", "userIdentity"),
            ("resources", "resources"),
            ("Resource type", "resources.type"),
            ("Resource name", "resources.ARN"),
        ] {
            assert_eq!(path(name).as_deref(), Some(expected), "{name}");
        }
    }

    #[test]
    fn a_foreign_column_has_no_member() {
        assert!(matches!(meaning("bytes_sent"), Meaning::Unknown));
        assert!(matches!(meaning(""), Meaning::Unknown));
        assert!(matches!(meaning("source_offset"), Meaning::Provenance));
    }

    #[test]
    fn a_table_needs_a_name_an_id_or_a_time_and_a_source() {
        let can = |names: &[&str]| {
            let meanings: Vec<Meaning> = names.iter().map(|name| meaning(name)).collect();
            can_be_event(meanings.iter())
        };
        assert!(can(&["eventname"]));
        assert!(can(&["count", "eventTime", "eventsource"]));
        assert!(can(&["eventJson"]));
        assert!(!can(&["eventtime", "n"]));
        assert!(!can(&["user name", "region"]));
    }
}
