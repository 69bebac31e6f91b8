//! Markdown that points at things which exist.

use std::path::Path;

use crate::workspace::{File, Problem, Workspace};

/// Dead links, and crates that the map leaves out.
pub(crate) fn check(workspace: &Workspace) -> Vec<Problem> {
    let mut problems = Vec::new();
    for file in workspace.files.iter().filter(|file| file.is("md")) {
        for (line, target) in links(&file.text) {
            if let Some(what) = dead(workspace, file, &target) {
                problems.push(Problem::new(format!("{}:{line}", file.path), what));
            }
        }
    }
    let map = workspace.text("ARCHITECTURE.md").unwrap_or("");
    for package in &workspace.packages {
        let name = package.name.as_str();
        if !map.contains(&format!("`{name}`")) {
            problems.push(Problem::new("ARCHITECTURE.md", format!("does not name `{name}`")));
        }
    }
    problems.extend(tables(workspace));
    problems
}

/// Columns and limits that their pages leave out, or describe in other words.
fn tables(workspace: &Workspace) -> Vec<Problem> {
    let columns = workspace.text("docs/guide/columns.md").unwrap_or("");
    let limits = workspace.text("docs/guide/limits.md").unwrap_or("");
    let fields = workspace.text("crates/pugmark-event/src/fields.rs").unwrap_or("");
    let bounds = workspace.text("crates/pugmark-event/src/limits.rs").unwrap_or("");
    // Leaf "name" "member" Kind "meaning";
    let leaves = fields.lines().filter_map(|line| {
        let pieces: Vec<&str> = line.strip_suffix(';')?.split('"').collect();
        (pieces.len() == 7).then(|| (pieces[1], pieces[5]))
    });
    // name: type = value, "unit", "meaning";
    let bounds = bounds.lines().filter_map(|line| {
        let pieces: Vec<&str> = line.strip_suffix(';')?.split('"').collect();
        let name = pieces[0].trim().split(':').next()?;
        (pieces.len() == 5).then(|| (name, pieces[3]))
    });
    let leaves = leaves.map(|row| (row, columns, "docs/guide/columns.md"));
    let bounds = bounds.map(|row| (row, limits, "docs/guide/limits.md"));
    leaves
        .chain(bounds)
        .filter(|((name, meaning), page, _)| !has_row(page, name, meaning))
        .map(|((name, _), _, path)| {
            Problem::new(path, format!("has no row, or another meaning, for `{name}`"))
        })
        .collect()
}

fn has_row(page: &str, name: &str, meaning: &str) -> bool {
    let (head, tail) = (format!("| `{name}` |"), format!("| {meaning} |"));
    page.lines().any(|line| line.starts_with(&head) && line.ends_with(&tail))
}

/// Targets of `[text](target)` outside code, with their lines from 1.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut links = Vec::new();
    let mut in_fence = false;
    for (at, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_fence = !in_fence;
            continue;
        }
        // Every second piece between backticks is code.
        let prose: String = line
            .split('`')
            .enumerate()
            .map(|(piece, text)| if piece % 2 == 0 { text } else { "·" })
            .collect();
        if !in_fence {
            let targets = prose.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
            links.extend(targets.map(|(target, _)| (at + 1, target.to_owned())));
        }
    }
    links
}

fn dead(workspace: &Workspace, file: &File, target: &str) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let folder = Path::new(&file.path).parent().unwrap_or(Path::new(""));
    if !path.is_empty() && !workspace.root.join(folder).join(path).exists() {
        return Some(format!("link to `{target}`, which does not exist"));
    }
    let text = if path.is_empty() { Some(file.text.as_str()) } else { linked_text(workspace, folder, path) };
    let found = text.is_none_or(|text| anchor.is_empty() || anchors(text).any(|found| found == anchor));
    (!found).then(|| format!("link to `{target}`, a heading that does not exist"))
}

fn linked_text<'a>(workspace: &'a Workspace, folder: &Path, path: &str) -> Option<&'a str> {
    let full = workspace.root.join(folder).join(path).canonicalize().ok()?;
    let root = workspace.root.canonicalize().ok()?;
    let path = full.strip_prefix(root).ok()?.to_str()?.replace('\\', "/");
    let file = workspace.files.iter().find(|file| file.path == path)?;
    file.is("md").then_some(file.text.as_str())
}

/// Headings as the usual renderers spell them in links.
fn anchors(text: &str) -> impl Iterator<Item = String> {
    text.lines().filter(|line| line.starts_with('#')).map(|line| {
        let heading = line.trim_start_matches('#').trim().to_lowercase();
        heading
            .chars()
            .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_found_in_prose_and_not_in_code() {
        let text = "see [a](b.md) and `x[0](y)`\n```\n[c](d.md)\n```\n[e](#f)\n";
        assert_eq!(links(text), [(1, "b.md".to_owned()), (5, "#f".to_owned())]);
    }

    #[test]
    fn a_column_without_a_row_is_found() {
        let file = |path: &str, text: &str| File { path: path.into(), text: text.into() };
        let mut files = vec![
            file(
                "crates/pugmark-event/src/fields.rs",
                "    EventName \"eventname\" \"eventName\" Text \"action\";\n",
            ),
            file("crates/pugmark-event/src/limits.rs", "    depth_max: u32 = 64, \"levels\", \"nesting\";\n"),
        ];
        let empty = Workspace { root: "".into(), packages: Vec::new(), files: std::mem::take(&mut files) };
        assert_eq!(tables(&empty).len(), 2);
        files = empty.files;
        files.push(file("docs/guide/columns.md", "| `eventname` | `eventName` | text | action |\n"));
        files.push(file("docs/guide/limits.md", "| `depth_max` | 64 levels | nesting |\n"));
        let full = Workspace { root: "".into(), packages: Vec::new(), files };
        assert_eq!(tables(&full), []);
    }

    #[test]
    fn a_missing_file_is_a_dead_link() {
        let workspace = Workspace { root: crate::workspace::root(), packages: Vec::new(), files: Vec::new() };
        let file = File { path: "README.md".into(), text: "# One, two\n".into() };
        assert!(dead(&workspace, &file, "no-such-file.md").is_some());
        assert!(dead(&workspace, &file, "Cargo.toml").is_none());
        assert!(dead(&workspace, &file, "#one-two").is_none());
        assert!(dead(&workspace, &file, "#three").is_some());
    }
}
