//! Every syntax and every matching rule takes any octets: a value, an assertion or a part of one is refused or has a
//! normal form, and what is equal to something is equal to itself.

#![no_main]

use headcount::schema::{Comparison, MatchingRule, Schema, SubstringPart, Syntax};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| Schema::load(&[]).expect("the schema that comes with it"));

fuzz_target!(|input: (u8, &[u8], &[u8])| {
    let (choice, value, assertion) = input;
    for syntax in Syntax::ALL {
        let _ = syntax.check(value);
    }
    let rule = MatchingRule::ALL[usize::from(choice) % MatchingRule::ALL.len()];
    let (mut once, mut twice) = (Vec::new(), Vec::new());
    let normal = rule.normalize(&SCHEMA, value, &mut once);
    assert_eq!(rule.normalize(&SCHEMA, value, &mut twice).is_ok(), normal.is_ok());
    assert_eq!(once, twice);
    // Not lines, whose form is no value; nor where a mark would go together with a space before it, or with what was before
    // that where spaces do not count.
    let begins = once.trim_ascii_start().first().is_none_or(u8::is_ascii) && (value.is_ascii() || rule.name().starts_with("case"));
    if normal.is_ok() && rule.is_text() && !rule.name().contains("List") && begins {
        let mut again = Vec::new();
        assert_eq!(rule.normalize(&SCHEMA, &once, &mut again), Ok(()), "{}", rule.name());
        assert_eq!(again, once, "{}", rule.name());
    }
    let _ = rule.normalize_assertion(&SCHEMA, assertion, &mut once);
    for part in [SubstringPart::Initial, SubstringPart::Any, SubstringPart::Final] {
        let _ = rule.normalize_part(part, assertion, &mut once);
    }
    let _ = rule.matches(&SCHEMA, value, assertion);
    // Rules that look at the first component of a value take another kind of assertion.
    let alike = Syntax::of(rule.syntax()).is_some_and(|syntax| syntax.check(value).is_ok());
    if alike && normal.is_ok() && rule.comparison() == Comparison::Equality && !rule.name().contains("FirstComponent") {
        assert_eq!(rule.matches(&SCHEMA, value, value), Ok(true), "{}", rule.name());
    }
});
