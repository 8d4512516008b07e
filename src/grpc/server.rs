//! The server: its services, and the layers around them.

use std::{sync::Arc, time::Duration};

use http::{Request, Response};
use prost::Message;
use prost_types::FileDescriptorSet;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::UnixListenerStream;
use tonic::{
    Status,
    body::Body,
    transport::{Server, server::TcpIncoming},
};
use tonic_health::ServingStatus;
use tower::ServiceBuilder;
use tower_http::{
    catch_panic::CatchPanicLayer,
    request_id::{PropagateRequestIdLayer, RequestId, SetRequestIdLayer},
    trace::TraceLayer,
};
use tracing::{Span, field::Empty, info, info_span, warn};

use super::{
    around,
    deadline::Deadline,
    etag::EtagKey,
    inbox_service::InboxService,
    pb::{self, inbox_service_server::InboxServiceServer},
    request_id,
    status::panicked,
    translate::Translate,
};
use crate::{domain::directory::InboxDirectory, identity::Caller};

/// How long calls under way may take after the server is told to stop.
const DRAIN: Duration = Duration::from_secs(10);

/// A socket that is being listened on.
pub enum Listener {
    Tcp(tokio::net::TcpListener),
    Unix(tokio::net::UnixListener),
}

/// Why a server stopped other than by being told to.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("the reflection service cannot be built")]
    Reflection(#[from] tonic_reflection::server::Error),
    #[error("the description of error details cannot be read")]
    ErrorDetails(#[from] prost::DecodeError),
    #[error("the server stopped")]
    Transport(#[from] tonic::transport::Error),
}

/// Serves inboxes until told to stop and the calls under way are answered. Told
/// again, it does not wait for these.
pub async fn serve<D: InboxDirectory>(
    listener: Listener,
    directory: D,
    caller: Caller,
    etags: EtagKey,
    random: fn() -> Option<u128>,
    mut told_to_stop: mpsc::Receiver<()>,
) -> Result<(), ServeError> {
    let inboxes = InboxServiceServer::new(InboxService {
        directory: Arc::new(directory),
        caller,
        etags,
    });
    let (health, health_service) = tonic_health::server::health_reporter();
    health
        .set_serving::<InboxServiceServer<InboxService<D>>>()
        .await;

    let reflection = || -> Result<_, ServeError> {
        Ok(tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(pb::DESCRIPTORS)
            .register_file_descriptor_set(error_details()?)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET))
    };

    let layers = ServiceBuilder::new()
        // An id that would spoil the log counts as none.
        .map_request(request_id::discard_unfit)
        // Every call has an id; the caller's own, or one made here.
        .layer(SetRequestIdLayer::new(request_id::header(), request_id::Random(random)))
        // One span and one line a call. Below the id, which it logs.
        .layer(
            TraceLayer::new_for_grpc()
                .make_span_with(span)
                .on_request(())
                .on_response(finished)
                .on_body_chunk(())
                .on_eos(())
                .on_failure(()),
        )
        // The answer bears the id, whatever became of the call.
        .layer(PropagateRequestIdLayer::new(request_id::header()))
        // What tonic answers by itself gets the form of our errors.
        .layer(around::layer::<Translate>())
        // Fires before tonic's own, which answers the wrong code.
        .layer(around::layer::<Deadline>())
        // The layer below has a type of body of its own.
        .map_response(|response: Response<_>| response.map(Body::new))
        // A panic costs its call and nothing else. Innermost, so that the layers
        // above see an answer.
        .layer(CatchPanicLayer::custom(panicked));

    let router = Server::builder()
        // Finds out callers that are gone.
        .http2_keepalive_interval(Some(Duration::from_secs(30)))
        .layer(layers)
        .add_service(inboxes)
        .add_service(health_service)
        .add_service(reflection()?.build_v1()?)
        .add_service(reflection()?.build_v1alpha()?);

    let (stop, stopped) = oneshot::channel();
    // Told once, calls under way may end; told again, or after a while, not.
    let stopping = async {
        told_to_stop.recv().await;
        health
            .set_not_serving::<InboxServiceServer<InboxService<D>>>()
            .await;
        health
            .set_service_status("", ServingStatus::NotServing)
            .await;
        // If nobody waits for it, serving has ended by itself.
        let _ = stop.send(());
        tokio::select! {
            () = tokio::time::sleep(DRAIN) => {}
            _ = told_to_stop.recv() => {}
        }
    };
    let stopped = async {
        // Not sent only if this whole function is dropped.
        let _ = stopped.await;
    };
    let serving = async {
        match listener {
            Listener::Tcp(listener) => {
                // Answers are written in one go; waiting for more only delays.
                let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
                router.serve_with_incoming_shutdown(incoming, stopped).await
            }
            Listener::Unix(listener) => {
                let incoming = UnixListenerStream::new(listener);
                router.serve_with_incoming_shutdown(incoming, stopped).await
            }
        }
    };
    tokio::select! {
        ended = serving => ended?,
        () = stopping => warn!("connections were cut off"),
    }
    Ok(())
}

/// What error details are, so that grpcurl prints them in words. tonic-types
/// leaves out the folder in the name of the file.
fn error_details() -> Result<FileDescriptorSet, ServeError> {
    let mut files = FileDescriptorSet::decode(tonic_types::pb::FILE_DESCRIPTOR_SET)?;
    for file in &mut files.file {
        if let Some(name) = file.name.as_mut().filter(|name| !name.contains('/')) {
            name.insert_str(0, "google/rpc/");
        }
        for import in file
            .dependency
            .iter_mut()
            .filter(|import| !import.contains('/'))
        {
            import.insert_str(0, "google/rpc/");
        }
    }
    Ok(files)
}

fn span<B>(request: &Request<B>) -> Span {
    let id = request.extensions().get::<RequestId>();
    let id = id.and_then(|id| id.header_value().to_str().ok());
    info_span!(
        "call",
        method = request.uri().path(),
        id,
        account = Empty,
        viewer = Empty
    )
}

fn finished<B>(response: &Response<B>, took: Duration, _: &Span) {
    // An error comes in the headers; a stream's end is not waited for.
    let code = response.headers().get(Status::GRPC_STATUS);
    let code = code.map_or(tonic::Code::Ok, |code| {
        tonic::Code::from_bytes(code.as_bytes())
    });
    info!(?code, took_us = took.as_micros(), "answered");
}
