//! The name of a role of PostgreSQL's.

use super::ConfigError;

/// Longer names are cut by PostgreSQL.
const LONGEST: usize = 63;

/// A name that a role may be made by.
pub fn read(name: String) -> Result<String, ConfigError> {
    let wrong = |reason| Err(ConfigError::setting("--role", reason));
    if name.is_empty() || name.chars().any(char::is_control) {
        wrong("must be a name, on one line")
    } else if name.len() > LONGEST {
        wrong("must be a name of 63 bytes at most")
    } else if name.starts_with("pg_") || name == "public" || name == "none" {
        wrong("is a name that PostgreSQL keeps for itself")
    } else {
        Ok(name)
    }
}
