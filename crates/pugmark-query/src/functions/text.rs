//! Functions on text.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, ListBuilder, StringViewBuilder};
use datafusion::common::{Result, exec_err};

use super::json::gives_texts;
use super::{Arguments, Function, gives_text, map_text};

pub(super) const FUNCTIONS: &[Function] = &[
    Function { name: "split", arity: (2, 3), returns: gives_texts, run: split },
    Function { name: "split_part", arity: (3, 3), returns: gives_text, run: split_part },
    Function { name: "url_decode", arity: (1, 1), returns: gives_text, run: url_decode },
    Function { name: "url_extract_host", arity: (1, 1), returns: gives_text, run: url_extract_host },
];

fn split(arguments: &Arguments) -> Result<ArrayRef> {
    let (texts, delimiters) = (arguments.text(0)?, arguments.text(1)?);
    let limits = if arguments.len() == 3 { Some(arguments.numbers(2)?) } else { None };
    let mut lists = ListBuilder::new(StringViewBuilder::new());
    for row in 0..arguments.rows {
        let Some((text, delimiter)) = texts.get(row).zip(delimiters.get(row)) else {
            lists.append(false);
            continue;
        };
        if delimiter.is_empty() {
            return exec_err!("`split` needs a delimiter");
        }
        let limit = limits.as_ref().filter(|limits| limits.is_valid(row));
        let limit = limit.map_or(usize::MAX, |limits| limits.value(row).max(1) as usize);
        for part in text.splitn(limit, delimiter) {
            lists.values().append_value(part);
        }
        lists.append(true);
    }
    Ok(Arc::new(lists.finish()))
}

/// Part `n` from 1; null past the last one.
fn split_part(arguments: &Arguments) -> Result<ArrayRef> {
    let delimiters = arguments.text(1)?;
    let places = arguments.numbers(2)?;
    map_text(arguments, |row, text| {
        let Some(delimiter) = delimiters.get(row).filter(|_| places.is_valid(row)) else { return Ok(None) };
        let Some(place) = usize::try_from(places.value(row)).ok().and_then(|place| place.checked_sub(1))
        else {
            return exec_err!("`split_part` counts parts from 1, not {}", places.value(row));
        };
        Ok(match delimiter {
            "" => (place == 0).then(|| text.to_owned()),
            _ => text.split(delimiter).nth(place).map(str::to_owned),
        })
    })
}

/// `%XX` and `+` undone; bytes that are then no text become U+FFFD.
fn url_decode(arguments: &Arguments) -> Result<ArrayRef> {
    map_text(arguments, |_, text| {
        let mut bytes = Vec::with_capacity(text.len());
        let mut rest = text.as_bytes();
        while let Some((first, after)) = rest.split_first() {
            let code = after.get(..2).filter(|_| *first == b'%');
            let code = code.and_then(|code| std::str::from_utf8(code).ok());
            if let Some(byte) = code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
                bytes.push(byte);
                rest = &after[2..];
            } else {
                bytes.push(if *first == b'+' { b' ' } else { *first });
                rest = after;
            }
        }
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    })
}

fn url_extract_host(arguments: &Arguments) -> Result<ArrayRef> {
    map_text(arguments, |_, text| {
        let Some((_, rest)) = text.split_once("://") else { return Ok(None) };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let host = authority.rsplit('@').next().unwrap_or_default();
        Ok(Some(host.split(':').next().unwrap_or_default().to_owned()))
    })
}
