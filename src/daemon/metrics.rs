//! `/metrics` for Prometheus: what `base::counts` has counted and how the directory is doing. Off unless the config has
//! `[metrics]`; who asks needs the token, or comes from a network that needs none. No label names a user, and licences are
//! capped, so that the number of series is bounded.

use super::config::Metrics as Settings;
use crate::base::counts::{BIND_RESULTS, BOUNDS, COUNTS, Counter, HTTP_CLASSES, Histogram, OPERATIONS};
use crate::directory::{Directory, Origin};
use arc_swap::ArcSwapOption;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;
use std::fmt;
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// The media type of the OpenMetrics text format.
const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What the endpoint needs.
pub(super) struct Metrics {
    directory: Arc<Directory>,
    settings: ArcSwapOption<Settings>,
    /// When the certificate expires, milliseconds since the epoch; 0 where there is none.
    expires: Arc<Counter>,
}

impl Metrics {
    /// With the settings of the config.
    pub(super) fn new(directory: Arc<Directory>, settings: Option<Settings>, expires: Arc<Counter>) -> Arc<Self> {
        Arc::new(Self { directory, settings: ArcSwapOption::from_pointee(settings), expires })
    }

    /// Puts other settings in force.
    pub(super) fn replace(&self, settings: Option<Settings>) {
        self.settings.store(settings.map(Arc::new));
    }

    /// Whether the certificate, where there is one, is still good.
    pub(super) fn certificate_is_good(&self) -> bool {
        let expires = self.expires.get();
        expires == 0 || expires > self.directory.clock().now().millis()
    }

    /// Answers a request.
    pub(super) fn answer(&self, origin: &Origin, headers: &HeaderMap) -> Response {
        let Some(settings) = self.settings.load_full() else { return StatusCode::NOT_FOUND.into_response() };
        if !admits(&settings, origin, headers) {
            return (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")]).into_response();
        }
        match self.text(&settings) {
            Ok(text) => ([(header::CONTENT_TYPE, MEDIA_TYPE), (header::CACHE_CONTROL, "no-store")], text).into_response(),
            Err(fmt::Error) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
    }

    fn text(&self, settings: &Settings) -> Result<String, fmt::Error> {
        let mut registry = Registry::default();
        let seats = self.directory.seat_use(settings.licences);
        let snapshot =
            Snapshot { telemetry: self.directory.telemetry(), seats, expires: self.expires.get(), now: self.directory.clock().now() };
        registry.register_collector(Box::new(snapshot));
        let mut text = String::new();
        encode(&mut text, &registry)?;
        Ok(text)
    }
}

/// Whether who asks may read.
fn admits(settings: &Settings, origin: &Origin, headers: &HeaderMap) -> bool {
    let near = origin.address.is_some_and(|address| settings.networks.iter().any(|network| network.contains(address)));
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let known = settings.token.as_ref().zip(given).is_some_and(|(token, given)| bool::from(token.expose().ct_eq(given.trim().as_bytes())));
    near || known
}

/// Everything as it is at one scrape.
#[derive(Debug)]
struct Snapshot {
    telemetry: crate::directory::telemetry::Telemetry,
    seats: Vec<crate::directory::telemetry::SeatUse>,
    expires: u64,
    now: crate::base::Timestamp,
}

/// Writes families of metrics.
struct Families<'a>(DescriptorEncoder<'a>);

impl Families<'_> {
    fn family<'s>(&'s mut self, name: &'s str, help: &'s str, kind: MetricType) -> Result<MetricEncoder<'s>, fmt::Error> {
        self.0.encode_descriptor(name, help, None, kind)
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        self.family(name, help, MetricType::Counter)?.encode_counter::<NoLabelSet, _, u64>(&value, None)
    }

    fn gauge(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        self.family(name, help, MetricType::Gauge)?.encode_gauge(&value)
    }

    fn counters<'c>(&mut self, name: &str, help: &str, label: &str, values: impl IntoIterator<Item = (&'c str, u64)>) -> fmt::Result {
        let mut family = self.family(name, help, MetricType::Counter)?;
        for (value, count) in values {
            family.encode_family(&[(label, value)])?.encode_counter::<NoLabelSet, _, u64>(&count, None)?;
        }
        Ok(())
    }

    fn gauges<'c>(&mut self, name: &str, help: &str, label: &str, values: impl IntoIterator<Item = (&'c str, f64)>) -> fmt::Result {
        let mut family = self.family(name, help, MetricType::Gauge)?;
        for (value, number) in values {
            family.encode_family(&[(label, value)])?.encode_gauge(&number)?;
        }
        Ok(())
    }

    fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram) -> fmt::Result {
        put_histogram(&mut self.family(name, help, MetricType::Histogram)?, histogram)
    }
}

fn put_histogram(encoder: &mut MetricEncoder<'_>, histogram: &Histogram) -> fmt::Result {
    let (counts, sum) = histogram.read();
    let bounds = BOUNDS.iter().map(|micros| *micros as f64 / 1e6).chain([f64::MAX]);
    let buckets: Vec<(f64, u64)> = bounds.zip(counts).collect();
    encoder.encode_histogram::<NoLabelSet>(sum.as_secs_f64(), counts.iter().sum(), &buckets, None)
}

impl Collector for Snapshot {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut families = Families(encoder);
        self.ldap(&mut families)?;
        self.http_and_logins(&mut families)?;
        self.store(&mut families)?;
        self.server(&mut families)
    }
}

impl Snapshot {
    fn ldap(&self, families: &mut Families<'_>) -> fmt::Result {
        let named = || OPERATIONS.iter().copied().zip(&COUNTS.operations);
        let initiated = named().map(|(name, counts)| (name, counts.initiated.get()));
        families.counters("headcount_ldap_operations_initiated", "LDAP operations begun", "operation", initiated)?;
        let completed = named().map(|(name, counts)| (name, counts.completed.get()));
        families.counters("headcount_ldap_operations_completed", "LDAP operations ended", "operation", completed)?;
        let failed = named().map(|(name, counts)| (name, counts.failed.get()));
        families.counters("headcount_ldap_operations_failed", "LDAP operations refused or failed", "operation", failed)?;
        let mut family = families.family("headcount_ldap_operation_seconds", "From message to answer", MetricType::Histogram)?;
        for (name, counts) in named() {
            put_histogram(&mut family.encode_family(&[("operation", name)])?, &counts.latency)?;
        }
        let bound = COUNTS.bound.get();
        let states = [("anonymous", (COUNTS.open.get() - bound) as f64), ("bound", bound as f64)];
        families.gauges("headcount_ldap_connections", "Open LDAP connections", "state", states)?;
        families.counter("headcount_ldap_connections_accepted", "LDAP connections accepted", COUNTS.connections.get())?;
        families.counter("headcount_ldap_connections_refused", "LDAP connections over a limit", COUNTS.refused.get())?;
        families.counter("headcount_accepts_failed", "Times that a listener could not accept", COUNTS.not_accepted.get())?;
        let octets = [("in", COUNTS.octets_in.get()), ("out", COUNTS.octets_out.get())];
        families.counters("headcount_ldap_bytes", "Octets of LDAP", "direction", octets)?;
        families.counter("headcount_ldap_messages_sent", "LDAP messages sent", COUNTS.messages.get())?;
        families.counter("headcount_ldap_entries_sent", "Entries sent by searches", COUNTS.entries.get())?;
        families.counter("headcount_ldap_references_sent", "References sent by searches", COUNTS.references.get())
    }

    fn http_and_logins(&self, families: &mut Families<'_>) -> fmt::Result {
        let classes = HTTP_CLASSES.iter().copied().zip(COUNTS.http.iter().map(Counter::get));
        families.counters("headcount_http_responses", "HTTP answers by class of status", "class", classes)?;
        families.histogram("headcount_http_request_seconds", "From request to the head of its answer", &COUNTS.http_latency)?;
        families.counter("headcount_scim_over_rate", "Requests of SCIM clients refused for their rate", COUNTS.over_rate.get())?;
        let results = BIND_RESULTS.iter().copied().zip(COUNTS.binds.iter().map(Counter::get));
        families.counters("headcount_binds", "Binds by result", "result", results)?;
        families.counter("headcount_logins_throttled", "Logins held back after failures", COUNTS.throttled.get())?;
        let hashing = [("running", self.telemetry.hashing.running as f64), ("waiting", self.telemetry.hashing.waiting as f64)];
        families.gauges("headcount_password_checks", "Passwords being checked", "state", hashing)?;
        families.counter("headcount_password_hashes", "Costly hashes to check and to keep passwords", COUNTS.hashes.get())?;
        families.counter("headcount_password_checks_shed", "Passwords not checked because too many waited", COUNTS.shed.get())?;
        let seats = || self.seats.iter().map(|seats| (seats.licence.as_str(), f64::from(seats.in_use)));
        families.gauges("headcount_seats_in_use", "Seats in use", "licence", seats())?;
        let limits = self.seats.iter().map(|seats| (seats.licence.as_str(), f64::from(seats.limit)));
        families.gauges("headcount_seats_limit", "Session limits", "licence", limits)?;
        let peaks = self.seats.iter().map(|seats| (seats.licence.as_str(), f64::from(seats.peak)));
        families.gauges("headcount_seats_peak", "The most seats in use at one time in the present hour", "licence", peaks)?;
        let refused = self.seats.iter().map(|seats| (seats.licence.as_str(), seats.refused));
        families.counters("headcount_seats_refused", "Binds refused for want of a seat", "licence", refused)
    }

    fn store(&self, families: &mut Families<'_>) -> fmt::Result {
        let telemetry = &self.telemetry;
        families.gauge("headcount_entries", "Entries", telemetry.entries as f64)?;
        families.histogram("headcount_store_flush_seconds", "Journal writes with their sync", &COUNTS.flush)?;
        families.gauge(
            "headcount_store_flushed_timestamp_seconds",
            "When the store last brought what it keeps up to date",
            seconds(COUNTS.flushed_at.get()),
        )?;
        families.counter("headcount_store_changes", "Changes made", telemetry.changes)?;
        families.counter("headcount_store_groups", "Groups of changes, each one sync", telemetry.groups)?;
        families.counter("headcount_store_step_failures", "Background steps that failed", telemetry.step_failures)?;
        families.counter("headcount_store_snapshots", "Snapshots taken", telemetry.snapshots)?;
        families.gauge("headcount_store_kept_bytes", "Octets of the kept state", telemetry.kept_octets as f64)?;
        families.gauge("headcount_store_write_queue", "Work that waits for the writer", telemetry.write_queue as f64)?;
        families.gauge("headcount_store_read_only", "1 where changes are refused", f64::from(u8::from(telemetry.read_only)))?;
        families.gauge("headcount_audit_sequence", "The change of the last audit record", COUNTS.audited.get() as f64)?;
        families.gauge("headcount_audit_broken", "1 where the audit log was found changed or cut off", COUNTS.audit_broken.get() as f64)?;
        families.gauge(
            "headcount_audit_verified_timestamp_seconds",
            "When the audit log was last looked through and found good",
            seconds(COUNTS.audit_verified_at.get()),
        )
    }

    fn server(&self, families: &mut Families<'_>) -> fmt::Result {
        let telemetry = &self.telemetry;
        families.gauge("headcount_outbox_letters", "Letters that wait", telemetry.outbox as f64)?;
        let age = telemetry.outbox_since.map_or(0.0, |since| self.now.since(since).as_secs_f64());
        families.gauge("headcount_outbox_oldest_seconds", "Age of the letter waiting longest", age)?;
        families.gauge("headcount_tokens_ending", "Tokens that end soon", telemetry.tokens_ending as f64)?;
        families.gauge("headcount_certificate_expiry_timestamp_seconds", "When the certificate expires; 0: none", seconds(self.expires))?;
        families.gauge("headcount_backup_timestamp_seconds", "When the last scheduled backup was made", seconds(COUNTS.backup_at.get()))?;
        families.counter("headcount_backup_failures", "Scheduled backups that failed", COUNTS.backup_failed.get())?;
        families.gauge("headcount_config_generation", "Configs taken over since the start", COUNTS.config_generation.get() as f64)?;
        families.counter("headcount_config_refused", "Changed configs that were bad", COUNTS.config_refused.get())?;
        families.counter(
            "headcount_provisioning_paused",
            "Provisioning clients that were paused at their ceiling",
            COUNTS.clients_paused.get(),
        )?;
        families.counter("headcount_panics", "Panics", COUNTS.panics.get())
    }
}

/// Seconds since the epoch of milliseconds.
fn seconds(millis: u64) -> f64 {
    millis as f64 / 1e3
}
