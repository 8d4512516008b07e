//! An Instagram account connected on its own: `channel_instagram`.

use super::Reauthorization;

#[derive(Debug)]
pub struct Instagram {
    /// Both are `None` where the stored Instagram id is blank.
    pub reauthorization: Option<Reauthorization>,
    pub instagram_id: Option<String>,
}
