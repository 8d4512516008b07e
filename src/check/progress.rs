//! A progress bar for reading the accounts.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};

const TEMPLATE: &str = "{bar:30} {human_pos} of {human_len} accounts, {eta} left";

/// A bar on a terminal, or nothing. It is removed on drop.
pub struct Progress(ProgressBar);

impl Progress {
    /// A bar on standard error, if that is a terminal.
    pub fn shown() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let bar = bar.with_finish(ProgressFinish::AndClear);
        Self(match ProgressStyle::with_template(TEMPLATE) {
            Ok(style) => bar.with_style(style.progress_chars("=> ")),
            // The template is a constant; a default bar would do.
            Err(_) => bar,
        })
    }

    pub fn hidden() -> Self {
        Self(ProgressBar::hidden())
    }

    pub(super) fn begin(&self, accounts: u64) {
        self.0.set_length(accounts);
    }

    pub(super) fn set(&self, accounts: u64) {
        self.0.set_position(accounts);
    }
}
