//! `pugmark schema`, `limits`, `completions` and `man`: what the program knows
//! about itself.

use std::path::Path;

use clap::CommandFactory;
use pugmark_event::{FIELDS, Limits};

use super::{Column, print_rows};
use crate::args::Args;
use crate::exit::{Exit, Failure};
use crate::printer::{Printer, print_talk, print_text};

/// The field table.
pub(super) fn schema(text: Option<&str>, printer: &Printer) -> Result<Exit, Failure> {
    let wanted = text.map(str::to_lowercase).unwrap_or_default();
    let rows: Vec<Vec<Option<String>>> = FIELDS
        .iter()
        .filter(|field| {
            [field.name, field.member, field.doc].iter().any(|text| text.to_lowercase().contains(&wanted))
        })
        .map(|field| {
            let kind = format!("{:?}", field.kind).to_lowercase();
            let member = Some(field.member).filter(|member| !member.is_empty());
            [Some(field.name), member, Some(kind.as_str()), Some(field.doc)]
                .map(|cell| cell.map(str::to_owned))
                .to_vec()
        })
        .collect();
    if rows.is_empty() {
        printer.note(&format!("no field speaks of `{wanted}`"));
    }
    print_rows(printer, &["sql", "cloudtrail", "type", "meaning"].map(Column::Text), &rows)?;
    Ok(Exit::Done)
}

/// The bounds on input.
pub(super) fn limits(printer: &Printer) -> Result<Exit, Failure> {
    let bounds = Limits::default().table().into_iter().chain(pugmark_integrity::limits());
    let rows: Vec<Vec<Option<String>>> = bounds
        .map(|(name, value, unit, meaning)| {
            [name.to_owned(), value.to_string(), unit.to_owned(), meaning.to_owned()].map(Some).to_vec()
        })
        .collect();
    let columns =
        [Column::Text("limit"), Column::Number("value"), Column::Text("unit"), Column::Text("meaning")];
    print_rows(printer, &columns, &rows)?;
    Ok(Exit::Done)
}

/// Completions for `shell`.
pub(super) fn completions(shell: clap_complete::Shell) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "pugmark", &mut script);
    print_text(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}

/// The manual: one page to stdout, or all pages into `directory`.
pub(super) fn man(directory: Option<&Path>) -> Result<Exit, Failure> {
    let mut command = Args::command();
    command.build();
    let Some(directory) = directory else {
        print_text(&String::from_utf8_lossy(&page(command)?))?;
        return Ok(Exit::Done);
    };
    std::fs::create_dir_all(directory)
        .map_err(|error| Failure::bare(format!("cannot make `{}`: {error}", directory.display())))?;
    for command in std::iter::once(&command).chain(command.get_subcommands()) {
        // `build` has given each subcommand the name of its page, `pugmark-search`.
        let name = command.get_display_name().unwrap_or_else(|| command.get_name());
        let path = directory.join(format!("{name}.1"));
        std::fs::write(&path, page(command.clone())?)
            .map_err(|error| Failure::bare(format!("cannot write `{}`: {error}", path.display())))?;
        print_talk(&format!("{}\n", crate::printer::escape(&path.display().to_string())));
    }
    Ok(Exit::Done)
}

fn page(command: clap::Command) -> Result<Vec<u8>, Failure> {
    let mut page = Vec::new();
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    clap_mangen::Man::new(command).title(name).render(&mut page)?;
    Ok(page)
}
