//! Commands of the AWS CLI, written so that a shell reads every name as one word and as nothing else.

/// A command: what follows `aws`, as words and pairs of option and value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AwsCommand {
    text: String,
}

impl AwsCommand {
    /// `aws WORDS --OPTION VALUE…`. `None` if a value cannot be given safely: control characters, which a terminal or
    /// a shell might act on, and what the AWS CLI takes for an option, a file or an address instead of a value.
    pub fn new(words: &str, options: &[(&str, &str)]) -> Option<AwsCommand> {
        let mut text = format!("aws {words}");
        for (option, value) in options {
            if !is_safe(value) {
                return None;
            }
            text.push_str(" --");
            text.push_str(option);
            text.push(' ');
            text.push_str(&quoted(value));
        }
        Some(AwsCommand { text })
    }

    /// The line for a POSIX shell.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

fn is_safe(value: &str) -> bool {
    let is_hidden = |letter: char| {
        letter.is_control()
            || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    !value.is_empty() && !value.chars().any(is_hidden) && !LOADED.iter().any(|start| value.starts_with(start))
}

/// Starts of a value that the AWS CLI takes for an option, or for the place of the value.
const LOADED: [&str; 5] = ["-", "file://", "fileb://", "http://", "https://"];

/// The value as one word of a POSIX shell (POSIX.1-2024, Shell Command Language, 2.2.2 "Single-Quotes").
fn quoted(value: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_./:@%+,-".contains(&byte);
    if value.bytes().all(is_plain) { value.to_owned() } else { format!("'{}'", value.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(value: &str) -> Option<String> {
        AwsCommand::new("iam get-user", &[("user-name", value)]).map(|command| command.as_str().to_owned())
    }

    #[test]
    fn plain_names_stay_as_they_are() {
        assert_eq!(
            line("noor@example.com").as_deref(),
            Some("aws iam get-user --user-name noor@example.com")
        );
    }

    #[test]
    fn what_a_shell_would_act_on_is_quoted() {
        for name in
            ["a;id", "$(id)", "`id`", "a b", "a\"b", "a|b", "a&b", "*", "~", "a\\b", "#x", "a=b", "{a,b}"]
        {
            assert_eq!(line(name), Some(format!("aws iam get-user --user-name '{name}'")), "{name}");
        }
        assert_eq!(line("a'$(id)'").as_deref(), Some(r"aws iam get-user --user-name 'a'\''$(id)'\'''"));
    }

    #[test]
    fn names_with_control_characters_and_those_of_options_or_files_make_no_command() {
        for name in [
            "a\nid",
            "a\u{1b}[2J",
            "--profile",
            "file:///etc/passwd",
            "fileb://x",
            "http://x",
            "",
            "a\u{202e}b",
        ] {
            assert_eq!(line(name), None, "{name:?}");
        }
    }
}
