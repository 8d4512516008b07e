//! A watch as a client keeps it: its events, and all that it holds by them.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use http::uri::PathAndQuery;
use prost::Message;
use tokio::time::timeout;
use tonic::{Request, Status, Streaming};

use super::{
    client::{AsIs, Client},
    pb::{self, watch_inboxes_response::Event},
    program::WAIT_TIMEOUT,
};

const PATH: &str = "/leadchat.inbox.v1.InboxService/WatchInboxes";

/// An open watch.
pub struct Watch {
    stream: Streaming<Vec<u8>>,
    /// The inboxes that the client holds.
    pub held: BTreeMap<i64, pb::Inbox>,
    /// The time of the last `synced` or heartbeat.
    pub read_time: Option<SystemTime>,
}

/// An event, and what it came with.
#[derive(Clone)]
pub struct Received {
    pub bytes: Vec<u8>,
    pub event: Event,
    pub role: pb::Role,
    pub withheld: Vec<i32>,
}

/// For all inboxes of account 1 in full detail.
pub fn watch(viewer: pb::Viewer) -> pb::WatchInboxesRequest {
    pb::WatchInboxesRequest {
        account_id: 1,
        viewer: Some(viewer),
        ..Default::default()
    }
}

/// A request to go on with what a watch holds.
pub fn resume(
    request: &pb::WatchInboxesRequest,
    held: &BTreeMap<i64, pb::Inbox>,
) -> pb::WatchInboxesRequest {
    let known = held.values().map(|inbox| pb::KnownInbox {
        inbox_id: inbox.id,
        etag: inbox.etag.clone(),
    });
    pb::WatchInboxesRequest {
        known: known.collect(),
        ..request.clone()
    }
}

impl Client {
    /// Opens a watch, by a client that holds nothing.
    pub async fn watch(&self, request: pb::WatchInboxesRequest) -> Result<Watch, Status> {
        self.watch_holding(request, BTreeMap::new()).await
    }

    /// Opens a watch. The request names what the client holds, or nothing of it.
    pub async fn watch_holding(
        &self,
        request: pb::WatchInboxesRequest,
        held: BTreeMap<i64, pb::Inbox>,
    ) -> Result<Watch, Status> {
        self.watch_with(Request::new(request), held).await
    }

    /// The same with metadata.
    pub async fn watch_with(
        &self,
        request: Request<pb::WatchInboxesRequest>,
        held: BTreeMap<i64, pb::Inbox>,
    ) -> Result<Watch, Status> {
        let mut grpc = self.grpc.clone();
        let ready = grpc.ready().await;
        ready.map_err(|error| Status::unavailable(format!("{error:?}")))?;
        let request = request.map(|request| request.encode_to_vec());
        let path = PathAndQuery::from_static(PATH);
        let response = grpc.server_streaming(request, path, AsIs).await?;
        Ok(Watch {
            stream: response.into_inner(),
            held,
            read_time: None,
        })
    }
}

impl Watch {
    /// The next event, or the error that the watch ends with.
    pub async fn next(&mut self) -> Result<Received, Status> {
        let next = timeout(WAIT_TIMEOUT, self.stream.message()).await;
        let bytes = next.expect("there is neither an event nor an end")?;
        let bytes = bytes.expect("a watch ends with an error");
        let message = pb::WatchInboxesResponse::decode(bytes.as_slice()).unwrap();
        let received = Received {
            role: message.disclosed_as(),
            event: message.event.expect("every event is one of four"),
            withheld: message.caller_withheld,
            bytes,
        };
        self.apply(&received.event);
        Ok(received)
    }

    /// Applies an event. No event says again what the client holds.
    fn apply(&mut self, event: &Event) {
        match event {
            Event::Upserted(inbox) => {
                let before = self.held.insert(inbox.id, inbox.clone());
                let before = before.map(|before| before.etag);
                assert_ne!(
                    before.as_ref(),
                    Some(&inbox.etag),
                    "inbox {} again",
                    inbox.id
                );
            }
            Event::Removed(removed) => {
                let before = self.held.remove(&removed.inbox_id);
                assert!(before.is_some(), "inbox {} is not held", removed.inbox_id);
            }
            Event::Synced(pb::Synced { read_time })
            | Event::Heartbeat(pb::Heartbeat { read_time }) => {
                let read_time = SystemTime::try_from(read_time.unwrap()).unwrap();
                self.read_time = Some(read_time);
            }
        }
    }

    /// The events of a batch, without its end. Heartbeats are left out.
    pub async fn batch(&mut self) -> Result<Vec<Received>, Status> {
        let mut batch = Vec::new();
        loop {
            let received = self.next().await?;
            match received.event {
                Event::Synced(_) => return Ok(batch),
                Event::Heartbeat(_) => {}
                _ => batch.push(received),
            }
        }
    }

    /// The error that the watch ends with. Until then, it may have further events.
    pub async fn end(mut self) -> Status {
        loop {
            if let Err(status) = self.next().await {
                return status;
            }
        }
    }

    /// Whether nothing comes for a while but heartbeats.
    pub async fn has_no_event_for(&mut self, time: Duration) -> bool {
        let event = async {
            loop {
                match self.next().await.map(|received| received.event) {
                    Ok(Event::Heartbeat(_)) => {}
                    _ => return,
                }
            }
        };
        timeout(time, event).await.is_err()
    }
}

/// The subject of each event, for people: `+3`, `-3`, `synced`, `heartbeat`.
pub fn summary(batch: &[Received]) -> Vec<String> {
    let summary = |received: &Received| match &received.event {
        Event::Upserted(inbox) => format!("+{}", inbox.id),
        Event::Removed(removed) => format!("-{}", removed.inbox_id),
        Event::Synced(_) => "synced".to_owned(),
        Event::Heartbeat(_) => "heartbeat".to_owned(),
    };
    batch.iter().map(summary).collect()
}
