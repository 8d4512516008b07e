//! Calls at the least cost, so that callers are not what is measured.

use std::error::Error;

use h2::client::SendRequest;
use http::{HeaderMap, Request};
use prost::{Message, bytes::Bytes};
use tokio::net::TcpStream;
use tonic::Code;

use super::{
    ACCOUNT,
    it::support::{pb, viewer},
};

#[derive(Clone, Copy)]
pub enum Call {
    Get,
    List,
}

impl Call {
    /// Framed as gRPC does: not compressed, its length, the message.
    fn message(self) -> Result<Bytes, Box<dyn Error>> {
        let viewer = Some(viewer::user(1));
        let message = match self {
            Self::Get => pb::GetInboxRequest {
                account_id: ACCOUNT,
                inbox_id: 1,
                viewer,
                detail: 0,
            }
            .encode_to_vec(),
            Self::List => pb::ListInboxesRequest {
                account_id: ACCOUNT,
                viewer,
                ..Default::default()
            }
            .encode_to_vec(),
        };
        let mut framed = vec![0];
        framed.extend(u32::try_from(message.len())?.to_be_bytes());
        framed.extend(message);
        Ok(framed.into())
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "GetInbox",
            Self::List => "ListInboxes",
        }
    }
}

/// HTTP/2 alone, with a request encoded once.
#[derive(Clone)]
pub struct Client {
    connection: SendRequest<Bytes>,
    request: Request<()>,
    message: Bytes,
}

impl Client {
    pub async fn connected(address: &str, call: Call) -> Result<Self, Box<dyn Error>> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (client, connection) = h2::client::handshake(stream).await?;
        tokio::spawn(connection);
        let path = format!("leadchat.inbox.v1.InboxService/{}", call.name());
        let request = Request::post(format!("http://{address}/{path}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(())?;
        Ok(Self {
            connection: client,
            request,
            message: call.message()?,
        })
    }

    /// `Unknown` for what does not come to an end.
    pub async fn ask(&self) -> Code {
        self.answer().await.unwrap_or_else(|error| {
            println!("  {error}");
            Code::Unknown
        })
    }

    async fn answer(&self) -> Result<Code, h2::Error> {
        let mut connection = self.connection.clone().ready().await?;
        let (answer, mut body) = connection.send_request(self.request.clone(), false)?;
        // One that is refused at once need not take the message any more.
        let _ = body.send_data(self.message.clone(), true);
        let (head, mut body) = answer.await?.into_parts();
        if let Some(code) = code(&head.headers) {
            return Ok(code);
        }
        while let Some(part) = body.data().await {
            let arrived = part?.len();
            body.flow_control().release_capacity(arrived)?;
        }
        let trailers = body.trailers().await?;
        Ok(trailers.as_ref().and_then(code).unwrap_or(Code::Unknown))
    }
}

fn code(headers: &HeaderMap) -> Option<Code> {
    headers
        .get("grpc-status")
        .map(|code| Code::from_bytes(code.as_bytes()))
}
