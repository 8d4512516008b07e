//! The floors: handlers without layers, in processes of their own.
//!
//! A floor is this program once more, with other arguments. It returns the responses that a
//! file holds, and ends with its standard input, so that it never outlives the measurement.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
};

use futures_util::stream::{BoxStream, StreamExt, iter, unfold};
use prost::{Message, bytes::Bytes};
use sqlx::postgres::{PgPool, PgPoolOptions};
use tokio::sync::watch;
use tonic::{
    Request, Response, Status,
    transport::server::{Server, TcpIncoming},
};

use super::{
    it::support::pb::{
        self,
        inbox_service_server::{InboxService, InboxServiceServer},
    },
    watches,
};

/// The first argument of a floor.
pub const FLOOR: &str = "floor";

/// The connections that the service has by default.
const DATABASE_CONNECTIONS: u32 = 16;

/// The responses that a floor returns.
pub const GET: &str = "get";
pub const LIST: &str = "list";
pub const WATCH: &str = "watch";

/// A floor under way; it ends when this is dropped.
pub struct Floor {
    child: Child,
    pub address: String,
}

impl Floor {
    /// One that returns the responses in a folder, after a select of an inbox where there
    /// is a database.
    pub fn start(responses: &Path, database: Option<&str>) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg(FLOOR).arg(responses).args(database);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut address = String::new();
        let mut printed = BufReader::new(child.stdout.take().unwrap());
        printed.read_line(&mut address).unwrap();
        Self {
            child,
            address: address.trim().to_owned(),
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Runs a floor until its standard input ends.
pub async fn run(responses: &str, database: Option<&str>) {
    let mut pool = None;
    if let Some(url) = database {
        // Without a ping before every select.
        let options = PgPoolOptions::new()
            .max_connections(DATABASE_CONNECTIONS)
            .test_before_acquire(false);
        pool = Some(options.connect(url).await.unwrap());
    }
    let folder = Path::new(responses);
    let handler = Handler {
        get: pb::GetInboxResponse::decode(read(folder, GET)).unwrap(),
        list: pb::ListInboxesResponse::decode(read(folder, LIST)).unwrap(),
        events: watches::responses(&read(folder, WATCH)),
        changes: watch::Sender::new(()),
        pool,
    };
    let listener = TcpIncoming::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    println!("{}", listener.local_addr().unwrap());
    let end = tokio::task::spawn_blocking(|| {
        let mut input = Vec::new();
        std::io::stdin().read_to_end(&mut input)
    });
    let serving = Server::builder()
        .add_service(InboxServiceServer::new(handler))
        .serve_with_incoming(listener.with_nodelay(Some(true)));
    tokio::select! {
        served = serving => served.unwrap(),
        _ = end => {}
    }
}

/// A missing file is an empty response: not every floor returns all of them.
fn read(folder: &Path, name: &str) -> Bytes {
    fs::read(folder.join(name)).unwrap_or_default().into()
}

/// Returns a copy of the same message every time.
struct Handler {
    get: pb::GetInboxResponse,
    list: pb::ListInboxesResponse,
    /// The events of a stream, at first and after each change.
    events: [pb::WatchInboxesResponse; 2],
    /// `BatchGetInboxes` makes a change.
    changes: watch::Sender<()>,
    pool: Option<PgPool>,
}

#[tonic::async_trait]
impl InboxService for Handler {
    type WatchInboxesStream = BoxStream<'static, Result<pb::WatchInboxesResponse, Status>>;

    async fn get_inbox(
        &self,
        request: Request<pb::GetInboxRequest>,
    ) -> Result<Response<pb::GetInboxResponse>, Status> {
        if let Some(pool) = &self.pool {
            let inbox = request.into_inner().inbox_id;
            let select = "SELECT id, account_id, name FROM inboxes WHERE id = $1";
            let select = sqlx::query_as::<_, (i32, i32, String)>(select).bind(inbox);
            let (id, ..) = select.fetch_one(pool).await.unwrap();
            assert_eq!(i64::from(id), inbox);
        }
        Ok(Response::new(self.get.clone()))
    }

    async fn list_inboxes(
        &self,
        _: Request<pb::ListInboxesRequest>,
    ) -> Result<Response<pb::ListInboxesResponse>, Status> {
        Ok(Response::new(self.list.clone()))
    }

    async fn batch_get_inboxes(
        &self,
        _: Request<pb::BatchGetInboxesRequest>,
    ) -> Result<Response<pb::BatchGetInboxesResponse>, Status> {
        self.changes.send_replace(());
        Ok(Response::new(pb::BatchGetInboxesResponse::default()))
    }

    async fn find_inboxes(
        &self,
        _: Request<pb::FindInboxesRequest>,
    ) -> Result<Response<pb::FindInboxesResponse>, Status> {
        Err(Status::unimplemented("no floor"))
    }

    async fn explain_access(
        &self,
        _: Request<pb::ExplainAccessRequest>,
    ) -> Result<Response<pb::ExplainAccessResponse>, Status> {
        Err(Status::unimplemented("no floor"))
    }

    async fn watch_inboxes(
        &self,
        _: Request<pb::WatchInboxesRequest>,
    ) -> Result<Response<Self::WatchInboxesStream>, Status> {
        let events = self.events.clone();
        let batches = unfold(
            (self.changes.subscribe(), true),
            move |(mut changes, is_first)| {
                let events = events.clone();
                async move {
                    if !is_first {
                        changes.changed().await.ok()?;
                    }
                    Some((iter(events.map(Ok)), (changes, false)))
                }
            },
        );
        Ok(Response::new(batches.flatten().boxed()))
    }
}
