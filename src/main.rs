//! Reads the settings, starts logging, runs.

use std::{env, process::ExitCode};

use leadchat_inbox::{app, config, telemetry};

#[tokio::main]
#[expect(
    clippy::disallowed_methods,
    reason = "the environment is read here and passed on"
)]
async fn main() -> ExitCode {
    let environment = |name: &str| env::var(name).ok();
    let task = match config::read(env::args_os(), &environment) {
        Ok(task) => task,
        Err(error) => return error.report(),
    };
    telemetry::start(environment("RUST_LOG").as_deref());
    match app::run(task).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("leadchat-inbox: {error}");
            ExitCode::FAILURE
        }
    }
}
