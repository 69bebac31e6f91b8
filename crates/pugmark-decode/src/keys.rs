//! The members of a record that the kernel knows, by the object they stand in.
//!
//! Built from the field table for one projection: a member that nobody asked
//! for is passed over, one that is asked for says which leaf it fills.

use pugmark_event::{FIELDS, Kind, Leaf, Projection};

use crate::scan::LengthGuess;

/// Number of an object that is read member by member.
pub(crate) type Context = u8;

/// No member: the start of an object, and a guess not yet made.
pub(crate) const NONE: u8 = 64;

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
    /// The object is none of `CloudTrail`'s: a notification, a digest, a snapshot of AWS Config.
    Foreign,
}

/// One member; one cache line.
#[derive(Clone, Debug)]
#[repr(align(64))]
pub(crate) struct Key {
    pub(crate) action: Action,
    /// Bits of [`identity`] that this member contributes.
    pub(crate) identity: u8,
    /// `"name":`, as compact JSON has it.
    pub(crate) pattern: [u8; 32],
    /// Length of the pattern.
    pub(crate) length: u8,
    /// A bit for each byte of the pattern.
    pub(crate) mask: u32,
    /// How long its value is, if it is a string.
    pub(crate) guess: LengthGuess,
}

/// Which members make an object a record.
pub(crate) mod identity {
    pub(crate) const NAME: u8 = 1;
    pub(crate) const ID: u8 = 2;
    pub(crate) const TIME: u8 = 4;
    pub(crate) const SOURCE: u8 = 8;
    /// The record is in this member, whatever stands beside it.
    pub(crate) const WRAPPER: u8 = 16;

    /// An object is a record if it has a name, an id, or both a time and a source.
    pub(crate) fn is_record(bits: u8) -> bool {
        bits & WRAPPER == 0 && (bits & (NAME | ID) != 0 || bits & (TIME | SOURCE) == TIME | SOURCE)
    }
}

/// The members of one object.
#[derive(Clone, Debug)]
pub(crate) struct Members {
    pub(crate) keys: Vec<Key>,
    /// For each member (and for none), the two members that followed it last.
    pub(crate) guesses: [[u8; 2]; NONE as usize + 1],
    names: Vec<String>,
    /// All leaves below this object.
    pub(crate) leaves: Vec<Leaf>,
    path: String,
}

impl Members {
    fn new(path: &str) -> Members {
        Members {
            keys: Vec::new(),
            guesses: [[NONE; 2]; NONE as usize + 1],
            names: Vec::new(),
            leaves: Vec::new(),
            path: path.to_owned(),
        }
    }

    /// The number of the member called `name`, exactly or but for the case of letters.
    pub(crate) fn find(&self, name: &[u8]) -> Option<usize> {
        let exact = self.names.iter().position(|known| known.as_bytes() == name);
        exact.or_else(|| self.names.iter().position(|known| known.as_bytes().eq_ignore_ascii_case(name)))
    }
}

/// Every object of a record that is read member by member.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    pub(crate) contexts: Vec<Members>,
}

impl Keys {
    /// The members for a reader of `projection`.
    pub(crate) fn new(projection: Projection) -> Keys {
        let mut keys = Keys { contexts: vec![Members::new("")] };
        for field in FIELDS.iter().filter(|field| !field.member.is_empty()) {
            keys.add(field.member, field.leaf, projection);
        }
        let wanted = |leaf: Leaf| {
            if projection.has(leaf) { Action::Weak(leaf, leaf.field().kind) } else { Action::Skip }
        };
        // Aggregated records spell three members in their own way;
        // Logstash renames `eventTime`.
        keys.push(RECORD, "accountId", wanted(Leaf::RecipientAccountId), 0);
        keys.push(RECORD, "@timestamp", wanted(Leaf::EventTime), identity::TIME);
        let window = keys.context("timeWindow");
        keys.push(window, "windowStart", wanted(Leaf::EventTime), 0);
        keys.push(RECORD, "timeWindow", Action::Object(window), identity::TIME);
        for name in ["s3", "digestS3Object", "digestStartTime", "configurationItems", "configSnapshotId"] {
            keys.push(RECORD, name, Action::Foreign, 0);
        }
        for name in ["CloudTrailEvent", "eventJson"] {
            keys.push(RECORD, name, Action::Skip, identity::WRAPPER);
        }
        for members in &mut keys.contexts {
            assert!(members.keys.len() <= 64, "members seen are kept in a 64-bit set");
        }
        keys
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
            match self.contexts[context as usize].find(name.as_bytes()) {
                None if projection.has(leaf) => self.push(context, name, action, 0),
                None if name == "userIdentity" => self.push(context, name, Action::Pass(below), 0),
                None => self.push(context, name, Action::Skip, 0),
                Some(known) if projection.has(leaf) => {
                    self.contexts[context as usize].keys[known].action = action;
                }
                Some(_) => {}
            }
            context = below;
            rest = tail;
        }
        if projection.has(leaf) {
            self.contexts[context as usize].leaves.push(leaf);
        }
        let identity = match leaf {
            Leaf::EventName => identity::NAME,
            Leaf::EventId => identity::ID,
            Leaf::EventTime => identity::TIME,
            Leaf::EventSource => identity::SOURCE,
            _ => 0,
        };
        self.push(
            context,
            rest,
            if projection.has(leaf) { Action::Leaf(leaf, leaf.field().kind) } else { Action::Skip },
            identity,
        );
    }

    fn context(&mut self, path: &str) -> Context {
        let found = self.contexts.iter().position(|members| members.path == path);
        found.unwrap_or_else(|| {
            self.contexts.push(Members::new(path));
            self.contexts.len() - 1
        }) as Context
    }

    fn push(&mut self, context: Context, name: &str, action: Action, identity: u8) {
        let text = format!("\"{name}\":");
        let mut pattern = [0; 32];
        pattern[..text.len()].copy_from_slice(text.as_bytes());
        let mask = ((1_u64 << text.len()) - 1) as u32;
        let length = text.len() as u8;
        let members = &mut self.contexts[context as usize];
        members.keys.push(Key { action, identity, pattern, length, mask, guess: LengthGuess::default() });
        members.names.push(name.to_owned());
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
        let Action::Object(context) = record.keys[identity].action else {
            panic!("userIdentity is an object")
        };
        let members = &keys.contexts[context as usize];
        let arn = members.find(b"ARN").expect("names compare without case");
        assert_eq!(members.keys[arn].action, Action::Leaf(Leaf::IdentityArn, Kind::Text));
        assert!(members.leaves.contains(&Leaf::IssuerUserName));
    }

    #[test]
    fn what_nobody_asked_for_is_skipped() {
        let keys = Keys::new(Projection::NONE.with(Leaf::SessionMfa));
        let record = &keys.contexts[RECORD as usize];
        let action = |name: &[u8]| record.keys[record.find(name).expect("a member")].action;
        assert!(matches!(action(b"userIdentity"), Action::Object(_)));
        assert_eq!(action(b"tlsDetails"), Action::Skip);
        assert_eq!(action(b"eventName"), Action::Skip);
    }
}
