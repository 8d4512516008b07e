//! The world that is watched: its versions, and each as a viewer may see it.

use std::sync::Arc;

use crate::{
    domain::{
        access::InboxView,
        account::AccountInbox,
        channel::ChannelKind,
        degradation::{Degradation, DegradationReason},
        id::{ChannelId, InboxId},
        inbox::SealedDegradations,
        reauthorization::{FlagKey, FlagSource, Reauthorization},
        secret::AdminOnly,
        secret_group::SecretGroups,
        viewer::Role,
        watch_cursor::Tagged,
    },
    tests::inbox,
};

pub const INBOXES: usize = 5;

/// An inbox of the world, by the versions of its parts.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Content {
    pub exists: bool,
    pub text: u32,
    pub secret: u32,
    pub flag: bool,
    pub has_member: bool,
}

/// All that is stored at a moment.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct World {
    pub inboxes: [Content; INBOXES],
    pub role: Option<Role>,
    pub is_suspended: bool,
}

/// A rendered inbox, which is all tag.
pub struct Rendered {
    pub id: InboxId,
    pub tag: String,
}

impl Tagged for Rendered {
    fn tag(&self) -> &str {
        &self.tag
    }
}

impl World {
    pub fn new() -> Self {
        let content = Content {
            exists: true,
            has_member: true,
            ..Content::default()
        };
        Self {
            inboxes: [content; INBOXES],
            role: Some(Role::Administrator),
            is_suspended: false,
        }
    }

    /// The inbox as the viewer may see it, by the rules as documented.
    pub fn shown(&self, index: usize, secrets: SecretGroups) -> Option<String> {
        let inbox = self.inboxes[index];
        let role = self.role?;
        let is_visible = role == Role::Administrator || inbox.has_member;
        let discloses = role == Role::Administrator && !secrets.is_empty();
        let secret = discloses.then_some(inbox.secret);
        (inbox.exists && is_visible).then(|| text(discloses, inbox.text, secret, inbox.flag))
    }

    /// Whether a viewer gets anything at all.
    pub fn is_denied(&self) -> bool {
        self.role.is_none() || self.is_suspended
    }

    /// The state as a replica reads it. Unchanged inboxes stay the same in memory.
    pub fn read(
        &self,
        id: InboxId,
        previous: Option<&(Content, Arc<AccountInbox>)>,
    ) -> Arc<AccountInbox> {
        let index = usize::try_from(id.0).unwrap() - 1;
        let content = self.inboxes[index];
        if let Some((earlier, inbox)) = previous
            && (earlier.text, earlier.secret) == (content.text, content.secret)
        {
            return Arc::clone(inbox);
        }
        let mut stored = inbox(id.0, &format!("{}", content.text));
        let secret = format!("s{}", content.secret);
        let degradation = Degradation::new(secret, DegradationReason::Undecryptable);
        stored.sealed_degradations = Some(Box::new(SealedDegradations {
            imap: AdminOnly::seal(vec![degradation]),
            ..SealedDegradations::default()
        }));
        Arc::new(AccountInbox::new(stored, Some(key(id))))
    }
}

pub const fn key(id: InboxId) -> FlagKey {
    FlagKey::new(ChannelKind::Email, ChannelId(id.0))
}

fn text(discloses: bool, text: u32, secret: Option<u32>, flag: bool) -> String {
    format!("{discloses} {text} {secret:?} {flag}")
}

/// The same of a view.
pub fn render(view: &InboxView<'_>) -> Rendered {
    let secret = view
        .degradations()
        .next()
        .map(|it| it.field[1..].parse().unwrap());
    let flag = view.reauthorization(FlagSource::Flag(key(view.inbox().id)));
    let flag = flag == Some(Reauthorization::Required);
    let discloses = view.role() == Role::Administrator;
    Rendered {
        id: view.inbox().id,
        tag: text(discloses, view.inbox().name.parse().unwrap(), secret, flag),
    }
}

pub fn id(index: usize) -> InboxId {
    InboxId(i64::try_from(index).unwrap() + 1)
}
