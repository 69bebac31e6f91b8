//! The members of a record that the kernel knows, by the object they stand in.
//!
//! Built from the field table for one projection: a member that nobody asked
//! for is passed over, one that is asked for says which leaf it fills.

use pugmark_event::{FIELDS, Kind, Leaf, Projection};

/// Number of an object that is read member by member.
pub(crate) type Context = u32;

/// The most members that one object may have, and one more that no name matches.
pub(crate) const MEMBERS: usize = 64;

/// No member: the start of an object, and a guess not yet made.
pub(crate) const NONE: u8 = MEMBERS as u8 - 1;

/// The record itself.
pub(crate) const RECORD: Context = 0;

/// What to do with a member's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Nobody asked for it.
    Skip,
    /// Nobody asked for it, but it is an object that repeats from record to record.
    Pass(Context),
    /// It fills a leaf.
    Leaf(Leaf, Kind),
    /// It fills a leaf unless the leaf's own member has.
    Weak(Leaf, Kind),
    /// It is an object whose members are columns.
    Object(Context),
    /// It is a list of such objects.
    List(Context),
    /// It fills a text leaf of an object in a list.
    Item(Leaf),
}

/// One member; one cache line.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(crate) struct Key {
    pub(crate) action: Action,
    /// `"name":`, as compact JSON has it.
    pub(crate) pattern: [u8; 32],
    /// A bit for each byte of the pattern.
    pub(crate) mask: u32,
    /// Length of the pattern.
    pub(crate) length: u8,
    /// How long its value was last, if that was a string.
    pub(crate) guess: u8,
    /// The two members that followed it last.
    pub(crate) next: [u8; 2],
}

impl Key {
    /// Matches no text: no byte of UTF-8 is 0xFF.
    const NONE: Key =
        Key { action: Action::Skip, pattern: [0xFF; 32], mask: 1, length: 1, guess: 0, next: [NONE; 2] };

    fn new(name: &str, action: Action) -> Key {
        let text = format!("\"{name}\":");
        assert!(text.len() < 32, "a name and its marks are compared in one block");
        let mut pattern = [0; 32];
        pattern[..text.len()].copy_from_slice(text.as_bytes());
        Key { action, pattern, mask: (1 << text.len()) - 1, length: text.len() as u8, ..Key::NONE }
    }
}

/// Which members make an object a record, as sets of members seen.
#[derive(Clone, Copy, Debug, Default)]
struct Identity {
    /// A name or an id.
    name: u64,
    time: u64,
    source: u64,
    /// The record is in this member, whatever stands beside it.
    wrapper: u64,
    /// The object is none of `CloudTrail`'s: a notification, a digest, a snapshot of AWS Config.
    foreign: u64,
}

/// The members of one object.
#[derive(Clone, Debug)]
pub(crate) struct Members {
    /// The members by number; the last one stands for none.
    pub(crate) keys: Box<[Key; MEMBERS]>,
    names: Vec<String>,
    /// All leaves below this object.
    pub(crate) leaves: Vec<Leaf>,
    path: String,
}

impl Members {
    fn new(path: &str) -> Members {
        Members {
            keys: Box::new([Key::NONE; MEMBERS]),
            names: Vec::new(),
            leaves: Vec::new(),
            path: path.to_owned(),
        }
    }

    /// The number of the member called `name`, exactly or but for the case of letters.
    pub(crate) fn find(&self, name: &[u8]) -> Option<u8> {
        let exact = self.names.iter().position(|known| known.as_bytes() == name);
        let found =
            exact.or_else(|| self.names.iter().position(|known| known.as_bytes().eq_ignore_ascii_case(name)));
        found.map(|number| number as u8)
    }
}

/// Every object of a record that is read member by member.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    pub(crate) contexts: Vec<Members>,
    identity: Identity,
}

impl Keys {
    /// The members for a reader of `projection`.
    pub(crate) fn new(projection: Projection) -> Keys {
        let mut keys = Keys { contexts: vec![Members::new("")], identity: Identity::default() };
        for field in FIELDS.iter().filter(|field| !field.member.is_empty()) {
            keys.add(field.member, field.leaf, projection);
        }
        let wanted = |leaf: Leaf| {
            if projection.has(leaf) { Action::Weak(leaf, leaf.field().kind) } else { Action::Skip }
        };
        // Aggregated records spell three members in their own way;
        // Logstash renames `eventTime`.
        keys.push(RECORD, "accountId", wanted(Leaf::RecipientAccountId));
        keys.identity.time |= keys.push(RECORD, "@timestamp", wanted(Leaf::EventTime));
        let window = keys.context("timeWindow");
        keys.push(window, "windowStart", wanted(Leaf::EventTime));
        keys.identity.time |= keys.push(RECORD, "timeWindow", Action::Object(window));
        for name in ["s3", "digestS3Object", "digestStartTime", "configurationItems", "configSnapshotId"] {
            keys.identity.foreign |= keys.push(RECORD, name, Action::Skip);
        }
        for name in ["CloudTrailEvent", "eventJson"] {
            keys.identity.wrapper |= keys.push(RECORD, name, Action::Skip);
        }
        keys
    }

    /// True if an object with these members is a record: it has a name, an id, or both a time and a source.
    pub(crate) fn is_record(&self, seen: u64) -> bool {
        let Identity { name, time, source, wrapper, .. } = self.identity;
        seen & wrapper == 0 && (seen & name != 0 || (seen & time != 0 && seen & source != 0))
    }

    /// True if a member says that the object is a document of another kind.
    pub(crate) fn is_foreign(&self, seen: u64) -> bool {
        seen & self.identity.foreign != 0
    }

    fn add(&mut self, path: &str, leaf: Leaf, projection: Projection) {
        let mut context = RECORD;
        let mut rest = path;
        let mut parent = String::new();
        while let Some((head, tail)) = rest.split_once('.') {
            let name = head.trim_end_matches("[]");
            if !parent.is_empty() {
                parent.push('.');
            }
            parent.push_str(name);
            let below = self.context(&parent);
            let action = if head.ends_with("[]") { Action::List(below) } else { Action::Object(below) };
            if projection.has(leaf) {
                self.contexts[context as usize].leaves.push(leaf);
            }
            let action = match projection.has(leaf) {
                true => action,
                false if name == "userIdentity" => Action::Pass(below),
                false => Action::Skip,
            };
            match self.contexts[context as usize].find(name.as_bytes()) {
                None => {
                    self.push(context, name, action);
                }
                Some(known) if projection.has(leaf) => {
                    self.contexts[context as usize].keys[usize::from(known)].action = action;
                }
                Some(_) => {}
            }
            context = below;
            rest = tail;
        }
        if projection.has(leaf) {
            self.contexts[context as usize].leaves.push(leaf);
        }
        let action = match projection.has(leaf) {
            true if leaf.is_in_list() => Action::Item(leaf),
            true => Action::Leaf(leaf, leaf.field().kind),
            false => Action::Skip,
        };
        let bit = self.push(context, rest, action);
        match leaf {
            Leaf::EventName | Leaf::EventId => self.identity.name |= bit,
            Leaf::EventTime => self.identity.time |= bit,
            Leaf::EventSource => self.identity.source |= bit,
            _ => {}
        }
    }

    fn context(&mut self, path: &str) -> Context {
        let found = self.contexts.iter().position(|members| members.path == path);
        found.unwrap_or_else(|| {
            self.contexts.push(Members::new(path));
            self.contexts.len() - 1
        }) as Context
    }

    /// Adds a member and answers its bit in the set of members seen.
    fn push(&mut self, context: Context, name: &str, action: Action) -> u64 {
        let members = &mut self.contexts[context as usize];
        let number = members.names.len();
        assert!(number < MEMBERS - 1, "the last number stands for no member");
        members.keys[number] = Key::new(name, action);
        members.names.push(name.to_owned());
        1 << number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_nest_as_the_field_table_says() {
        let keys = Keys::new(Projection::all());
        let record = &keys.contexts[RECORD as usize];
        let identity = record.find(b"userIdentity").expect("a member");
        let Action::Object(context) = record.keys[usize::from(identity)].action else {
            panic!("userIdentity is an object")
        };
        let members = &keys.contexts[context as usize];
        let arn = members.find(b"ARN").expect("names compare without case");
        assert_eq!(members.keys[usize::from(arn)].action, Action::Leaf(Leaf::IdentityArn, Kind::Text));
        assert!(members.leaves.contains(&Leaf::IssuerUserName));
    }

    #[test]
    fn what_nobody_asked_for_is_skipped() {
        let keys = Keys::new(Projection::NONE.with(Leaf::SessionMfa));
        let record = &keys.contexts[RECORD as usize];
        let action = |name: &[u8]| record.keys[usize::from(record.find(name).expect("a member"))].action;
        assert!(matches!(action(b"userIdentity"), Action::Object(_)));
        assert_eq!(action(b"tlsDetails"), Action::Skip);
        assert_eq!(action(b"eventName"), Action::Skip);
    }
}
