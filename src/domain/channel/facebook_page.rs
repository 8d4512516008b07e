//! A Facebook page: `channel_facebook_pages`.

use crate::domain::reauthorization::FlagSource;

#[derive(Debug, Default)]
pub struct FacebookPage {
    pub page_id: Option<String>,
    pub reauthorization: FlagSource,
    /// The linked Instagram account; `None` where the column is blank.
    pub instagram_id: Option<String>,
}
