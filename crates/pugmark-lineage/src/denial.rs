//! Why a call was refused, out of the sentence that the service wrote.
//!
//! The forms are those of the IAM User Guide, "Access denied error messages"; older services write less.

/// What refused a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// A statement denies it, in the policy that is named.
    Explicit(PolicyKind),
    /// No statement of the policy that is named allows it.
    NotAllowed(PolicyKind),
    /// The message is encoded: `aws sts decode-authorization-message` reads it.
    Encoded,
    /// The message does not say.
    Untold,
}

/// A kind of policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PolicyKind {
    /// Of the identity.
    Identity,
    /// Of the resource.
    Resource,
    /// The permissions boundary.
    Boundary,
    /// A service control policy.
    ServiceControl,
    /// A resource control policy.
    ResourceControl,
    /// Of the session.
    Session,
    /// Of the VPC endpoint.
    Endpoint,
    /// The trust policy of a role.
    Trust,
    /// Not said which.
    Unnamed,
}

/// A refusal, read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Denial {
    /// What refused.
    pub refusal: Refusal,
    /// IAM action that was refused, if the message names it.
    pub action: Option<String>,
    /// Resource that it was refused on, if the message names it.
    pub resource: Option<String>,
}

impl PolicyKind {
    /// The kind as words.
    pub fn as_str(self) -> &'static str {
        match self {
            PolicyKind::Identity => "identity-based policy",
            PolicyKind::Resource => "resource-based policy",
            PolicyKind::Boundary => "permissions boundary",
            PolicyKind::ServiceControl => "service control policy",
            PolicyKind::ResourceControl => "resource control policy",
            PolicyKind::Session => "session policy",
            PolicyKind::Endpoint => "VPC endpoint policy",
            PolicyKind::Trust => "role trust policy",
            PolicyKind::Unnamed => "policy",
        }
    }

    /// The kind that `words` speak of.
    fn of(words: &str) -> PolicyKind {
        let forms = [
            ("service control policy", PolicyKind::ServiceControl),
            ("resource control policy", PolicyKind::ResourceControl),
            ("permissions boundary", PolicyKind::Boundary),
            ("VPC endpoint policy", PolicyKind::Endpoint),
            ("session policy", PolicyKind::Session),
            ("role trust policy", PolicyKind::Trust),
            ("resource-based policy", PolicyKind::Resource),
            ("identity-based policy", PolicyKind::Identity),
        ];
        forms.iter().find(|(form, _)| words.contains(form)).map_or(PolicyKind::Unnamed, |(_, kind)| *kind)
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Refusal::Explicit(kind) => write!(out, "explicit deny in a {}", kind.as_str()),
            Refusal::NotAllowed(kind) => write!(out, "no {} allows it", kind.as_str()),
            Refusal::Encoded => {
                out.write_str("encoded by EC2: `aws sts decode-authorization-message` reads it")
            }
            Refusal::Untold => out.write_str("the message does not say"),
        }
    }
}

impl Denial {
    /// Reads a refusal; `None` if the error is another one.
    pub fn read(code: &str, message: &str) -> Option<Denial> {
        if !is_denial(code) {
            return None;
        }
        let refusal = if let Some((_, words)) = message.split_once("with an explicit deny") {
            Refusal::Explicit(PolicyKind::of(words))
        } else if let Some((_, words)) = message.split_once("because no ") {
            Refusal::NotAllowed(PolicyKind::of(words))
        } else if code == "VpceAccessDenied" || message.contains("VPC endpoint policy") {
            Refusal::Explicit(PolicyKind::Endpoint)
        } else if message.contains("Encoded authorization failure message") {
            Refusal::Encoded
        } else {
            Refusal::Untold
        };
        Some(Denial {
            refusal,
            action: word_after(message, "perform: ").filter(|word| word.contains(':')),
            resource: word_after(message, "on resource: "),
        })
    }
}

/// True for error codes by which services refuse a caller they know.
pub fn is_denial(code: &str) -> bool {
    ["AccessDenied", "Unauthorized", "NotAuthorized", "AuthorizationError", "Forbidden"]
        .iter()
        .any(|word| code.contains(word))
}

/// True for error codes by which they refuse a credential, before anything else is looked at.
pub(crate) fn is_bad_credential(code: &str) -> bool {
    [
        "ExpiredToken",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignature",
        "SignatureDoesNotMatch",
        "UnrecognizedClient",
        "IncompleteSignature",
        "MissingAuthenticationToken",
        "RequestExpired",
        "AuthFailure",
    ]
    .iter()
    .any(|word| code.contains(word))
}

fn word_after(message: &str, mark: &str) -> Option<String> {
    let (_, rest) = message.split_once(mark)?;
    let word = rest.split_whitespace().next()?.trim_matches(['"', '\'', ',']);
    let word = word.strip_suffix('.').unwrap_or(word);
    (!word.is_empty()).then(|| word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(message: &str) -> Denial {
        Denial::read("AccessDenied", message).expect("a denial")
    }

    #[test]
    fn each_known_form_names_its_policy() {
        let user = "User: arn:aws:iam::111122223333:user/noor is not authorized to perform: s3:GetObject on resource: \"arn:aws:s3:::acme/key\"";
        let cases = [
            (
                "because no identity-based policy allows the s3:GetObject action",
                Refusal::NotAllowed(PolicyKind::Identity),
            ),
            (
                "because no permissions boundary allows the s3:GetObject action",
                Refusal::NotAllowed(PolicyKind::Boundary),
            ),
            (
                "because no service control policy allows the s3:GetObject action",
                Refusal::NotAllowed(PolicyKind::ServiceControl),
            ),
            (
                "with an explicit deny in a service control policy",
                Refusal::Explicit(PolicyKind::ServiceControl),
            ),
            (
                "with an explicit deny in a resource control policy",
                Refusal::Explicit(PolicyKind::ResourceControl),
            ),
            ("with an explicit deny in a VPC endpoint policy", Refusal::Explicit(PolicyKind::Endpoint)),
            (
                "because no session policy allows the s3:GetObject action",
                Refusal::NotAllowed(PolicyKind::Session),
            ),
            ("with an explicit deny", Refusal::Explicit(PolicyKind::Unnamed)),
            ("", Refusal::Untold),
        ];
        for (ending, refusal) in cases {
            let denial = read(&format!("{user} {ending}"));
            assert_eq!(denial.refusal, refusal, "{ending}");
            assert_eq!(denial.action.as_deref(), Some("s3:GetObject"));
            assert_eq!(denial.resource.as_deref(), Some("arn:aws:s3:::acme/key"));
        }
    }

    #[test]
    fn an_encoded_message_is_told_as_such() {
        let message =
            "You are not authorized to perform this operation. Encoded authorization failure message: abc";
        let denial = Denial::read("Client.UnauthorizedOperation", message).expect("a denial");
        assert_eq!((denial.refusal, denial.action), (Refusal::Encoded, None));
    }

    #[test]
    fn other_errors_are_no_refusals() {
        assert_eq!(Denial::read("NoSuchBucket", "because no identity-based policy allows"), None);
    }
}
