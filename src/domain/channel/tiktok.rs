//! A TikTok business account: `channel_tiktok`.

use super::Reauthorization;

#[derive(Debug)]
pub struct Tiktok {
    pub reauthorization: Option<Reauthorization>,
}
