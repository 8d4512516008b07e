//! Labels. The values of a label are those of an enum, or names that are bounded elsewhere.

use std::{fmt, hash::Hash};

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder},
    metrics::family::Family,
};

use crate::domain::{
    channel::ChannelKind, degradation::DegradationReason, freshness::Freshness,
    secret_group::SecretGroup,
};

/// Writes the values of enums as `IntoStaticStr` names them.
macro_rules! label_values {
    ($($value:ty),+ $(,)?) => {
        $(impl ::prometheus_client::encoding::EncodeLabelValue for $value {
            fn encode(
                &self,
                encoder: &mut ::prometheus_client::encoding::LabelValueEncoder<'_>,
            ) -> Result<(), ::std::fmt::Error> {
                let name: &'static str = self.into();
                ::prometheus_client::encoding::EncodeLabelValue::encode(&name, encoder)
            }
        })+
    };
}

pub(super) use label_values;

label_values!(DegradationReason);

/// Makes series, so that a counter is 0 before its first increase.
pub fn start_at_zero<L, M>(family: &Family<L, M>, labels: impl IntoIterator<Item = L>)
where
    L: Clone + Eq + Hash,
{
    for labels in labels {
        drop(family.get_or_create(&labels));
    }
}

/// No labels.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct NoLabels {}

impl EncodeLabelValue for SecretGroup {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), fmt::Error> {
        self.name().encode(encoder)
    }
}

/// The kind of a channel; `None` where it is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Kind(pub Option<ChannelKind>);

impl EncodeLabelValue for Kind {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), fmt::Error> {
        self.0.map_or("unknown", ChannelKind::field).encode(encoder)
    }
}

impl EncodeLabelValue for Freshness {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), fmt::Error> {
        match self {
            Self::Bounded => "bounded",
            Self::Latest => "latest",
            Self::Current => "current",
        }
        .encode(encoder)
    }
}
