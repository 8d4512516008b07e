//! Any header as a deadline.

use proptest::{prelude::*, sample::select};

use super::super::*;
use crate::tests::{damaged, for_all, noise};

#[test]
fn a_header_is_a_timeout_or_ignored() {
    let valid = (
        0..1_000_000_000_u64,
        "\\+?0{0,3}",
        select(&["H", "M", "S", "m", "u", "n", ""][..]),
    )
        .prop_map(|(amount, zeros, unit)| format!("{zeros}{amount}{unit}").into_bytes());
    let values = prop_oneof![2 => damaged(valid.clone()), 2 => valid, 1 => noise()]
        .prop_filter_map("no value of a header", |bytes| {
            HeaderValue::from_bytes(&bytes).ok()
        });
    for_all(1500, values, |header| {
        assert_eq!(
            parse_timeout(&header),
            expected(header.as_bytes()),
            "{header:?}"
        );
    });
}

fn expected(header: &[u8]) -> Option<Duration> {
    let (unit, digits) = header.split_last()?;
    if digits.len() > 8 {
        return None;
    }
    let digits = digits.strip_prefix(b"+").unwrap_or(digits);
    if digits.is_empty() {
        return None;
    }
    let mut amount: u128 = 0;
    for digit in digits {
        amount = amount * 10 + u128::from(char::from(*digit).to_digit(10)?);
    }
    let nanoseconds: u128 = match unit {
        b'H' => 3_600_000_000_000,
        b'M' => 60_000_000_000,
        b'S' => 1_000_000_000,
        b'm' => 1_000_000,
        b'u' => 1_000,
        b'n' => 1,
        _ => return None,
    };
    Some(Duration::from_nanos_u128(amount * nanoseconds))
}
