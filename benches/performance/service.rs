//! The service as it is measured.

use super::{
    it::support::{Database, Program, program::Server},
    process::Measured,
};

/// The service with default settings but for these variables, and its log in a file.
pub fn start(database: &Database, settings: &[(&str, &str)]) -> Server {
    // Tests set these.
    let program = ["RUST_LOG", "MAX_STALENESS"]
        .into_iter()
        .fold(Program::serving(database), Program::without_env);
    let with = |program: Program, (name, value): &(&str, &str)| program.env(name, value);
    settings.iter().fold(program, with).start()
}

pub fn measured(server: &Server) -> Measured {
    Measured::Process(pid(server))
}

pub fn pid(server: &Server) -> u32 {
    server.pid().as_raw_nonzero().get().unsigned_abs()
}
