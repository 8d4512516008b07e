//! Bytes at random: as a message, as the whole of a call, and as a connection.
//!
//! `NOISE_SEED` begins from another seed, and `NOISE_ROUNDS` makes more of it.

use std::{collections::BTreeMap, env, time::Duration};

use prost::Message;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tonic::Code;
use tonic_types::StatusExt;

use super::{
    METHOD, assert_serves, assert_unharmed,
    frames::{DATA, END_HEADERS, END_STREAM, Frames, GOOD, HEADERS, block},
    good,
};
use crate::support::{
    Backend, Program,
    canary::PASSWORD,
    dice::Dice,
    pb::{self, find_inboxes_request::Key},
    plain::{self, Body, Connection, framed},
    program::WAIT_TIMEOUT,
    viewer,
};

// Messages hold texts and numbers, which reach the database.
on_both_databases!(
    #[ignore = "slow: make test-slow"]
    any_message_is_answered,
);

fn dice() -> Dice {
    let dice = Dice::seeded(number("NOISE_SEED").unwrap_or(1));
    println!("noise: {dice:?}");
    dice
}

fn rounds() -> usize {
    usize::try_from(number("NOISE_ROUNDS").unwrap_or(1)).unwrap()
}

fn number(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().unwrap())
}

fn noise(dice: &Dice, most: usize) -> Vec<u8> {
    let length = dice.roll(most + 1);
    (0..length)
        .map(|_| u8::try_from(dice.roll(256)).unwrap())
        .collect()
}

/// A few bytes are others, are missing, are doubled, or have noise between them.
fn damaged(dice: &Dice, mut bytes: Vec<u8>) -> Vec<u8> {
    for _ in 0..=dice.roll(3) {
        let at = dice.roll(bytes.len() + 1);
        let until = bytes.len().min(at + dice.roll(4));
        let instead = match dice.roll(4) {
            0 => Vec::new(),
            1 => bytes[at..until].repeat(2),
            _ => noise(dice, 4),
        };
        bytes.splice(at..until, instead);
    }
    bytes
}

/// A call of each method, with a secret where it takes a text.
fn sound(dice: &Dice) -> (&'static str, Vec<u8>) {
    let account_id = 1;
    let viewer = Some(*dice.pick(&[viewer::user(1), viewer::bot(1), viewer::service()]));
    match dice.roll(4) {
        0 => {
            let request = pb::GetInboxRequest {
                account_id,
                inbox_id: 1,
                viewer,
                ..Default::default()
            };
            ("GetInbox", request.encode_to_vec())
        }
        1 => {
            let request = pb::ListInboxesRequest {
                account_id,
                viewer,
                name_prefix: PASSWORD.to_owned(),
                ..Default::default()
            };
            ("ListInboxes", request.encode_to_vec())
        }
        2 => {
            let request = pb::BatchGetInboxesRequest {
                account_id,
                viewer,
                inbox_ids: vec![1, 2, 300],
                ..Default::default()
            };
            ("BatchGetInboxes", request.encode_to_vec())
        }
        _ => {
            let request = pb::FindInboxesRequest {
                viewer,
                key: Some(Key::Email(PASSWORD.to_owned())),
                ..Default::default()
            };
            ("FindInboxes", request.encode_to_vec())
        }
    }
}

/// With an answer or an error of ours, and never as what we did wrong.
async fn any_message_is_answered(backend: Backend) {
    let dice = dice();
    let database = backend.golden();
    let server = Program::serving(&database).start();
    let connection = Connection::open(&server.address).await;
    let mut codes = BTreeMap::<_, usize>::new();
    for round in 0..1000 * rounds() {
        let (method, message) = sound(&dice);
        let body = match dice.roll(6) {
            0 => framed(&noise(&dice, 60)),
            1 => damaged(&dice, framed(&message)),
            2 => noise(&dice, 60),
            3 => framed(&message),
            _ => framed(&damaged(&dice, message)),
        };
        let path = METHOD.replace("GetInbox", method);
        let request = plain::request("server.test", &path, &[]);
        let what = || format!("round {round}, {method}: {}", body.escape_ascii());
        let reply = connection.send(request, Body::Whole(body.clone())).await;
        let reply = reply.unwrap_or_else(|error| panic!("{}: {error}", what()));
        assert_eq!(reply.http, 200, "{}", what());
        let status = reply.status();
        *codes.entry(format!("{:?}", status.code())).or_default() += 1;
        if status.code() != Code::Ok {
            let info = status.get_details_error_info();
            let reason = info.unwrap_or_else(|| panic!("{}", what())).reason;
            assert_ne!(reason, "INTERNAL", "{}", what());
            assert!(status.details().len() < 4096, "{}", what());
            let said = String::from_utf8_lossy(status.details());
            assert!(!said.contains(PASSWORD), "{}: {said}", what());
        }
    }
    println!("noise as messages on {backend:?}: {codes:?}");
    // Some of it went through, and most did not.
    assert!(
        codes["Ok"] > 20 && codes["InvalidArgument"] > 200,
        "{codes:?}"
    );
    assert_serves(&connection, "noise").await;
    assert_unharmed(&server).await;
}

/// Each comes to an end when its caller is done, and nobody else is touched.
#[ignore = "slow: make test-slow"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_bytes_cost_their_own_connection_at_most() {
    const PAUSE_DELAY: Duration = Duration::from_millis(10);
    const KINDS: usize = 12;

    let dice = dice();
    let database = Backend::Sqlite.golden();
    let server = Program::serving(&database).with_admin().start();
    let other = Connection::open(&server.address).await;
    let headers = block(&[&GOOD[..], &[("x-note", PASSWORD.as_bytes())]].concat());
    for round in 0..300 * rounds() {
        let mut frames = Frames::open(&server.address).await;
        if dice.happens(10) {
            // Not even the beginning is HTTP/2.
            frames.socket = TcpStream::connect(&server.address).await.unwrap();
            let _ = frames.socket.write_all(&noise(&dice, 2000)).await;
        }
        for number in 0..=dice.roll(8) {
            // Odd, and each larger than the one before, or it ends the connection.
            let sound = 2 * u32::try_from(number).unwrap() + 1;
            let odd = u8::try_from(dice.roll(256)).unwrap();
            let kind = u8::try_from(dice.roll(KINDS)).unwrap();
            let (headers, body) = (headers.clone(), good());
            let written = match dice.roll(8) {
                0 => vec![(HEADERS, END_HEADERS, damaged(&dice, headers))],
                1 => vec![
                    (HEADERS, END_HEADERS, headers),
                    (DATA, odd, damaged(&dice, body)),
                ],
                2 => vec![(kind, odd, noise(&dice, 40))],
                3 => vec![(kind, 0, noise(&dice, 40))],
                _ => vec![(HEADERS, END_HEADERS, headers), (DATA, END_STREAM, body)],
            };
            for (kind, flags, payload) in written {
                let stream = if dice.happens(3) {
                    u32::try_from(dice.roll(20)).unwrap()
                } else {
                    sound
                };
                frames.write(kind, flags, stream, &payload).await;
            }
        }
        let mut said = Vec::new();
        while let Ok(Ok(1..)) = timeout(PAUSE_DELAY, frames.socket.read_buf(&mut said)).await {}
        let _ = frames.socket.shutdown().await;
        let end = timeout(WAIT_TIMEOUT, frames.socket.read_to_end(&mut said)).await;
        assert!(end.is_ok(), "round {round}: the connection is still open");
        if round % 10 == 0 {
            assert_serves(&other, &format!("round {round}")).await;
        }
    }
    // How many depends on how much is read at a time. Some thirty are of the other one.
    let enough = 50.0 * f64::from(u32::try_from(rounds()).unwrap());
    let calls = server
        .eventually_scraped("grpc_server_handled_total", &[], |it| it > enough)
        .await;
    println!("noise as connections: {calls} calls");
    assert_serves(&other, "noise").await;
    assert_unharmed(&server).await;
}
