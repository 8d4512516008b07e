//! Numbers, depth and damage, at the edges of what the wire carries.

mod fuzz;

use super::{fields::Fields, *};

fn read(text: &str) -> (Option<Json>, Vec<(String, DegradationReason)>) {
    let mut degradations = Vec::new();
    let json = Json::read(text, "c", &mut degradations);
    let degradations = degradations
        .into_iter()
        .map(|it| (it.field, it.reason))
        .collect();
    (json, degradations)
}

fn number(text: &str) -> (Option<f64>, Option<DegradationReason>) {
    let (json, degradations) = read(text);
    let value = match json {
        Some(Json::Number(number)) => Some(number),
        None => None,
        other => panic!("{other:?}"),
    };
    (value, degradations.first().map(|(_, reason)| *reason))
}

fn object(entries: &[(&str, Json)]) -> Json {
    Json::Object(entries.iter().cloned().collect())
}

fn keys(entries: &SortedMap<Json>) -> Vec<&str> {
    entries.iter().map(|(key, _)| key).collect()
}

#[test]
fn scalars_and_containers_are_read() {
    let (json, degradations) =
        read(" {\"a\": [1, \"x\\u00e9\", true, null, {}], \"b\": {\"\": -2.5}} ");
    let list = [
        Json::Number(1.0),
        Json::String("xé".into()),
        Json::Bool(true),
        Json::Null,
        object(&[]),
    ];
    let list = Json::Array(list.into());
    let expected = object(&[("a", list), ("b", object(&[("", Json::Number(-2.5))]))]);
    assert_eq!((json, degradations), (Some(expected), vec![]));
}

#[test]
fn null_counts_as_absent() {
    assert_eq!(read("null"), (None, vec![]));
}

#[test]
fn of_duplicate_keys_the_last_counts() {
    let (json, _) = read(r#"{"a": 1, "a": 2}"#);
    assert_eq!(json, Some(object(&[("a", Json::Number(2.0))])));
    // Also when it cannot be carried.
    let (json, _) = read(r#"{"a": 1, "a": 1e999}"#);
    assert_eq!(json, Some(object(&[])));
}

#[test]
fn equal_content_gives_equal_degradations() {
    let (_, degradations) = read(r#"{"bb": 1e400, "a": 9007199254740993, "c": 1e400, "c": 1}"#);
    assert_eq!(
        degradations,
        [
            ("c.a".to_owned(), DegradationReason::NumberRounded),
            ("c.bb".to_owned(), DegradationReason::NumberOutOfRange)
        ]
    );
}

#[test]
fn half_a_character_in_a_key_costs_its_value_alone() {
    let (json, degradations) = read(r#"{"\ud800": 1, "\ud801": 2, "b": 1}"#);
    let Some(Json::Object(entries)) = json else {
        panic!()
    };
    assert_eq!(keys(&entries), ["b"]);
    let reasons: Vec<_> = degradations.iter().map(|(_, reason)| *reason).collect();
    assert_eq!(reasons, [DegradationReason::JsonMalformed]);
}

#[test]
fn integers_are_exact_up_to_two_to_the_53rd() {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    for text in [
        "9007199254740992",
        "9007199254740992e0",
        "90071992547409.92e2",
        "9.007199254740992E15",
    ] {
        assert_eq!(number(text), (Some(EXACT), None), "{text}");
        assert_eq!(number(&format!("-{text}")), (Some(-EXACT), None), "-{text}");
    }
    for text in [
        "9007199254740993",
        "9007199254740994",
        "1e16",
        "1.5e300",
        "123456789012345678901234567890",
    ] {
        assert_eq!(
            number(text).1,
            Some(DegradationReason::NumberRounded),
            "{text}"
        );
        assert_eq!(
            number(&format!("-{text}")).1,
            Some(DegradationReason::NumberRounded),
            "-{text}"
        );
    }
}

#[test]
fn fractions_are_rounded_without_a_word() {
    for (text, expected) in [
        ("3.141592653589793238462643", std::f64::consts::PI),
        ("100000000000000000000.5", 1e20),
        ("1e-400", 0.0),
        ("0.1e1", 1.0),
    ] {
        assert_eq!(number(text), (Some(expected), None), "{text}");
    }
}

#[test]
fn zero_has_no_sign() {
    for text in ["-0", "-0.0", "-0e99999999999999999999", "-1e-999"] {
        let (value, reason) = number(text);
        assert_eq!(value.map(f64::to_bits), Some(0), "{text}");
        assert_eq!(reason, None, "{text}");
    }
}

#[test]
fn numbers_beyond_a_double_are_left_out() {
    for text in ["1e309", "-1e309", "1e99999999999999999999", "2.5e400"] {
        assert_eq!(
            number(text),
            (None, Some(DegradationReason::NumberOutOfRange)),
            "{text}"
        );
    }
    let (json, degradations) = read(r#"{"a": 1e999, "b": [1, 1e999]}"#);
    let list = Json::Array([Json::Number(1.0), Json::Null].into());
    assert_eq!(json, Some(object(&[("b", list)])));
    assert_eq!(
        degradations,
        [
            ("c.a".to_owned(), DegradationReason::NumberOutOfRange),
            ("c.b[1]".to_owned(), DegradationReason::NumberOutOfRange)
        ]
    );
}

#[test]
fn what_is_no_json_is_one_degradation() {
    for text in [
        "",
        " ",
        "{",
        "[1,",
        "nul",
        "1 2",
        "'x'",
        "{\"a\" 1}",
        "NaN",
        "01",
        "+1",
        "\"\u{1}\"",
    ] {
        assert_eq!(
            read(text),
            (
                None,
                vec![("c".to_owned(), DegradationReason::JsonMalformed)]
            ),
            "{text}"
        );
    }
}

#[test]
fn half_a_character_costs_its_text_alone() {
    let (json, degradations) = read(r#"{"a": "\ud800", "b": 1}"#);
    assert_eq!(json, Some(object(&[("b", Json::Number(1.0))])));
    assert_eq!(
        degradations,
        [("c.a".to_owned(), DegradationReason::JsonMalformed)]
    );
}

#[test]
fn depth_is_bounded_and_never_recursed_into() {
    for (open, close, most) in [("{\"d\":", "}", 31), ("[", "]", 46)] {
        let nested = |depth: usize| format!("{}1{}", open.repeat(depth), close.repeat(depth));
        assert_eq!(read(&nested(most)).1, []);
        let (json, degradations) = read(&nested(most + 1));
        assert!(json.is_some());
        assert_eq!(degradations.len(), 1);
        assert_eq!(degradations[0].1, DegradationReason::JsonTooDeep);
        assert_eq!(read(&nested(100_000)).1.len(), 1);
        // Also when it is never closed.
        assert_eq!(
            read(&open.repeat(100_000)).1[0].1,
            DegradationReason::JsonMalformed
        );
    }
}

#[test]
fn paths_are_bounded_and_quote_what_is_no_word() {
    let (_, degradations) = read(r#"{"a b": {"": [{"é\"": 1e999, "_k1": 1e999}]}}"#);
    let paths: Vec<_> = degradations.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(
        paths,
        [r#"c["a b"][""][0]._k1"#, r#"c["a b"][""][0]["é\""]"#]
    );

    let (_, degradations) = read(&format!(r#"{{"{}": 1e999}}"#, "é".repeat(10_000)));
    assert!(degradations[0].0.len() < 300 && degradations[0].0.ends_with('…'));
}

#[test]
fn the_known_part_of_a_field_has_no_stored_key() {
    let mut degradations = Vec::new();
    Json::read(
        r#"{"k": [1e999], "a b": 1e999}"#,
        "api.x",
        &mut degradations,
    );
    let fields: Vec<_> = degradations
        .iter()
        .map(|it| (it.field.as_str(), it.contract_field()))
        .collect();
    assert_eq!(
        fields,
        [(r#"api.x["a b"]"#, "api.x"), ("api.x.k[0]", "api.x")]
    );
}

#[test]
fn known_keys_are_taken_and_the_rest_stays() {
    let (json, _) = read(
        r#"{"s": "x", "n": null, "i": 7, "f": 7.5, "big": 3000000000, "b": true, "l": ["a"],
            "mixed": ["a", 1], "empty": [], "o": {}, "os": [{}, {}], "omixed": [{}, 1]}"#,
    );
    let mut fields = Fields::of(json.unwrap());
    assert_eq!(fields.string("s").as_deref(), Some("x"));
    assert_eq!(fields.string("missing"), None);
    assert_eq!((fields.string("n"), fields.string("i")), (None, None));
    assert_eq!(fields.integer("i"), Some(7));
    assert_eq!((fields.integer("f"), fields.integer("big")), (None, None));
    assert_eq!(fields.bool("b"), Some(true));
    assert_eq!(fields.strings("l"), ["a"]);
    assert!(fields.strings("mixed").is_empty() && fields.strings("empty").is_empty());
    assert!(fields.object::<Json>("o").is_some());
    assert_eq!(fields.objects::<Json>("os").len(), 2);
    assert!(fields.objects::<Json>("omixed").is_empty());
    let Some(Json::Object(rest)) = fields.unrecognized() else {
        panic!()
    };
    assert_eq!(keys(&rest), ["big", "empty", "f", "mixed", "n", "omixed"]);
}

#[test]
fn wiping_leaves_nothing() {
    let (json, _) = read(r#"{"a": ["secret"]}"#);
    let mut json = json.unwrap();
    json.zeroize();
    assert_eq!(json, Json::Null);
}
