//! The command that asks a server of this machine for its health.

use std::process::ExitCode;

use super::{AppError, print};
use crate::{
    config::ListenAddress,
    grpc::{ProbeTarget, probe},
};

/// Asks a server whether it takes calls, and says so in one line.
pub async fn ask(address: ListenAddress) -> Result<ExitCode, AppError> {
    let target = match &address {
        ListenAddress::Tcp(address) => ProbeTarget::Tcp(*address),
        ListenAddress::Unix(path) => ProbeTarget::Unix(path.clone()),
        ListenAddress::Tls(address) => ProbeTarget::Tls(*address),
    };
    match probe(target).await {
        Ok(()) => print(&format!("{address} takes calls"))?,
        Err(error) => return Err(AppError::Health(address, error)),
    }
    Ok(ExitCode::SUCCESS)
}
