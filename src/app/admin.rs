//! The admin server: its address, and the question whether the database answers.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tracing::info;

use super::{AppError, print_line};
use crate::{
    admin::{self, Readiness, watch_store},
    metrics::Metrics,
    store::{ReadContext, Store},
};

/// The port, if there is one. It answers until this is dropped.
pub struct Admin(Option<AbortOnDropHandle<()>>);

/// Listens, if there is an address. Until the database is watched, the process is not ready.
pub async fn begin(
    address: Option<SocketAddr>,
    metrics: &Metrics,
    stopping: &CancellationToken,
) -> Result<Admin, AppError> {
    let Some(address) = address else {
        return Ok(Admin(None));
    };
    let listen = async {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok::<_, std::io::Error>((listener, address))
    };
    let (listener, address) = listen.await.map_err(|error| AppError::ListenAdmin {
        address,
        reason: error.kind().to_string(),
    })?;
    let version = env!("CARGO_PKG_VERSION");
    print_line(&format!(
        "leadchat-inbox {version} serves metrics on {address}"
    ));
    info!(%address, "serving metrics");
    let readiness = Readiness {
        metrics: metrics.clone(),
        stopping: stopping.clone(),
    };
    let served = tokio::spawn(admin::serve(listener, metrics.clone(), readiness));
    Ok(Admin(Some(AbortOnDropHandle::new(served))))
}

impl Admin {
    /// Asks the database again and again, if there is a port, until what is returned is
    /// dropped.
    pub fn watch(&self, store: &Arc<Store>, metrics: &Metrics) -> Option<AbortOnDropHandle<()>> {
        self.0.as_ref()?;
        let (store, reads) = (Arc::clone(store), metrics.reads.clone());
        let seen = AtomicU64::new(0);
        let probe = move |limit: Duration| {
            let store = Arc::clone(&store);
            // A database that answers reads is up, also where they have all connections.
            let answered = reads.answered_reads();
            let has_answered = seen.swap(answered, Ordering::Relaxed) < answered;
            async move {
                if has_answered {
                    return true;
                }
                let deadline = (tokio::time::Instant::now() + limit).into_std();
                let context = ReadContext::new(deadline, CancellationToken::new());
                store.probe(&context).await.is_ok()
            }
        };
        let watched = tokio::spawn(watch_store(metrics.store.clone(), probe));
        Some(AbortOnDropHandle::new(watched))
    }
}
