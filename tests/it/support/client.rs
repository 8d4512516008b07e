//! A client that sees what goes over the wire.

use std::{
    fmt,
    time::{Instant, SystemTime},
};

use http::uri::PathAndQuery;
use prost::{
    Message,
    bytes::{Buf, BufMut},
};
use tonic::{
    Code, Request, Status,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    metadata::MetadataMap,
    transport::{Channel, Endpoint},
};
use tonic_types::StatusExt;

use super::{
    pb,
    program::{Server, WAIT_TIMEOUT},
    questions::Questions,
};

/// The largest answer that tests take: far beyond any that should come.
const LARGEST: usize = 64 << 20;

#[derive(Clone)]
pub struct Client {
    pub(super) grpc: tonic::client::Grpc<Channel>,
    /// Of a client that asks twice.
    questions: Option<Questions>,
}

/// An answer: its bytes as they came, and what they say.
#[derive(Clone)]
pub struct Answer<M> {
    pub bytes: Vec<u8>,
    pub message: M,
    pub metadata: MetadataMap,
}

/// A response, whose last field is the time of its read.
pub trait Response: Message + Default {
    fn read_time(&mut self) -> &mut Option<prost_types::Timestamp>;
}

macro_rules! responses {
    ($($response:ident),*) => {$(
        impl Response for pb::$response {
            fn read_time(&mut self) -> &mut Option<prost_types::Timestamp> {
                &mut self.read_time
            }
        }
    )*};
}

responses!(
    GetInboxResponse,
    ListInboxesResponse,
    BatchGetInboxesResponse,
    FindInboxesResponse
);

impl<M: Response> Answer<M> {
    pub fn read_time(&self) -> SystemTime {
        let mut message = M::decode(self.bytes.as_slice()).unwrap();
        let time = message.read_time().take().expect("every answer has one");
        time.try_into().unwrap()
    }

    /// The bytes without the time of the read, which no two answers share. Only the groups
    /// that were withheld come behind it.
    pub fn content(&self) -> Vec<u8> {
        let mut time = M::default();
        *time.read_time() = Some(self.read_time().into());
        let time = time.encode_to_vec();
        let mut windows = self.bytes.windows(time.len());
        let at = windows.rposition(|bytes| bytes == time);
        let (before, rest) = self.bytes.split_at(at.expect("every answer has a time"));
        [before, &rest[time.len()..]].concat()
    }
}

/// Messages print nothing of themselves.
impl<M> fmt::Debug for Answer<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an answer of {} bytes", self.bytes.len())
    }
}

impl Client {
    pub async fn connect(address: &str) -> Self {
        if let Some(address) = address.strip_prefix("tls:") {
            panic!("{address} needs a certificate of its authority");
        }
        let channel = match address.strip_prefix("unix:") {
            Some(path) => Endpoint::from_shared(format!("unix:{path}")).unwrap(),
            None => Endpoint::from_shared(format!("http://{address}")).unwrap(),
        };
        let channel = channel
            .connect_timeout(WAIT_TIMEOUT)
            .connect()
            .await
            .unwrap();
        Self::over(channel)
    }

    pub fn over(channel: Channel) -> Self {
        Self {
            grpc: tonic::client::Grpc::new(channel).max_decoding_message_size(LARGEST),
            questions: None,
        }
    }

    /// Asks for the latest, and keeps each question until it is asked again.
    pub fn asking_twice(mut self) -> Self {
        self.questions = Some(Questions::default());
        self
    }

    /// Asks what was asked again, of the memory of a server that
    /// [remembers](super::Program::remembering).
    pub async fn ask_again(&self, server: &Server) {
        let questions = self.questions.as_ref().expect("a client that asks twice");
        questions.ask_again(self, server).await;
    }

    pub async fn get(
        &self,
        request: pb::GetInboxRequest,
    ) -> Result<Answer<pb::GetInboxResponse>, Status> {
        self.ask("GetInbox", request, |it| &mut it.freshness).await
    }

    pub async fn list(
        &self,
        request: pb::ListInboxesRequest,
    ) -> Result<Answer<pb::ListInboxesResponse>, Status> {
        self.ask("ListInboxes", request, |it| &mut it.freshness)
            .await
    }

    pub async fn batch(
        &self,
        request: pb::BatchGetInboxesRequest,
    ) -> Result<Answer<pb::BatchGetInboxesResponse>, Status> {
        self.ask("BatchGetInboxes", request, |it| &mut it.freshness)
            .await
    }

    pub async fn find(
        &self,
        request: pb::FindInboxesRequest,
    ) -> Result<Answer<pb::FindInboxesResponse>, Status> {
        self.ask("FindInboxes", request, |it| &mut it.freshness)
            .await
    }

    async fn ask<R: Message, M: Response>(
        &self,
        method: &'static str,
        mut request: R,
        freshness: fn(&mut R) -> &mut i32,
    ) -> Result<Answer<M>, Status> {
        let Some(questions) = &self.questions else {
            return self.call(method, request).await;
        };
        assert_eq!(*freshness(&mut request), 0, "it is asked for the latest");
        let question = (method, request.encode_to_vec());
        *freshness(&mut request) = pb::Freshness::Latest.into();
        let asked = Instant::now();
        let outcome = self.call(method, request).await;
        questions.keep(question, asked, &outcome);
        outcome
    }

    /// Calls a method of the service.
    pub async fn call<M: Message + Default>(
        &self,
        method: &str,
        request: impl Message,
    ) -> Result<Answer<M>, Status> {
        self.send(method, &request.encode_to_vec()).await
    }

    /// The same with the bytes of a request.
    pub async fn send<M: Message + Default>(
        &self,
        method: &str,
        request: &[u8],
    ) -> Result<Answer<M>, Status> {
        let path = format!("/leadchat.inbox.v1.InboxService/{method}");
        self.raw(&path, Request::new(request.to_vec())).await
    }

    /// Calls any path with any bytes.
    pub async fn raw<M: Message + Default>(
        &self,
        path: &str,
        request: Request<Vec<u8>>,
    ) -> Result<Answer<M>, Status> {
        let mut grpc = self.grpc.clone();
        let ready = grpc.ready().await;
        ready.map_err(|error| Status::unavailable(format!("{error:?}")))?;
        let response = grpc
            .unary(request, path.parse::<PathAndQuery>().unwrap(), AsIs)
            .await?;
        let (metadata, bytes, _) = response.into_parts();
        let message = M::decode(bytes.as_slice()).unwrap();
        Ok(Answer {
            bytes,
            message,
            metadata,
        })
    }

    /// Every inbox that is visible, over all pages, in full detail.
    pub async fn all(&self, account_id: i64, viewer: pb::Viewer) -> Vec<pb::Inbox> {
        let mut request = pb::ListInboxesRequest {
            account_id,
            viewer: Some(viewer),
            ..Default::default()
        };
        let mut inboxes = Vec::new();
        loop {
            let page = self.list(request.clone()).await.unwrap().message;
            inboxes.extend(page.inboxes);
            request.page_token = page.next_page_token;
            if request.page_token.is_empty() {
                return inboxes;
            }
        }
    }
}

/// As callers do that are told to ask again, of which [`log`](super::log) says whether they had to
/// be: calls until there is an answer that says nothing of the kind.
pub async fn retried<T, C>(call: impl Fn() -> C) -> Result<Answer<T>, Status>
where
    C: Future<Output = Result<Answer<T>, Status>>,
{
    let end = Instant::now() + WAIT_TIMEOUT;
    loop {
        match call().await {
            Err(status) if status.code() == Code::Unavailable && Instant::now() < end => {}
            answer => return answer,
        }
    }
}

/// For an inbox in full detail.
pub const fn get_inbox(account_id: i64, inbox_id: i64, viewer: pb::Viewer) -> pb::GetInboxRequest {
    pb::GetInboxRequest {
        account_id,
        inbox_id,
        viewer: Some(viewer),
        detail: 0,
        freshness: 0,
    }
}

/// The same, by a user.
pub const fn get_as_user(account_id: i64, inbox_id: i64, user_id: i64) -> pb::GetInboxRequest {
    get_inbox(account_id, inbox_id, viewer::user(user_id))
}

/// For the first inbox, by an administrator: where any call will do.
pub const fn any_inbox() -> pb::GetInboxRequest {
    get_as_user(1, 1, 1)
}

/// The reason that an error of ours carries.
pub fn reason(status: &Status) -> String {
    let info = status
        .get_details_error_info()
        .unwrap_or_else(|| panic!("{status:?}"));
    assert_eq!(info.domain, "inbox.leadchat");
    info.reason
}

/// Requests of a viewer.
pub mod viewer {
    use super::pb::{ServiceViewer, Viewer, viewer::Principal};

    pub const fn user(id: i64) -> Viewer {
        Viewer {
            principal: Some(Principal::UserId(id)),
        }
    }

    pub const fn bot(id: i64) -> Viewer {
        Viewer {
            principal: Some(Principal::AgentBotId(id)),
        }
    }

    pub const fn service() -> Viewer {
        Viewer {
            principal: Some(Principal::Service(ServiceViewer {})),
        }
    }
}

/// Passes bytes through, so that tests see them as they are.
#[derive(Clone, Copy, Default)]
pub(super) struct AsIs;

impl Codec for AsIs {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for AsIs {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, bytes: Vec<u8>, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.put_slice(&bytes);
        Ok(())
    }
}

impl Decoder for AsIs {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        let mut bytes = vec![0; from.remaining()];
        from.copy_to_slice(&mut bytes);
        Ok(Some(bytes))
    }
}
