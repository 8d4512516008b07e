//! Mistakes: a text of the good file, its replacement, and the problem.

/// A text of the good file, its replacement, and the mistake with its line and column.
pub const MISTAKES: &[(&str, &str, &str)] = &[
    (
        "[\"*\"]",
        "[\"*\", \"x\"]",
        "10:15: caller \"webhooks\": accounts: \"*\" stands alone",
    ),
    (
        "{ users = \"any\", bots = \"any\" }",
        "[\"any\", \"none\", true]",
        "29:1: caller \"people\": a caller, a rule, as, limits and subjects are tables: write their keys",
    ),
    (
        "[1003]",
        "[4294967295]",
        "16:10: caller \"sender\": uids: 4294967295 stands for users that have no name: anybody",
    ),
    (
        "version = 1",
        "version = 2",
        "1:11: version: this program reads version 1",
    ),
    (
        "version = 1",
        "",
        "1:1: version is missing; write version = 1",
    ),
    (
        "version = 1",
        "version = 1\ncalers = 1",
        "2:1: there is no key \"calers\"; did you mean caller?",
    ),
    (
        "name = \"webhooks\"",
        "name = \"Web\"",
        "4:8: caller \"Web\": a name has 1 to 40 of the letters a-z, digits and -",
    ),
    (
        "name  = \"sender\"",
        "name  = \"webhooks\"",
        "15:9: caller \"webhooks\": this name is taken above",
    ),
    (
        "[1003]",
        "[1002]",
        "16:10: caller \"sender\": uids: uid:1002 is one of \"webhooks\" already",
    ),
    (
        "[1003]",
        "[65534]",
        "16:10: caller \"sender\": uids: 65534 stands for users that have no name: anybody",
    ),
    (
        "[1003]",
        "[]",
        "14:1: caller \"sender\": nothing identifies it; set uids, spiffe, dns or subjects, or local = true",
    ),
    (
        "uids  = [1003]",
        "spiffe = [\"spiffe://a/b\"]",
        "16:11: caller \"sender\": spiffe: no [[authority]] has trust_domain = \"a\"",
    ),
    (
        "uids  = [1003]",
        "spiffe = [\"spiffe://a\"]",
        "16:11: caller \"sender\": spiffe: is a trust domain, and has no path",
    ),
    (
        "uids  = [1003]",
        "spiffe = [\"https://a/b\"]",
        "16:11: caller \"sender\": spiffe: is no SPIFFE ID: scheme is missing or invalid",
    ),
    (
        "uids  = [1003]",
        "dns = [\"*.example\"]",
        "16:8: caller \"sender\": dns: is no name of DNS; wildcards are none",
    ),
    (
        "uids  = [1003]",
        "dns = [\"a.example\"]",
        "16:8: caller \"sender\": dns: there is no [[authority]] without a trust_domain",
    ),
    (
        "version = 1",
        "version = 1\n[[authority]]\nname = \"a\"\nfile = \"a.pem\"",
        "4:8: file: \"a.pem\" cannot be read: entity not found",
    ),
    (
        "version = 1",
        "version = 1\n[[authority]]\nname = \"a\"\nfile = \"a.pem\"\ntrust_domain = \"A\"",
        "5:16: trust_domain: write the name alone, in lower case",
    ),
    (
        "version = 1",
        "version = 1\n[authority]\nname = \"a\"",
        "2:1: authority: write [[authority]], one for each",
    ),
    (
        "[1003]",
        "[1003]\nsubjects = [{ issuer = \"a\", subject = \"b\" }]",
        "17:13: caller \"sender\": subjects: there is no [[issuer]] \"a\" with names = \"callers\"",
    ),
    (
        "[1003]",
        "[1003]\nneeds = \"all\"",
        "17:9: caller \"sender\": needs = \"all\", but it has no token: write subjects",
    ),
    (
        "uids  = [1003]",
        "needs = \"all\"\nsubjects = [{ issuer = \"a\", subject = \"b\" }]",
        "16:9: caller \"sender\": needs = \"all\", but it has no certificate or uid, only a token",
    ),
    (
        "{ itself = true, bots = [3, 4] }",
        "{ users = \"with-token\" }",
        "18:1: caller \"sender\": as.users = \"with-token\": there is no [[issuer]] with names = \"viewers\"",
    ),
    (
        "version = 1",
        "version = 1\n[[issuer]]\nname = \"a\"\nnames = \"callers\"\niss = \"i\"\naudience = \"a\"\nkeys = \"a.jwks\"",
        "7:8: keys: \"a.jwks\" cannot be read: entity not found",
    ),
    (
        "version = 1",
        "version = 1\n[[issuer]]\nname = \"a\"\nnames = \"viewer\"\niss = \"\"\naudience = \"a\"\nkeys = \"a\"\nlongest = \"x\"",
        "8:11: longest: write a duration of a year at most, such as \"15m\"",
    ),
    (
        "[1003]",
        "[-1]",
        "16:10: caller \"sender\": invalid value: integer `-1`, expected u32",
    ),
    (
        "[1003]",
        "[1003]\nlocal = true",
        "32:9: caller \"people\": local: \"sender\" is local already",
    ),
    (
        "uids  = [1003]",
        "user = 1",
        "16:1: caller \"sender\": unknown field `user`, expected one of `name`, `uids`, `spiffe`, `dns`, `subjects`, `needs`, `local`, `may`, `limits`",
    ),
    (
        "\"GetInbox\", \"Batch",
        "\"GetInboxs\", \"Batch",
        "19:13: caller \"sender\": methods: there is no method \"GetInboxs\"; did you mean GetInbox?",
    ),
    (
        "[\"FindInboxes\"]",
        "[]",
        "9:14: caller \"webhooks\": methods: name at least one",
    ),
    (
        "\"100-199\"",
        "\"199-100\"",
        "20:13: caller \"sender\": accounts: \"199-100\" runs backwards",
    ),
    (
        "\"4711\"",
        "\"x\"",
        "20:24: caller \"sender\": accounts: \"x\" is no id, such as \"7\", no range, such as \"1-99\", and not \"*\"",
    ),
    (
        "[\"1\"]",
        "[]",
        "35:12: caller \"people\": accounts: write ids, ranges or \"*\"",
    ),
    (
        "{ itself = true }",
        "{}",
        "12:14: caller \"webhooks\": as: allows no viewer",
    ),
    (
        "{ itself = true }",
        "{ users = \"any\" }",
        "11:14: caller \"webhooks\": everywhere: a search of all accounts is made as itself; write as = { itself = true }",
    ),
    (
        "{ users = \"any\", ",
        "{ users = \"all\", ",
        "36:22: caller \"people\": as.users: \"all\" is none of \"none\", \"with-token\" and \"any\"",
    ),
    (
        "bots = [3, 4]",
        "bots = [0]",
        "21:37: caller \"sender\": as.bots: an id is 1 or more",
    ),
    (
        "bots = [3, 4]",
        "bots = 3",
        "21:36: caller \"sender\": invalid type: integer `3`, expected \"none\", \"any\" or a list of ids",
    ),
    (
        "detail   = \"full\"",
        "detail   = \"ful\"",
        "22:12: caller \"sender\": detail: \"ful\" is neither \"basic\" nor \"full\"; did you mean full?",
    ),
    (
        "detail   = \"full\"",
        "",
        "23:12: caller \"sender\": secrets: are never in detail = \"basic\"; write detail = \"full\"",
    ),
    (
        "[\"smtp\"]",
        "[\"stmp\"]",
        "23:13: caller \"sender\": secrets: there is no group \"stmp\"; did you mean smtp?",
    ),
    (
        "[\"FindInboxes\"]",
        "[\"GetInbox\"]",
        "11:14: caller \"webhooks\": everywhere: is about FindInboxes alone",
    ),
    (
        "calls_per_second = 50",
        "calls_per_second = 0",
        "26:20: caller \"sender\": invalid value: integer `0`, expected a nonzero u32",
    ),
    (
        "calls_per_second = 50",
        "burst = 5",
        "26:9: caller \"sender\": burst: needs calls_per_second beside it",
    ),
    (
        "concurrent_calls = 8",
        "concurrent_calls = 0",
        "27:20: caller \"sender\": concurrent_calls: must be 1 or more",
    ),
    (
        "local = true",
        "local = true\nlocal = true",
        "32:1: duplicate key",
    ),
    (
        "version = 1",
        "version = ",
        "1:11: string values must be quoted, expected literal string",
    ),
];
