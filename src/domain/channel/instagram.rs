//! An Instagram account connected on its own: `channel_instagram`.

use crate::domain::reauthorization::FlagSource;

#[derive(Debug, Default)]
pub struct Instagram {
    /// Both are `None` where the stored Instagram id is blank.
    pub reauthorization: FlagSource,
    pub instagram_id: Option<String>,
}
