//! The commands that run the daemon.

use super::arguments::DemoArguments;
use super::output::complain;
use super::{Outcome, load};
use crate::base::counts::COUNTS;
use crate::daemon::config::Config;
use crate::daemon::demo::{Demo, Options};
use crate::daemon::logging;
use crate::daemon::server::Server;
use std::future::Future;
use std::path::Path;
use std::time::Duration;

/// `headcount serve`.
pub(super) fn serve(path: &Path, json: bool) -> Outcome {
    let config = match load(path, json) {
        Ok(config) => config,
        Err(outcome) => return outcome,
    };
    let level = logging::begin(config.log_format, &config.log_level, config.log_repeats);
    let workers = config.workers;
    run(workers, json, async move { Server::start(path, config, level).await?.run().await })
}

/// `headcount demo`.
pub(super) fn demo(arguments: DemoArguments, json: bool) -> Outcome {
    let options =
        Options { folder: arguments.dir, ldap_port: arguments.ldap_port, http_port: arguments.http_port, seats: arguments.seats, json };
    let demo = match Demo::prepare(&options) {
        Ok(demo) => demo,
        Err(message) => return failed(json, &message),
    };
    let config: Config = match load(&demo.config_file(), json) {
        Ok(config) => config,
        Err(outcome) => return outcome,
    };
    let level = logging::begin(config.log_format, &config.log_level, config.log_repeats);
    run(config.workers, json, demo.run(config, level))
}

/// Runs the daemon on a runtime with so many workers, 0 for one per processor. Where it fails it says why, as JSON with `json`.
fn run(workers: usize, json: bool, daemon: impl Future<Output = Result<(), String>>) -> Outcome {
    std::panic::set_hook(Box::new(|panic| {
        COUNTS.panics.one();
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let message = panic.payload_as_str().unwrap_or_default();
        tracing::error!(place, message, "panic");
    }));
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if workers > 0 {
        builder.worker_threads(workers);
    }
    let runtime = match builder.enable_all().thread_name("worker").build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(json, &error.to_string()),
    };
    let ended = runtime.block_on(daemon);
    // What is still under way has had its time to finish.
    runtime.shutdown_timeout(Duration::from_secs(1));
    match ended {
        Ok(()) => Outcome::Done,
        Err(message) => failed(json, &message),
    }
}

fn failed(json: bool, message: &str) -> Outcome {
    complain(json, message);
    Outcome::Failed
}
