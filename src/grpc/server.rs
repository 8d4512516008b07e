//! The server: its services, and the layers around them.

use std::{sync::Arc, time::Duration};

use http::Response;
use prost::Message;
use prost_types::FileDescriptorSet;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::{body::Body, service::Routes};
use tonic_health::ServingStatus;
use tower::ServiceBuilder;
use tower_http::{
    catch_panic::CatchPanicLayer,
    request_id::{PropagateRequestIdLayer, SetRequestIdLayer},
    trace::TraceLayer,
};
use tracing::info;

use super::{
    admission::{Admission, LARGEST_REQUEST},
    around,
    connections::Listener,
    deadline::Deadline,
    etag::EtagKey,
    inbox_service::InboxService,
    log,
    metadata::Metadata,
    pb::{self, inbox_service_server::InboxServiceServer},
    request_id,
    status::panicked,
    stopping::Stopping,
    translate::Translate,
};
use crate::{domain::directory::InboxDirectory, identity::Caller};

/// What keeps a few callers from taking all there is.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How many calls are under way at a time in the whole process.
    pub concurrent_calls: usize,
    /// How long a connection may be silent, and how long a caller may take nothing of
    /// what it is told.
    pub silence: Duration,
    /// When a connection is ended, as soon as no call is under way on it; a
    /// caller that still needs one makes another. So an idle one does not stay
    /// for ever, and callers spread over new replicas.
    pub connection_age: Duration,
    /// How long it may take after that. No call has as much time, but who watches the
    /// health has to ask again.
    pub connection_grace: Duration,
}

impl Limits {
    pub const fn new(concurrent_calls: usize) -> Self {
        Self {
            concurrent_calls,
            silence: Duration::from_secs(30),
            connection_age: Duration::from_hours(1),
            connection_grace: Duration::from_mins(1),
        }
    }
}

/// Why a server stopped other than by being told to.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("the reflection service cannot be built")]
    Reflection(#[from] tonic_reflection::server::Error),
    #[error("the descriptors of the services cannot be read")]
    Descriptors(#[from] prost::DecodeError),
}

/// Serves inboxes until told to stop and the calls under way are answered. Told
/// again, it does not wait for these.
pub async fn serve<D: InboxDirectory>(
    listener: Listener,
    directory: D,
    caller: Caller,
    etags: EtagKey,
    random: fn() -> Option<u128>,
    limits: Limits,
    mut told_to_stop: mpsc::Receiver<()>,
) -> Result<(), ServeError> {
    let inboxes = InboxServiceServer::new(InboxService {
        directory: Arc::new(directory),
        caller,
        etags,
    })
    .max_decoding_message_size(LARGEST_REQUEST);
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

    let calls = Stopping::default();
    let admission = Admission::new(limits.concurrent_calls);
    let layers = ServiceBuilder::new()
        // An id that would spoil the log counts as none.
        .map_request(request_id::discard_unfit)
        // Every call has an id; the caller's own, or one made here.
        .layer(SetRequestIdLayer::new(request_id::header(), request_id::Random(random)))
        // The answer bears the id, whatever became of the call.
        .layer(PropagateRequestIdLayer::new(request_id::header()))
        // Under overload, most calls are sent away before more is done for them.
        .layer(admission.door())
        // The layer below has a type of body of its own.
        .map_response(|response: Response<_>| response.map(Body::new))
        // One span and one line a call. Below the id, which it logs.
        .layer(
            TraceLayer::new_for_grpc()
                .make_span_with(log::Calls::of_all_services()?)
                .on_request(())
                .on_response(log::answered)
                .on_body_chunk(())
                .on_eos(())
                .on_failure(()),
        )
        // A call that its caller gives up has a line, too.
        .layer(around::layer(log::GivenUp))
        // What tonic answers by itself gets the form of our errors.
        .layer(around::layer(Translate))
        // Nothing is done for who sends too much beside the request.
        .layer(around::layer(Metadata))
        // By when its caller wants it.
        .layer(around::layer(Deadline))
        // A call that is cut off by a stop is told so. Below the deadline, by which its
        // answer has to be taken.
        .layer(around::layer(calls.clone()))
        // Only so many at a time, once they have arrived. Below the deadline,
        // which holds while a call waits for its turn.
        .layer(admission)
        // The layer below has a type of body of its own.
        .map_response(|response: Response<_>| response.map(Body::new))
        // A panic costs its call and nothing else. Innermost, so that the layers
        // above see an answer.
        .layer(CatchPanicLayer::custom(panicked));

    let routes = Routes::new(inboxes)
        .add_service(health_service.max_decoding_message_size(LARGEST_REQUEST))
        .add_service(
            reflection()?
                .build_v1()?
                .max_decoding_message_size(LARGEST_REQUEST),
        )
        .add_service(
            reflection()?
                .build_v1alpha()?
                .max_decoding_message_size(LARGEST_REQUEST),
        );
    let service = layers.service(routes.prepare());

    let stopped = CancellationToken::new();
    let stopping = async {
        told_to_stop.recv().await;
        info!("stopping");
        health
            .set_not_serving::<InboxServiceServer<InboxService<D>>>()
            .await;
        health
            .set_service_status("", ServingStatus::NotServing)
            .await;
        stopped.cancel();
        calls.end(told_to_stop).await;
    };
    tokio::select! {
        () = listener.serve(service, limits, stopped.clone()) => {}
        () = stopping => info!("connections were cut off"),
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
