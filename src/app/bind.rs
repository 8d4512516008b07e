//! Binds the addresses to listen on. It is not known here what is served.

use std::{
    io,
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::{Path, PathBuf},
};

use tokio::net::{TcpListener, UnixListener, UnixStream};

use super::AppError;
use crate::{config::ListenAddress, grpc::Listener, identity::TlsSource};

/// Sockets that are listened on.
#[derive(Default)]
pub struct Bound {
    pub listeners: Vec<Listener>,
    /// Of each, with the port that it got.
    pub addresses: Vec<ListenAddress>,
    /// Of the Unix sockets.
    pub files: Vec<SocketFile>,
}

/// The file of a Unix socket.
pub struct SocketFile {
    path: PathBuf,
    identity: Option<(u64, u64)>,
}

impl SocketFile {
    fn of(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            identity: socket_identity(path),
        }
    }

    /// Removes it, unless another process has bound its own socket to this path.
    pub fn remove(&self) {
        if socket_identity(&self.path) == self.identity {
            // A socket that stays is replaced at the next start.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Device and inode number, which differ when another file takes the same path.
fn socket_identity(path: &Path) -> Option<(u64, u64)> {
    std::fs::symlink_metadata(path)
        .ok()
        .map(|file| (file.dev(), file.ino()))
}

/// Listens on all addresses. Those with TLS have this certificate.
pub async fn bind_all(
    listen: &[ListenAddress],
    tls: Option<&TlsSource>,
) -> Result<Bound, AppError> {
    let mut bound = Bound::default();
    for address in listen {
        let (listener, address) = bind(address, tls).await?;
        if let ListenAddress::Unix(path) = &address {
            bound.files.push(SocketFile::of(path));
        }
        bound.listeners.push(listener);
        bound.addresses.push(address);
    }
    Ok(bound)
}

/// Listens on an address; a socket that no process listens on is replaced.
async fn bind(
    listen: &ListenAddress,
    tls: Option<&TlsSource>,
) -> Result<(Listener, ListenAddress), AppError> {
    let listen_error = |error: io::Error| AppError::Listen {
        address: listen.clone(),
        reason: match error.kind() {
            io::ErrorKind::AddrInUse => "it is in use".to_owned(),
            io::ErrorKind::NotFound => "there is no such folder".to_owned(),
            io::ErrorKind::InvalidInput => "the path is too long".to_owned(),
            kind => kind.to_string(),
        },
    };
    match listen {
        ListenAddress::Tcp(address) => {
            let listener = TcpListener::bind(address).await.map_err(listen_error)?;
            let address = listener.local_addr().map_err(listen_error)?;
            Ok((Listener::Tcp(listener), ListenAddress::Tcp(address)))
        }
        ListenAddress::Tls(address) => {
            // The settings have both or none.
            let tls = tls.ok_or_else(|| listen_error(io::ErrorKind::Unsupported.into()))?;
            let listener = TcpListener::bind(address).await.map_err(listen_error)?;
            let address = listener.local_addr().map_err(listen_error)?;
            let listener = Listener::Tls(listener, tls.clone());
            Ok((listener, ListenAddress::Tls(address)))
        }
        ListenAddress::Unix(path) => {
            remove_stale_socket(path).await;
            let listener = UnixListener::bind(path).map_err(listen_error)?;
            Ok((Listener::Unix(listener), listen.clone()))
        }
    }
}

/// Removes a socket without a listener.
async fn remove_stale_socket(path: &Path) {
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    let is_stale = is_socket
        && UnixStream::connect(path)
            .await
            .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
    if is_stale {
        // If the socket cannot be removed, binding fails and reports it.
        let _ = std::fs::remove_file(path);
    }
}
