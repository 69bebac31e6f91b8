//! Who acted, by a name that outlives credentials, out of what one record says.

use std::borrow::Cow;

use pugmark_event::{Leaf, without_session};

/// What names a principal.
pub(crate) const LEAVES: [Leaf; 9] = [
    Leaf::IssuerArn,
    Leaf::BehalfUserId,
    Leaf::IdentityType,
    Leaf::IdentityArn,
    Leaf::IdentityInvokedBy,
    Leaf::IdentityAccountId,
    Leaf::IdentityPrincipalId,
    Leaf::IdentityUserName,
    Leaf::RecipientAccountId,
];

/// The actor at the root of the chain where that is known; else the role, user
/// or service. Services begin with `service/`. `text` has no empty texts.
pub(crate) fn principal<'a>(text: &impl Fn(Leaf) -> Option<&'a str>) -> Cow<'a, str> {
    if let Some(actor) = text(Leaf::Actor) {
        return Cow::Borrowed(actor);
    }
    if let Some(issuer) = text(Leaf::IssuerArn) {
        return match issuer.split_once("/aws-service-role/") {
            Some((_, rest)) => Cow::Owned(format!("service/{}", rest.split('/').next().unwrap_or(rest))),
            None => Cow::Borrowed(issuer),
        };
    }
    if let Some(user) = text(Leaf::BehalfUserId) {
        return Cow::Borrowed(user);
    }
    match (text(Leaf::IdentityType), text(Leaf::IdentityArn)) {
        (Some("AWSService") | None, _) => {
            let service = text(Leaf::IdentityInvokedBy).unwrap_or("unknown");
            Cow::Owned(format!("service/{service}"))
        }
        (_, Some(arn)) => without_session(arn),
        (_, None) => nameless(text),
    }
}

/// Somebody without an ARN: by the unique id, without the session's name.
fn nameless<'a>(text: &impl Fn(Leaf) -> Option<&'a str>) -> Cow<'a, str> {
    let account = text(Leaf::IdentityAccountId).unwrap_or("unknown account");
    let id = text(Leaf::IdentityPrincipalId).map(|id| id.split(':').next().unwrap_or(id));
    let name = id.or(text(Leaf::IdentityUserName)).unwrap_or("somebody");
    Cow::Owned(format!("{name} of {account}"))
}
