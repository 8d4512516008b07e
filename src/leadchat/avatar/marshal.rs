//! Ruby's Marshal format, as far as signed ids need it.

use super::Format;

/// The format's own version.
const FORMAT_VERSION: [u8; 2] = [4, 8];

/// The range of integers that are written as fixnums; others are written as bignums.
const FIXNUM_RANGE: std::ops::RangeInclusive<i64> = -(1 << 30)..=(1 << 30) - 1;

/// An integer.
pub fn integer(number: i64) -> Vec<u8> {
    let mut bytes = FORMAT_VERSION.to_vec();
    if FIXNUM_RANGE.contains(&number) {
        bytes.push(b'i');
        bytes.extend(pack(number));
        return bytes;
    }
    let sign = if number < 0 { b'-' } else { b'+' };
    bytes.extend([b'l', sign]);
    // In whole pairs of bytes, which are counted.
    let magnitude = number.unsigned_abs().to_le_bytes();
    let (pairs, _) = magnitude.as_chunks::<2>();
    let pairs = pairs.len()
        - pairs
            .iter()
            .rev()
            .take_while(|pair| **pair == [0, 0])
            .count();
    bytes.extend(pack(i64::try_from(pairs).unwrap_or_default()));
    bytes.extend(magnitude.iter().take(2 * pairs));
    bytes
}

/// `{format: .., resize_to_fill: [250, nil]}`.
pub fn transformations(format: Format<'_>) -> Vec<u8> {
    let mut bytes = FORMAT_VERSION.to_vec();
    // A hash of two.
    bytes.push(b'{');
    bytes.extend(pack(2));
    bytes.extend(symbol("format"));
    match format {
        Format::Extension(extension) => {
            // A string with an instance variable `E`, true: it is UTF-8.
            bytes.push(b'I');
            bytes.extend(length_prefixed(b'"', extension));
            bytes.extend(pack(1));
            bytes.extend(symbol("E"));
            bytes.push(b'T');
        }
        Format::Png => bytes.extend(symbol("png")),
    }
    bytes.extend(symbol("resize_to_fill"));
    // An array of two.
    bytes.push(b'[');
    bytes.extend(pack(2));
    bytes.push(b'i');
    bytes.extend(pack(250));
    bytes.push(b'0');
    bytes
}

fn symbol(name: &str) -> Vec<u8> {
    length_prefixed(b':', name)
}

fn length_prefixed(kind: u8, text: &str) -> Vec<u8> {
    let length = i64::try_from(text.len()).unwrap_or_default();
    let mut bytes = vec![kind];
    bytes.extend(pack(length));
    bytes.extend(text.as_bytes());
    bytes
}

/// An integer of at most 31 bits. A small one takes one byte; others follow a byte with
/// their length and sign.
fn pack(number: i64) -> Vec<u8> {
    let byte = |number: i64| number.to_le_bytes().first().copied().unwrap_or_default();
    match number {
        0 => vec![0],
        1..=122 => vec![byte(number + 5)],
        -123..=-1 => vec![byte(number - 5)],
        _ => {
            // The value that remains when only the sign is left.
            let sign = if number < 0 { -1 } else { 0 };
            let mut rest = number;
            let mut bytes = Vec::new();
            while rest != sign {
                bytes.push(byte(rest));
                rest >>= 8;
            }
            let count = i64::try_from(bytes.len()).unwrap_or_default();
            bytes.insert(0, byte(if number < 0 { -count } else { count }));
            bytes
        }
    }
}
