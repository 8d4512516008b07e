//! Servers that `make tools` has unpacked, where the user that they run as can reach them.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use super::cluster::as_a_server;

/// A folder, and what keeps it.
pub struct Unpacked {
    pub folder: PathBuf,
    _copy: Option<TempDir>,
}

/// A folder in `target/tools`; a copy of it where the tests run in a folder that is closed to
/// others. `None` where it is not there.
pub fn unpacked(name: &str) -> Option<Unpacked> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("target/tools")
        .join(name);
    if !folder.exists() {
        return None;
    }
    let mut look = Command::new("test");
    look.arg("-r").arg(&folder).current_dir("/");
    as_a_server(&mut look);
    if look.status().unwrap().success() {
        return Some(Unpacked {
            folder,
            _copy: None,
        });
    }
    let copy = tempfile::tempdir().unwrap();
    fs::set_permissions(copy.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let copied = Command::new("cp")
        .arg("-r")
        .arg(&folder)
        .arg(copy.path().join("unpacked"))
        .status();
    assert!(copied.unwrap().success());
    Some(Unpacked {
        folder: copy.path().join("unpacked"),
        _copy: Some(copy),
    })
}
