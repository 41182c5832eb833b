//! A load generator for `benches/run`: several connections, each with so many requests in flight, against any LDAP server.
//! It prints one line of JSON: operations, seconds, the server's CPU seconds, latencies. Every answer is checked.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a tool that fails loudly")]
#![allow(clippy::disallowed_methods, reason = "it measures real time")]

mod wire;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Barrier;
use std::time::{Duration, Instant};
use wire::{Incoming, Operation};

/// Time to get going before anything is counted.
const WARM_UP: Duration = Duration::from_millis(300);
/// The kernel counts CPU time in these.
const TICKS_PER_SECOND: f64 = 100.0;

/// What the command line says.
struct Options {
    server: String,
    operation: Operation,
    connections: usize,
    depth: usize,
    length: Duration,
    entries: u32,
    name: String,
    password: String,
    process: u32,
}

/// What one connection saw.
#[derive(Default)]
struct Seen {
    operations: u64,
    latencies: Vec<u32>,
}

fn main() {
    let options = options();
    let barrier = Barrier::new(options.connections + 1);
    let (seen, cpu, wall) = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..options.connections)
            .map(|number| {
                let (options, barrier) = (&options, &barrier);
                scope.spawn(move || run(options, number, barrier))
            })
            .collect();
        barrier.wait();
        std::thread::sleep(WARM_UP);
        let (before, began) = (cpu_seconds(options.process), Instant::now());
        std::thread::sleep(options.length);
        let (cpu, wall) = (cpu_seconds(options.process) - before, began.elapsed().as_secs_f64());
        let seen: Vec<Seen> = threads.into_iter().map(|thread| thread.join().expect("a connection failed")).collect();
        (seen, cpu, wall)
    });
    let operations: u64 = seen.iter().map(|seen| seen.operations).sum();
    let mut latencies: Vec<u32> = seen.into_iter().flat_map(|seen| seen.latencies).collect();
    latencies.sort_unstable();
    let at = |share: f64| latencies.get((latencies.len() as f64 * share) as usize).copied().unwrap_or_default();
    println!(
        "{{\"operations\": {operations}, \"seconds\": {wall:.4}, \"cpu_seconds\": {cpu:.2}, \"p50_us\": {}, \"p99_us\": {}}}",
        at(0.50),
        at(0.99)
    );
}

fn options() -> Options {
    let mut given = std::env::args().skip(1);
    let mut options = Options {
        server: String::new(),
        operation: Operation::Base,
        connections: 16,
        depth: 1,
        length: Duration::from_secs(3),
        entries: 100_000,
        name: String::new(),
        password: String::new(),
        process: 0,
    };
    while let Some(key) = given.next() {
        let value = given.next().unwrap_or_else(|| panic!("{key} needs a value"));
        let number = || value.parse::<u32>().unwrap_or_else(|_| panic!("{key} {value} is no number"));
        match key.as_str() {
            "--server" => options.server = value,
            "--operation" => options.operation = Operation::named(&value).unwrap_or_else(|| panic!("no operation {value}")),
            "--connections" => options.connections = number() as usize,
            "--depth" => options.depth = number() as usize,
            "--milliseconds" => options.length = Duration::from_millis(number().into()),
            "--entries" => options.entries = number(),
            "--name" => options.name = value,
            "--password" => options.password = value,
            "--process" => options.process = number(),
            _ => panic!("what is {key}?"),
        }
    }
    options
}

/// User and system time of a process, all its threads.
fn cpu_seconds(process: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("the server runs");
    let fields: Vec<&str> = stat.rsplit_once(')').expect("a stat line").1.split_whitespace().collect();
    let ticks = |at: usize| fields[at].parse::<f64>().expect("ticks");
    (ticks(11) + ticks(12)) / TICKS_PER_SECOND
}

/// One connection: fills the window, and sends as many as came back, in one write.
fn run(options: &Options, number: usize, barrier: &Barrier) -> Seen {
    let mut stream = TcpStream::connect(&options.server).expect("the server accepts");
    stream.set_nodelay(true).expect("a socket option");
    let mut incoming = Incoming::default();
    if options.operation != Operation::Bind {
        stream.write_all(&wire::bind(1, &options.name, &options.password)).expect("a bind is sent");
        let answer = next(&mut stream, &mut incoming);
        assert_eq!(answer.code, 0, "the bind of {}", options.name);
    }
    let mut random = wire::Random::new(number as u64 + 1);
    let mut seen = Seen::default();
    let mut sent = vec![Instant::now(); 1 << 16];
    let mut id = 1_u32;
    let mut batch = Vec::new();
    let mut fill = |count: usize, id: &mut u32, sent: &mut [Instant], stream: &mut TcpStream| {
        batch.clear();
        for _ in 0..count {
            *id += 1;
            options.operation.request(*id, random.below(options.entries), &mut batch);
            sent[*id as usize & 0xffff] = Instant::now();
        }
        stream.write_all(&batch).expect("requests are sent");
    };
    barrier.wait();
    let began = Instant::now();
    let (from, to) = (WARM_UP, WARM_UP + options.length);
    fill(options.depth, &mut id, &mut sent, &mut stream);
    let mut entries = 0;
    loop {
        let mut answers = 0;
        let mut answer = next(&mut stream, &mut incoming);
        loop {
            if answer.is_entry {
                entries += 1;
            } else {
                assert_eq!(answer.code, 0, "the result of request {}", answer.id);
                answers += 1;
                let at = began.elapsed();
                if at >= from && at < to {
                    seen.operations += 1;
                    seen.latencies.push(sent[answer.id as usize & 0xffff].elapsed().as_micros() as u32);
                }
            }
            match incoming.take() {
                Some(more) => answer = more,
                None => break,
            }
        }
        if began.elapsed() >= to {
            break;
        }
        if answers > 0 {
            fill(answers, &mut id, &mut sent, &mut stream);
        }
    }
    let expected = options.operation.entries() * u64::from(id - 1);
    let open = options.operation.entries() * (options.depth as u64 + 1);
    assert!(entries <= expected && entries + open >= expected, "{entries} entries came, {expected} were asked for");
    seen
}

/// The next answer, however much has to be read for it.
fn next(stream: &mut TcpStream, incoming: &mut Incoming) -> wire::Answer {
    loop {
        if let Some(answer) = incoming.take() {
            return answer;
        }
        let count = stream.read(incoming.space()).expect("an answer");
        assert!(count > 0, "the server closed the connection");
        incoming.filled(count);
    }
}
