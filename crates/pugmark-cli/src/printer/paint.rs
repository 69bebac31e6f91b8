//! Colour. It never carries a meaning that the text does not carry too.

use std::fmt::Write;

use anstream::ColorChoice;
use anstyle::{AnsiColor, Style};

/// What a piece of text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Something that went well.
    Good,
    /// An error.
    Bad,
    /// Something to look at.
    Warning,
    /// A path, an object, a literal.
    Literal,
    /// A heading.
    Strong,
    /// Less important than the rest.
    Dim,
}

impl Role {
    /// The role that a cell's own mark gives it: `✗` an error, `!` a warning.
    pub(crate) fn of_cell(text: &str) -> Option<Role> {
        match text.chars().next()? {
            '✗' => Some(Role::Bad),
            '!' => Some(Role::Warning),
            _ => None,
        }
    }

    fn style(self) -> Style {
        let colour = |colour: AnsiColor| Style::new().fg_color(Some(colour.into()));
        match self {
            Role::Good => colour(AnsiColor::Green),
            Role::Bad => colour(AnsiColor::Red),
            Role::Warning => colour(AnsiColor::Yellow),
            Role::Literal => colour(AnsiColor::Cyan),
            Role::Strong => Style::new().bold(),
            Role::Dim => Style::new().dimmed(),
        }
    }
}

/// Whether one stream takes colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Paint {
    is_on: bool,
}

impl Paint {
    /// No colour.
    pub(crate) fn off() -> Paint {
        Paint { is_on: false }
    }

    /// Colour for stdout.
    pub(crate) fn stdout(choice: ColorChoice) -> Paint {
        let choice = match choice {
            ColorChoice::Auto => anstream::AutoStream::choice(&std::io::stdout()),
            choice => choice,
        };
        Paint { is_on: choice != ColorChoice::Never }
    }

    /// Colour for stderr.
    pub(crate) fn stderr(choice: ColorChoice) -> Paint {
        let choice = match choice {
            ColorChoice::Auto => anstream::AutoStream::choice(&std::io::stderr()),
            choice => choice,
        };
        Paint { is_on: choice != ColorChoice::Never }
    }

    /// `text` in the style of `role`. The text must be safe to print.
    pub(crate) fn role(self, role: Role, text: &str) -> String {
        let mut out = String::with_capacity(text.len() + 16);
        if self.is_on {
            let style = role.style();
            // Writing to a string cannot fail.
            let _done = write!(out, "{style}{text}{style:#}");
        } else {
            out.push_str(text);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_is_a_frame_around_the_text() {
        assert_eq!(Paint { is_on: true }.role(Role::Bad, "✗ denied"), "\x1b[31m✗ denied\x1b[0m");
        assert_eq!(Paint::off().role(Role::Bad, "✗ denied"), "✗ denied");
        assert_eq!(Paint::stdout(ColorChoice::Never), Paint::off());
        assert_ne!(Paint::stderr(ColorChoice::Always), Paint::off());
    }
}
