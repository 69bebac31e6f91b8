//! Amazon Resource Names, taken apart without a copy.

/// `arn:partition:service:region:account:resource`; the resource may hold
/// colons and slashes of its own (AWS General Reference, "Amazon Resource Names").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arn<'a> {
    /// `aws`, `aws-cn`, `aws-us-gov`…
    pub partition: &'a str,
    /// `iam`, `sts`, `eks`…
    pub service: &'a str,
    /// Region, empty for global services.
    pub region: &'a str,
    /// Account, empty where the resource names none.
    pub account: &'a str,
    /// All after the account.
    pub resource: &'a str,
}

impl<'a> Arn<'a> {
    /// Takes `text` apart; `None` if it is no ARN.
    pub fn parse(text: &'a str) -> Option<Arn<'a>> {
        let mut parts = text.strip_prefix("arn:")?.splitn(5, ':');
        let mut next = || parts.next();
        Some(Arn {
            partition: next()?,
            service: next()?,
            region: next()?,
            account: next()?,
            resource: next()?,
        })
    }

    /// The role's path (with both slashes) and name, for `role/path/name`.
    pub fn role(self) -> Option<(&'a str, &'a str)> {
        split_path(self.resource.strip_prefix("role")?)
    }

    /// The user's path (with both slashes) and name, for `user/path/name`.
    pub fn user(self) -> Option<(&'a str, &'a str)> {
        split_path(self.resource.strip_prefix("user")?)
    }

    /// Role name and session name, for `assumed-role/role/session`.
    pub fn session(self) -> Option<(&'a str, &'a str)> {
        self.resource.strip_prefix("assumed-role/")?.rsplit_once('/')
    }

    /// The service whose service-linked role this is: customers cannot make roles below
    /// `/aws-service-role/` (IAM User Guide, "Create a service-linked role").
    pub fn linked_service(self) -> Option<&'a str> {
        let (path, _) = self.role()?;
        path.strip_prefix("/aws-service-role/")?.split('/').next().filter(|principal| !principal.is_empty())
    }

    /// True for the roles that IAM Identity Center makes for its permission sets.
    pub fn is_identity_center_role(self) -> bool {
        self.role().is_some_and(|(path, _)| path.starts_with("/aws-reserved/sso.amazonaws.com/"))
    }
}

/// `/a/b/name` as (`/a/b/`, `name`).
fn split_path(text: &str) -> Option<(&str, &str)> {
    let slash = text.rfind('/')?;
    text.starts_with('/').then(|| text.split_at(slash + 1)).filter(|(_, name)| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_has_six_parts_and_the_last_keeps_its_colons() {
        let arn = Arn::parse("arn:aws:logs:eu-west-1:111122223333:log-group:/aws/eks:*").expect("an ARN");
        assert_eq!((arn.service, arn.region, arn.account), ("logs", "eu-west-1", "111122223333"));
        assert_eq!(arn.resource, "log-group:/aws/eks:*");
        assert_eq!(Arn::parse("alice"), None);
        assert_eq!(Arn::parse("arn:aws:iam"), None);
    }

    #[test]
    fn a_role_has_a_path_and_a_name() {
        let arn = Arn::parse("arn:aws:iam::111122223333:role/fleet/web/node").expect("an ARN");
        assert_eq!(arn.role(), Some(("/fleet/web/", "node")));
        let plain = Arn::parse("arn:aws:iam::111122223333:role/node").expect("an ARN");
        assert_eq!(plain.role(), Some(("/", "node")));
        assert_eq!(plain.user(), None);
    }

    #[test]
    fn a_session_ends_in_its_name() {
        let arn = Arn::parse("arn:aws:sts::111122223333:assumed-role/dev/alice@example.com").expect("an ARN");
        assert_eq!(arn.session(), Some(("dev", "alice@example.com")));
    }

    #[test]
    fn a_service_linked_role_is_known_by_its_path_and_never_by_its_name() {
        let linked = "arn:aws:iam::111122223333:role/aws-service-role/eks-nodegroup.amazonaws.com/AWSServiceRoleForAmazonEKSNodegroup";
        let alike = "arn:aws:iam::111122223333:role/AWSServiceRoleForAmazonEKSNodegroup";
        assert_eq!(Arn::parse(linked).and_then(Arn::linked_service), Some("eks-nodegroup.amazonaws.com"));
        assert_eq!(Arn::parse(alike).and_then(Arn::linked_service), None);
    }
}
