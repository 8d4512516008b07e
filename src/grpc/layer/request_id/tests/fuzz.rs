//! Any header as a request id.

use proptest::{collection::vec, prelude::*};

use super::super::*;
use crate::tests::{damaged, for_all, noise};

#[test]
fn only_one_printable_id_is_kept() {
    let printable = "[!-~]{1,140}".prop_map(String::into_bytes);
    let values = damaged(prop_oneof![4 => printable, 1 => noise()])
        .prop_filter_map("no value of a header", |bytes| {
            HeaderValue::from_bytes(&bytes).ok()
        });
    for_all(700, vec(values, 0..3), |ids| {
        let mut request = Request::new(());
        for id in &ids {
            request.headers_mut().append(HEADER, id.clone());
        }
        let kept: Vec<_> = remove_invalid(request)
            .headers()
            .get_all(HEADER)
            .iter()
            .cloned()
            .collect();
        let is_valid = |id: &HeaderValue| {
            let text = std::str::from_utf8(id.as_bytes()).unwrap_or_default();
            (1..=128).contains(&text.len()) && text.chars().all(|it| ('!'..='~').contains(&it))
        };
        let expected = if ids.len() == 1 && is_valid(&ids[0]) {
            ids
        } else {
            Vec::new()
        };
        assert_eq!(kept, expected);
    });
}
