//! The ceiling, which no caller of today has, and what `Debug` says of secrets.
//! Who sees what is tested over the wire.

use super::*;
use crate::domain::{
    id::{AccountId, ChannelId},
    inbox::Settings,
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
    let inbox = |id| Inbox {
        id: InboxId(id),
        account_id: AccountId(1),
        name: "n".to_owned(),
        channel_type: None,
        channel_id: ChannelId(1),
        avatar_url: None,
        settings: Settings {
            greeting_enabled: None,
            greeting_message: None,
            working_hours_enabled: None,
            enable_email_collect: None,
            csat_survey_enabled: None,
            csat_config: None,
            enable_auto_assignment: None,
            auto_assignment_config: None,
            out_of_office_message: None,
            working_hours: Vec::new(),
            timezone: None,
            callback_webhook_url: None,
            allow_messages_after_resolved: None,
            lock_to_single_conversation: None,
            sender_name_type: None,
            business_name: None,
            help_center: None,
        },
        channel: None,
        degradations: Vec::new(),
        sealed_degradations: AdminOnly::seal(Vec::new()),
    };
    let mut parts = Parts::new(AccountId(1), false);
    parts.roles = vec![(UserId(1), Role::Administrator), (UserId(2), Role::Agent)];
    parts.memberships = vec![(UserId(2), InboxId(1)), (UserId(3), InboxId(1))];
    parts.inboxes = vec![
        inbox(1),
        inbox(2),
        Inbox {
            account_id: AccountId(2),
            ..inbox(3)
        },
    ];
    Account::from(parts)
}

#[test]
fn a_ceiling_withholds_fields_and_hides_no_inbox() {
    let account = account();
    let sealed = AdminOnly::seal(7);
    for (viewer, rights, role, seen) in [
        (Viewer::User(UserId(1)), ALL, Role::Administrator, 2),
        (Viewer::User(UserId(1)), CAPPED, Role::Agent, 2),
        (Viewer::User(UserId(2)), ALL, Role::Agent, 1),
        (Viewer::Service, ALL, Role::Administrator, 2),
        (Viewer::Service, CAPPED, Role::Agent, 2),
    ] {
        let access = account.access(viewer, rights).ok().unwrap();
        assert_eq!(access.role(), role);
        assert_eq!(access.inboxes().count(), seen);
        let view = access.inbox(InboxId(1)).unwrap();
        assert_eq!(view.reveal(&sealed).is_some(), role == Role::Administrator);
        assert_eq!(view.role(), role);
    }
}

#[test]
fn a_membership_without_a_role_gives_nothing() {
    let account = account();
    let refusal = account.access(Viewer::User(UserId(3)), ALL).err();
    assert_eq!(refusal, Some(Refusal::NotAMember));
}

#[test]
fn an_inbox_of_another_account_is_not_held() {
    let account = account();
    let access = account.access(Viewer::Service, ALL).ok().unwrap();
    assert!(access.inbox(InboxId(3)).is_none());
}

#[test]
fn debug_says_nothing_of_what_is_sealed() {
    assert_eq!(format!("{:?}", AdminOnly::seal("secret")), "AdminOnly(..)");
}
