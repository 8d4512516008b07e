//! Where PostgreSQL is, as a URL and leadchat's variables say it.

use super::*;
use crate::store::TargetSession;

fn place(variables: &[(&str, &str)]) -> String {
    postgres(&serve_settings(&[], variables)).to_string()
}

#[test]
fn variables_of_leadchat_are_a_database() {
    let parts = [("POSTGRES_HOST", "db"), ("POSTGRES_PORT", "6432")];
    assert_eq!(place(&parts), "db:6432/chatwoot_production");
    for variable in [
        "POSTGRES_DATABASE",
        "POSTGRES_USERNAME",
        "POSTGRES_PASSWORD",
        "POSTGRES_SCHEMA",
    ] {
        let expected = match variable {
            "POSTGRES_DATABASE" => "localhost:5432/x",
            _ => "localhost:5432/chatwoot_production",
        };
        assert_eq!(place(&[(variable, "x")]), expected);
    }
    assert!(rejection(&[], &[("POSTGRES_PORT", "x")]).starts_with("POSTGRES_PORT"));
}

#[test]
fn a_url_is_laid_over_the_parts() {
    const PARTS: [(&str, &str); 3] = [
        ("POSTGRES_HOST", "parts"),
        ("POSTGRES_PORT", "1"),
        ("POSTGRES_DATABASE", "parts"),
    ];
    for (url, expected) in [
        ("postgres://url:2/url", "url:2/url"),
        ("postgres://url/url", "url:1/url"),
        ("postgres://url", "url:1/parts"),
        ("postgres://:2", "parts:2/parts"),
        ("postgres:///url", "parts:1/url"),
        ("postgresql://me:pw@/url", "parts:1/url"),
        ("postgres://", "parts:1/parts"),
        ("postgres:///?host=url&port=2&database=url", "url:2/url"),
        // Blank parameters are ignored, and the last one counts.
        ("postgres://url/url?host=&port=&port=2", "url:2/url"),
        (
            "postgres://x:7/y?hostaddr=127.0.0.1&dbname=url",
            "127.0.0.1:7/url",
        ),
        ("postgres://[::1]:2/a%2Fb", "::1:2/a/b"),
        ("postgres://%2Frun%2Fpg/url", "/run/pg/url"),
    ] {
        let variables = [&PARTS[..], &[("DATABASE_URL", url)]].concat();
        assert_eq!(place(&variables), expected, "{url}");
        let serve = serve_settings(&["--database-url", &url.replace(":pw", "")], &PARTS);
        assert_eq!(postgres(&serve).to_string(), expected, "{url}");
    }
    for url in [
        "postgres://url:x",
        "postgres://url:99999",
        "postgres://[::1",
        "postgres://[::1]5432",
        "postgres:///?port=x",
        "postgres:///?hostaddr=name",
        "postgres://me%00@url",
        "postgres://%ff@url",
    ] {
        let variables = [&PARTS[..], &[("DATABASE_URL", url)]].concat();
        let error = rejection(&[], &variables);
        assert!(error.starts_with("DATABASE_URL: "), "{url}: {error}");
    }
}

#[test]
fn the_search_path_is_that_of_the_url_or_its_variable() {
    let path = |query: &str, variable| {
        let url = format!("postgres://db/x?{query}");
        let variables = [
            ("DATABASE_URL", url.as_str()),
            ("POSTGRES_SCHEMA", variable),
        ];
        let serve = serve_settings(&[], &variables);
        let path = postgres(&serve).search_path.as_ref();
        path.map(ToString::to_string)
    };
    let named = |name: &str| Some(format!("\"{name}\""));
    assert_eq!(path("", ""), None);
    assert_eq!(path("", "chatwoot"), named("chatwoot"));
    assert_eq!(path("schema_search_path=a", "chatwoot"), named("a"));
    assert_eq!(path("schema_order=a", ""), named("a"));
    assert_eq!(path("schema_search_path=", "chatwoot"), named("chatwoot"));

    let url = ("DATABASE_URL", "postgres://db/x?schema_search_path=a,,b");
    let error = rejection(&[], &[url]);
    assert!(
        error.starts_with("DATABASE_URL: schema_search_path must be names"),
        "{error}"
    );
    let error = rejection(&[], &[("POSTGRES_SCHEMA", "a;b")]);
    assert!(
        error.starts_with("POSTGRES_SCHEMA: must be names"),
        "{error}"
    );
}

#[test]
fn several_hosts_are_lists_as_libpq_has_them() {
    const DATABASE: (&str, &str) = ("POSTGRES_DATABASE", "x");
    for (variables, expected) in [
        (vec![("POSTGRES_HOST", "a,b"), DATABASE], "a:5432,b:5432/x"),
        (
            vec![
                ("POSTGRES_HOST", "a, [::1]"),
                ("POSTGRES_PORT", "1"),
                DATABASE,
            ],
            "a:1,::1:1/x",
        ),
        (
            vec![("POSTGRES_HOST", "a,b"), ("POSTGRES_PORT", "1,"), DATABASE],
            "a:1,b:5432/x",
        ),
        (vec![("DATABASE_URL", "postgres://a:1,b:2/x")], "a:1,b:2/x"),
        (
            vec![("DATABASE_URL", "postgres://u:p,w@a,b:2/x")],
            "a:5432,b:2/x",
        ),
        (
            vec![("DATABASE_URL", "postgres://[::1]:1,[::2]:2/x")],
            "::1:1,::2:2/x",
        ),
        (
            vec![("DATABASE_URL", "postgres:///x?host=a,b&port=1,2")],
            "a:1,b:2/x",
        ),
        (
            vec![(
                "DATABASE_URL",
                "postgres:///x?hostaddr=127.0.0.1,::1&port=1",
            )],
            "127.0.0.1:1,::1:1/x",
        ),
        (
            vec![
                ("DATABASE_URL", "postgres://a,b/x"),
                ("POSTGRES_PORT", "1,2"),
            ],
            "a:1,b:2/x",
        ),
        (
            vec![
                ("DATABASE_URL", "postgres:///x"),
                ("PGHOST", "a,b"),
                ("PGPORT", "1,2"),
            ],
            "a:1,b:2/x",
        ),
        (
            vec![("DATABASE_URL", "postgres://%2Fa%2Fb,c/x")],
            "/a/b,c:5432/x",
        ),
    ] {
        assert_eq!(place(&variables), expected, "{variables:?}");
    }
    for (variables, expected) in [
        (
            vec![("POSTGRES_HOST", "a,b"), ("POSTGRES_PORT", "1,2,3")],
            "POSTGRES_PORT: the number of ports (3) is neither 1 nor that of hosts (2)",
        ),
        (
            vec![("DATABASE_URL", "postgres://a/x"), ("POSTGRES_PORT", "1,2")],
            "POSTGRES_PORT: the number of ports (2) is neither 1 nor that of hosts (1)",
        ),
        (
            vec![("POSTGRES_HOST", "a,")],
            "POSTGRES_HOST: has an empty name in its list of hosts",
        ),
        (
            vec![("POSTGRES_PORT", "1,x")],
            "POSTGRES_PORT: \"x\" is not a port",
        ),
        (
            vec![("DATABASE_URL", "postgres://a:1,b:hunter2/x")],
            "DATABASE_URL: has an invalid port",
        ),
        (
            vec![("DATABASE_URL", "postgres:///x"), ("PGPORT", "x")],
            "PGPORT: \"x\" is not a port",
        ),
    ] {
        assert_eq!(rejection(&[], &variables), expected, "{variables:?}");
    }

    let target = |name: &str| {
        let url = format!("postgres://a/x?target_session_attrs={name}");
        let serve = serve_settings(&[], &[("DATABASE_URL", url.as_str())]);
        postgres(&serve).target
    };
    for (name, expected) in TargetSession::NAMES {
        assert_eq!(target(name), expected);
    }
    assert_eq!(target(""), TargetSession::Any);
    let url = ("DATABASE_URL", "postgres://a/x?target_session_attrs=master");
    let error = rejection(&[], &[url]);
    assert!(
        error.starts_with("DATABASE_URL: target_session_attrs must be one of any, "),
        "{error}"
    );
}
