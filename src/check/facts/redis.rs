//! The part of a report about Redis and the reauthorization flags.

use serde::Serialize;

use crate::store::RedisSettings;

#[derive(Debug, Serialize)]
pub struct Redis {
    pub state: RedisState,
    pub place: Option<String>,
    pub reason: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RedisState {
    NotSet,
    Answers,
    /// Redis answers and refuses some flags.
    Refuses,
    Away,
    /// The check was stopped before Redis was tried.
    Unknown,
}

impl Redis {
    pub fn from_probe(settings: &RedisSettings, answer: Result<Option<String>, String>) -> Self {
        let (state, reason) = match answer {
            Ok(None) => (RedisState::Answers, None),
            Ok(refusals) => (RedisState::Refuses, refusals),
            Err(reason) => (RedisState::Away, Some(reason)),
        };
        Self {
            state,
            place: Some(settings.to_string()),
            reason,
        }
    }

    /// Flags of real channels were refused.
    pub fn set_refusals(&mut self, refusals: String) {
        self.state = RedisState::Refuses;
        self.reason = Some(refusals);
    }
}
