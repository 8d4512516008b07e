//! The callers file: the policy to serve by, and the command that explains it.

use std::{
    io::{self, Read},
    net::Ipv4Addr,
    process::ExitCode,
    sync::Arc,
    time::SystemTime,
};

use tokio::{signal::unix::SignalKind, sync::mpsc};
use tracing::warn;
use zeroize::Zeroizing;

use super::{AppError, listen_for, print};
use crate::{
    callers as text,
    config::{CallerAsk, CallerQuestion, Callers, CallersSettings, ListenAddress},
    identity::{
        CallersFile, PairPaths, Peer, PeerCertificate, Policy, PolicySource, Presented,
        ReloadMetrics, ReloadTrigger, TlsSource, WallClock, watch_files,
    },
    metrics::Metrics,
};

/// More than a header may have.
const MAX_TOKEN_BYTES: u64 = 64 << 10;

/// Prints the callers of a file, or the answer to a question about one.
pub fn answer(settings: &Callers, now: SystemTime) -> Result<ExitCode, AppError> {
    let file = CallersFile::read(&settings.path, now)?;
    let path = settings.path.display().to_string();
    let (text, is_yes) = match &settings.question {
        None => (text::list(&file, settings.as_json), true),
        Some(CallerQuestion::Permitted {
            caller,
            ask,
            proved,
        }) => {
            let entry = file.entries.iter().find(|it| it.name == *caller);
            let entry =
                entry.ok_or_else(|| AppError::NoSuchCaller(path.clone(), caller.clone()))?;
            let explanation = match ask {
                CallerAsk::Account(ask) => entry.explain(ask, *proved),
                CallerAsk::Search(ask) => entry.explain_search(*ask),
            };
            let text = text::answer(&path, &explanation, settings.as_json);
            (text, explanation.is_ok())
        }
        Some(CallerQuestion::Certificate(certificate)) => {
            let certificate = Arc::new(PeerCertificate::read_file(certificate)?);
            let peer = Peer::Tls(Ipv4Addr::LOCALHOST.into(), Some(certificate));
            identify(file, &peer, &[], settings.as_json, now)
        }
        Some(CallerQuestion::Token) => {
            let header = Zeroizing::new(format!("Bearer {}", read_token()?.trim()));
            let peer = Peer::Tls(Ipv4Addr::LOCALHOST.into(), None);
            identify(file, &peer, &[header.as_bytes()], settings.as_json, now)
        }
    };
    print(&text)?;
    Ok(if is_yes {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The caller by these credentials, and whether there is one.
fn identify(
    file: CallersFile,
    peer: &Peer,
    authorization: &[&[u8]],
    as_json: bool,
    now: SystemTime,
) -> (String, bool) {
    let presented = Presented {
        peer,
        authorization,
        viewer_authorization: &[],
    };
    let identified = file.into_policy().identify(&presented, now);
    (text::identified(&identified, as_json), identified.is_ok())
}

/// A token from standard input: an argument would be seen by every process.
fn read_token() -> Result<Zeroizing<String>, AppError> {
    let mut token = Zeroizing::new(String::new());
    let mut input = io::stdin().take(MAX_TOKEN_BYTES);
    let read = input.read_to_string(&mut token);
    read.map_err(|error| AppError::System {
        what: "to read standard input",
        reason: error.kind().to_string(),
    })?;
    Ok(token)
}

/// The policy to serve by, and TLS. Those of files follow the files.
pub fn policy(
    callers: CallersSettings,
    pair: Option<PairPaths>,
    listen: &[ListenAddress],
    clock: WallClock,
    metrics: &Metrics,
) -> Result<(PolicySource, Option<TlsSource>), AppError> {
    match callers {
        CallersSettings::BuiltIn(role) => {
            warn!("there is no callers file: every process of this machine may ask as any viewer");
            Ok((PolicySource::fixed(Policy::built_in(role)), None))
        }
        CallersSettings::File(path) => {
            let metrics = ReloadMetrics {
                files: metrics.files.clone(),
                callers: metrics.callers.clone(),
            };
            let (policy, tls) = watch_files(path, pair, reload_trigger()?, clock, metrics)?;
            let has_tcp = listen.iter().any(|it| matches!(it, ListenAddress::Tcp(_)));
            if has_tcp && !policy.current().identifies_over_loopback() {
                warn!(
                    "no caller can be identified over a loopback address: none is local or has \
                     tokens"
                );
            }
            Ok((policy, tls))
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
