//! A Twitter profile: `channel_twitter_profiles`.

#[derive(Debug, Default)]
pub struct TwitterProfile {
    pub tweets_enabled: Option<bool>,
}
