//! A Facebook page: `channel_facebook_pages`.

use super::Reauthorization;

#[derive(Debug)]
pub struct FacebookPage {
    pub page_id: Option<String>,
    pub reauthorization: Option<Reauthorization>,
    /// The linked Instagram account; `None` where the column is blank.
    pub instagram_id: Option<String>,
}
