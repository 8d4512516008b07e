//! The bytes of rows can be read back, so no others have the same.

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::tests::for_all;

type Row = Vec<Content>;

/// A [`Value`] that owns its bytes.
#[derive(Clone, Debug, PartialEq)]
enum Content {
    Null,
    Integer(i64),
    /// Its bits: every one of a number counts.
    Real(u64),
    Text(Vec<u8>),
    Bytes(Vec<u8>),
}

/// Short contents, and such as look like the bytes around them.
fn content() -> impl Strategy<Value = Content> {
    let bytes = || vec(prop_oneof![0_u8..6, any::<u8>()], 0..12);
    prop_oneof![
        Just(Content::Null),
        prop_oneof![-2_i64..3, any::<i64>()].prop_map(Content::Integer),
        any::<u64>().prop_map(Content::Real),
        bytes().prop_map(Content::Text),
        bytes().prop_map(Content::Bytes),
    ]
}

fn encode(encoder: &mut Encoder, tables: &[Vec<Row>]) {
    for rows in tables {
        encoder.begin_table(rows.len());
        for row in rows {
            encoder.begin_row(row.len());
            for content in row {
                encoder.value(match content {
                    Content::Null => Value::Null,
                    Content::Integer(number) => Value::Integer(*number),
                    Content::Real(bits) => Value::Real(f64::from_bits(*bits)),
                    Content::Text(text) => Value::Text(text),
                    Content::Bytes(bytes) => Value::Bytes(bytes),
                });
            }
        }
    }
}

/// Reads the bytes of rows, each part by what stands before it.
struct Decoder<'b>(&'b [u8]);

impl<'b> Decoder<'b> {
    fn take(&mut self, length: usize) -> &'b [u8] {
        let (taken, rest) = self.0.split_at(length);
        self.0 = rest;
        taken
    }

    fn number(&mut self) -> u64 {
        u64::from_be_bytes(self.take(8).try_into().unwrap())
    }

    fn count(&mut self) -> usize {
        usize::try_from(self.number()).unwrap()
    }

    fn content(&mut self) -> Content {
        match self.take(1) {
            [0] => Content::Null,
            [1] => Content::Integer(self.number().cast_signed()),
            [2] => Content::Real(self.number()),
            tag => {
                let length = self.count();
                let bytes = self.take(length).to_vec();
                match tag {
                    [3] => Content::Text(bytes),
                    [4] => Content::Bytes(bytes),
                    other => panic!("{other:?}"),
                }
            }
        }
    }

    fn tables(&mut self, count: usize) -> Vec<Vec<Row>> {
        let row = |it: &mut Self| (0..it.count()).map(|_| it.content()).collect();
        let rows = |it: &mut Self| (0..it.count()).map(|_| row(it)).collect();
        (0..count).map(|_| rows(self)).collect()
    }
}

#[test]
fn no_other_rows_have_the_same_bytes() {
    const PROBE_NUMBER: u64 = 7;
    let tables = vec(vec(vec(content(), 0..5), 0..4), 5);
    for_all(1000, tables, |tables| {
        let mut encoder = Encoder::new(PROBE_NUMBER);
        encode(&mut encoder, &tables);
        let (prefix, rows) = encoder.bytes.split_at(PREFIX_LEN);
        assert_eq!(prefix, PROBE_NUMBER.to_be_bytes());
        let mut decoder = Decoder(rows);
        assert_eq!(decoder.tables(tables.len()), tables);
        assert!(decoder.0.is_empty());
    });
}

#[test]
fn a_fingerprint_is_of_its_rows_and_the_probe_alone() {
    let one = vec![vec![vec![Content::Null]]];
    let other = vec![vec![vec![Content::Text(Vec::new())]]];
    let mut encoder = Encoder::new(0);
    let [first, second, third] = [&one, &other, &one].map(|tables| {
        encode(&mut encoder, tables);
        encoder.finish()
    });
    assert!(first == third && first != second);
    let mut of_another_plan = Encoder::new(1);
    encode(&mut of_another_plan, &one);
    assert!(of_another_plan.finish() != first);
}
