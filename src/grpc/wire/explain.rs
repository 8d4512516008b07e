//! The answer of ExplainAccess.

use crate::{
    domain::{
        access::Access,
        id::InboxId,
        permit::Permit,
        secret_group::SecretGroups,
        viewer::{Detail, Role},
    },
    grpc::pb::{self, GroupDisclosure, InboxVisibility, MissingPermission, ViewerMembership},
    identity::{Caller, Needs},
};

/// An answer that says nothing yet but who is calling.
pub fn to_explanation(caller: &Caller) -> pb::ExplainAccessResponse {
    pb::ExplainAccessResponse {
        caller: caller.name().to_owned(),
        identity: caller.identity(),
        ..pb::ExplainAccessResponse::default()
    }
}

impl pb::ExplainAccessResponse {
    /// The question is not permitted: nothing was read.
    pub fn refuse(&mut self, missing: Vec<Needs>) {
        let missing = missing.into_iter().map(MissingPermission::from);
        self.missing = missing.map(Into::into).collect();
    }

    /// The question is permitted. `access` is that of the viewer, if it belongs.
    pub fn permit(
        &mut self,
        permit: &Permit,
        why: &str,
        access: Option<&Access<'_>>,
        inbox: Option<InboxId>,
    ) {
        self.permitted = true;
        why.clone_into(&mut self.rule);
        let Some(access) = access else {
            self.set_viewer(ViewerMembership::NotKnown);
            return;
        };
        self.set_viewer(ViewerMembership::Belongs);
        // A caller without secrets is told the role by no response, and not here either.
        let role = (!permit.secrets().is_empty()).then(|| access.own_role());
        if let Some(role) = role {
            self.set_role(role.into());
        }
        if let Some(inbox) = inbox {
            self.set_inbox(match access.inbox(inbox) {
                Some(_) => InboxVisibility::Visible,
                None => InboxVisibility::NotVisible,
            });
        }
        let groups = SecretGroups::ALL.iter().map(|group| {
            let disclosure = match (role, permit.detail()) {
                (None, _) => GroupDisclosure::WithheldByCaller,
                (Some(Role::Agent), _) => GroupDisclosure::WithheldByRole,
                (Some(Role::Administrator), Detail::Basic) => GroupDisclosure::WithheldByDetail,
                (Some(Role::Administrator), Detail::Full) => {
                    if permit.secrets().contains(group) {
                        GroupDisclosure::Disclosed
                    } else {
                        GroupDisclosure::WithheldByCaller
                    }
                }
            };
            pb::GroupAnswer {
                group: pb::SecretGroup::from(group).into(),
                disclosure: disclosure.into(),
            }
        });
        self.groups = groups.collect();
    }
}

impl From<Needs> for MissingPermission {
    fn from(needs: Needs) -> Self {
        match needs {
            Needs::Method => Self::Method,
            Needs::Account => Self::Account,
            Needs::Viewer => Self::Viewer,
            Needs::ViewerToken => Self::ViewerToken,
            Needs::Detail => Self::Detail,
            // Of a search of all accounts, which is not explained.
            Needs::Search => Self::Unspecified,
        }
    }
}
