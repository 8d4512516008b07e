//! Calls as bytes over HTTP/2, for what a gRPC client would not send or would
//! answer by itself.

use h2::{
    SendStream,
    client::{ResponseFuture, SendRequest},
};
use http::{HeaderMap, Request, StatusCode};
use prost::bytes::Bytes;
use tokio::{net::TcpStream, task::JoinHandle};
use tonic::Status;

/// The response.
#[derive(Debug)]
pub struct Reply {
    pub http: StatusCode,
    pub headers: HeaderMap,
    pub trailers: HeaderMap,
}

impl Reply {
    /// The status of the call, wherever it stands.
    pub fn status(&self) -> Status {
        self.grpc().expect("a status")
    }

    /// `None` where the answer is none of gRPC.
    pub fn grpc(&self) -> Option<Status> {
        let in_trailers = Status::from_header_map(&self.trailers);
        in_trailers.or_else(|| Status::from_header_map(&self.headers))
    }
}

/// The frames after the headers.
#[derive(Clone)]
pub enum Body {
    /// Nothing: the headers are the end.
    Nothing,
    /// These bytes, framing included, and the end.
    Whole(Vec<u8>),
    /// These bytes, and never an end.
    Endless(Vec<u8>),
    /// These bytes, and trailers.
    Trailed(Vec<u8>, HeaderMap),
}

/// A connection that takes one call after the other.
pub struct Connection {
    client: SendRequest<Bytes>,
    task: JoinHandle<Result<(), h2::Error>>,
}

impl Connection {
    pub async fn open(address: &str) -> Self {
        let socket = TcpStream::connect(address).await.unwrap();
        let (client, connection) = h2::client::handshake(socket).await.unwrap();
        let task = tokio::spawn(connection);
        Self { client, task }
    }

    /// Sends the head of a call. The sender of the body, and the future of the response.
    pub async fn begin(
        &self,
        request: Request<()>,
        ends: bool,
    ) -> Result<(SendStream<Bytes>, ResponseFuture), h2::Error> {
        let mut client = self.client.clone().ready().await?;
        let (answer, stream) = client.send_request(request, ends)?;
        Ok((stream, answer))
    }

    /// An error is a refusal of HTTP/2's: of this call, or of the connection.
    pub async fn send(&self, request: Request<()>, body: Body) -> Result<Reply, h2::Error> {
        let (mut stream, answer) = self.begin(request, matches!(body, Body::Nothing)).await?;
        // A server may answer, and close the stream, before it has read this.
        let _ = match body {
            Body::Nothing => Ok(()),
            Body::Whole(bytes) => stream.send_data(bytes.into(), true),
            Body::Endless(bytes) => stream.send_data(bytes.into(), false),
            Body::Trailed(bytes, trailers) => stream
                .send_data(bytes.into(), false)
                .and_then(|()| stream.send_trailers(trailers)),
        };
        reply(answer).await
    }
}

/// The whole of an answer.
pub async fn reply(answer: ResponseFuture) -> Result<Reply, h2::Error> {
    let (head, mut incoming) = answer.await?.into_parts();
    while let Some(data) = incoming.data().await {
        let data = data?;
        incoming.flow_control().release_capacity(data.len())?;
    }
    let trailers = incoming.trailers().await?.unwrap_or_default();
    Ok(Reply {
        http: head.status,
        headers: head.headers,
        trailers,
    })
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A call without its body.
pub fn request(address: &str, path: &str, headers: &[(&str, &str)]) -> Request<()> {
    let mut request = Request::post(format!("http://{address}{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap()
}

/// Sends one call over a connection of its own. `body` is what goes out, framing
/// included.
pub async fn call(address: &str, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Reply {
    let connection = Connection::open(address).await;
    let request = request(address, path, headers);
    connection.send(request, Body::Whole(body)).await.unwrap()
}

/// A message as gRPC frames it: not compressed, its length, its bytes.
pub fn framed(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[0], length.as_slice(), message].concat()
}
