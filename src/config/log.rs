//! How logs are written.

use clap::ValueEnum;

use super::{ConfigError, Environment};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One line an event, for people.
    #[default]
    Pretty,
    /// One JSON object an event, for log collectors.
    Json,
}

impl LogFormat {
    pub fn read(flag: Option<Self>, environment: Environment<'_>) -> Result<Self, ConfigError> {
        match (flag, environment("LOG_FORMAT").as_deref()) {
            (Some(format), _) => Ok(format),
            (None, None) => Ok(Self::default()),
            (None, Some("pretty")) => Ok(Self::Pretty),
            (None, Some("json")) => Ok(Self::Json),
            (None, Some(other)) => Err(ConfigError::setting(
                "LOG_FORMAT",
                format!("{other:?} is neither pretty nor json"),
            )),
        }
    }
}
