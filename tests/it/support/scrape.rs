//! The admin server, as a probe and a collector of metrics ask it.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::{
    canary::CANARIES,
    program::{Program, Server, WAIT_TIMEOUT},
};

/// The numbers of a moment.
#[derive(Debug)]
pub struct Scrape(pub String);

/// A response of the port: its code and its body.
pub async fn ask(address: &str, method: &str, path: &str) -> (u16, String) {
    let ask = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request =
            format!("{method} {path} HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let answer = timeout(WAIT_TIMEOUT, ask).await.expect("an answer in time");
    let code = answer.split(' ').nth(1).unwrap().parse().unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    assert_eq!(CANARIES.find(answer.as_bytes()), None);
    (code, body.to_owned())
}

impl Program {
    /// With an admin server.
    pub fn with_admin(self) -> Self {
        self.env("ADMIN_LISTEN", "0")
    }
}

impl Server {
    /// The address of its admin server.
    pub fn admin(&self) -> &str {
        self.admin.as_ref().expect("a program with_admin")
    }

    /// How many reads of its database have ended so far.
    pub async fn reads(&self) -> u64 {
        let scrape = self.scrape().await;
        scrape.count("leadchat_inbox_store_reads_total", &[])
    }

    /// How many statements its reads have sent for rows so far.
    pub async fn statements(&self) -> u64 {
        let (scrape, name) = (self.scrape().await, "leadchat_inbox_store_statements_total");
        // Of another name, none would ever be sent.
        assert_eq!(scrape.series(name).count(), 1);
        scrape.count(name, &[])
    }

    /// How many calls have ended so far with this code.
    pub async fn ended(&self, code: &str) -> u64 {
        let scrape = self.scrape().await;
        scrape.count("grpc_server_handled_total", &[("grpc_code", code)])
    }

    /// A response of its admin server.
    pub async fn get(&self, path: &str) -> (u16, String) {
        ask(self.admin(), "GET", path).await
    }

    pub async fn scrape(&self) -> Scrape {
        let (code, text) = self.get("/metrics").await;
        assert_eq!(code, 200, "{text}");
        Scrape(text)
    }

    /// Waits until the sum of some series is this number.
    pub async fn eventually_counted(&self, name: &str, labels: &[(&str, &str)], count: u32) {
        let is_so = |value: f64| (value - f64::from(count)).abs() < 0.5;
        self.eventually_scraped(name, labels, is_so).await;
    }

    /// Waits until so many watches have ended for a reason.
    pub async fn eventually_ended_watches(&self, why: &str, count: u32) {
        let name = "leadchat_inbox_watches_ended_total";
        self.eventually_counted(name, &[("why", why)], count).await;
    }

    /// Waits until the sum of some series satisfies a condition.
    pub async fn eventually_scraped(
        &self,
        name: &str,
        labels: &[(&str, &str)],
        is_so: impl Fn(f64) -> bool,
    ) -> f64 {
        let mut value = f64::NAN;
        let wait = async {
            loop {
                value = self.scrape().await.value(name, labels);
                if is_so(value) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let waited = timeout(WAIT_TIMEOUT, wait).await;
        assert!(
            waited.is_ok(),
            "waited in vain: {name} {labels:?} is {value}"
        );
        value
    }
}

impl Scrape {
    /// The sum of the series of a name that have these labels, among others; 0 without any.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.series(name)
            .filter(|(of_series, _)| {
                let has = |(key, value): &(&str, &str)| {
                    of_series
                        .split(',')
                        .any(|it| it == format!("{key}=\"{value}\""))
                };
                labels.iter().all(has)
            })
            .fold(0.0, |sum, (_, value)| sum + value)
    }

    /// The labels and the values of the series of a name.
    pub fn series<'s>(&'s self, name: &'s str) -> impl Iterator<Item = (&'s str, f64)> {
        self.0.lines().filter_map(move |line| {
            let rest = line.strip_prefix(name)?;
            let (labels, value) = match rest.strip_prefix('{') {
                Some(rest) => rest.split_once("} ")?,
                None => ("", rest.strip_prefix(' ')?),
            };
            Some((labels, value.parse().unwrap()))
        })
    }

    /// The same as a whole number.
    pub fn count(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        format!("{}", self.value(name, labels)).parse().unwrap()
    }

    /// How many series there are, of histograms too.
    pub fn series_count(&self) -> usize {
        let series = self.0.lines().filter(|line| !line.starts_with('#'));
        series.count()
    }
}
