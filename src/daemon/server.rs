//! Serving: open the directory, bind the listeners, take a changed config over, and stop in order.

use super::config::file::ListenerKind;
use super::config::{Config, ListenAddress, Listener, Problems};
use super::listen::{self, Bound, Listening};
use super::logging::Level;
use super::metrics::Metrics;
use super::tls::{Loaded, Tls};
use super::watch::Watch;
use super::{audit, backup, control, http, machine};
use crate::base::SystemClock;
use crate::base::connections::{Bounds, Connections};
use crate::base::counts::COUNTS;
use crate::directory::{Directory, Settings};
use crate::ldap::{self, Door};
use crate::{mail, scim};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long connections may take to finish when we stop.
const DRAIN: Duration = Duration::from_secs(10);

/// A server that serves.
pub struct Server {
    path: PathBuf,
    config: Config,
    directory: Arc<Directory>,
    ldap: Arc<Door>,
    connections: Arc<Connections>,
    /// How many files and connections the machine lets us have.
    descriptors: u64,
    tls: Option<Tls>,
    metrics: Arc<Metrics>,
    /// Cancelled when we stop.
    stopping: CancellationToken,
    running: Vec<Running>,
    level: Option<Level>,
    watch: Option<Watch>,
    /// The files of a changed config that was refused, or those at fault: a change of them may mend it.
    refused: Vec<PathBuf>,
    signals: Option<Signals>,
}

/// What the machine tells us. It is kept from here on until it is asked for.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> Result<Self, String> {
        let of = |kind: SignalKind| signal(kind).map_err(|error| error.to_string());
        Ok(Self { terminate: of(SignalKind::terminate())?, interrupt: of(SignalKind::interrupt())?, hangup: of(SignalKind::hangup())? })
    }
}

/// A listener that accepts.
struct Running {
    listener: Listener,
    task: JoinHandle<()>,
}

impl Server {
    /// Opens the directory and begins to accept. `path` is where the config came from; it is read again on a change.
    pub async fn start(path: &Path, config: Config, level: Option<Level>) -> Result<Self, String> {
        let descriptors = machine::raise_descriptor_limit();
        // Before anybody can connect: whoever changes a file after that is noticed.
        let watch = Some(Watch::new(config.files.clone()));
        let tls = config.tls.as_ref().map(Loaded::read).transpose()?.map(Tls::new);
        let bound = bind_all(&config.listeners)?;
        let settings = settings_of(&config);
        let opened = tokio::task::spawn_blocking(move || Directory::open(settings, Arc::new(SystemClock::default()))).await;
        let directory =
            opened.map_err(|error| error.to_string())?.map_err(|error| format!("{}: {error}", config.settings.folder.display()))?;
        let socket = config.settings.folder.join(control::SOCKET);
        control::socket::serve(&socket, Arc::clone(&directory)).map_err(|error| format!("{}: {error}", socket.display()))?;
        let connections = Connections::new(bounds_of(&config, descriptors));
        let ldap = Door::new(Arc::clone(&directory), tls.as_ref().map(|tls| Arc::clone(&tls.ldap)), Arc::clone(&connections));
        let expires = tls.as_ref().map_or_else(Arc::default, |tls| Arc::clone(&tls.expires));
        let metrics = Metrics::new(Arc::clone(&directory), config.operate.metrics.clone(), expires);
        COUNTS.config_generation.one();
        let mut server = Self {
            metrics,
            path: path.to_owned(),
            refused: Vec::new(),
            config,
            directory,
            ldap,
            connections,
            descriptors,
            tls,
            stopping: CancellationToken::new(),
            running: Vec::new(),
            level,
            watch,
            // Who sees that it serves may end it.
            signals: Some(Signals::new()?),
        };
        // Now that whoever connects is answered, and the command line is.
        for (listener, socket) in listen_all(bound)? {
            server.accept(listener, socket)?;
        }
        tracing::info!(descriptors, listeners = server.running.len(), version = env!("CARGO_PKG_VERSION"), "serving");
        Ok(server)
    }

    /// The directory it serves.
    pub fn directory(&self) -> &Arc<Directory> {
        &self.directory
    }

    /// Serves until SIGTERM or SIGINT, then lets what is under way finish.
    pub async fn run(mut self) -> Result<(), String> {
        let Signals { mut terminate, mut interrupt, mut hangup } = self.signals.take().map_or_else(Signals::new, Ok)?;
        let mut watch = self.watch.take().unwrap_or_else(|| Watch::new(self.config.files.clone()));
        let watchdog = tokio::spawn(beat());
        let repeats = self.level.as_ref().map(|level| tokio::spawn(level.repeats().watch()));
        let mut mail = self.send_mail();
        let mut webhook = self.tell_webhook();
        let mut events = self.tell_events();
        let mut backup = self.back_up();
        let mut audit = self.watch_audit();
        let maintenance = tokio::spawn(Arc::clone(&self.directory).maintain());
        machine::tell_ready();
        while self.next(&mut terminate, &mut interrupt, &mut hangup, &mut watch).await {
            machine::tell_reloading();
            match self.reload().await {
                Ok(()) => {
                    // Nothing is lost: a letter leaves the outbox when it was taken over.
                    mail.iter().for_each(JoinHandle::abort);
                    mail = self.send_mail();
                    webhook.iter().for_each(JoinHandle::abort);
                    webhook = self.tell_webhook();
                    events.iter().for_each(JoinHandle::abort);
                    events = self.tell_events();
                    backup.iter().for_each(JoinHandle::abort);
                    backup = self.back_up();
                    audit.abort();
                    audit = self.watch_audit();
                    COUNTS.config_generation.one();
                    self.directory.note_reload(&self.path.display().to_string(), 0);
                    tracing::info!(config = %self.path.display(), "the changed config is in force");
                }
                Err(reasons) => {
                    COUNTS.config_refused.one();
                    self.directory.note_reload(&self.path.display().to_string(), reasons.len());
                    for reason in reasons {
                        tracing::error!(config = %self.path.display(), reason, "the changed config is bad; the old one stays in force");
                    }
                }
            }
            watch.follow(self.config.files.iter().chain(&self.refused).cloned().collect());
            machine::tell_ready();
        }
        watchdog.abort();
        let repeats_at_end = self.level.as_ref().map(Level::repeats);
        self.stop().await;
        repeats_at_end.iter().for_each(|repeats| repeats.tell());
        maintenance.abort();
        audit.abort();
        repeats.iter().for_each(JoinHandle::abort);
        mail.iter().chain(&webhook).chain(&events).chain(&backup).for_each(JoinHandle::abort);
        Ok(())
    }

    /// Sends what is in the outbox, where the config says how.
    fn send_mail(&self) -> Option<JoinHandle<()>> {
        let settings = self.config.mail.clone()?;
        Some(tokio::spawn(mail::run(Arc::clone(&self.directory), settings)))
    }

    /// Posts alerts, where the config says to whom.
    fn tell_webhook(&self) -> Option<JoinHandle<()>> {
        let settings = self.config.webhook.clone()?;
        Some(tokio::spawn(mail::webhook::run(Arc::clone(&self.directory), settings)))
    }

    /// Tells the receivers of security events, where the config names any; and forgets what those that it does not name any more were
    /// to be told.
    fn tell_events(&self) -> Option<JoinHandle<()>> {
        let public_url = self.config.settings.activation.public_url.as_deref().unwrap_or_default();
        let scim = scim::routes::Scim::new(Arc::clone(&self.directory), &format!("{public_url}/scim/v2"));
        let scim = scim.inspect_err(|error| tracing::error!(%error, "the schemas of SCIM are damaged")).ok()?;
        Some(tokio::spawn(scim::events::run(scim)))
    }

    /// Makes backups, where the config says how often.
    fn back_up(&self) -> Option<JoinHandle<()>> {
        let settings = self.config.operate.backup.clone()?;
        Some(tokio::spawn(backup::run(Arc::clone(&self.directory), settings)))
    }

    /// Looks through the audit log at times.
    fn watch_audit(&self) -> JoinHandle<()> {
        tokio::spawn(audit::watch(Arc::clone(&self.directory), self.config.operate.verify_every))
    }

    /// Waits for something to happen: true for a changed config, false for the end.
    async fn next(&self, terminate: &mut Signal, interrupt: &mut Signal, hangup: &mut Signal, watch: &mut Watch) -> bool {
        tokio::select! {
            _ = terminate.recv() => false,
            _ = interrupt.recv() => false,
            _ = hangup.recv() => true,
            () = watch.changed() => true,
        }
    }

    /// Takes a changed config over: all of it, or nothing. Connections stay as they are.
    async fn reload(&mut self) -> Result<(), Vec<String>> {
        let one = |reason: String| vec![reason];
        let path = self.path.clone();
        let loaded = tokio::task::spawn_blocking(move || Config::load(&path)).await.map_err(|error| one(error.to_string()))?;
        let config = match loaded {
            Ok(config) => config,
            Err(Problems(problems)) => {
                self.refused = problems.iter().map(|problem| problem.path().to_owned()).collect();
                return Err(problems.iter().map(ToString::to_string).collect());
            }
        };
        self.refused.clone_from(&config.files);
        let certificate = config.tls.as_ref().map(Loaded::read).transpose().map_err(one)?;
        if certificate.is_some() != self.tls.is_some() {
            return Err(one("[tls] comes and goes at a restart only".to_owned()));
        }
        if config.workers != self.config.workers || config.log_format != self.config.log_format {
            return Err(one("`workers` and the log's format change at a restart only".to_owned()));
        }
        let added: Vec<Listener> = config
            .listeners
            .iter()
            .filter(|listener| !self.running.iter().any(|running| running.listener == **listener))
            .cloned()
            .collect();
        let sockets = bind_all(&added).and_then(listen_all).map_err(one)?;
        self.directory.reload(settings_of(&config)).await.map_err(|error| one(error.to_string()))?;
        if let (Some(tls), Some(certificate)) = (&self.tls, certificate) {
            tls.exchange(certificate);
        }
        if let Some(level) = &self.level {
            level.set(&config.log_level, config.log_repeats).map_err(one)?;
        }
        // A listener that is gone stops to accept; its connections go on.
        self.running.retain(|running| {
            let stays = config.listeners.contains(&running.listener);
            if !stays {
                running.task.abort();
                tracing::info!(listener = running.listener.name, "stopped listening");
            }
            stays
        });
        for (listener, socket) in sockets {
            self.accept(listener, socket).map_err(one)?;
        }
        self.metrics.replace(config.operate.metrics.clone());
        self.connections.bound(bounds_of(&config, self.descriptors));
        self.refused.clear();
        self.config = config;
        Ok(())
    }

    fn accept(&mut self, listener: Listener, socket: Listening) -> Result<(), String> {
        let name = listener.name.clone();
        let task = match socket {
            Listening::Ldap(endpoint) => tokio::spawn(Arc::clone(&self.ldap).serve(name, endpoint, listener.proxies.clone())),
            Listening::Http(socket) => {
                let tls = self.tls.as_ref().filter(|_| listener.kind == ListenerKind::Https).map(|tls| Arc::clone(&tls.https));
                let router = http::router(&self.directory, &http::base_url(&self.config, &listener), self.stopping.clone(), &self.metrics)?;
                let settings = http::settings(&self.config, &listener, tls, &self.connections);
                tokio::spawn(scim::server::serve(socket, router, settings, self.stopping.clone()))
            }
        };
        tracing::info!(listener = listener.name, kind = listener.kind.word(), address = %describe(&listener.address), "listening");
        self.running.push(Running { listener, task });
        Ok(())
    }

    async fn stop(mut self) {
        machine::tell_stopping();
        tracing::info!("stopping");
        self.stopping.cancel();
        let web = self.running.iter_mut().filter(|running| matches!(running.listener.kind, ListenerKind::Http | ListenerKind::Https));
        let web: Vec<&mut JoinHandle<()>> = web.map(|running| &mut running.task).collect();
        tokio::join!(self.ldap.stop(DRAIN), finish(web));
        for running in &self.running {
            if let (ListenerKind::Ldapi, ListenAddress::Local(path)) = (running.listener.kind, &running.listener.address) {
                remove(path);
            }
        }
        remove(&self.config.settings.folder.join(control::SOCKET));
        let directory = Arc::clone(&self.directory);
        if tokio::task::spawn_blocking(move || directory.close()).await.is_err() {
            tracing::error!("the store did not close in order; what was acknowledged is in the journal");
        }
        tracing::info!("stopped");
    }
}

/// The settings with what the doors can do added, for the root DSE.
fn settings_of(config: &Config) -> Settings {
    Settings { protocol_features: ldap::features(), ..config.settings.clone() }
}

/// How many connections there may be: what the config says, as far as there are descriptors.
fn bounds_of(config: &Config, descriptors: u64) -> Bounds {
    let limits = &config.settings.limits;
    let wanted = Bounds { all: limits.connections, per_network: limits.connections_per_address };
    let bounds = wanted.within(descriptors);
    if bounds != wanted {
        tracing::warn!(descriptors, wanted = wanted.all, connections = bounds.all, "there are too few descriptors for all connections");
    }
    bounds
}

fn bind_all(listeners: &[Listener]) -> Result<Vec<(Listener, Bound)>, String> {
    let bind = |listener: &Listener| match listen::bind(listener) {
        Ok(bound) => Ok((listener.clone(), bound)),
        Err(error) => Err(unusable(listener, &error)),
    };
    listeners.iter().map(bind).collect()
}

fn listen_all(bound: Vec<(Listener, Bound)>) -> Result<Vec<(Listener, Listening)>, String> {
    let listen = |(listener, bound): (Listener, Bound)| match bound.listen() {
        Ok(socket) => Ok((listener, socket)),
        Err(error) => Err(unusable(&listener, &error)),
    };
    bound.into_iter().map(listen).collect()
}

fn unusable(listener: &Listener, error: &std::io::Error) -> String {
    format!("listener {}: {}: {error}", listener.name, describe(&listener.address))
}

fn describe(address: &ListenAddress) -> String {
    match address {
        ListenAddress::Local(path) => path.display().to_string(),
        ListenAddress::Tcp(address) => address.to_string(),
    }
}

fn remove(socket: &Path) {
    if let Err(error) = std::fs::remove_file(socket) {
        tracing::debug!(socket = %socket.display(), %error, "the socket is gone already");
    }
}

/// Waits for the web's listeners, which let their requests finish; each has its own limit below ours.
async fn finish(tasks: Vec<&mut JoinHandle<()>>) {
    for task in tasks {
        if tokio::time::timeout(DRAIN, &mut *task).await.is_err() {
            task.abort();
        }
    }
}

/// Tells the service manager that the runtime still turns.
async fn beat() {
    let Some(interval) = machine::watchdog_interval() else { return };
    let mut ticks = tokio::time::interval(interval);
    loop {
        ticks.tick().await;
        machine::tell_alive();
    }
}
