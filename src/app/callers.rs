//! The callers file: the policy to serve by, and the command that explains it.

use std::process::ExitCode;

use tokio::{signal::unix::SignalKind, sync::mpsc};
use tracing::warn;

use super::{AppError, listen_for, print};
use crate::{
    callers as text,
    config::{CallerAsk, Callers, CallersSettings, ListenAddress},
    identity::{CallersFile, Policy, PolicySource, ReloadTrigger, watch_file},
};

/// Prints the callers of a file, or the answer to a question about one.
pub fn answer(settings: &Callers) -> Result<ExitCode, AppError> {
    let file = CallersFile::read(&settings.path)?;
    let path = settings.path.display().to_string();
    let Some(question) = &settings.question else {
        print(&text::list(&file, settings.as_json))?;
        return Ok(ExitCode::SUCCESS);
    };
    let entry = file.entries.iter().find(|it| it.name == question.caller);
    let entry =
        entry.ok_or_else(|| AppError::NoSuchCaller(path.clone(), question.caller.clone()))?;
    let explanation = match &question.ask {
        CallerAsk::Account(ask) => entry.explain(ask),
        CallerAsk::Search(ask) => entry.explain_search(*ask),
    };
    print(&text::answer(&path, &explanation, settings.as_json))?;
    Ok(match explanation {
        Ok(_) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    })
}

/// The policy to serve by. That of a file follows the file.
pub fn policy(
    callers: CallersSettings,
    listen: &[ListenAddress],
) -> Result<PolicySource, AppError> {
    match callers {
        CallersSettings::BuiltIn(role) => {
            warn!("there is no callers file: every process of this machine may ask as any viewer");
            Ok(PolicySource::fixed(Policy::built_in(role)))
        }
        CallersSettings::File(path) => {
            let file = CallersFile::read(&path)?;
            let has_tcp = listen.iter().any(|it| matches!(it, ListenAddress::Tcp(_)));
            if has_tcp && !file.entries.iter().any(|entry| entry.is_local) {
                warn!(
                    "no caller can be identified over a loopback address, and none is local: \
                     listen on a Unix socket"
                );
            }
            Ok(watch_file(path, file, reload_trigger()?))
        }
    }
}

/// Receives at each SIGHUP.
fn reload_trigger() -> Result<ReloadTrigger, AppError> {
    let mut hangup = listen_for(SignalKind::hangup())?;
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(
        async move { while hangup.recv().await.is_some() && sender.send(()).await.is_ok() {} },
    );
    Ok(receiver)
}
