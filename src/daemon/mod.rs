//! The running server: its config, its listeners, TLS, reload, logs and shutdown. This is the only place that
//! reads files of the operator and the environment, and it is known by nobody but the command line.

mod audit;
mod backup;
pub mod config;
pub mod control;
pub mod demo;
mod http;
#[cfg(test)]
mod http_tests;
mod listen;
pub mod logging;
pub mod machine;
mod metrics;
mod repeats;
pub mod server;
pub mod tls;
pub mod watch;
