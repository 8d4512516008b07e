//! The audit: a line for each response with secrets, and one for each refused question.
//!
//! An inbox is written as an [`UndisclosedInbox`], and only a [`Disclosure`] makes a message
//! of it. So no method can forget the audit. A disclosure writes its line when it is dropped:
//! before a response leaves, and at the end of a watch's batch or of the watch. Lines have ids and
//! names of groups, and never a value.

use std::{collections::BTreeSet, sync::Arc};

use enum_map::EnumMap;
use http::Extensions;
use prost::Message;
use serde::Serialize;
use tower_http::request_id::RequestId;

use super::{line_limit::LineLimit, pb};
use crate::{
    domain::{
        access::InboxView,
        channel::{Channel, ChannelKind},
        freshness::Clock,
        id::AccountId,
        permit::{Permit, SearchPermit},
        secret_group::{SecretGroup, SecretGroups},
        viewer::{Detail, Role, Viewer},
    },
    identity::{Caller, Method, Needs, Peer},
    metrics::callers::{CallerMetrics, GroupCounts, Withheld},
};

/// Inboxes in one line; further ones follow in lines of their own.
const MAX_INBOXES: usize = 100;

/// Writes one line.
pub type AuditSink = fn(&str);

/// Writes the audit, and counts what it is about. Clones write the same one.
#[derive(Clone, Debug)]
pub struct Audit {
    /// `None` writes nothing.
    state: Option<Arc<AuditState>>,
    metrics: CallerMetrics,
}

#[derive(Debug)]
struct AuditState {
    sink: AuditSink,
    clock: Clock,
    /// By caller and missing part.
    denials: LineLimit<(String, &'static str), Line>,
}

/// A line, as JSON. An absent value is left out.
#[derive(Clone, Debug, Default, Serialize)]
struct Line {
    timestamp: String,
    level: &'static str,
    target: &'static str,
    event: &'static str,
    caller: String,
    credential: &'static str,
    method: &'static str,
    account: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    needs: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    viewer: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    viewer_id: Option<i64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    inboxes: Vec<i64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    groups: Vec<&'static str>,
    /// Of several lines of one response, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    part: Option<usize>,
    request_id: String,
    peer: String,
}

impl Audit {
    /// Without a sink, nothing is written.
    pub fn new(sink: Option<AuditSink>, clock: Clock, metrics: CallerMetrics) -> Self {
        let state = sink.map(|sink| {
            Arc::new(AuditState {
                sink,
                clock,
                denials: LineLimit::default(),
            })
        });
        Self { state, metrics }
    }

    /// Writes a refused question at once. If its caller and missing part had a line less than a
    /// second ago, it is counted instead.
    pub fn denied(&self, call: &AuditedCall, account: Option<AccountId>, needs: Needs) {
        self.metrics.denied(call.caller.name(), needs.name());
        let Some(state) = &self.state else { return };
        let line = Line {
            needs: Some(needs.name()),
            account: account.map(|account| account.0),
            ..call.line("denied")
        };
        let key = (call.caller.name().to_owned(), needs.name());
        if let Some(line) = state.denials.admit(key, line) {
            state.write_denials(1, Some(line));
        }
    }

    /// Writes counted denials whose line before is a second old. Called once a second.
    pub fn write_counted(&self) {
        let Some(state) = &self.state else { return };
        for (count, last) in state.denials.take() {
            state.write_denials(count, last);
        }
    }

    /// Writes all counted denials, at the end of the server.
    pub fn flush(&self) {
        let Some(state) = &self.state else { return };
        for (count, last) in state.denials.take_all() {
            state.write_denials(count, last);
        }
    }
}

impl AuditState {
    /// `last` is the last of these denials. Those of too many callers have a count alone.
    fn write_denials(&self, count: u64, last: Option<Line>) {
        self.write(Line {
            event: "denied",
            count: Some(count),
            ..last.unwrap_or_default()
        });
    }

    fn write(&self, line: Line) {
        let now = humantime::format_rfc3339_micros((self.clock.wall)());
        let line = Line {
            timestamp: now.to_string(),
            level: "INFO",
            target: "audit",
            ..line
        };
        // A line has neither maps nor values that JSON lacks.
        if let Ok(line) = serde_json::to_string(&line) {
            (self.sink)(&line);
        }
    }
}

/// The parts of a call that the audit names.
#[derive(Clone, Debug)]
pub struct AuditedCall {
    pub caller: Caller,
    pub method: Method,
    pub request_id: Option<RequestId>,
    pub peer: Option<Peer>,
}

impl AuditedCall {
    pub fn of(caller: &Caller, extensions: &Extensions, method: Method) -> Self {
        Self {
            caller: caller.clone(),
            method,
            request_id: extensions.get().cloned(),
            peer: extensions.get().cloned(),
        }
    }

    fn line(&self, event: &'static str) -> Line {
        let id = self.request_id.as_ref().map(RequestId::header_value);
        let id = id.and_then(|id| id.to_str().ok());
        Line {
            event,
            caller: self.caller.name().to_owned(),
            credential: self.caller.credential(),
            method: self.method.name(),
            request_id: id.unwrap_or_default().to_owned(),
            peer: self.peer.as_ref().map(Peer::to_string).unwrap_or_default(),
            ..Line::default()
        }
    }
}

/// An inbox that is not in a response yet.
pub struct UndisclosedInbox {
    message: pb::Inbox,
    groups: SecretGroups,
    /// The other groups that its kind has, and why they are left out.
    withheld: SecretGroups,
    why: Withheld,
}

impl UndisclosedInbox {
    /// `message` is that of the view.
    pub fn new(message: pb::Inbox, view: &InboxView<'_>) -> Self {
        let kind = view.inbox().channel.as_ref().map(Channel::kind);
        // In basic detail, there is no channel.
        let kind = kind.filter(|_| view.detail() == Detail::Full);
        let of_kind = kind.map_or(&[][..], groups_of);
        let of_kind: SecretGroups = of_kind.iter().copied().collect();
        let groups = of_kind.iter().filter(|group| view.discloses(*group));
        let groups = groups.collect();
        Self {
            message,
            groups,
            withheld: of_kind.without(groups),
            why: match view.own_role() {
                Role::Administrator => Withheld::Caller,
                Role::Agent => Withheld::Role,
            },
        }
    }

    /// One without secrets.
    #[cfg(test)]
    pub const fn public(message: pb::Inbox) -> Self {
        Self {
            message,
            groups: SecretGroups::NONE,
            withheld: SecretGroups::NONE,
            why: Withheld::Role,
        }
    }

    pub fn etag(&self) -> &str {
        &self.message.etag
    }

    pub fn encoded_len(&self) -> usize {
        self.message.encoded_len()
    }
}

/// The groups that the fields of a kind of channel have.
const fn groups_of(kind: ChannelKind) -> &'static [SecretGroup] {
    match kind {
        ChannelKind::WebWidget | ChannelKind::Api => &[SecretGroup::Signing],
        ChannelKind::Email => &[SecretGroup::Imap, SecretGroup::Smtp],
        ChannelKind::TwilioSms => &[SecretGroup::Twilio],
        ChannelKind::Whatsapp => &[SecretGroup::Whatsapp],
        ChannelKind::FacebookPage
        | ChannelKind::Instagram
        | ChannelKind::Tiktok
        | ChannelKind::TwitterProfile
        | ChannelKind::Telegram
        | ChannelKind::Line
        | ChannelKind::Sms
        | ChannelKind::Voice => &[],
    }
}

/// The inboxes of one response.
#[derive(Debug)]
pub struct Disclosure {
    audit: Audit,
    call: AuditedCall,
    /// `None` for a search of all accounts.
    account: Option<AccountId>,
    viewer: Viewer,
    /// Of those with secrets.
    inboxes: Vec<i64>,
    groups: SecretGroups,
    accounts: BTreeSet<i64>,
    counts: EnumMap<SecretGroup, GroupCounts>,
}

impl Disclosure {
    pub fn of(audit: Audit, call: AuditedCall, permit: &Permit) -> Self {
        Self::new(audit, call, Some(permit.account()), permit.viewer())
    }

    pub fn of_search(audit: Audit, call: AuditedCall, _: &SearchPermit) -> Self {
        Self::new(audit, call, None, Viewer::Service)
    }

    fn new(audit: Audit, call: AuditedCall, account: Option<AccountId>, viewer: Viewer) -> Self {
        Self {
            audit,
            call,
            account,
            viewer,
            inboxes: Vec::new(),
            groups: SecretGroups::NONE,
            accounts: account.iter().map(|account| account.0).collect(),
            counts: EnumMap::default(),
        }
    }

    /// The message of an inbox, which is in the response from now on.
    pub fn disclose(&mut self, inbox: UndisclosedInbox) -> pb::Inbox {
        let UndisclosedInbox {
            message,
            groups,
            withheld,
            why,
        } = inbox;
        for group in groups.iter() {
            self.counts[group].disclosed += 1;
        }
        for group in withheld.iter() {
            match why {
                Withheld::Role => self.counts[group].withheld_by_role += 1,
                Withheld::Caller => self.counts[group].withheld_by_caller += 1,
            }
        }
        self.accounts.insert(message.account_id);
        if !groups.is_empty() {
            self.inboxes.push(message.id);
            self.groups.extend(groups.iter());
        }
        message
    }
}

impl Drop for Disclosure {
    fn drop(&mut self) {
        let metrics = &self.audit.metrics;
        metrics.answered(self.call.caller.name(), &self.accounts, &self.counts);
        let Some(state) = &self.audit.state else {
            return;
        };
        let (viewer, id) = match self.viewer {
            Viewer::User(user) => ("user", Some(user.0)),
            Viewer::AgentBot(bot) => ("agent_bot", Some(bot.0)),
            Viewer::Service => ("service", None),
        };
        let parts = self.inboxes.chunks(MAX_INBOXES);
        let has_parts = parts.len() > 1;
        for (part, inboxes) in parts.enumerate() {
            state.write(Line {
                account: self.account.map(|account| account.0),
                viewer: Some(viewer),
                viewer_id: id,
                inboxes: inboxes.to_vec(),
                groups: self.groups.iter().map(SecretGroup::name).collect(),
                part: has_parts.then_some(part + 1),
                ..self.call.line("disclosed")
            });
        }
    }
}

#[cfg(test)]
mod tests;
