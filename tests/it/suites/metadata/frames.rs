//! Frames of HTTP/2 as bytes, for what no client would send.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{METHOD, assert_serves, assert_unharmed, good};
use crate::support::{Backend, Program, plain::Connection};

pub(super) const GOOD: [(&str, &[u8]); 6] = [
    (":method", b"POST"),
    (":scheme", b"http"),
    (":authority", b"server.test"),
    (":path", METHOD.as_bytes()),
    ("content-type", b"application/grpc"),
    ("te", b"trailers"),
];

/// A malformed frame with clear bounds costs its stream; any other costs its connection.
/// Nothing of it is logged: a secret in it would be found.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_frames_cost_their_own_connection_at_most() {
    let database = Backend::Sqlite.golden();
    let server = Program::serving(&database).start();
    let connection = Connection::open(&server.address).await;
    let larger_than_a_frame = vec![b'a'; 20_000];
    let more: [(&str, &[u8], Said); 15] = [
        ("x-request-id", b"a\x01b", Said::GoAway),
        ("x-request-id", b"a\r\ngrpc-status: 0", Said::GoAway),
        ("x-request-id", b"a\0b", Said::GoAway),
        ("x-request-id", b"a\x7fb", Said::GoAway),
        ("x-request-id", &larger_than_a_frame, Said::GoAway),
        ("X-Request-Id", b"a", Said::GoAway),
        ("x request id", b"a", Said::GoAway),
        ("x-é", b"a", Said::GoAway),
        ("", b"a", Said::GoAway),
        (":nope", b"a", Said::GoAway),
        ("connection", b"close", Said::Reset),
        ("transfer-encoding", b"chunked", Said::Reset),
        ("te", b"hunter2", Said::Reset),
        (":path", b"/", Said::Reset),
        (":status", b"200", Said::Reset),
    ];
    let odd = more.map(|(name, value, said)| ([&GOOD[..], &[(name, value)]].concat(), said));
    let others: [(usize, &[u8], Said); 11] = [
        (0, b"", Said::GoAway),
        (0, b"*", Said::Headers),
        (1, b"*", Said::Reset),
        (2, b"", Said::Reset),
        (2, b"//[hunter2", Said::Reset),
        (3, b"", Said::Reset),
        (3, b"*", Said::Headers),
        (3, b"/hunter2 a", Said::Reset),
        (3, b"/\xff", Said::GoAway),
        (4, b"*/*", Said::Headers),
        (5, b"", Said::Reset),
    ];
    let replaced = others.map(|(index, value, said)| {
        let mut head = GOOD.to_vec();
        head[index].1 = value;
        (head, said)
    });
    let fewer = [(0, Said::Reset), (1, Said::Reset), (3, Said::Reset)].map(|(index, said)| {
        let mut head = GOOD.to_vec();
        head.remove(index);
        (head, said)
    });
    for (head, expected) in odd.into_iter().chain(replaced).chain(fewer) {
        let what: Vec<_> = head
            .iter()
            .map(|(name, value)| format!("{name}: {}", value[..value.len().min(99)].escape_ascii()))
            .collect();
        let mut frames = Frames::open(&server.address).await;
        assert_eq!(frames.call(&GOOD, &good()).await, Said::Headers);
        assert_eq!(frames.call(&head, &good()).await, expected, "{what:?}");
        if expected != Said::GoAway {
            assert_eq!(frames.call(&GOOD, &good()).await, Said::Headers, "{what:?}");
        }
        assert_serves(&connection, &what.join(", ")).await;
    }
    assert_unharmed(&server).await;
}

/// The reaction of the server to a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    /// It answers.
    Headers,
    /// It resets the stream.
    Reset,
    /// It gives up the connection.
    GoAway,
    /// It is gone.
    Closed,
}

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;

pub(super) const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;

pub(super) struct Frames {
    pub(super) socket: TcpStream,
    next: u32,
}

impl Frames {
    pub(super) async fn open(address: &str) -> Self {
        let mut socket = TcpStream::connect(address).await.unwrap();
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        socket.write_all(preface).await.unwrap();
        let mut frames = Self { socket, next: 1 };
        frames.write(SETTINGS, 0, 0, &[]).await;
        frames
    }

    /// Begins a stream with these headers and this one piece of data; what comes
    /// of it.
    async fn call(&mut self, headers: &[(&str, &[u8])], data: &[u8]) -> Said {
        let stream = self.next;
        self.next += 2;
        self.write(HEADERS, END_HEADERS, stream, &block(headers))
            .await;
        self.write(DATA, END_STREAM, stream, data).await;
        loop {
            let mut head = [0; 9];
            if self.socket.read_exact(&mut head).await.is_err() {
                return Said::Closed;
            }
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; usize::try_from(length).unwrap()];
            if self.socket.read_exact(&mut payload).await.is_err() {
                return Said::Closed;
            }
            let about = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            match head[3] {
                HEADERS if about == stream => return Said::Headers,
                RESET if about == stream => return Said::Reset,
                GOAWAY => return Said::GoAway,
                _ => {}
            }
        }
    }

    pub(super) async fn write(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let stream = stream.to_be_bytes();
        let head = [&length[1..], &[kind, flags], &stream].concat();
        // The server may have hung up; what it said before is read all the same.
        let _ = self.socket.write_all(&[&head, payload].concat()).await;
    }
}

/// Headers as HPACK has them.
pub(super) fn block(headers: &[(&str, &[u8])]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in headers {
        // A literal with a new name, which is not to be remembered.
        block.push(0);
        string(&mut block, name.as_bytes());
        string(&mut block, value);
    }
    block
}

/// A text as HPACK has it: its length, of seven bits and more, and its bytes.
fn string(block: &mut Vec<u8>, text: &[u8]) {
    let mut length = text.len();
    if length < 127 {
        block.push(u8::try_from(length).unwrap());
    } else {
        block.push(127);
        length -= 127;
        while length >= 128 {
            block.push(u8::try_from(length % 128).unwrap() | 128);
            length /= 128;
        }
        block.push(u8::try_from(length).unwrap());
    }
    block.extend(text);
}
