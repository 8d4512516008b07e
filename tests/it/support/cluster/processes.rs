//! The processes of a cluster of a test's own, to kill or pause them all at once.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};

use super::{Cluster, as_a_server, program};

/// The server and its children. They are resumed when this is dropped.
pub struct Processes {
    /// The folder of the data.
    data: String,
    pg_ctl: PathBuf,
    paused: Vec<Pid>,
}

impl Cluster {
    pub fn processes(&self) -> Processes {
        let data = self.psql("postgres", "SHOW data_directory");
        Processes {
            data: data.trim().to_owned(),
            pg_ctl: program(self.programs(), "pg_ctl"),
            paused: Vec::new(),
        }
    }
}

impl Processes {
    /// Stops all where they are: connections stay, and nothing is answered.
    pub fn pause(&mut self) {
        let file = fs::read_to_string(format!("{}/postmaster.pid", self.data)).unwrap();
        let server = file.lines().next().unwrap();
        self.pause_process(server);
        // From now on it has no further children.
        let children = fs::read_to_string(format!("/proc/{server}/task/{server}/children"));
        for child in children.unwrap().split_whitespace() {
            self.pause_process(child);
        }
    }

    fn pause_process(&mut self, number: &str) {
        let process = Pid::from_raw(number.parse().unwrap()).unwrap();
        kill_process(process, Signal::STOP).unwrap();
        self.paused.push(process);
    }

    pub fn resume(&mut self) {
        for process in self.paused.drain(..).rev() {
            // It may have been killed meanwhile.
            let _ = kill_process(process, Signal::CONT);
        }
    }

    /// Ends all by SIGKILL.
    pub fn kill(&mut self) {
        self.pause();
        let processes: Vec<_> = self.paused.drain(..).collect();
        for process in &processes {
            kill_process(*process, Signal::KILL).unwrap();
        }
        while processes.iter().any(|process| is_running(*process)) {
            thread::sleep(Duration::from_millis(5));
        }
        // An exit code that no process has asked for yet would keep the number in use.
        fs::remove_file(format!("{}/postmaster.pid", self.data)).unwrap();
    }

    /// Stops the server as an operator does: it ends open sessions.
    pub fn stop(&mut self) {
        self.control(&["stop", "-m", "fast"]);
    }

    /// Starts the server after it was killed or stopped. The keeper stops it by its folder.
    pub fn start_again(&mut self) {
        self.control(&["start", "-l", &format!("{}/../log", self.data)]);
    }

    /// From its next start on, the server is a hot standby, of a primary that is not there.
    pub fn become_standby(&self) {
        fs::write(format!("{}/standby.signal", self.data), "").unwrap();
    }

    fn control(&self, arguments: &[&str]) {
        let mut control = Command::new(&self.pg_ctl);
        control
            .args(arguments)
            .args(["-w", "-t", "60", "-D", &self.data])
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        as_a_server(&mut control);
        assert!(control.status().unwrap().success(), "{arguments:?} fails");
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        self.resume();
    }
}

/// Whether there is such a process, and not only its exit code.
fn is_running(process: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", process.as_raw_nonzero()));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}
