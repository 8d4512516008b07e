//! Numbers of the process, from `/proc`. Where there is none, they are left out.

use std::{
    fmt, fs,
    time::{SystemTime, UNIX_EPOCH},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};
use rustix::process::{Resource, getrlimit};

use super::ProcessFacts;

#[derive(Debug)]
pub struct Process {
    facts: ProcessFacts,
    started: SystemTime,
}

impl Process {
    /// Of a process that starts now.
    pub fn new(facts: ProcessFacts) -> Self {
        Self {
            started: (facts.clock)(),
            facts,
        }
    }
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let facts = &self.facts;
        let mut info = encoder.encode_descriptor(
            "leadchat_inbox_build_info",
            "1, with the version of the program",
            None,
            MetricType::Gauge,
        )?;
        let labels = [("version", facts.version)];
        ConstGauge::new(1_i64).encode(info.encode_family(&labels)?)?;
        let processor_time = ConstCounter::new((facts.processor_time)().as_secs_f64());
        processor_time.encode(encoder.encode_descriptor(
            "process_cpu_seconds",
            "Time of processors used",
            None,
            MetricType::Counter,
        )?)?;
        let started = self.started.duration_since(UNIX_EPOCH).unwrap_or_default();
        let gauges = [
            (
                "process_start_time_seconds",
                "When the process started",
                Some(started.as_secs()),
            ),
            (
                "process_resident_memory_bytes",
                "Memory in use",
                resident_bytes(),
            ),
            ("process_open_fds", "Open files", open_files()),
            (
                "process_max_fds",
                "The most open files",
                getrlimit(Resource::Nofile).current,
            ),
        ];
        for (name, help, value) in gauges {
            let Some(value) = value.and_then(|it| i64::try_from(it).ok()) else {
                continue;
            };
            let gauge = ConstGauge::new(value);
            gauge.encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)?;
        }
        Ok(())
    }
}

fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1024)
}

fn open_files() -> Option<u64> {
    // The folder itself is open while it is read.
    let files = fs::read_dir("/proc/self/fd").ok()?.count();
    u64::try_from(files).ok()?.checked_sub(1)
}
