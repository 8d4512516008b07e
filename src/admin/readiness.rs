//! Whether the process is ready: it can answer calls, and goes on doing so.

use std::{fmt, time::Duration};

use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::metrics::{Metrics, store::StoreMetrics};

/// The interval at which the database is asked, and the time for its answer.
const STORE_INTERVAL: Duration = Duration::from_secs(2);
const STORE_TIMEOUT: Duration = Duration::from_secs(2);

/// Judges the readiness from what is counted anyway.
#[derive(Clone)]
pub struct Readiness {
    pub metrics: Metrics,
    /// Cancelled when a shutdown begins.
    pub stopping: CancellationToken,
}

/// The checks, in order.
pub struct Report(Vec<Check>);

struct Check {
    name: &'static str,
    /// The failure, if there is one.
    failure: Option<String>,
    /// Whether a failure makes the process not ready.
    is_required: bool,
}

impl Readiness {
    pub fn report(&self) -> Report {
        let (store, files) = (&self.metrics.store, &self.metrics.files);
        let failure = |is_failed: bool, text: &str| is_failed.then(|| text.to_owned());
        let stale = files.stale();
        let stale = Vec::from_iter(stale).join(", ");
        let has_expired = files.server_certificate_has_expired();
        let check = |name, failure, is_required| Check {
            name,
            failure,
            is_required,
        };
        Report(vec![
            check("store", failure(!store.is_up(), "does not answer"), true),
            // Without it, flags are unknown, and all else is answered.
            check(
                "redis",
                failure(store.redis_is_up() == Some(false), "does not answer"),
                false,
            ),
            check("certificate", failure(has_expired, "has expired"), true),
            // The last good versions count.
            check(
                "files",
                (!stale.is_empty()).then(|| format!("refused: {stale}")),
                false,
            ),
            check(
                "draining",
                failure(self.stopping.is_cancelled(), "shutting down"),
                true,
            ),
        ])
    }
}

impl Report {
    pub fn is_ready(&self) -> bool {
        let mut required = self.0.iter().filter(|check| check.is_required);
        required.all(|check| check.failure.is_none())
    }

    /// One line.
    pub fn summary(&self) -> String {
        if self.is_ready() {
            return "ready\n".to_owned();
        }
        let failed = self
            .0
            .iter()
            .filter(|it| it.is_required && it.failure.is_some());
        let failed: Vec<_> = failed.map(|check| check.name).collect();
        format!("not ready: {}\n", failed.join(", "))
    }
}

/// A line for each check, and the summary.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Check { name, failure, .. } in &self.0 {
            match failure {
                None => writeln!(f, "[+]{name} ok")?,
                Some(text) => writeln!(f, "[-]{name} failed: {text}")?,
            }
        }
        f.write_str(&self.summary())
    }
}

/// Asks every two seconds whether the database answers, for ever. A question that takes
/// too long counts as no answer. The next one waits until it has ended, so that questions
/// never take more than one connection.
pub async fn watch_store<P, A>(metrics: StoreMetrics, probe: P)
where
    P: Fn(Duration) -> A,
    A: Future<Output = bool> + Send + 'static,
{
    loop {
        let mut asked = tokio::spawn(probe(STORE_TIMEOUT));
        let answer = match timeout(STORE_TIMEOUT, &mut asked).await {
            Ok(answer) => answer,
            Err(_) => {
                metrics.set_up(false);
                asked.await
            }
        };
        metrics.set_up(answer.unwrap_or(false));
        sleep(STORE_INTERVAL).await;
    }
}
