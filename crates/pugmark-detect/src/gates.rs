//! What a rule needs of a few members of an event, before all else is looked
//! at: a condition in three values, where everything but those members is
//! unknown. A rule whose condition is false in that reading cannot match.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

use pugmark_event::Leaf;
use rsigma_eval::compiler::{compile_detection, eval_condition};
use rsigma_eval::{CompiledDetection, Event, EventValue};
use rsigma_parser::{
    ConditionExpr, Detection, DetectionItem, Modifier, Quantifier, SelectorPattern, SigmaRule, SigmaString,
    SigmaValue, detection_name_matches,
};
use serde_json::Value;

/// Members whose values recur from event to event, so that what a value rules
/// out is worth remembering. The first ones are looked up together.
pub(crate) const GATES: [(Leaf, &str); 12] = [
    (Leaf::EventSource, "eventSource"),
    (Leaf::EventName, "eventName"),
    (Leaf::ErrorCode, "errorCode"),
    (Leaf::UserAgent, "userAgent"),
    (Leaf::IdentityType, "userIdentity.type"),
    (Leaf::SourceIpAddress, "sourceIPAddress"),
    (Leaf::IdentityArn, "userIdentity.arn"),
    (Leaf::IssuerUserName, "userIdentity.sessionContext.sessionIssuer.userName"),
    (Leaf::IssuerArn, "userIdentity.sessionContext.sessionIssuer.arn"),
    (Leaf::IdentityUserName, "userIdentity.userName"),
    (Leaf::EventType, "eventType"),
    (Leaf::AwsRegion, "awsRegion"),
];

/// How many of [`GATES`] name the event: source and name.
pub(crate) const NAMES: usize = 2;

/// The gates that tell one caller from another. They rule out more than an
/// error does, which every denied call has.
pub(crate) const TELLING: [usize; 6] = [3, 5, 6, 7, 8, 9];

/// How many of [`GATES`] make the one key that every event is looked up by.
pub(crate) const KEYS: usize = 3;

/// Values of some gates; the others are unknown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known<'a> {
    /// The gates that are known: all before this number…
    pub(crate) first: usize,
    /// …up to this one.
    pub(crate) values: &'a [Option<&'a str>],
    /// Whether a value that is not there is `null`, rather than absent: a column does not tell.
    is_null: bool,
}

impl<'a> Known<'a> {
    pub(crate) fn new(first: usize, values: &'a [Option<&'a str>]) -> Known<'a> {
        Known { first, values, is_null: false }
    }

    fn has(&self, gate: usize) -> bool {
        (self.first..self.first + self.values.len()).contains(&gate)
    }
}

impl Event for Known<'_> {
    fn get_field(&self, path: &str) -> Option<EventValue<'_>> {
        let gate = GATES.iter().position(|(_, member)| *member == path)?;
        let value = self.values.get(gate.checked_sub(self.first)?)?;
        match value {
            Some(text) => Some(EventValue::Str(Cow::Borrowed(text))),
            None => self.is_null.then_some(EventValue::Null),
        }
    }

    fn any_string_value(&self, _pred: &dyn Fn(&str) -> bool) -> bool {
        false
    }

    fn all_string_values(&self) -> Vec<Cow<'_, str>> {
        Vec::new()
    }

    fn to_json(&self) -> Value {
        Value::Null
    }
}

/// A condition, reduced to what gates say about it.
#[derive(Debug)]
pub(crate) enum Tree {
    /// A test of one gate.
    Test {
        gate: usize,
        test: HashMap<String, CompiledDetection>,
        exact: Option<BTreeSet<String>>,
    },
    /// A test of anything else.
    Unknown,
    All(Vec<Tree>),
    /// At least so many.
    Some(u64, Vec<Tree>),
    Not(Box<Tree>),
}

/// The only name in the tests of a tree.
const TEST: &str = "test";

impl Tree {
    /// The condition of `rule`; of several, one must hold.
    pub(crate) fn of(rule: &SigmaRule) -> Tree {
        let named = &rule.detection.named;
        Tree::Some(1, rule.detection.conditions.iter().map(|expr| condition(expr, named)).collect())
    }

    /// `None` if the known values do not decide.
    pub(crate) fn eval(&self, known: &Known<'_>) -> Option<bool> {
        match self {
            Tree::Unknown => None,
            Tree::Test { gate, .. } if !known.has(*gate) => None,
            Tree::Test { gate, test, .. } => {
                let name = ConditionExpr::Identifier(TEST.to_owned());
                let holds = |known: &Known<'_>| eval_condition(&name, test, known, &mut Vec::new());
                let absent = holds(known);
                let is_told = known.values[*gate - known.first].is_some();
                (is_told || absent == holds(&Known { is_null: true, ..*known })).then_some(absent)
            }
            Tree::Not(tree) => tree.eval(known).map(|holds| !holds),
            Tree::All(trees) => {
                let mut all = Some(true);
                for tree in trees {
                    match tree.eval(known) {
                        Some(false) => return Some(false),
                        None => all = None,
                        Some(true) => {}
                    }
                }
                all
            }
            Tree::Some(need, trees) => {
                let (mut hold, mut may) = (0, 0);
                for tree in trees {
                    match tree.eval(known) {
                        Some(true) => hold += 1,
                        None => may += 1,
                        Some(false) => {}
                    }
                }
                match () {
                    () if hold >= *need => Some(true),
                    () if hold + may < *need => Some(false),
                    () => None,
                }
            }
        }
    }

    /// True if some value of these gates rules the condition out.
    pub(crate) fn is_decided_by(&self, gates: std::ops::Range<usize>) -> bool {
        match self {
            Tree::Test { gate, .. } => gates.contains(gate),
            // Nearly every value passes a test that is turned around.
            Tree::Unknown | Tree::Not(_) => false,
            Tree::All(trees) => trees.iter().any(|tree| tree.is_decided_by(gates.clone())),
            Tree::Some(need, trees) => {
                let free = trees.iter().filter(|tree| !tree.is_decided_by(gates.clone())).count() as u64;
                free < *need
            }
        }
    }

    /// The only values, in lower case, that a gate may have; `None` if it may have others.
    pub(crate) fn exact(&self, wanted: usize) -> Option<BTreeSet<String>> {
        match self {
            Tree::Test { gate, exact, .. } if *gate == wanted => exact.clone(),
            Tree::Test { .. } | Tree::Unknown | Tree::Not(_) | Tree::Some(0, _) => None,
            Tree::All(trees) => trees.iter().filter_map(|tree| tree.exact(wanted)).reduce(|a, b| &a & &b),
            Tree::Some(need, trees) if *need as usize == trees.len() => {
                trees.iter().filter_map(|tree| tree.exact(wanted)).reduce(|a, b| &a & &b)
            }
            Tree::Some(_, trees) => {
                let mut union = BTreeSet::new();
                for tree in trees {
                    union.append(&mut tree.exact(wanted)?);
                }
                Some(union)
            }
        }
    }
}

fn condition(expr: &ConditionExpr, named: &HashMap<String, Detection>) -> Tree {
    let each = |exprs: &[ConditionExpr]| exprs.iter().map(|expr| condition(expr, named)).collect::<Vec<_>>();
    match expr {
        ConditionExpr::And(exprs) => Tree::All(each(exprs)),
        ConditionExpr::Or(exprs) => Tree::Some(1, each(exprs)),
        ConditionExpr::Not(expr) => Tree::Not(Box::new(condition(expr, named))),
        ConditionExpr::Identifier(name) => named.get(name).map_or(Tree::Unknown, selection),
        ConditionExpr::Selector { quantifier, pattern } => {
            let mut chosen: Vec<&String> = named
                .keys()
                .filter(|name| match pattern {
                    SelectorPattern::Them => !name.starts_with('_'),
                    SelectorPattern::Pattern(pattern) => detection_name_matches(pattern, name),
                })
                .collect();
            chosen.sort();
            let trees: Vec<Tree> = chosen.into_iter().map(|name| selection(&named[name])).collect();
            match quantifier {
                // What an empty choice means is left to the evaluator.
                _ if trees.is_empty() => Tree::Unknown,
                Quantifier::Any => Tree::Some(1, trees),
                Quantifier::All => Tree::All(trees),
                Quantifier::Count(count) => Tree::Some(*count, trees),
            }
        }
    }
}

fn selection(detection: &Detection) -> Tree {
    match detection {
        Detection::AllOf(items) => Tree::All(items.iter().map(item).collect()),
        Detection::AnyOf(parts) => Tree::Some(1, parts.iter().map(selection).collect()),
        Detection::And(parts) => Tree::All(parts.iter().map(selection).collect()),
        Detection::Conditional { named, condition: expr } => condition(expr, named),
        Detection::Keywords(_) | Detection::ArrayMatch { .. } => Tree::Unknown,
    }
}

fn item(item: &DetectionItem) -> Tree {
    let name = item.field.name.as_deref();
    let gate = GATES.iter().position(|(_, member)| Some(*member) == name);
    // A test of presence, or of another member, is not one of this value.
    let is_plain = !item.field.has_modifier(Modifier::Exists) && !item.field.has_modifier(Modifier::FieldRef);
    let (Some(gate), true) = (gate, is_plain) else { return Tree::Unknown };
    let Ok(test) = compile_detection(&Detection::AllOf(vec![item.clone()])) else { return Tree::Unknown };
    Tree::Test { gate, test: HashMap::from([(TEST.to_owned(), test)]), exact: exact(item) }
}

/// The texts, in lower case, one of which the value must be.
fn exact(item: &DetectionItem) -> Option<BTreeSet<String>> {
    if item.field.modifiers.iter().any(|modifier| *modifier != Modifier::Cased) {
        return None;
    }
    let plain = |value: &SigmaValue| match value {
        SigmaValue::String(text) if is_plain(text) => Some(text.original.to_lowercase()),
        _ => None,
    };
    item.values.iter().map(plain).collect()
}

fn is_plain(text: &SigmaString) -> bool {
    !text.original.contains(['*', '?', '\\'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(detection: &str) -> Tree {
        let text = format!("title: t\nlogsource: {{service: cloudtrail}}\ndetection:\n{detection}");
        let parsed = rsigma_parser::parse_sigma_yaml(&text).expect("YAML");
        assert_eq!(parsed.errors, Vec::<String>::new());
        Tree::of(&parsed.rules[0])
    }

    fn keys<'a>(values: &'a [Option<&'a str>; KEYS]) -> Known<'a> {
        Known::new(0, values)
    }

    const STOP: &str = "  a: {eventSource: cloudtrail.amazonaws.com, eventName: [StopLogging, DeleteTrail]}\n  b: {userIdentity.type: Root}\n";

    #[test]
    fn a_wrong_name_rules_a_rule_out_and_a_right_one_leaves_it_open() {
        let tree = tree(&format!("{STOP}  condition: a and not b"));
        assert_eq!(
            tree.eval(&keys(&[Some("cloudtrail.amazonaws.com"), Some("GetTrail"), None])),
            Some(false)
        );
        assert_eq!(tree.eval(&keys(&[Some("CLOUDTRAIL.amazonaws.com"), Some("StopLogging"), None])), None);
        assert!(tree.is_decided_by(0..KEYS));
    }

    #[test]
    fn what_is_turned_around_decides_nothing() {
        let tree = tree(&format!("{STOP}  condition: not a"));
        assert!(!tree.is_decided_by(0..KEYS));
        assert_eq!(
            tree.eval(&keys(&[Some("cloudtrail.amazonaws.com"), Some("StopLogging"), None])),
            Some(false)
        );
    }

    #[test]
    fn names_of_alternatives_are_joined_and_of_demands_cut() {
        let either = tree("  a: {eventName: X}\n  b: {eventName: [Y, Z]}\n  condition: a or b");
        assert_eq!(either.exact(1), Some(["x", "y", "z"].map(str::to_owned).into()));
        let both = tree("  a: {eventName: [X, Y]}\n  b: {eventName: [Y, Z]}\n  condition: all of them");
        assert_eq!(both.exact(1), Some(["y".to_owned()].into()));
        assert_eq!(tree("  a: {eventName: 'Describe*'}\n  condition: a").exact(1), None);
        assert_eq!(tree("  a: {eventName|startswith: De}\n  condition: 1 of a*").exact(1), None);
    }

    #[test]
    fn an_absent_error_is_what_null_asks_for() {
        let tree = tree("  a: {eventName: X, errorCode: null}\n  condition: a");
        assert_eq!(tree.eval(&keys(&[Some("s"), Some("X"), Some("AccessDenied")])), Some(false));
        assert_ne!(tree.eval(&keys(&[Some("s"), Some("X"), None])), Some(false));
    }
}
