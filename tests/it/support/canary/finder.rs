//! Finds many texts in bytes at once.

use std::collections::HashMap;

use super::{PLACES, STEP, WHOLE, forms};

/// Looks for any of many texts, in any of their forms.
///
/// Logs are long, and this is not compiled to be fast: it looks at every fourth
/// byte and the three after it. Of a text of seven bytes, wherever it begins,
/// four are among those.
pub struct Finder {
    forms: Vec<String>,
    /// Forms that hold four bytes, and where in them.
    by_bytes: HashMap<[u8; STEP], Vec<(usize, usize)>>,
    /// Whether it is worth while to look there.
    worth: Vec<bool>,
}

impl Finder {
    pub fn of<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Self {
        let forms: Vec<_> = texts
            .into_iter()
            .flat_map(|text| forms(text.as_ref()))
            .collect();
        let mut by_bytes: HashMap<_, Vec<_>> = HashMap::new();
        let mut worth = vec![false; 1 << PLACES];
        for (index, form) in forms.iter().enumerate() {
            assert!(form.len() >= WHOLE, "{form:?} is too short");
            for (offset, bytes) in form.as_bytes().windows(STEP).take(STEP).enumerate() {
                let bytes = bytes.try_into().unwrap();
                by_bytes.entry(bytes).or_default().push((index, offset));
                worth[place(bytes)] = true;
            }
        }
        Self {
            forms,
            by_bytes,
            worth,
        }
    }

    /// Where one of the texts is, in its surroundings.
    pub fn find(&self, bytes: &[u8]) -> Option<String> {
        let (steps, _) = bytes.as_chunks::<STEP>();
        for (step, four) in steps.iter().enumerate() {
            if !self.worth[place(*four)] {
                continue;
            }
            for (form, offset) in self.by_bytes.get(four).into_iter().flatten() {
                let Some(begin) = (step * STEP).checked_sub(*offset) else {
                    continue;
                };
                let form = &self.forms[*form];
                if bytes[begin..].starts_with(form.as_bytes()) {
                    let end = bytes.len().min(begin + 300);
                    let around = &bytes[begin.saturating_sub(300)..end];
                    return Some(format!("{form:?} in {:?}", String::from_utf8_lossy(around)));
                }
            }
        }
        None
    }
}

/// Spreads what four bytes may be over the places that tell whether to look.
pub(super) fn place(bytes: [u8; STEP]) -> usize {
    let spread = u32::from_ne_bytes(bytes).wrapping_mul(0x9e37_79b1);
    (spread >> (u32::BITS - PLACES)) as usize
}
