//! Reads the settings, starts logging, runs.

use std::{env, process::ExitCode};

use leadchat_inbox::{
    app,
    config::{self, Settings},
    telemetry,
};
use mimalloc::MiMalloc;

/// Calls allocate and free memory on different threads, for which mimalloc is faster.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[tokio::main]
#[expect(
    clippy::disallowed_methods,
    reason = "the environment is read here and passed on"
)]
async fn main() -> ExitCode {
    // The default provider of the process. Installing cannot fail, since it is done once.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    // A variable that is not Unicode must not pass for unset; reading the setting reports
    // the error.
    let environment =
        |name: &str| env::var_os(name).map(|value| value.to_string_lossy().into_owned());
    let Settings { task, log_format } = match config::read(env::args_os(), &environment) {
        Ok(settings) => settings,
        Err(error) => return error.report(),
    };
    let log_filter = environment("RUST_LOG");
    let (default, unlogged) = (task.default_log_filter(), app::unlogged_targets());
    let filter = log_filter.as_deref();
    let telemetry = telemetry::start(log_format, filter, default, unlogged, task.traces());
    let code = app::run(task).await.unwrap_or_else(|error| {
        telemetry::report(log_format, &error);
        error.exit_code()
    });
    telemetry.end().await;
    code
}
