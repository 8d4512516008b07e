//! A Line official account: `channel_line`. Nothing of its own is shown; its
//! webhook address is among what all inboxes share.

#[derive(Debug)]
pub struct Line;
