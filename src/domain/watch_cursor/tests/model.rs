//! Two replicas, a client that watches one of them, and a world that changes, stepped by a
//! schedule over the real cursor.
//!
//! The world keeps each of its versions. After each event, the client holds what the viewer
//! may see by the newest state of its replica, or of an earlier one since.

mod world;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::{super::*, Fault};
use crate::{
    domain::{
        account::Account,
        id::{AccountId, UserId},
        members::Members,
        reauthorization::ReauthorizationFlags,
        secret_group::SecretGroups,
        viewer::{Detail, Role, Viewer},
    },
    tests::schedules::Step,
};
use world::{INBOXES, Rendered, World, id, key, render};

/// Steps of the longest schedule; the mean is half as many.
pub const STEPS: usize = 200;

const VIEWER: UserId = UserId(7);

/// A replica, with its newest state.
struct Replica {
    answer: Answer,
    /// The version of the world that it shows.
    version: usize,
}

pub struct Model {
    fault: Option<Fault>,
    /// Every version so far.
    worlds: Vec<World>,
    /// The groups that the caller may pass on, by the version of the watched replica from which on.
    secrets: Vec<(usize, SecretGroups)>,
    replicas: [Replica; 2],
    watched: usize,
    /// `None` once the watch has ended.
    cursor: Option<WatchCursor>,
    held: BTreeMap<InboxId, String>,
}

impl Model {
    pub fn new(fault: Option<Fault>) -> Self {
        let replica = || Replica {
            answer: Answer {
                account: None,
                flags: Arc::default(),
                as_of: BootInstant(Duration::ZERO),
            },
            version: 0,
        };
        let mut model = Self {
            fault,
            worlds: vec![World::new()],
            secrets: vec![(0, SecretGroups::ALL)],
            replicas: [replica(), replica()],
            watched: 0,
            cursor: None,
            held: BTreeMap::new(),
        };
        model.read(0);
        model.read(1);
        model.begin(0);
        model
    }

    pub fn run(mut self, steps: &[Step]) -> Result<(), String> {
        for (step, argument) in steps {
            let argument = usize::from(*argument);
            match step % 16 {
                0..=5 => self.change(argument),
                6..=8 => self.read(argument % 2),
                9..=13 => {
                    for _ in 0..argument % 4 {
                        self.poll()?;
                    }
                }
                14 => self.resume(argument % 2, argument % 8 != 0),
                _ => self.toggle_secrets(argument),
            }
        }
        self.read(self.watched);
        self.settle()
    }

    fn change(&mut self, argument: usize) {
        let mut world = *self.worlds.last().unwrap();
        let inbox = &mut world.inboxes[argument / 16 % INBOXES];
        match argument % 16 {
            0..=4 => inbox.text += 1,
            5..=7 => inbox.secret += 1,
            8 => inbox.exists = !inbox.exists,
            9 | 10 => inbox.has_member = !inbox.has_member,
            11 | 12 => inbox.flag = !inbox.flag,
            13 | 14 => {
                world.role = match world.role {
                    Some(Role::Administrator) => Some(Role::Agent),
                    _ => Some(Role::Administrator),
                }
            }
            _ if argument < 64 => world.role = None,
            _ if argument < 128 => world.is_suspended = !world.is_suspended,
            _ => {}
        }
        self.worlds.push(world);
    }

    fn toggle_secrets(&mut self, argument: usize) {
        if argument.is_multiple_of(4) {
            let secrets = if self.secrets().is_empty() {
                SecretGroups::ALL
            } else {
                SecretGroups::NONE
            };
            self.secrets
                .push((self.replicas[self.watched].version, secrets));
        }
    }

    fn secrets(&self) -> SecretGroups {
        self.secrets.last().unwrap().1
    }

    fn permit(&self) -> Permit {
        let viewer = Viewer::User(VIEWER);
        Permit::grant(AccountId(1), viewer, self.secrets(), Detail::Full)
    }

    /// A replica reads the newest version.
    fn read(&mut self, replica: usize) {
        let version = self.worlds.len() - 1;
        let world = self.worlds[version];
        let replica = &mut self.replicas[replica];
        let earlier = self.worlds[replica.version];
        let mut members = Members::new(world.is_suspended);
        if let Some(role) = world.role {
            members.add_user(VIEWER, role);
        }
        let mut inboxes = Vec::new();
        for (index, content) in world.inboxes.iter().enumerate() {
            if content.has_member {
                members.add_user_inbox(VIEWER, id(index));
            }
            if content.exists {
                let account = replica.answer.account.as_ref();
                let previous = account.and_then(|it| it.shared_inbox(id(index)));
                let previous = previous.map(|inbox| (earlier.inboxes[index], inbox));
                inboxes.push(world.read(id(index), previous.as_ref()));
            }
        }
        let flags = world.inboxes.iter().enumerate();
        let flags: ReauthorizationFlags = flags
            .map(|(index, content)| (key(id(index)), content.flag))
            .collect();
        let mut answer = Answer {
            account: Some(Arc::new(Account::new(AccountId(1), members, inboxes))),
            flags: Arc::new(flags),
            as_of: BootInstant(Duration::from_secs(version as u64)),
        };
        answer.share(&replica.answer);
        replica.answer = answer;
        replica.version = version;
    }

    fn begin(&mut self, replica: usize) {
        let known = self.held.iter();
        let known = known.map(|(id, tag)| (*id, tag.as_str().into())).collect();
        let mut cursor = WatchCursor::new(known);
        cursor.fault = self.fault;
        self.cursor = Some(cursor);
        self.watched = replica;
    }

    /// The client goes to a replica with what it holds, or with nothing. A watch begins with a
    /// state of its own time.
    fn resume(&mut self, replica: usize, keeps: bool) {
        if !keeps {
            self.held.clear();
        }
        self.read(replica);
        self.begin(replica);
    }

    /// Takes all events that there are.
    fn settle(&mut self) -> Result<(), String> {
        for _ in 0..1000 {
            if self.cursor.is_none() || self.poll()? {
                return Ok(());
            }
        }
        Err("the watch never comes to rest".to_owned())
    }

    /// Takes one step, and checks it. True at rest.
    fn poll(&mut self) -> Result<bool, String> {
        let permit = self.permit();
        let Some(cursor) = &mut self.cursor else {
            return Ok(true);
        };
        let replica = &self.replicas[self.watched];
        let world = self.worlds[replica.version];
        let step = match cursor.next(&replica.answer, &permit, render) {
            Ok((step, _)) => step,
            Err(_) if world.is_denied() => {
                self.cursor = None;
                self.held.clear();
                return Ok(true);
            }
            Err(_) => return Err("refused without a reason".to_owned()),
        };
        if world.is_denied() {
            return Err("a viewer without rights got an event".to_owned());
        }
        match step {
            WatchStep::Upserted(inbox) => self.check_upserted(inbox)?,
            WatchStep::Removed(id) => {
                if self.shown(id).is_some() {
                    return Err("a visible inbox was removed".to_owned());
                }
                self.held
                    .remove(&id)
                    .ok_or("an inbox was removed that is not held")?;
            }
            WatchStep::Synced(as_of) => self.check_synced(as_of)?,
            WatchStep::Again => {}
            WatchStep::Idle => {
                self.check_idle()?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The inbox as the viewer may see it by the newest state of the watched replica.
    fn shown(&self, id: InboxId) -> Option<String> {
        self.shown_by(id, self.replicas[self.watched].version, self.secrets())
    }

    fn shown_by(&self, id: InboxId, version: usize, secrets: SecretGroups) -> Option<String> {
        let index = usize::try_from(id.0).unwrap() - 1;
        let world = self.worlds[version];
        world.shown(index, secrets).filter(|_| !world.is_denied())
    }

    /// It shows exactly what the viewer may see now, and differs from what the client holds.
    fn check_upserted(&mut self, inbox: Rendered) -> Result<(), String> {
        let Rendered { id, tag } = inbox;
        if self.shown(id).as_ref() != Some(&tag) {
            return Err(format!("{id:?} is shown as {tag}"));
        }
        match self.held.insert(id, tag.clone()) {
            Some(held) if held == tag => Err("an inbox was sent twice".to_owned()),
            _ => Ok(()),
        }
    }

    /// The client holds of each inbox what the viewer might see at an instant not before.
    fn check_synced(&self, as_of: BootInstant) -> Result<(), String> {
        let first = usize::try_from(as_of.0.as_secs()).unwrap();
        let newest = self.replicas[self.watched].version;
        for id in (0..INBOXES).map(id) {
            let held = self.held.get(&id);
            let mut versions = first..=newest;
            let is_held = versions.any(|version| {
                // The rules may change at any moment of a version.
                let mut later = self.secrets.iter().rev();
                let earliest = later.position(|(from, _)| *from < first);
                let count = earliest.map_or(self.secrets.len(), |it| it + 1);
                let mut secrets = self.secrets.iter().rev().take(count);
                secrets.any(|(_, secrets)| self.shown_by(id, version, *secrets).as_ref() == held)
            });
            if !is_held {
                return Err(format!("{id:?} is held as {held:?} as of version {first}"));
            }
        }
        Ok(())
    }

    /// The client holds all that the viewer may see, and nothing else.
    fn check_idle(&self) -> Result<(), String> {
        for id in (0..INBOXES).map(id) {
            let (held, shown) = (self.held.get(&id), self.shown(id));
            if held != shown.as_ref() {
                return Err(format!("{id:?} is held as {held:?}, and is {shown:?}"));
            }
        }
        Ok(())
    }
}
