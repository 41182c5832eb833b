//! The local socket: both ends. Its mode and that of its folder let only the daemon's own user and root connect.

use super::parts::{self, Parts};
use super::shielded::{Wiping, wipe};
use super::{Command, Failure, Reply, execute};
use crate::directory::Directory;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

/// Octets of one command line; LDIF follows it and is not counted.
const LINE_LIMIT: u64 = 1 << 20;
/// Room for what most commands and replies take, so that no copy of a secret is left behind where a buffer grew.
const LINE_ROOM: usize = 16 << 10;
/// Commands at one time; further ones wait. They are no part of the budget of connections, so that a flood does not keep the
/// operator out (HD3).
const COMMANDS: usize = 16;
/// How long a command line may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(10);

/// Connects to a running daemon; `None` where none is there.
pub fn connect(socket: &Path) -> io::Result<Option<UnixStream>> {
    match UnixStream::connect(socket) {
        Ok(stream) => Ok(Some(stream)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Sends a command with what goes in, where something does, and hands each line of the answer to `take` until that says it was the last.
pub fn ask(
    stream: UnixStream,
    command: &Command,
    input: Option<Box<dyn Read + Send>>,
    mut take: impl FnMut(Reply) -> io::Result<bool>,
) -> io::Result<()> {
    let mut line = serde_json::to_vec(command)?;
    line.push(b'\n');
    let mut writing = stream.try_clone()?;
    writing.write_all(&line)?;
    // The answer is read while the input is still being sent: neither side ever waits for the other to read.
    let sending = thread::spawn(move || {
        let sent = input.map_or(Ok(()), |mut input| parts::send(&mut input, &mut writing));
        writing.shutdown(Shutdown::Write).and(sent)
    });
    let mut more = true;
    for line in BufReader::new(stream).lines() {
        more = take(serde_json::from_str(&line?)?)?;
        if !more {
            break;
        }
    }
    if more {
        take(Reply::Failed(Failure { message: "the daemon went away before it was done".to_owned(), partly: true }))?;
        return Ok(());
    }
    // Where the daemon stopped reading early it said why, so a broken pipe is no news.
    if let Ok(Err(error)) = sending.join()
        && error.kind() != ErrorKind::BrokenPipe
    {
        return Err(error);
    }
    Ok(())
}

/// Answers commands on the socket of the data folder until the process ends. What is left of a daemon that was killed is
/// in the way and is removed: the caller holds the lock of the folder.
pub fn serve(socket: &Path, directory: Arc<Directory>) -> io::Result<()> {
    match std::fs::remove_file(socket) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(socket)?;
    std::fs::set_permissions(socket, std::fs::Permissions::from_mode(0o600))?;
    let handle = tokio::runtime::Handle::current();
    let turns = Arc::new(Semaphore::new(COMMANDS));
    thread::Builder::new().name("control".to_owned()).spawn(move || {
        for stream in listener.incoming() {
            let Ok(stream) = stream else {
                thread::sleep(Duration::from_millis(100));
                continue;
            };
            let Ok(turn) = handle.block_on(Arc::clone(&turns).acquire_owned()) else { return };
            let (directory, handle) = (Arc::clone(&directory), handle.clone());
            let spawned = thread::Builder::new().name("command".to_owned()).spawn(move || {
                let _turn = turn;
                if let Err(error) = answer(&stream, &directory, &handle) {
                    tracing::warn!(%error, "a command line went away");
                }
            });
            if let Err(error) = spawned {
                tracing::error!(%error, "no thread for a command");
            }
        }
    })?;
    Ok(())
}

fn answer(mut stream: &UnixStream, directory: &Arc<Directory>, handle: &tokio::runtime::Handle) -> io::Result<()> {
    let mut input = Wiping::new(256 << 10, stream);
    let [mut line, mut output] = [(); 2].map(|()| Zeroizing::new(Vec::with_capacity(LINE_ROOM)));
    stream.set_read_timeout(Some(PATIENCE))?;
    input.by_ref().take(LINE_LIMIT).read_until(b'\n', &mut line)?;
    stream.set_read_timeout(None)?;
    let mut broken = None;
    let mut send = |reply: Reply| {
        if let (Some(_), Reply::Failed(failure)) = (&broken, &reply) {
            tracing::warn!(failure.message, "a command failed and nobody was there to be told");
        }
        output.clear();
        let written = serde_json::to_writer(&mut *output, &reply);
        output.push(b'\n');
        wipe(reply);
        let sent = written.map_err(io::Error::from).and_then(|()| stream.write_all(&output));
        sent.map_err(|error| broken = Some(error)).is_ok()
    };
    match serde_json::from_slice::<Command>(&line) {
        Ok(command) => execute(directory, handle, &command, &mut Parts::new(input), &mut send),
        Err(error) => {
            send(Reply::Failed(Failure::nothing(format!("not a command: {error}"))));
        }
    }
    broken.map_or(Ok(()), Err)
}
