//! The name of a role of PostgreSQL's.

use super::ConfigError;

/// PostgreSQL truncates longer names.
const MAX_NAME_BYTES: usize = 63;

/// A valid name of a role.
pub fn read(name: String) -> Result<String, ConfigError> {
    let invalid = |reason| Err(ConfigError::setting("--role", reason));
    if name.is_empty() || name.chars().any(char::is_control) {
        invalid("must be a name, on one line")
    } else if name.len() > MAX_NAME_BYTES {
        invalid("must be a name of 63 bytes at most")
    } else if name.starts_with("pg_") || name == "public" || name == "none" {
        invalid("is a name that PostgreSQL keeps for itself")
    } else {
        Ok(name)
    }
}
