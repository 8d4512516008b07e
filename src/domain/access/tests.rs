//! The ceiling, which no caller of today has, and what `Debug` says of secrets.
//! Visibility is tested over the wire.

use super::*;
use crate::{
    domain::{
        account::AccountInbox,
        channel::ChannelKind,
        cursor::MAX_NAME_BYTES,
        id::{AccountId, AgentBotId, ChannelId, UserId},
        members::Members,
        reauthorization::FlagKey,
    },
    tests::inbox,
};

const ALL: Rights = Rights {
    as_service: Role::Administrator,
    ceiling: Role::Administrator,
};
const CAPPED: Rights = Rights {
    as_service: Role::Administrator,
    ceiling: Role::Agent,
};

fn account() -> Account {
    let mut members = Members::new(false);
    members.add_user(UserId(1), Role::Administrator);
    members.add_user(UserId(2), Role::Agent);
    members.add_user_inbox(UserId(2), InboxId(1));
    members.add_user_inbox(UserId(3), InboxId(1));
    members.add_agent_bot(AgentBotId(1));
    members.add_agent_bot_inbox(AgentBotId(1), InboxId(2));
    members.add_agent_bot_inbox(AgentBotId(2), InboxId(2));
    let other = Inbox {
        account_id: AccountId(2),
        ..inbox(3, "n")
    };
    let inboxes = [inbox(1, "n"), inbox(2, "n"), other].map(|it| AccountInbox::new(it, None));
    Account::new(AccountId(1), members, inboxes.into())
}

/// However few of them the viewer sees, and wherever the page begins.
#[test]
fn a_page_continues_behind_its_cursor() {
    const COUNT: i64 = 40;

    for visible in [0, 1, 4, 5, 6, 20, COUNT] {
        let mut members = Members::new(false);
        members.add_user(UserId(1), Role::Agent);
        // Far from each other, and in another order than that of names.
        let ids: Vec<_> = (0..visible).map(|it| it * 7 % COUNT + 1).collect();
        for id in &ids {
            members.add_user_inbox(UserId(1), InboxId(*id));
        }
        let inboxes = (1..=COUNT).map(|id| inbox(id, &format!("Name {}", id % 6)));
        let inboxes = inboxes.map(|it| AccountInbox::new(it, None)).collect();
        let account = Account::new(AccountId(1), members, inboxes);
        let flags = ReauthorizationFlags::default();
        let access = account.access(&flags, Viewer::User(UserId(1)), ALL);
        let access = access.ok().unwrap();
        let listed = |cursor: Option<&Cursor>| -> Vec<_> {
            let inboxes = access.inboxes_after(cursor);
            inboxes
                .map(|(name, view)| (name.to_owned(), view.inbox().id.0))
                .collect()
        };
        let mut all: Vec<_> = ids
            .iter()
            .map(|id| (format!("name {}", id % 6), *id))
            .collect();
        all.sort();
        assert_eq!(listed(None), all);
        // Behind every inbox, those that are hidden included.
        for id in 1..=COUNT {
            let behind = (format!("name {}", id % 6), id);
            let cursor = Cursor::new(&behind.0, InboxId(id));
            let expected: Vec<_> = all.iter().filter(|it| **it > behind).cloned().collect();
            assert_eq!(listed(Some(&cursor)), expected);
        }
    }
}

/// A cursor cuts long names, so it has to be told apart by its inbox. A forged one must
/// not tell a hidden inbox from a missing one.
#[test]
fn a_cursor_at_a_hidden_inbox_is_one_at_a_missing_inbox() {
    let mut members = Members::new(false);
    members.add_user(UserId(1), Role::Agent);
    members.add_user_inbox(UserId(1), InboxId(1));
    members.add_user_inbox(UserId(1), InboxId(3));
    let prefix = "x".repeat(MAX_NAME_BYTES);
    let inboxes = (1..=3).map(|id| AccountInbox::new(inbox(id, &format!("{prefix}{id}")), None));
    let account = Account::new(AccountId(1), members, inboxes.collect());
    let flags = ReauthorizationFlags::default();
    let access = account.access(&flags, Viewer::User(UserId(1)), ALL);
    let access = access.ok().unwrap();
    let listed = |id| -> Vec<_> {
        let cursor = Cursor::new(&prefix, InboxId(id));
        let inboxes = access.inboxes_after(Some(&cursor));
        inboxes.map(|(_, view)| view.inbox().id.0).collect()
    };
    assert_eq!(listed(1), [3]);
    assert_eq!(listed(3), [0; 0]);
    assert_eq!(listed(2), listed(99));
    assert_eq!(listed(2), [1, 3]);
}

#[test]
fn a_ceiling_withholds_fields_and_hides_no_inbox() {
    let (account, flags) = (account(), ReauthorizationFlags::default());
    let sealed = AdminOnly::seal(7);
    for (viewer, rights, role, seen) in [
        (Viewer::User(UserId(1)), ALL, Role::Administrator, 2),
        (Viewer::User(UserId(1)), CAPPED, Role::Agent, 2),
        (Viewer::User(UserId(2)), ALL, Role::Agent, 1),
        (Viewer::Service, ALL, Role::Administrator, 2),
        (Viewer::Service, CAPPED, Role::Agent, 2),
    ] {
        let access = account.access(&flags, viewer, rights).ok().unwrap();
        assert_eq!(access.role(), role);
        assert_eq!(access.inboxes().count(), seen);
        let view = access.inbox(InboxId(1)).unwrap();
        assert_eq!(view.reveal(&sealed).is_some(), role == Role::Administrator);
        assert_eq!(view.role(), role);
    }
}

#[test]
fn a_membership_without_a_role_gives_nothing() {
    let (account, flags) = (account(), ReauthorizationFlags::default());
    for viewer in [Viewer::User(UserId(3)), Viewer::AgentBot(AgentBotId(2))] {
        let denied = account.access(&flags, viewer, ALL).err();
        assert_eq!(denied, Some(AccessDenied::NotAMember));
    }
}

#[test]
fn an_inbox_of_another_account_is_not_held() {
    let (account, flags) = (account(), ReauthorizationFlags::default());
    let access = account.access(&flags, Viewer::Service, ALL).ok().unwrap();
    assert!(access.inbox(InboxId(3)).is_none());
}

#[test]
fn a_suspended_account_says_so_to_its_members_alone() {
    let mut members = Members::new(true);
    members.add_user(UserId(1), Role::Administrator);
    for (viewer, denied) in [
        (Viewer::User(UserId(1)), AccessDenied::Suspended),
        (Viewer::Service, AccessDenied::Suspended),
        (Viewer::User(UserId(2)), AccessDenied::NotAMember),
        (Viewer::AgentBot(AgentBotId(1)), AccessDenied::NotAMember),
    ] {
        assert_eq!(members.access(viewer).err(), Some(denied), "{viewer:?}");
    }
}

#[test]
fn a_state_comes_from_its_source() {
    let key = |channel| FlagKey::new(ChannelKind::Email, ChannelId(channel));
    let flags: ReauthorizationFlags = [(key(1), true), (key(2), false)].into_iter().collect();
    for (source, state) in [
        (FlagSource::Absent, None),
        (
            FlagSource::Fixed(Reauthorization::NotRequired),
            Some(Reauthorization::NotRequired),
        ),
        (FlagSource::Flag(key(1)), Some(Reauthorization::Required)),
        (FlagSource::Flag(key(2)), Some(Reauthorization::NotRequired)),
        (FlagSource::Flag(key(3)), Some(Reauthorization::Unknown)),
    ] {
        assert_eq!(flags.resolve(source), state, "{source:?}");
    }
}

#[test]
fn debug_says_nothing_of_what_is_sealed() {
    assert_eq!(format!("{:?}", AdminOnly::seal("secret")), "AdminOnly(..)");
}
