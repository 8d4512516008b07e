//! A proxy between a client and a server. It can slow down, or go silent like a broken
//! link, without closing either side.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinHandle,
};

/// Passes on what it gets, until it is dropped.
pub struct Proxy {
    pub port: u16,
    state: Arc<State>,
    task: JoinHandle<()>,
}

struct State {
    /// How many connections there were.
    opened: AtomicU64,
    /// Those with a lower number are cut.
    cut: AtomicU64,
    /// How many milliseconds what a server says is kept back.
    slow: AtomicU64,
    /// How many milliseconds the next thing that it says is.
    slow_once: AtomicU64,
    /// How often a client has spoken after the server did.
    direction_changes: AtomicU64,
    /// Whether a client has spoken last.
    is_from_client: AtomicBool,
    /// Bytes that clients sent, on any connection.
    sent: watch::Sender<Vec<u8>>,
    /// Bytes that clients sent on a cut connection.
    swallowed: watch::Sender<usize>,
}

impl Proxy {
    pub async fn to(port: u16) -> Self {
        Self::at(0, port).await
    }

    /// On a port of choice. That of one that was dropped is free, though what it passed on before
    /// still is.
    pub async fn at(own: u16, port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", own)).await.unwrap();
        let state = Arc::new(State {
            opened: AtomicU64::new(0),
            cut: AtomicU64::new(0),
            slow: AtomicU64::new(0),
            slow_once: AtomicU64::new(0),
            direction_changes: AtomicU64::new(0),
            is_from_client: AtomicBool::new(false),
            sent: watch::Sender::default(),
            swallowed: watch::Sender::default(),
        });
        Self {
            port: listener.local_addr().unwrap().port(),
            state: Arc::clone(&state),
            task: tokio::spawn(accept(listener, port, state)),
        }
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Cuts the connections that there are. New ones are not.
    pub fn cut(&self) {
        let opened = self.state.opened.load(Ordering::SeqCst);
        self.state.cut.store(opened, Ordering::SeqCst);
    }

    /// From now on, whatever the server says takes so many milliseconds.
    pub fn slow_down(&self, milliseconds: u64) {
        self.state.slow.store(milliseconds, Ordering::SeqCst);
    }

    /// The next thing that the server says takes so many milliseconds more.
    pub fn slow_down_once(&self, milliseconds: u64) {
        self.state.slow_once.store(milliseconds, Ordering::SeqCst);
    }

    /// How many round trips there were so far. One with much to say may count as several,
    /// since the server begins to answer before all is said.
    pub fn round_trips(&self) -> u64 {
        self.state.direction_changes.load(Ordering::SeqCst)
    }

    /// The bytes that clients have sent so far.
    pub fn sent(&self) -> String {
        String::from_utf8_lossy(&self.state.sent.borrow()).into_owned()
    }

    /// Waits until something was sent that a cut connection has swallowed.
    pub async fn has_swallowed(&self) {
        let mut swallowed = self.state.swallowed.subscribe();
        swallowed.wait_for(|bytes| *bytes > 0).await.unwrap();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, port: u16, state: Arc<State>) {
    loop {
        let (client, _) = listener.accept().await.unwrap();
        let number = state.opened.fetch_add(1, Ordering::SeqCst);
        let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await else {
            continue;
        };
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        tokio::spawn(pass(
            from_client,
            to_server,
            number,
            Arc::clone(&state),
            true,
        ));
        tokio::spawn(pass(
            from_server,
            to_client,
            number,
            Arc::clone(&state),
            false,
        ));
    }
}

async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    number: u64,
    state: Arc<State>,
    is_clients: bool,
) {
    let mut bytes = vec![0; 1 << 16];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        let bytes = &bytes[..count];
        let was_clients = state.is_from_client.swap(is_clients, Ordering::SeqCst);
        if is_clients && !was_clients {
            state.direction_changes.fetch_add(1, Ordering::SeqCst);
        }
        if is_clients {
            state.sent.send_modify(|sent| sent.extend(bytes));
        } else {
            let once = state.slow_once.swap(0, Ordering::SeqCst);
            let slow = state.slow.load(Ordering::SeqCst) + once;
            tokio::time::sleep(Duration::from_millis(slow)).await;
        }
        if number < state.cut.load(Ordering::SeqCst) {
            if is_clients {
                state.swallowed.send_modify(|swallowed| *swallowed += count);
            }
        } else if to.write_all(bytes).await.is_err() {
            return;
        }
    }
    // The end of a cut connection is not passed on either.
    if number < state.cut.load(Ordering::SeqCst) {
        std::future::pending::<()>().await;
    }
}
