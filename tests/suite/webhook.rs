//! Alerts are posted to a webhook (S12, S14).

use crate::house::{ACME, House, person, user};
use crate::server::{PASSWORD, Server, free_port, write_private};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

const TOKEN: &str = "a token of the webhook";

/// A server that takes posts, answers the first ones with these statuses and all others with 204, and hands on what came.
fn take_posts(port: u16, statuses: &'static [u16]) -> Receiver<(String, serde_json::Value)> {
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let (send, receive) = channel();
    std::thread::spawn(move || {
        let mut statuses = statuses.iter();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let post = read_post(&mut stream);
            let status = statuses.next().unwrap_or(&204);
            write!(stream, "HTTP/1.1 {status} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
            if send.send(post).is_err() {
                return;
            }
        }
    });
    receive
}

fn read_post(stream: &mut TcpStream) -> (String, serde_json::Value) {
    let mut octets = Vec::new();
    loop {
        let mut some = [0; 4_096];
        let count = stream.read(&mut some).unwrap();
        octets.extend_from_slice(&some[..count]);
        let text = String::from_utf8_lossy(&octets).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n")
            && let Ok(body) = serde_json::from_str(body)
        {
            return (head.to_ascii_lowercase(), body);
        }
        assert_ne!(count, 0, "{text}");
    }
}

fn config(server: &Server, port: u16, more: &str) -> String {
    write_private(&server.config().with_file_name("token"), TOKEN);
    format!("[alerts]\nwebhook = \"http://127.0.0.1:{port}/hook\"\nwebhook_token_file = \"token\"\n{more}\n")
}

/// Acme with a licence set so, and a webhook on this port.
fn house(port: u16, more: &str, licence: &[(&str, &str)]) -> House {
    let house = House::start("");
    house.server.write_config(&config(&house.server, port, more));
    house.server.signal("HUP");
    crate::reload::eventually(&house.server, "the webhook is there", || house.server.said().contains("in force"));
    for (name, value) in licence {
        house.server.as_operator().replace(&format!("cn=main,ou=licences,{ACME}"), name, &[value]);
    }
    house
}

fn next(posts: &Receiver<(String, serde_json::Value)>, house: &House) -> (String, serde_json::Value) {
    posts.recv_timeout(Duration::from_secs(30)).unwrap_or_else(|_| panic!("nothing came\n{}", house.server.said()))
}

#[test]
fn s12_a_webhook_is_told_of_scarce_seats_and_of_a_refusal_once_each_a_day() {
    let port = free_port();
    let posts = take_posts(port, &[]);
    let house = house(port, "", &[("hcSessionLimit", "1")]);
    let bind = |uid: &str| house.server.connect().bind(&user(uid, ACME), PASSWORD).code();
    assert_eq!(bind("ann"), 0);
    let (head, told) = next(&posts, &house);
    assert!(head.starts_with("post /hook http/1.1") && head.contains(&format!("authorization: bearer {TOKEN}")), "{head}");
    assert!(head.contains("content-type: application/json"), "{head}");
    assert_eq!((&told["type"], &told["inUse"], &told["limit"]), (&"seats-scarce".into(), &1.into(), &1.into()), "{told}");
    assert_eq!((&told["organisation"], &told["licence"]), (&ACME.into(), &format!("cn=main,ou=licences,{ACME}").into()), "{told}");
    assert_eq!([bind("bob"), bind("bob"), bind("sam")], [11; 3]);
    let (_, refused) = next(&posts, &house);
    assert_eq!(refused["type"], "seat-refused");
    assert_ne!(refused["id"], told["id"]);
    assert!(posts.recv_timeout(Duration::from_secs(4)).is_err(), "once a day each");
}

#[test]
fn s12_what_did_not_arrive_is_posted_again_after_a_restart_too() {
    let port = free_port();
    let mut house = house(port, "", &[("hcSessionLimit", "1")]);
    assert_eq!(house.server.connect().bind(&user("ann", ACME), PASSWORD).code(), 0);
    crate::reload::eventually(&house.server, "nobody takes it", || house.server.said().contains("did not reach the webhook"));
    house.server.kill_and_restart();
    let posts = take_posts(port, &[500]);
    let (_, first) = next(&posts, &house);
    let (_, again) = next(&posts, &house);
    assert_eq!(first["id"], again["id"], "what was not taken comes again, under the same id");
    assert!(posts.recv_timeout(Duration::from_secs(4)).is_err(), "what was taken does not");
}

#[test]
fn s14_a_soft_limit_alerts_before_the_hard_one() {
    let port = free_port();
    let posts = take_posts(port, &[]);
    let house = house(port, "share = 0", &[("hcSessionLimit", "50"), ("hcSoftLimit", "2")]);
    person(&mut house.server.as_operator(), "new", ACME, &[]);
    let bind = |uid: &str| assert_eq!(house.server.connect().bind(&user(uid, ACME), PASSWORD).code(), 0);
    bind("ann");
    assert!(posts.recv_timeout(Duration::from_secs(4)).is_err(), "one seat is fewer than two");
    bind("new");
    let (_, told) = next(&posts, &house);
    assert_eq!((&told["type"], &told["inUse"], &told["limit"]), (&"seats-scarce".into(), &2.into(), &50.into()), "{told}");
}

#[test]
fn s12_a_webhook_goes_over_tls_and_has_a_token() {
    let server = Server::start([127, 0, 0, 1].into(), "");
    let refused = |alerts: &str| {
        write_private(&server.config().with_file_name("token"), TOKEN);
        server.write_config(&format!("[alerts]\n{alerts}\n"));
        let output = crate::demo::headcount().arg("--config").arg(server.config()).arg("check").output().unwrap();
        assert!(!output.status.success());
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    };
    let said = refused("webhook = \"http://alerts.example.com/\"\nwebhook_token_file = \"token\"");
    assert!(said.contains("http is for loopback only") && said.contains('^'), "{said}");
    let said = refused("webhook = \"https://alerts.example.com/\"");
    assert!(said.contains("webhook_token_file"), "{said}");
}
