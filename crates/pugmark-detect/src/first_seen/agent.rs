//! The family of a user agent: which tool on which system, without versions.

/// Tools that are named somewhere inside the agents of the libraries they use.
const TOOLS: [&str; 14] = [
    "terraform",
    "pulumi",
    "opentofu",
    "kubectl",
    "eksctl",
    "pacu",
    "scoutsuite",
    "prowler",
    "cloudfox",
    "trufflehog",
    "steampipe",
    "s3browser",
    "cyberduck",
    "rclone",
];

/// Systems, as agents spell them; the first that is found counts.
const SYSTEMS: [(&str, &str); 9] = [
    ("kali", "kali"),
    ("parrot", "parrot"),
    ("pentoo", "pentoo"),
    ("windows", "windows"),
    ("darwin", "macos"),
    ("macos", "macos"),
    ("mac os", "macos"),
    ("android", "android"),
    ("linux", "linux"),
];

/// `aws-cli on linux`; `None` for services and where nothing is told.
pub(crate) fn family(agent: &str) -> Option<String> {
    let text = agent.trim().trim_matches(['[', ']']).to_ascii_lowercase();
    if text.is_empty() || text.ends_with(".amazonaws.com") || text.starts_with("aws internal") {
        return None;
    }
    let tool = TOOLS.iter().find(|tool| text.contains(**tool)).map(|tool| (*tool).to_owned());
    let tool = tool.unwrap_or_else(|| {
        if text.starts_with("mozilla/") {
            return "browser".to_owned();
        }
        let product = text.split([' ', '/', ',', ';']).find(|word| !word.is_empty()).unwrap_or(&text);
        product.chars().take(40).collect()
    });
    let system = SYSTEMS.iter().find(|(spelling, _)| text.contains(spelling));
    Some(system.map_or(tool.clone(), |(_, name)| format!("{tool} on {name}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_do_not_make_another_family() {
        let family = |agent| family(agent).unwrap_or_default();
        assert_eq!(family("aws-cli/2.15.0 Python/3.11.6 Linux/5.10 exe/x86_64"), "aws-cli on linux");
        assert_eq!(family("aws-cli/2.22.9 md/awscrt#0.23 os/linux#6.1"), "aws-cli on linux");
        assert_eq!(family("Boto3/1.26.1 Python/3.9 Linux/6.1.0-kali9 Botocore/1.29"), "boto3 on kali");
        assert_eq!(
            family("APN/1.0 HashiCorp/1.0 Terraform/1.5.7 aws-sdk-go/1.44 (darwin; arm64)"),
            "terraform on macos"
        );
        assert_eq!(family("Mozilla/5.0 (Windows NT 10.0) Chrome/120"), "browser on windows");
        assert_eq!(family("[S3Console/0.4]"), "s3console");
    }

    #[test]
    fn services_have_none() {
        assert_eq!(family("cloudformation.amazonaws.com"), None);
        assert_eq!(family("AWS Internal"), None);
        assert_eq!(family(""), None);
    }
}
