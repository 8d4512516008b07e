//! Callers: in a loop, or at a rate.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use prost::Message;
use tokio::{sync::Semaphore, time::interval};
use tonic::Request;

use super::{
    it::support::{Client, pb, viewer},
    process::Measured,
};

/// Callers of a loop, each with a connection of its own.
pub const CALLERS: usize = 8;

/// The interval at which calls are sent at a rate.
const SEND_INTERVAL: Duration = Duration::from_millis(5);

/// Calls in flight at a rate: more wait, so that a slow machine refuses none.
const MAX_IN_FLIGHT: usize = 64;

/// Calls of one kind to one server.
#[derive(Clone)]
pub struct Calls {
    clients: Arc<[Client]>,
    path: &'static str,
    /// Sent one after the other, again and again.
    requests: Arc<[Vec<u8>]>,
}

/// The result of a measurement.
pub struct Outcome {
    pub calls: usize,
    /// In all, in microseconds.
    pub processor_time: f64,
}

impl Outcome {
    /// In microseconds.
    pub fn per_call(&self) -> f64 {
        self.processor_time / self.calls as f64
    }
}

impl Calls {
    pub async fn new(address: &str, path: &'static str, requests: Vec<Vec<u8>>) -> Self {
        let clients = join_all((0..CALLERS).map(|_| Client::connect(address))).await;
        Self {
            clients: clients.into(),
            path,
            requests: requests.into(),
        }
    }

    /// The bytes of the first response.
    pub async fn first(&self) -> Vec<u8> {
        self.send(0).await
    }

    /// Each call once, so that no later one is the first.
    pub async fn warm_up(&self) {
        for index in 0..self.requests.len().max(CALLERS) {
            self.send(index).await;
        }
    }

    async fn send(&self, index: usize) -> Vec<u8> {
        let client = self.clients.get(index % CALLERS).unwrap();
        let request = self.requests.get(index % self.requests.len()).unwrap();
        // Read as a message without fields, which costs the driver least.
        let answer = client.raw::<()>(self.path, Request::new(request.clone()));
        answer.await.unwrap().bytes
    }

    /// Every caller calls again as soon as it is answered.
    pub async fn in_a_loop(&self, measured: Measured, window: Duration) -> Outcome {
        let before = measured.processor_time();
        let end = Instant::now() + window;
        let loops = (0..CALLERS).map(|caller| {
            let calls = self.clone();
            tokio::spawn(async move {
                let mut index = caller;
                while Instant::now() < end {
                    calls.send(index).await;
                    index += CALLERS;
                }
                index / CALLERS
            })
        });
        let counts = join_all(loops).await.into_iter().map(Result::unwrap);
        let calls = counts.sum();
        Outcome {
            calls,
            processor_time: measured.processor_time().microseconds_since(&before),
        }
    }

    /// Calls at a rate. The latencies in milliseconds, from the time at which a call was due.
    pub async fn at_a_rate(&self, per_second: usize, window: Duration) -> Vec<f64> {
        let (began, mut sent, mut calls) = (Instant::now(), 0_usize, Vec::new());
        let in_flight = Arc::new(Semaphore::new(MAX_IN_FLIGHT));
        let mut ticks = interval(SEND_INTERVAL);
        while began.elapsed() < window {
            ticks.tick().await;
            let due = (began.elapsed().as_secs_f64() * per_second as f64) as usize;
            while sent < due {
                let (call, index) = (self.clone(), sent);
                let due = began + Duration::from_secs_f64(sent as f64 / per_second as f64);
                let permit = Arc::clone(&in_flight).acquire_owned().await.unwrap();
                calls.push(tokio::spawn(async move {
                    call.send(index).await;
                    drop(permit);
                    due.elapsed().as_secs_f64() * 1e3
                }));
                sent += 1;
            }
        }
        let latencies = join_all(calls).await.into_iter().map(Result::unwrap);
        latencies.collect()
    }

    /// Calls without a pause until it is dropped, and counts them.
    pub fn again_and_again(&self) -> Background {
        let (calls, count) = (self.clone(), Arc::new(AtomicUsize::new(0)));
        let counter = Arc::clone(&count);
        let task = tokio::spawn(async move {
            loop {
                calls.send(0).await;
                counter.fetch_add(1, Ordering::Relaxed);
            }
        });
        Background { task, count }
    }
}

/// Calls under way beside a measurement.
pub struct Background {
    task: tokio::task::JoinHandle<()>,
    count: Arc<AtomicUsize>,
}

impl Background {
    pub fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub fn get_inbox(account_id: i64, inbox_id: i64, user: i64) -> Vec<u8> {
    let request = pb::GetInboxRequest {
        account_id,
        inbox_id,
        viewer: Some(viewer::user(user)),
        ..Default::default()
    };
    request.encode_to_vec()
}

/// A page of an account in full detail.
pub fn page(account_id: i64, user: i64, page_size: i32) -> pb::ListInboxesRequest {
    pb::ListInboxesRequest {
        account_id,
        viewer: Some(viewer::user(user)),
        page_size,
        ..Default::default()
    }
}

pub fn median(numbers: &[f64]) -> f64 {
    percentile(numbers, 50)
}

pub fn percentile(numbers: &[f64], percent: usize) -> f64 {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = sorted.len().saturating_sub(1) * percent / 100;
    sorted.get(at).copied().unwrap_or(f64::NAN)
}
