//! Several addresses, and reflection.

use super::*;

#[test]
fn several_addresses_are_listened_on() {
    let several = serve_settings(&["--listen", "unix:/run/x", "--listen", "[::1]:0"], &[]);
    assert_eq!(listened(&several), "unix:/run/x,[::1]:0");
    let variable = [("LISTEN_ADDR", "localhost:1, unix:/run/y")];
    assert_eq!(
        listened(&serve_settings(&[], &variable)),
        "127.0.0.1:1,unix:/run/y"
    );
    assert_eq!(
        listened(&serve_settings(&["--listen", "localhost:2"], &variable)),
        "127.0.0.1:2"
    );
    for list in ["localhost:1,", ",", "localhost:1,0.0.0.0:1"] {
        let error = rejection(&[], &[("LISTEN_ADDR", list)]);
        assert!(error.starts_with("LISTEN_ADDR: "), "{error}");
    }
}

#[test]
fn reflection_is_on_or_off() {
    let has_reflection = |arguments: &[&str], variables: &[(&str, &str)]| {
        serve_settings(arguments, variables).has_reflection
    };
    let off = [("REFLECTION", "off")];
    assert!(has_reflection(&[], &[]) && has_reflection(&[], &[("REFLECTION", "on")]));
    assert!(!has_reflection(&[], &off) && !has_reflection(&["--reflection", "off"], &[]));
    assert!(has_reflection(&["--reflection", "on"], &off));
    let error = rejection(&[], &[("REFLECTION", "no")]);
    assert_eq!(error, "REFLECTION: must be on or off");
}
