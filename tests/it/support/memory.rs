//! The memory of the program.

use std::fs;

use super::program::Server;

impl Server {
    /// That it had at any time, in megabytes.
    pub fn most_memory(&self) -> u64 {
        self.megabytes("VmHWM:")
    }

    /// That it has now, in megabytes.
    pub fn memory(&self) -> u64 {
        self.megabytes("VmRSS:")
    }

    fn megabytes(&self, name: &str) -> u64 {
        let status =
            fs::read_to_string(format!("/proc/{}/status", self.pid().as_raw_nonzero())).unwrap();
        let line = status.lines().find(|line| line.starts_with(name));
        let kilobytes = line.unwrap().split_whitespace().nth(1).unwrap();
        kilobytes.parse::<u64>().unwrap() / 1024
    }
}
