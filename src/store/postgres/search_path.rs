//! The search path: the schemas of the tables, where settings name them.

use std::fmt;

/// Schemas by their plain names, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchPath(Vec<String>);

impl SearchPath {
    /// Reads a list as Rails puts it behind `SET search_path TO`; `None` if it is malformed.
    pub fn parse(list: &str) -> Option<Self> {
        let mut names = Vec::new();
        let mut rest = list.trim();
        loop {
            let (name, behind) = match rest.chars().next()? {
                quote @ ('"' | '\'') => quoted(rest, quote)?,
                _ => plain(rest)?,
            };
            names.push(name);
            let behind = behind.trim_start();
            if behind.is_empty() {
                return Some(Self(names));
            }
            rest = behind.strip_prefix(',')?.trim_start();
        }
    }
}

/// Splits off a name without quotes, which SQL folds to lower case.
fn plain(text: &str) -> Option<(String, &str)> {
    let end = text.find(',').unwrap_or(text.len());
    let (name, behind) = text.split_at_checked(end)?;
    let name = name.trim_end();
    let is_name = |letter: char| !letter.is_whitespace() && !"\"'\\;\0".contains(letter);
    let is_sound = !name.is_empty() && name.chars().all(is_name);
    is_sound.then(|| (name.to_ascii_lowercase(), behind))
}

/// Splits off a name in quotes, which are doubled within.
fn quoted(text: &str, quote: char) -> Option<(String, &str)> {
    let mut name = String::new();
    let mut rest = text.strip_prefix(quote)?;
    loop {
        let (part, behind) = rest.split_once(quote)?;
        name.push_str(part);
        let Some(more) = behind.strip_prefix(quote) else {
            let is_sound = !name.is_empty() && !name.contains('\0');
            return is_sound.then_some((name, behind));
        };
        name.push(quote);
        rest = more;
    }
}

/// The form for both SQL and a startup option.
impl fmt::Display for SearchPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}\"{}\"", name.replace('"', "\"\""))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_as_sql_reads_it() {
        for (list, expected) in [
            ("chatwoot", r#""chatwoot""#),
            (" Chatwoot , public ", r#""chatwoot", "public""#),
            (r#""$user",public"#, r#""$user", "public""#),
            ("$user, public", r#""$user", "public""#),
            (
                r#""Lead ""Chat"", Inc.",x"#,
                r#""Lead ""Chat"", Inc.", "x""#,
            ),
            ("'Lead Chat','It''s'", r#""Lead Chat", "It's""#),
            (r#""a\b c""#, r#""a\b c""#),
        ] {
            let path = SearchPath::parse(list).map(|path| path.to_string());
            assert_eq!(path.as_deref(), Some(expected), "{list}");
        }
        for list in [
            "", " ", ",", "a,", ",a", "a,,b", "a b", "a;b", r#""a"#, r#""""#, r#""a"b"#, "a'b'",
            "a\\b", "\"a\0\"",
        ] {
            assert_eq!(SearchPath::parse(list), None, "{list}");
        }
    }
}
