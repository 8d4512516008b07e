//! Settings that are on or off.

use clap::ValueEnum;

use super::{ConfigError, Environment};

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Switch {
    On,
    Off,
}

impl Switch {
    /// Whether it is on, which is the default.
    pub fn read(
        flag: Option<Self>,
        variable: &'static str,
        set: Environment<'_>,
    ) -> Result<bool, ConfigError> {
        let switch = match (flag, set(variable).as_deref()) {
            (Some(switch), _) => switch,
            (None, None | Some("on")) => Self::On,
            (None, Some("off")) => Self::Off,
            (None, Some(_)) => return Err(ConfigError::setting(variable, "must be on or off")),
        };
        Ok(matches!(switch, Self::On))
    }
}
