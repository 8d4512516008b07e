//! Files that hold a secret in the place of a variable.
//!
//! An error says what is wrong with a file, and never quotes its content. This module does
//! not know which variables there are.

use std::{
    fs::File,
    io::{self, Read},
    path::PathBuf,
};

use serde::Serialize;
use zeroize::Zeroizing;

/// The largest file, in bytes.
const MAX_FILE_BYTES: usize = 256 << 10;

/// The file that `NAME_FILE` names for the variable `NAME`.
#[derive(Clone, Debug)]
pub struct SecretFile {
    /// `NAME`.
    pub variable: &'static str,
    pub path: PathBuf,
}

/// Why a file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretFileError {
    #[error("cannot be read: {0}")]
    Unreadable(io::ErrorKind),
    /// Opening a pipe might wait for ever, and it can be read only once.
    #[error("is not a regular file")]
    NotRegular,
    #[error("is larger than 256 KiB")]
    TooLarge,
    #[error("is not UTF-8")]
    NotUtf8,
    #[error("is empty")]
    Empty,
    #[error("contains a zero byte, which no variable can contain")]
    ZeroByte,
    #[error("contains no value that the variable can have")]
    Invalid,
    #[error("changes more than the user and the password, which needs a restart")]
    OtherPlace,
    #[error("has no user or no password any more")]
    Incomplete,
}

/// When the file of a secret is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretReading {
    EachConnection,
    Start,
    /// The secret comes from elsewhere, or nothing needs it.
    Never,
}

impl SecretFile {
    /// The secret in the file, without one newline at its end.
    pub fn read(&self) -> Result<Zeroizing<String>, SecretFileError> {
        secret_in(&self.bytes()?)
    }

    pub(super) fn bytes(&self) -> Result<Zeroizing<Vec<u8>>, SecretFileError> {
        let unreadable = |error: io::Error| SecretFileError::Unreadable(error.kind());
        let metadata = std::fs::metadata(&self.path).map_err(unreadable)?;
        if !metadata.is_file() {
            return Err(SecretFileError::NotRegular);
        }
        let file = File::open(&self.path).map_err(unreadable)?;
        // A byte more, so that a larger file is noticed. A buffer that grows would leave
        // copies of the secret.
        let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_FILE_BYTES + 1));
        let mut limited = file.take(MAX_FILE_BYTES as u64 + 1);
        limited.read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() > MAX_FILE_BYTES {
            return Err(SecretFileError::TooLarge);
        }
        Ok(bytes)
    }
}

/// The secret in the bytes of a file. White space alone is none.
pub(super) fn secret_in(bytes: &[u8]) -> Result<Zeroizing<String>, SecretFileError> {
    let text = str::from_utf8(bytes).map_err(|_| SecretFileError::NotUtf8)?;
    if text.contains('\0') {
        return Err(SecretFileError::ZeroByte);
    }
    if text.trim().is_empty() {
        return Err(SecretFileError::Empty);
    }
    let secret = text.strip_suffix('\n').unwrap_or(text);
    Ok(Zeroizing::new(secret.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: impl Into<PathBuf>) -> SecretFile {
        SecretFile {
            variable: "NAME",
            path: path.into(),
        }
    }

    #[test]
    fn one_newline_at_the_end_does_not_count() {
        for (content, secret) in [
            ("hunter2", "hunter2"),
            ("hunter2\n", "hunter2"),
            ("hunter2\n\n", "hunter2\n"),
            ("hunter2\r\n", "hunter2\r"),
            (" two words ", " two words "),
            ("\nhunter2", "\nhunter2"),
            ("h\u{fc}nter2\n", "h\u{fc}nter2"),
        ] {
            let read = secret_in(content.as_bytes()).unwrap();
            assert_eq!(*read, secret, "{content:?}");
        }
    }

    #[test]
    fn a_file_without_a_secret_is_refused() {
        for (content, error) in [
            (&b""[..], SecretFileError::Empty),
            (b"\n", SecretFileError::Empty),
            (b" \t\r\n", SecretFileError::Empty),
            (b"hunter2\xff", SecretFileError::NotUtf8),
            (b"hunter2\0", SecretFileError::ZeroByte),
        ] {
            assert_eq!(secret_in(content).err(), Some(error), "{content:?}");
        }
    }

    #[test]
    fn a_file_is_regular_and_of_bounded_size() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let read = || file(&path).read();
        let missing = SecretFileError::Unreadable(io::ErrorKind::NotFound);
        assert_eq!(read().err(), Some(missing));
        std::fs::write(&path, "x".repeat(MAX_FILE_BYTES)).unwrap();
        assert_eq!(read().unwrap().len(), MAX_FILE_BYTES);
        std::fs::write(&path, "x".repeat(MAX_FILE_BYTES + 1)).unwrap();
        assert_eq!(read().err(), Some(SecretFileError::TooLarge));
        for path in [folder.path(), "/dev/zero".as_ref()] {
            let error = file(path).read().err();
            assert_eq!(error, Some(SecretFileError::NotRegular), "{path:?}");
        }
    }
}
