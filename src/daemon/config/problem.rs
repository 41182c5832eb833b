//! What is wrong in a config file: file, line, column, the line itself, a caret, and what was probably meant.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One file of the config, read.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// Where it is.
    pub path: PathBuf,
    /// What it says.
    pub text: Arc<str>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    place: Option<Place>,
    path: PathBuf,
    message: String,
    help: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    line_number: usize,
    column: usize,
    width: usize,
    line: String,
}

/// Everything that is wrong with a config; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl Problem {
    /// The file that it is about.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// About a file as a whole.
    pub fn of_file(path: &Path, message: impl Into<String>) -> Self {
        Self { place: None, path: path.to_owned(), message: message.into(), help: None }
    }

    /// About a span of octets of a file.
    pub fn at(file: &SourceFile, span: &Range<usize>, message: impl Into<String>) -> Self {
        Self { place: Some(place(&file.text, span)), ..Self::of_file(&file.path, message) }
    }

    /// About a line and column (both from 1) of a file.
    pub fn at_line(file: &SourceFile, line: usize, column: usize, message: impl Into<String>) -> Self {
        let start: usize = file.text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
        let at = start + column.saturating_sub(1);
        Self::at(file, &(at..at + 1), message)
    }

    /// Adds what helps.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds `did you mean …` where one of `candidates` is near to `given`, and the list of them otherwise.
    #[must_use]
    pub fn suggest<'a>(self, given: &str, candidates: impl IntoIterator<Item = &'a str>) -> Self {
        let candidates: Vec<&str> = candidates.into_iter().collect();
        match nearest(given, &candidates) {
            Some(near) => self.help(format!("did you mean `{near}`?")),
            None if candidates.is_empty() => self,
            None => self.help(format!("one of: {}", candidates.join(", "))),
        }
    }

    /// What serde says, with the key or value that was probably meant.
    pub fn of_toml(file: &SourceFile, error: &toml::de::Error) -> Self {
        let (message, expected) = reword(error.message());
        let span = error.span().unwrap_or(0..0);
        let given = message.split('`').nth(1).unwrap_or_default().to_owned();
        let problem = Self::at(file, &span, message);
        if expected.is_empty() { problem } else { problem.suggest(&given, expected.iter().map(String::as_str)) }
    }
}

/// `unknown field `x`, expected one of `a`, `b`` becomes our words and the list. Any other text stays as it is.
fn reword(message: &str) -> (String, Vec<String>) {
    let kinds = [("unknown field ", "unknown key "), ("unknown variant ", "unknown value ")];
    for (theirs, ours) in kinds {
        if let Some(rest) = message.strip_prefix(theirs) {
            let mut quoted = rest.split('`').skip(1).step_by(2).map(str::to_owned);
            let given = quoted.next().unwrap_or_default();
            return (format!("{ours}`{given}`"), quoted.collect());
        }
    }
    (message.to_owned(), Vec::new())
}

fn place(text: &str, span: &Range<usize>) -> Place {
    let floor = |at: usize| (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let (start, end) = (floor(span.start), floor(span.end));
    let before = text.get(..start).unwrap_or_default();
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let line_end = text.get(start..).and_then(|rest| rest.find('\n')).map_or(text.len(), |at| start + at);
    let line = text.get(line_start..line_end).unwrap_or_default().trim_end();
    let column = text.get(line_start..start).unwrap_or_default().chars().count();
    let width = text.get(start..end.clamp(start, line_end)).unwrap_or_default().trim_end().chars().count().max(1);
    Place { line_number: before.matches('\n').count() + 1, column: column + 1, width, line: without_secret(line) }
}

/// A line that holds a secret is shown up to its equals sign only (HG2).
fn without_secret(line: &str) -> String {
    match line.split_once('=') {
        Some((key, _)) if matches!(key.trim(), "password" | "password_hash" | "smtp") => format!("{key}= …"),
        _ => line.replace('\t', " "),
    }
}

/// The candidate with the fewest edits from `given`, if that is few enough to be a slip.
fn nearest<'a>(given: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let allowed = (given.chars().count() / 3).clamp(1, 4);
    let scored = candidates.iter().map(|candidate| (edits(&given.to_lowercase(), &candidate.to_lowercase()), *candidate));
    scored.filter(|(distance, _)| *distance <= allowed).min_by_key(|(distance, _)| *distance).map(|(_, candidate)| candidate)
}

/// How many insertions, deletions, replacements and swaps of neighbours lead from one to the other (optimal string
/// alignment).
fn edits(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let cell = |row: &[usize], at: usize| row.get(at).copied().unwrap_or_default();
    let (mut before, mut row): (Vec<usize>, Vec<usize>) = (Vec::new(), (0..=to.len()).collect());
    for (at, left) in from.iter().enumerate() {
        let mut next = vec![at + 1];
        for (index, right) in to.iter().enumerate() {
            let mut least = (cell(&row, index) + usize::from(left != right)).min(cell(&row, index + 1) + 1).min(cell(&next, index) + 1);
            let swapped = at > 0 && index > 0 && from.get(at - 1) == Some(right) && to.get(index - 1) == Some(left);
            if swapped {
                least = least.min(cell(&before, index - 1) + 1);
            }
            next.push(least);
        }
        before = std::mem::replace(&mut row, next);
    }
    cell(&row, to.len())
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(place) = &self.place else {
            write!(formatter, "{}: {}", self.path.display(), self.message)?;
            return self.help.as_ref().map_or(Ok(()), |help| write!(formatter, "\n  = {help}"));
        };
        let number = place.line_number.to_string();
        let gutter = " ".repeat(number.len());
        writeln!(formatter, "{}:{number}:{}: {}", self.path.display(), place.column, self.message)?;
        writeln!(formatter, "{gutter} |")?;
        writeln!(formatter, "{number} | {}", place.line)?;
        // Where a secret was cut off, the caret stands at the end of what is shown.
        let column = place.column.min(place.line.chars().count() + 1);
        let room = (place.line.chars().count() + 1).saturating_sub(column).max(1);
        write!(formatter, "{gutter} | {}{}", " ".repeat(column - 1), "^".repeat(place.width.min(room)))?;
        self.help.as_ref().map_or(Ok(()), |help| write!(formatter, "\n{gutter} = {help}"))
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.0.iter().enumerate() {
            if at > 0 {
                formatter.write_str("\n\n")?;
            }
            write!(formatter, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_is_found_and_the_far_is_not() {
        assert_eq!(nearest("sufix", &["schema", "suffix", "access"]), Some("suffix"));
        assert_eq!(nearest("raed", &["write", "read", "add"]), Some("read"));
        assert_eq!((edits("", "abc"), edits("abc", ""), edits("kitten", "sitting"), edits("ab", "ba")), (3, 3, 3, 1));
        assert_eq!(nearest("rootdn", &["suffix", "operator"]), None);
        assert_eq!(nearest("LDAPS", &["ldap", "ldaps"]), Some("ldaps"));
    }

    #[test]
    fn hg2_a_line_with_a_secret_is_not_shown() {
        let file = SourceFile { path: "x.toml".into(), text: "password_hash = \"{PLAIN}hunter2\"\n".into() };
        let shown = Problem::at(&file, &(16..31), "not a hash").to_string();
        assert!(!shown.contains("hunter2"), "{shown}");
        assert_eq!(shown, "x.toml:1:17: not a hash\n  |\n1 | password_hash = …\n  |                 ^");
    }
}
