//! A replica of any version, on an address that stays.

use std::{
    fs::{self, File},
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tokio::time::sleep;
use tonic::transport::Endpoint;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::support::{
    Database,
    program::{KEY_PART, WAIT_TIMEOUT},
};

const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// The program with the settings of an operator; killed when dropped.
pub struct Replica {
    child: Child,
    folder: TempDir,
}

/// Two addresses on which nothing listens.
pub fn free_addresses() -> [String; 2] {
    let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().to_string())
}

impl Replica {
    /// Starts a version, and waits until it serves.
    pub async fn start(
        program: &Path,
        address: &str,
        database: &Database,
        drain_wait: &str,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = File::create(folder.path().join("log")).unwrap();
        let child = Command::new(program)
            .args(["serve", "--listen", address, "--drain-wait", drain_wait])
            .current_dir(folder.path())
            .env_clear()
            .env("TMPDIR", folder.path())
            .env("DATABASE_URL", database.url())
            .env("FRONTEND_URL", "https://chat.example.test")
            .env("SECRET_KEY_BASE", KEY_PART.repeat(8))
            .env("RUST_LOG", "info")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut replica = Self { child, folder };
        let end = Instant::now() + WAIT_TIMEOUT;
        while !is_serving(address).await {
            let ended = replica.child.try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < end, "{}", replica.log());
            sleep(POLL_INTERVAL).await;
        }
        replica
    }

    /// Sends a signal, and waits for the end, after a drain with exit code 0. Returns the time
    /// that it took.
    pub async fn stop(&mut self, signal: &str) -> Duration {
        let began = Instant::now();
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", signal, &pid]).status();
        assert!(sent.unwrap().success());
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                let expected = (signal == "TERM").then_some(0);
                assert_eq!(status.code(), expected, "{}", self.log());
                return began.elapsed();
            }
            assert!(began.elapsed() < WAIT_TIMEOUT, "it does not end");
            sleep(POLL_INTERVAL).await;
        }
    }

    /// The calls that it has answered.
    pub fn answers(&self) -> usize {
        self.log().matches(": answered ").count()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        // Already gone is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn is_serving(address: &str) -> bool {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    let Ok(channel) = endpoint.connect().await else {
        return false;
    };
    let mut health = HealthClient::new(channel);
    let answer = health.check(HealthCheckRequest::default()).await;
    answer.is_ok_and(|answer| answer.into_inner().status().as_str_name() == "SERVING")
}
