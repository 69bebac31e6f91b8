//! The rules of STYLE.md that a machine can judge by reading.

use crate::rust_text::{code_only, functions, has_word, lines_before_tests};
use crate::workspace::{File, Problem, Workspace};

const FILE_LINES_MAX: usize = 800;
const FUNCTION_LINES_MAX: usize = 70;
/// rustfmt holds code to 110 columns; this is for what it leaves alone. Lines
/// that carry text in quotes may be longer: tables read better unbroken.
const LINE_CHARS_MAX: usize = 140;

/// Spelled in two halves, or this file would break its own rules.
const LEFTOVERS: [&str; 2] = [concat!("TO", "DO"), concat!("FIX", "ME")];

/// Package registries: a build asks the client's own, by default.
const REGISTRIES: [&str; 6] = [
    concat!("crates", ".io"),
    concat!("pypi", ".org"),
    concat!("pythonhosted", ".org"),
    concat!("npmjs", ".org"),
    concat!("npmjs", ".com"),
    concat!("deb.debian", ".org"),
];

/// Folders of one machine, which no other has.
const MACHINE_PATHS: [&str; 4] =
    [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/Us", "ers/")];

/// Where `unsafe` may stand: the kernel's vector code, its two callers, and the
/// builder that turns checked offsets into views.
const UNSAFE_FILES: [&str; 4] = [
    "crates/pugmark-decode/src/scan/",
    "crates/pugmark-decode/src/decoder.rs",
    "crates/pugmark-decode/src/shape.rs",
    "crates/pugmark-event/src/builder.rs",
];

/// Below the command line, time is an argument; only deadlines count there: a
/// query's, a credential's and a stalled download's.
const CLOCKS: [&str; 4] = ["Instant::now", "SystemTime::now", "Timestamp::now", "Zoned::now"];
const CLOCK_PLACES: [&str; 5] = [
    "crates/pugmark-cli/",
    // It runs in other people's services.
    "crates/pugmark-client/",
    "crates/pugmark-query/src/session.rs",
    "crates/pugmark-source/src/s3",
    "xtask/",
];

/// A module is named after what it holds.
const SHAPELESS_NAMES: [&str; 6] =
    ["util.rs", "utils.rs", "common.rs", "helpers.rs", "misc.rs", "manager.rs"];

/// Files that have to name what the rules forbid.
const LOCK_FILES: [&str; 2] = ["Cargo.lock", "fuzz/Cargo.lock"];

/// Everything untidy.
pub(crate) fn check(workspace: &Workspace) -> Vec<Problem> {
    workspace.files.iter().flat_map(check_file).collect()
}

fn check_file(file: &File) -> Vec<Problem> {
    let mut problems = Vec::new();
    if !LOCK_FILES.contains(&file.path.as_str()) {
        check_places(file, &mut problems);
    }
    if file.is("rs") {
        check_rust(file, &mut problems);
    }
    problems
}

/// Names of registries and of folders that exist on one machine only.
fn check_places(file: &File, problems: &mut Vec<Problem>) {
    for (at, line) in file.text.lines().enumerate() {
        let place = || format!("{}:{}", file.path, at + 1);
        for host in REGISTRIES.iter().filter(|host| line.contains(**host)) {
            problems.push(Problem::new(place(), format!("names the package registry `{host}`")));
        }
        for path in MACHINE_PATHS.iter().filter(|path| names_path(line, path)) {
            problems.push(Problem::new(place(), format!("names `{path}`, a folder of one machine")));
        }
    }
}

/// Whether `path` begins a path in `line`, rather than standing inside one.
fn names_path(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|c| c.is_whitespace() || "\"'`(=,[".contains(c))
    })
}

fn check_rust(file: &File, problems: &mut Vec<Problem>) {
    let code = code_only(&file.text);
    let is_product = file.path.contains("/src/") && !file.path.ends_with("/tests.rs");
    let lines = if is_product { lines_before_tests(&code) } else { code.lines().count() };
    let mut problem = |line: usize, what: String| {
        problems.push(Problem::new(format!("{}:{}", file.path, line + 1), what));
    };
    if lines > FILE_LINES_MAX {
        problem(0, format!("{lines} lines without its tests; at most {FILE_LINES_MAX}"));
    }
    if is_product && !file.text.trim_start().starts_with("//!") {
        problem(0, "does not open by saying what it is (`//!`)".into());
    }
    let name = file.path.rsplit('/').next().unwrap_or("");
    if is_product && SHAPELESS_NAMES.contains(&name) {
        problem(0, format!("`{name}` says nothing about what is inside"));
    }
    for function in functions(&code).iter().filter(|function| is_product && function.first < lines) {
        let length = function.last - function.first + 1;
        if length > FUNCTION_LINES_MAX {
            problem(
                function.first,
                format!("`{}` is {length} lines; at most {FUNCTION_LINES_MAX}", function.name),
            );
        }
    }
    for (at, line) in file.text.lines().enumerate() {
        let chars = line.chars().count();
        if is_product && at < lines && chars > LINE_CHARS_MAX && !line.contains('"') {
            problem(at, format!("{chars} columns; at most {LINE_CHARS_MAX}"));
        }
        for word in LEFTOVERS.iter().filter(|word| has_word(line, word)) {
            problem(at, format!("`{word}`: finish it, or file an issue"));
        }
    }
    for (at, line) in code.lines().enumerate() {
        check_code_line(file, line, at, &mut problem);
        let clock = CLOCKS.iter().find(|clock| line.contains(**clock));
        if let (true, Some(clock)) = (is_product && at < lines && !may_ask_clock(&file.path), clock) {
            problem(at, format!("`{clock}` below the command line; take the time as an argument"));
        }
    }
}

fn check_code_line(file: &File, line: &str, at: usize, problem: &mut impl FnMut(usize, String)) {
    if line.contains("#[allow") || line.contains("#![allow") {
        problem(at, "`allow`: use `#[expect(lint, reason = …)]`".into());
    }
    if line.contains("static mut ") {
        problem(at, "`static mut`: pass a value".into());
    }
    if line.contains("#[ignore") {
        problem(at, "a test that is ignored tests nothing".into());
    }
    if has_word(line, "unsafe") {
        if !UNSAFE_FILES.iter().any(|path| file.path.starts_with(path)) {
            problem(at, "`unsafe` outside the kernel".into());
        }
        let before = file.text.lines().skip(at.saturating_sub(6)).take(7);
        if !before.clone().any(|line| line.contains("SAFETY:") || line.contains("# Safety")) {
            problem(at, "`unsafe` without a `SAFETY:` comment".into());
        }
    }
}

fn may_ask_clock(path: &str) -> bool {
    CLOCK_PLACES.iter().any(|place| path.starts_with(place))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(path: &str, text: &str) -> Vec<String> {
        let file = File { path: path.to_owned(), text: text.to_owned() };
        check_file(&file).into_iter().map(|problem| problem.what).collect()
    }

    const KERNEL: &str = "crates/pugmark-decode/src/kernel.rs";

    #[test]
    fn a_plain_file_is_tidy() {
        assert_eq!(problems(KERNEL, "//! A thing.\n\nfn f() {}\n"), [""; 0]);
    }

    #[test]
    fn a_file_of_801_lines_is_too_long_and_its_tests_are_not_counted() {
        let long = format!("//! A thing.\n{}", "fn f() {}\n".repeat(800));
        assert_eq!(problems(KERNEL, &long).len(), 1);
        let tests = format!("//! A thing.\n#[cfg(test)]\nmod tests {{\n{}}}\n", "fn f() {}\n".repeat(900));
        assert_eq!(problems(KERNEL, &tests).len(), 0);
    }

    #[test]
    fn a_function_of_71_lines_is_too_long() {
        let body = |lines: usize| format!("//! A thing.\nfn f() {{\n{}}}\n", "    g();\n".repeat(lines - 2));
        assert_eq!(problems(KERNEL, &body(70)).len(), 0);
        assert_eq!(problems(KERNEL, &body(71)).len(), 1);
    }

    #[test]
    fn a_line_of_141_characters_is_too_long() {
        assert_eq!(problems(KERNEL, &format!("//! {}\n", "é".repeat(136))).len(), 0);
        assert_eq!(problems(KERNEL, &format!("//! {}\n", "é".repeat(137))).len(), 1);
    }

    #[test]
    fn leftovers_are_found_as_words() {
        assert_eq!(problems(KERNEL, concat!("//! A thing. TO", "DO\n")).len(), 1);
        assert_eq!(problems(KERNEL, concat!("//! A thing. TO", "DOS\n")).len(), 0);
    }

    #[test]
    fn unsafe_needs_its_place_and_its_reason() {
        let block = "//! A thing.\nfn f() { unsafe { g() } }\n";
        assert_eq!(problems(KERNEL, block).len(), 2);
        let stated = "//! A thing.\n// SAFETY: checked above.\nfn f() { unsafe { g() } }\n";
        assert_eq!(problems("crates/pugmark-decode/src/scan/simd.rs", stated).len(), 0);
    }

    #[test]
    fn the_clock_belongs_to_the_command_line() {
        let text = "//! A thing.\nfn f() { Instant::now(); }\n";
        assert_eq!(problems(KERNEL, text).len(), 1);
        assert_eq!(problems("crates/pugmark-cli/src/progress.rs", text).len(), 0);
    }

    #[test]
    fn a_word_in_a_comment_is_no_code() {
        assert_eq!(problems(KERNEL, "//! Not unsafe, no Instant::now, no #[allow].\n").len(), 0);
    }

    #[test]
    fn registries_and_machine_paths_are_found_in_any_text() {
        assert_eq!(problems("README.md", concat!("see https://crates", ".io/x\n")).len(), 1);
        assert_eq!(problems("README.md", concat!("in `/ro", "ot/x`\n")).len(), 1);
        assert_eq!(problems("README.md", "at a/work/b and arn:aws:iam::1:user/root/x\n").len(), 0);
    }
}
