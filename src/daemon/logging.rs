//! Logs: one line an event, as text or as JSON, to standard error. Whatever a peer sent, a line stays one line (HG1).
//! What libraries say below info is left out at every level: they show whole messages, passwords and all (HG2).

use super::config::file::LogFormat;
use super::repeats::{Limit, Repeats};
use crate::base::line;
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use tracing::Metadata;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry, fmt};

/// Changes what is logged while the server runs.
pub struct Level {
    filter: reload::Handle<EnvFilter, Registry>,
    repeats: Arc<Repeats>,
}

impl Level {
    /// Logs by `level` from now on, as the config's `[log] level`, and so many events of one kind; what does not read is refused.
    pub fn set(&self, level: &str, repeats: usize) -> Result<(), String> {
        let filter = EnvFilter::builder().parse(level).map_err(|error| error.to_string())?;
        self.repeats.set(repeats);
        self.filter.reload(filter).map_err(|error| error.to_string())
    }

    /// What counts events that come too often.
    pub(super) fn repeats(&self) -> Arc<Repeats> {
        Arc::clone(&self.repeats)
    }
}

/// Begins to log. `None` where something logs already, as in tests.
pub fn begin(format: LogFormat, level: &str, repeats: usize) -> Option<Level> {
    let repeats = Repeats::new(repeats);
    let (filter, handle) = reload::Layer::new(EnvFilter::builder().parse_lossy(level));
    let registry = tracing_subscriber::registry().with(filter).with(filter_fn(may_be_told)).with(Limit(Arc::clone(&repeats)));
    let begun = match format {
        LogFormat::Json => registry.with(fmt::layer().json().flatten_event(true).with_writer(Lines)).try_init(),
        LogFormat::Text => registry.with(fmt::layer().with_ansi(io::stderr().is_terminal()).with_writer(Lines)).try_init(),
    };
    begun.ok().map(|()| Level { filter: handle, repeats })
}

/// Whether events like this may be logged at all: ours, and of others those at info and above.
fn may_be_told(metadata: &Metadata<'_>) -> bool {
    *metadata.level() <= tracing::Level::INFO || metadata.target().split("::").next() == Some("headcount")
}

/// Standard error, one event a line.
struct Lines;

/// One event on its way out.
struct Line;

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line
    }
}

impl Write for Line {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        io::stderr().lock().write_all(one_line(event, io::stderr().is_terminal()).as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// The event with everything escaped that could begin a line or steer a terminal; the line end after it stays. Colours are
/// our own where there is a terminal, and what a peer sent comes escaped out of the formatter by then.
fn one_line(event: &[u8], coloured: bool) -> String {
    let text = String::from_utf8_lossy(event);
    let body = text.strip_suffix('\n').unwrap_or(&text);
    let mut out = line::escaped(body, |character| coloured && character == '\u{1b}');
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::one_line;

    #[test]
    fn hg1_an_event_is_one_line_whatever_is_in_it() {
        let shown = one_line("bind dn=\"cn=a\r\n{\\\"fake\\\":1}\u{1b}[2J\u{2028}\u{85}x\"\n".as_bytes(), false);
        assert_eq!(shown, "bind dn=\"cn=a\\u000d\\u000a{\\\"fake\\\":1}\\u001b[2J\\u2028\\u0085x\"\n");
        assert_eq!(shown.lines().count(), 1);
    }
}
