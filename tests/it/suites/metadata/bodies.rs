//! Bodies that are damaged, of another encoding than what is taken, or without an end.

use std::iter;

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_bodies_are_refused() {
    use Fate::{Answered, Encoded, Served};
    const UNDECODABLE: Fate = Answered("UNDECODABLE_REQUEST");

    let encoded = |encoding: &str, body: Vec<u8>| Call {
        body: Body::Whole(body),
        ..with(&[("grpc-encoding", encoding.as_bytes())])
    };
    let flagged = |flag: u8, message: &[u8]| {
        let mut framed = framed(message);
        framed[0] = flag;
        framed
    };
    let claiming =
        |length: u32, message: &[u8]| [&[0], length.to_be_bytes().as_slice(), message].concat();
    let message = &good()[5..];
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    trailers.insert("x-bin", HeaderValue::from_static("!!!"));
    let trailed = Call {
        body: Body::Trailed(good(), trailers),
        ..sending("trailers", Vec::new())
    };
    let nothing = Call {
        body: Body::Nothing,
        ..sending("nothing", Vec::new())
    };
    let calls = vec![
        (nothing, UNDECODABLE),
        (sending("an empty body", Vec::new()), UNDECODABLE),
        (
            sending("three bytes of a frame", vec![0, 0, 0]),
            UNDECODABLE,
        ),
        (
            sending("a frame without its message", claiming(9, b"")),
            UNDECODABLE,
        ),
        (
            sending("less than claimed", claiming(1000, message)),
            UNDECODABLE,
        ),
        (
            sending("more than claimed", claiming(3, message)),
            UNDECODABLE,
        ),
        (
            sending("claims 4 GiB", claiming(u32::MAX, message)),
            Answered("REQUEST_TOO_LARGE"),
        ),
        (
            sending("an empty message", framed(b"")),
            Answered("INVALID_REQUEST"),
        ),
        (
            sending("a frame and a half", [good(), vec![0, 0]].concat()),
            UNDECODABLE,
        ),
        // The first one counts, if the second one is whole.
        (sending("two messages", good().repeat(2)), Served),
        (
            sending(
                "a message and no message",
                [good(), framed(&[0xff])].concat(),
            ),
            UNDECODABLE,
        ),
        (trailed, Served),
        (encoded("identity", good()), Served),
        (encoded("identity", flagged(1, message)), Encoded),
        (
            sending("encoded, who knows how", flagged(1, message)),
            Encoded,
        ),
        (
            sending("a flag that is none", flagged(2, message)),
            UNDECODABLE,
        ),
        (sending("all flags", flagged(0xff, message)), UNDECODABLE),
        (encoded("", good()), Encoded),
        (encoded("br9", flagged(1, message)), Encoded),
        (encoded("gzip,gzip", flagged(1, message)), Encoded),
        (encoded("\u{fffd}", flagged(1, message)), Encoded),
        (encoded("gzip", flagged(1, b"no gzip")), Encoded),
        (encoded("gzip", flagged(1, &bomb())), Encoded),
        (encoded("gzip", good()), Encoded),
    ];
    assert_fates(calls).await;
}

/// Ten megabytes of zeros as gzip: ten kilobytes, most of them alike.
fn bomb() -> Vec<u8> {
    const HEAD: &[u8] = b"\x1f\x8b\x08\0\0\0\0\0\0\xff";
    const PIECES: [(&[u8], u8, usize); 3] = [
        (
            b"\xec\xc1\x01\x01\0\0\0\x80\x90\xfe\xaf\xee\x08\x0a",
            0,
            4094,
        ),
        (
            b"\x80\xd9\x83\x03\x01\0\0\0\0\x20\xff\xd7\x46\x50",
            0x55,
            4095,
        ),
        (b"\x69\x0f\x0e\x09\0\0\0\0\x04\xfd\x7f\xed\x0c\x0b", 0, 1970),
    ];
    let pieces = PIECES.iter().flat_map(|(begin, byte, times)| {
        begin.iter().copied().chain(iter::repeat_n(*byte, *times))
    });
    let (checksum, length) = (0x9eca_2acc_u32, 10_u32 << 20);
    let end = [
        &[0x9f, 0],
        checksum.to_le_bytes().as_slice(),
        &length.to_le_bytes(),
    ]
    .concat();
    HEAD.iter().copied().chain(pieces).chain(end).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_without_an_end_meet_their_deadline() {
    let database = Backend::Sqlite.golden();
    let server = Program::serving(&database).start();
    let connection = Connection::open(&server.address).await;
    for begun in [vec![], good()[..3].to_vec(), good()[..7].to_vec(), good()] {
        let what = format!("{} bytes and no end", begun.len());
        let call = with(&[("grpc-timeout", "300m")]);
        let started = Instant::now();
        let reply = connection.send(call.request, Body::Endless(begun)).await;
        let took = started.elapsed();
        assert_fate(&what, &reply.unwrap(), Fate::Answered("DEADLINE_EXCEEDED"));
        assert!(took >= Duration::from_millis(298), "{took:?}");
        assert_serves(&connection, &what).await;
    }
    assert_unharmed(&server).await;
}

/// tonic enforces the deadline too, and would answer CANCELLED without details.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_deadlines_carry_error_details() {
    let database = Backend::Sqlite.golden();
    let server = Program::serving(&database).start();
    let connection = Connection::open(&server.address).await;
    let mut of_tonic = 0;
    for _ in 0..4 {
        let calls = (0..50).map(|_| {
            let call = with(&[("grpc-timeout", "100m")]);
            connection.send(call.request, Body::Endless(vec![0, 0]))
        });
        for reply in futures_util::future::join_all(calls).await {
            let reply = reply.unwrap();
            // Where a busy machine sets the server aside at that very moment.
            if reply.status().code() == Code::Cancelled {
                of_tonic += 1;
            } else {
                assert_fate("100 ms", &reply, Fate::Answered("DEADLINE_EXCEEDED"));
            }
        }
    }
    // A server without a deadline of its own would leave all 200 to tonic.
    assert!(of_tonic <= 10, "{of_tonic}");
}
