//! Tokens that are read back, and texts that are none.

mod fuzz;

use super::*;

#[test]
fn a_token_is_read_back_for_its_binding_alone() {
    for name in ["", "a", "zürich 😀", &"ä".repeat(400)] {
        let cursor = Cursor::new(name, InboxId(7));
        let token = cursor.token(b"binding");
        assert!(token.len() < 1024);
        assert_eq!(Cursor::parse(&token, b"binding").ok(), Some(cursor));
        assert!(Cursor::parse(&token, b"other").is_err());
    }
    assert!(Cursor::parse("", b"").is_err());
    assert!(Cursor::parse(&BASE64_URL_SAFE_NO_PAD.encode([VERSION; 24]), b"").is_err());
}
