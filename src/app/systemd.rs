//! Reports to systemd that the service is ready, and that it stops, where systemd asks for it.

use sd_notify::NotifyState;
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// Reports that the service is ready, and later that it stops.
pub fn report(stopping: CancellationToken) {
    notify(NotifyState::Ready);
    tokio::spawn(async move {
        stopping.cancelled().await;
        notify(NotifyState::Stopping);
    });
}

/// Does nothing without NOTIFY_SOCKET.
fn notify(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        warn!(%error, "the state cannot be reported to systemd");
    }
}
