//! Answers on the terminal: rows as a table or as JSON lines, LDIF as it is, warnings and failures to standard error.

use super::Outcome;
use crate::base::line;
use crate::daemon::control::Reply;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Map, Value};
use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::path::Path;

/// The widest column, in characters: what is longer moves only what stands behind it in its own line.
const WIDEST: usize = 80;

/// Takes the lines of an answer.
pub(super) struct Output {
    json: bool,
    csv: bool,
    rows: Vec<Map<String, Value>>,
    progress: Option<ProgressBar>,
    ldif: Box<dyn Write>,
    /// Whether the answer has begun, with a row or a piece of LDIF.
    begun: bool,
    outcome: Outcome,
}

impl Output {
    /// Prints to the terminal, LDIF to `file` where one is given. `counts` is whether there is progress to show; it is
    /// shown on a terminal only.
    pub(super) fn new(json: bool, file: Option<&Path>, counts: bool) -> std::io::Result<Self> {
        let ldif: Box<dyn Write> = match file {
            Some(path) if path != Path::new("-") => {
                Box::new(std::io::BufWriter::new(std::fs::OpenOptions::new().write(true).create_new(true).open(path)?))
            }
            _ => Box::new(std::io::BufWriter::new(std::io::stdout().lock())),
        };
        let progress = (counts && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::new_spinner();
            let style = ProgressStyle::with_template("{spinner} {human_pos} records, {per_sec}, {elapsed}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            bar
        });
        Ok(Self { json, csv: false, rows: Vec::new(), progress, ldif, begun: false, outcome: Outcome::Done })
    }

    /// Takes a line; answers whether there are more to come.
    pub(super) fn take(&mut self, reply: Reply) -> std::io::Result<bool> {
        self.begun |= matches!(reply, Reply::Ldif(_) | Reply::Row(_));
        match reply {
            Reply::Ldif(text) => self.ldif.write_all(text.as_bytes())?,
            Reply::Progress(done) => self.progress.iter().for_each(|bar| bar.set_position(done)),
            Reply::Row(row) if self.json => say(&format!("{}\n", line::one_line(&Value::Object(row).to_string())))?,
            Reply::Row(row) => self.rows.push(row),
            Reply::Warning(text) => self.warn(text),
            Reply::Done(text) => {
                self.finish()?;
                match self.json {
                    true if !self.begun && !text.is_empty() => say(&object("message", text))?,
                    false if !text.is_empty() => tell(text),
                    _ => {}
                }
                return Ok(false);
            }
            Reply::Failed(failure) => {
                self.finish()?;
                complain(self.json, failure.message);
                self.outcome = if failure.partly { Outcome::Partly } else { Outcome::Failed };
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The answer is a list, which may be empty: how long it is is nothing to say in JSON.
    pub(super) fn of_list(self) -> Self {
        Self { begun: true, ..self }
    }

    /// Prints rows as CSV.
    pub(super) fn in_csv(self) -> Self {
        Self { csv: true, ..self }
    }

    /// Whether it prints JSON.
    pub(super) const fn is_json(&self) -> bool {
        self.json
    }

    /// How it ended.
    pub(super) const fn outcome(&self) -> Outcome {
        self.outcome
    }

    fn warn(&self, text: String) {
        match &self.progress {
            Some(bar) => bar.suspend(|| warn(self.json, text)),
            None => warn(self.json, text),
        }
    }

    fn finish(&mut self) -> std::io::Result<()> {
        if let Some(bar) = self.progress.take() {
            bar.finish_and_clear();
        }
        self.ldif.flush()?;
        say(&if self.csv { csv(&self.rows) } else { table(&self.rows) })
    }
}

/// Writes to standard output. That a reader has seen enough and closed it is no failure.
fn say(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// A line with one thing in it, as JSON.
fn object(key: &str, text: String) -> String {
    let row: Map<String, Value> = [(key.to_owned(), Value::String(text))].into_iter().collect();
    format!("{}\n", line::one_line(&Value::Object(row).to_string()))
}

/// Writes the one line a command answers with, as JSON under `key` where that is asked for, and says how that went.
pub(super) fn answer(json: bool, key: &str, line: impl Display) -> Outcome {
    let line = if json { object(key, line.to_string()) } else { format!("{line}\n") };
    match say(&line) {
        Ok(()) => Outcome::Done,
        Err(error) => {
            complain(json, error);
            Outcome::Failed
        }
    }
}

/// Says on standard error what is no failure and is to be known, as JSON under `warning` where that is asked for.
pub(super) fn warn(json: bool, text: String) {
    match json {
        true => tell(object("warning", text).trim_end()),
        false => tell(text),
    }
}

/// Says on standard error why it failed, as JSON under `error` where that is asked for.
pub(super) fn complain(json: bool, message: impl Display) {
    match json {
        true => tell(object("error", message.to_string()).trim_end()),
        false => tell(format_args!("headcount: {message}")),
    }
}

/// Writes a line to standard error. Where that cannot be written there is nobody to be told so.
pub(super) fn tell(line: impl Display) {
    drop(writeln!(std::io::stderr().lock(), "{line}"));
}

/// A value in a cell.
fn text(value: &Value) -> String {
    line::one_line(&match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => list(items),
        other => other.to_string(),
    })
}

/// Rows as CSV (RFC 4180) with the keys of the first row as its head. A spreadsheet takes no cell for a formula: where one
/// would begin, there is an apostrophe before it.
fn csv(rows: &[Map<String, Value>]) -> String {
    let Some(first) = rows.first() else { return String::new() };
    let cell = |shown: String| {
        let shown = if shown.starts_with(['=', '+', '-', '@']) { format!("'{shown}") } else { shown };
        match shown.contains(['"', ',', ';']) {
            true => format!("\"{}\"", shown.replace('"', "\"\"")),
            false => shown,
        }
    };
    let head: Vec<String> = first.keys().cloned().map(cell).collect();
    let lines = rows.iter().map(|row| first.keys().map(|key| cell(row.get(key).map(text).unwrap_or_default())).collect::<Vec<_>>());
    std::iter::once(head).chain(lines).map(|cells| cells.join(",") + "\r\n").collect()
}

/// Rows as a table with the keys of the first row as its head; one row alone is shown as a list.
fn table(rows: &[Map<String, Value>]) -> String {
    let Some(first) = rows.first() else { return String::new() };
    let mut out = String::new();
    if rows.len() == 1 {
        let width = first.keys().map(|key| key.chars().count()).max().unwrap_or_default();
        for (key, value) in first {
            out.push_str(&format!("{}  {}\n", padded(key, width), text(value)));
        }
        return out;
    }
    let keys: Vec<&String> = first.keys().collect();
    let mut lines: Vec<Vec<String>> = vec![keys.iter().map(|key| key.to_uppercase().replace('_', " ")).collect()];
    lines.extend(rows.iter().map(|row| keys.iter().map(|key| row.get(*key).map(text).unwrap_or_default()).collect()));
    let columns: Vec<usize> = (0..keys.len())
        .map(|column| lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max().unwrap_or_default())
        .map(|width| width.min(WIDEST))
        .collect();
    for line in &lines {
        let cells: Vec<String> = line.iter().zip(&columns).map(|(cell, width)| padded(cell, *width)).collect();
        out.push_str(cells.join("  ").trim_end());
        out.push('\n');
    }
    out
}

/// The text with blanks behind it up to a width in characters; what is longer stays whole.
fn padded(text: &str, width: usize) -> String {
    let missing = width.saturating_sub(text.chars().count());
    format!("{text}{}", " ".repeat(missing))
}

/// A list in one cell: its first items, and how many more there are.
fn list(items: &[Value]) -> String {
    const SHOWN: usize = 8;
    let mut shown = items.iter().take(SHOWN).map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned)).collect::<Vec<_>>();
    if items.len() > SHOWN {
        shown.push(format!("{} more", items.len() - SHOWN));
    }
    shown.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_a_table_and_one_row_is_a_list() {
        let row = |id: &str, seats: u32| {
            let Value::Object(row) = serde_json::json!({"id": id, "in_use": seats}) else { unreachable!() };
            row
        };
        assert_eq!(table(&[row("a", 1), row("long", 20)]), "ID    IN USE\na     1\nlong  20\n");
        assert_eq!(table(&[row("a", 1)]), "id      a\nin_use  1\n");
        assert_eq!(table(&[]), "");
    }

    #[test]
    fn o6_no_cell_of_csv_is_a_formula() {
        let Value::Object(row) = serde_json::json!({
            "a": "=1+1", "b": "+x", "c": "-2+3", "d": "@sum", "e": "cn=a,ou=\"b\"", "f": 3, "g": null, "h": "a\tb\r\n=c"
        }) else {
            unreachable!()
        };
        assert_eq!(csv(&[row]), "a,b,c,d,e,f,g,h\r\n'=1+1,'+x,'-2+3,'@sum,\"cn=a,ou=\"\"b\"\"\",3,,a\\u0009b\\u000d\\u000a=c\r\n");
        assert_eq!(csv(&[]), "");
    }

    #[test]
    fn a_value_of_any_length_is_shown_whole_and_widens_no_other_line() {
        let row = |name: &str, text: &str| {
            let Value::Object(row) = serde_json::json!({"name": name, "text": text}) else { unreachable!() };
            row
        };
        let long = "x".repeat(70_000);
        let shown = table(&[row(&long, &long), row("a", "b")]);
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!((lines[1].len(), lines[2].len()), (140_002, WIDEST + 3));
        assert_eq!(table(&[row("a", &long)]).len(), "name  a\n".len() + "text  \n".len() + long.len());
    }
}
