//! Calls as bytes over HTTP/2, for what a gRPC client would not send or would
//! answer by itself.

use http::{HeaderMap, Request};
use prost::bytes::Bytes;
use tokio::net::TcpStream;
use tonic::Status;

/// What came back.
#[derive(Debug)]
pub struct Reply {
    pub headers: HeaderMap,
    pub trailers: HeaderMap,
}

impl Reply {
    /// The status of the call, wherever it stands.
    pub fn status(&self) -> Status {
        let in_trailers = Status::from_header_map(&self.trailers);
        in_trailers
            .or_else(|| Status::from_header_map(&self.headers))
            .expect("a status")
    }
}

/// Sends one call over a connection of its own. `body` is what goes out, framing
/// included.
pub async fn call(address: &str, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Reply {
    let socket = TcpStream::connect(address).await.unwrap();
    let (client, connection) = h2::client::handshake(socket).await.unwrap();
    let connection = tokio::spawn(connection);
    let mut client = client.ready().await.unwrap();

    let mut request = Request::post(format!("http://{address}{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (response, mut stream) = client
        .send_request(request.body(()).unwrap(), false)
        .unwrap();
    // A server may answer, and close the stream, before it has read this.
    let _ = stream.send_data(Bytes::from(body), true);
    let response = response.await.unwrap();
    let headers = response.headers().clone();
    let mut incoming = response.into_body();
    while let Some(data) = incoming.data().await {
        let data = data.unwrap();
        incoming
            .flow_control()
            .release_capacity(data.len())
            .unwrap();
    }
    let trailers = incoming.trailers().await.unwrap().unwrap_or_default();
    connection.abort();
    Reply { headers, trailers }
}

/// A message as gRPC frames it: not compressed, its length, its bytes.
pub fn framed(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[0], length.as_slice(), message].concat()
}
