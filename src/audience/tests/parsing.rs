//! What the parser takes, what it refuses, and where it points.

use proptest::prelude::*;

use crate::audience::parse::parse;
use crate::domain::audience::{Expression, Term};
use crate::domain::refusal::{Reason, Refusal};

fn refused(text: &str) -> Refusal {
    match parse(text) {
        Ok(tree) => panic!("{text:?} was read as {tree}"),
        Err(refusal) => refusal,
    }
}

fn fact<'a>(refusal: &'a Refusal, key: &str) -> &'a str {
    refusal.metadata.iter().find(|(known, _)| *known == key).map_or("", |(_, value)| value)
}

#[test]
fn terms_are_read_in_every_form() {
    let term = |text: &str| match parse(text) {
        Ok(Expression::Term(term)) => term,
        other => panic!("{text:?}: {other:?}"),
    };
    assert_eq!(term("tag:freshman"), Term::Tag("freshman".into()));
    assert_eq!(term(" grade:2021\n"), Term::Tag("grade:2021".into()));
    assert_eq!(term("tag:grade:2021"), Term::Tag("grade:2021".into()));
    assert_eq!(term("校区:创新港"), Term::Tag("校区:创新港".into()));
    assert_eq!(term("department:cs"), Term::Under("cs".into()));
    assert_eq!(term("Department=cs"), Term::Exactly("cs".into()));
    assert_eq!(term("user:3121151001"), Term::User("3121151001".into()));
    assert_eq!(term("((EVERYONE))"), Term::Everyone);
    assert_eq!(term("caf\u{65}\u{301}:1"), Term::Tag("caf\u{e9}:1".into()), "composed");
}

#[test]
fn syntax_errors_point_at_the_character() {
    for (text, position) in [
        ("", "1"),
        ("  ", "3"),
        ("NOT tag:x", "1"),
        ("tag:a AND", "10"),
        ("tag:a AND OR tag:b", "11"),
        ("AND tag:a", "1"),
        ("tag:a tag:b", "7"),
        ("(tag:a", "7"),
        ("(tag:a tag:b)", "8"),
        ("tag:a)", "6"),
        ("()", "2"),
        ("校区:创新港 和 tag:x", "8"),
        ("freshman", "1"),
        ("grade=2021", "6"),
        ("tag:\"x", "5"),
        ("grade：2021", "6"),
        ("user:@all", "6"),
        ("user:a|b", "6"),
        ("department:", "12"),
        ("tag:everyone", "5"),
        ("tag:x\u{200d}y", "5"),
        ("everyone:1", "1"),
        ("tag:a OR NOT tag:b", "10"),
        ("tag:a AND (tag:b OR NOT tag:c)", "21"),
        ("NOT tag:a AND NOT tag:b", "1"),
        ("tag:a AND NOT NOT tag:b", "15"),
        ("tag:a && tag:b", "7"),
        ("'; DROP TABLE tag; --", "1"),
    ] {
        let refusal = refused(text);
        assert_eq!(refusal.reason, Reason::AudienceSyntax, "{text:?}: {refusal}");
        assert_eq!(fact(&refusal, "position"), position, "{text:?}: {refusal}");
        assert!(!fact(&refusal, "expected").is_empty());
        assert_eq!(refusal.field.as_deref(), Some("audience.expression"));
        assert!(!refusal.message.chars().any(char::is_control), "{text:?}: {refusal}");
    }
    assert!(refused("NOT tag:x").message.contains("everyone AND NOT"));
    assert!(refused("freshman").message.contains("tag:freshman"));
}

#[test]
fn mixing_and_with_or_shows_both_readings_and_each_of_them_is_accepted() {
    for (text, a, b) in [
        ("tag:a and tag:b or tag:c", "(tag:a AND tag:b) OR tag:c", "tag:a AND (tag:b OR tag:c)"),
        (
            "tag:a OR tag:b AND NOT tag:c OR tag:d",
            "tag:a OR (tag:b AND NOT tag:c) OR tag:d",
            "(tag:a OR tag:b) AND (NOT tag:c OR tag:d)",
        ),
        (
            "k:1 AND (tag:a OR tag:b AND (k:2 OR k:3))",
            "k:1 AND (tag:a OR (tag:b AND (k:2 OR k:3)))",
            "k:1 AND ((tag:a OR tag:b) AND (k:2 OR k:3))",
        ),
    ] {
        let refusal = refused(text);
        assert_eq!(refusal.reason, Reason::AudienceAmbiguous);
        assert_eq!((fact(&refusal, "reading_a"), fact(&refusal, "reading_b")), (a, b));
        assert!(parse(a).is_ok());
    }
}

#[test]
fn limits_end_what_is_too_long_wide_or_deep() {
    let terms = |n: usize| vec!["tag:a"; n].join(" OR ");
    let nested = |n: usize| format!("{}tag:a{}", "(".repeat(n), ")".repeat(n));
    assert!(parse(&terms(64)).is_ok() && parse(&nested(16)).is_ok());
    for (text, unit) in [
        (terms(65), "terms"),
        (nested(17), "levels"),
        ("(".repeat(4_000), "levels"),
        ("x".repeat(4_097), "bytes"),
        (terms(10_000), "bytes"),
    ] {
        let refusal = refused(&text);
        assert_eq!((refusal.reason, fact(&refusal, "unit")), (Reason::AudienceTooComplex, unit));
        assert!(refusal.message.len() < 300);
    }
    let long = refused(&format!("tag:a AND tag:b OR {}", terms(63))).to_string();
    assert!(long.len() < 2_000, "a refusal fits the header of an answer");
}

/// Expressions as the parser may build them: every `NOT` beside something it takes from.
fn expressions() -> impl Strategy<Value = Expression> {
    let term = prop_oneof![
        Just(Term::Everyone),
        "[a-z]{1,6}:[0-9一-十]{1,4}".prop_map(Term::Tag),
        "[x-z]{2,6}".prop_map(Term::Tag),
        "[A-Za-z0-9._-]{1,8}".prop_map(Term::Under),
        "[A-Za-z0-9._-]{1,8}".prop_map(Term::Exactly),
        "[A-Za-z0-9._-]{1,8}".prop_map(Term::User),
    ]
    .prop_filter(
        "a key of the language",
        |term| !matches!(term, Term::Tag(name) if !crate::domain::directory::is_tag_name(name)),
    )
    .prop_map(Expression::Term);
    term.prop_recursive(4, 24, 4, |inner| {
        let many = prop::collection::vec(inner.clone(), 2..4);
        let without = (inner.clone(), prop::collection::vec(inner, 1..3)).prop_map(|(all, none)| {
            let none = none.into_iter().map(|one| Expression::Not(Box::new(one)));
            Expression::And(std::iter::once(all).chain(none).collect())
        });
        prop_oneof![many.clone().prop_map(Expression::And), many.prop_map(Expression::Or), without]
    })
}

proptest! {
    #[test]
    fn no_bytes_make_the_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = parse(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn no_words_make_the_parser_panic(
        words in prop::collection::vec(
            prop::sample::select(vec!["AND", "or", "not", "(", ")", "tag:a", "department=", "user:1", "everyone", "：", "é"]),
            0..40,
        )
    ) {
        for gap in ["", " "] {
            if let Ok(tree) = parse(&words.join(gap)) {
                prop_assert_eq!(parse(&tree.to_string()), Ok(tree));
            }
        }
    }

    #[test]
    fn what_is_shown_reads_back(tree in expressions()) {
        prop_assert_eq!(parse(&tree.to_string()), Ok(tree));
    }
}
