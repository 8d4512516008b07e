//! A collector of traces (OTLP over gRPC).

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::any_value::Value,
    trace::v1::Span,
};
use prost::Message;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::task::AbortOnDropHandle;
use tonic::{Request, Response, Status, transport::Server};

use super::{
    canary::CANARIES,
    program::{Program, WAIT_TIMEOUT},
};

/// It takes traces until it is dropped.
pub struct Collector {
    pub address: SocketAddr,
    received: Received,
    _served: AbortOnDropHandle<()>,
}

#[derive(Clone, Default)]
struct Received(Arc<Mutex<Vec<ExportTraceServiceRequest>>>);

#[tonic::async_trait]
impl TraceService for Received {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.0.lock().unwrap().push(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let received = Received::default();
        let service = TraceServiceServer::new(received.clone());
        let served = tokio::spawn(async move {
            let incoming = TcpListenerStream::new(listener);
            let server = Server::builder().add_service(service);
            server.serve_with_incoming(incoming).await.unwrap();
        });
        Self {
            address,
            received,
            _served: AbortOnDropHandle::new(served),
        }
    }

    /// The spans that have come so far. No canary is in anything that has.
    pub fn spans(&self) -> Vec<Span> {
        let received = self.received.0.lock().unwrap();
        for request in &*received {
            assert_eq!(CANARIES.find(&request.encode_to_vec()), None);
        }
        let resources = received.iter().flat_map(|it| &it.resource_spans);
        let scopes = resources.flat_map(|it| &it.scope_spans);
        scopes.flat_map(|it| it.spans.iter().cloned()).collect()
    }

    /// Waits for a span of a call with this request id.
    pub async fn span(&self, request_id: &str) -> Span {
        let wait = async {
            loop {
                let mut spans = self.spans().into_iter();
                let has_id = |span: &Span| attribute(span, "request_id") == Some(request_id.into());
                if let Some(span) = spans.find(has_id) {
                    return span;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let span = tokio::time::timeout(WAIT_TIMEOUT, wait).await;
        span.unwrap_or_else(|_| panic!("waited in vain: a span of {request_id}"))
    }
}

/// An attribute of a span, as a text.
pub fn attribute(span: &Span, key: &str) -> Option<String> {
    let found = span.attributes.iter().find(|it| it.key == key)?;
    Some(match found.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        other => format!("{other:?}"),
    })
}

impl Program {
    /// Traces go to this collector, which has them quickly.
    pub fn with_traces(self, collector: &Collector) -> Self {
        let endpoint = format!("http://{}", collector.address);
        self.env("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)
            .env("OTEL_BSP_SCHEDULE_DELAY", "100")
    }
}
