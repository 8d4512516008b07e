//! Whether the caller of a watch may still ask. A watch outlives the check of credentials and
//! rules that its call has passed. The check is made again when the rules, the authorities or
//! the keys change, and when the first credential ends. It is also made again when another call
//! of the connection has found that its certificate does not hold any more.

use std::{future::pending, sync::Arc, time::Duration};

use http::HeaderValue;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use crate::{
    domain::freshness::Clock,
    grpc::status::CallError,
    identity::{Caller, Peer, PolicySource, Presented},
};

/// The interval at which the wall clock is asked whether a credential has ended: it may be set.
const EXPIRY_CHECK_INTERVAL: Duration = Duration::from_secs(10);

/// All that was presented with a call, so that its caller can be identified again. It has
/// tokens, so it prints nothing.
#[derive(Clone)]
pub struct Standing {
    policy: PolicySource,
    clock: Clock,
    peer: Peer,
    authorization: Values,
    viewer_authorization: Values,
}

type Values = Arc<[Zeroizing<Vec<u8>>]>;

impl Standing {
    /// Of a call that was identified by this policy, or by a later one.
    pub fn new(
        policy: PolicySource,
        clock: Clock,
        peer: Peer,
        authorization: &[HeaderValue],
        viewer_authorization: &[HeaderValue],
    ) -> Self {
        let values = |values: &[HeaderValue]| -> Values {
            let values = values
                .iter()
                .map(|it| Zeroizing::new(it.as_bytes().to_vec()));
            values.collect()
        };
        Self {
            policy,
            clock,
            peer,
            authorization: values(authorization),
            viewer_authorization: values(viewer_authorization),
        }
    }

    /// Whether the caller has to be identified again.
    pub fn is_due(&mut self, caller: &Caller) -> bool {
        let has_ended = caller
            .until()
            .is_some_and(|until| (self.clock.wall)() >= until);
        let dismissed = self.peer.dismissed();
        self.policy.has_changed()
            || has_ended
            || dismissed.is_some_and(CancellationToken::is_cancelled)
    }

    /// Waits until the caller may have to be identified again. Dropping the future loses
    /// nothing.
    pub async fn may_be_due(&mut self, caller: &Caller) {
        let dismissed = async {
            match self.peer.dismissed() {
                Some(dismissed) => dismissed.cancelled().await,
                None => pending().await,
            }
        };
        tokio::select! {
            () = self.policy.changed() => {}
            () = dismissed => {}
            () = sleep(EXPIRY_CHECK_INTERVAL), if caller.until().is_some() => {}
        }
    }

    /// The caller as a new call with the same credentials would have it.
    pub fn identify(&self) -> Result<Caller, CallError> {
        fn slices(values: &Values) -> Vec<&[u8]> {
            values.iter().map(|value| value.as_slice()).collect()
        }
        let presented = Presented {
            peer: &self.peer,
            authorization: &slices(&self.authorization),
            viewer_authorization: &slices(&self.viewer_authorization),
        };
        let now = (self.clock.wall)();
        Ok(self.policy.current().identify(&presented, now)?)
    }
}
