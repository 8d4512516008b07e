//! The decision on a question: the only place that grants a permit.

use super::{Ask, Caller, SearchAsk};
use crate::domain::{
    permit::{AccountSet, Permit, SearchPermit},
    secret_group::SecretGroups,
    viewer::Viewer,
};

impl Caller {
    pub fn permit(&self, ask: Ask) -> Permit {
        let secrets = match ask.viewer {
            Viewer::User(_) | Viewer::AgentBot(_) => SecretGroups::ALL,
            Viewer::Service => self.secrets_as_itself,
        };
        Permit::grant(ask.account, ask.viewer, secrets, ask.detail)
    }

    pub fn permit_search(&self, ask: SearchAsk) -> SearchPermit {
        SearchPermit::grant(AccountSet::All, self.secrets_as_itself, ask.detail)
    }
}
