//! Any input is either read or rejected.

use super::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_or_refused(text in any::<String>(), value in any::<String>()) {
        let environment = environment(&[("ENTRADA_SERVER_LISTEN", &value), ("ENTRADA_SERVER_PUBLIC_URL", &value), ("ENTRADA_UPSTREAM_URL", &value)]);
        let outcome = read("x", &text, &environment);
        prop_assert_eq!(outcome.config.is_none(), !outcome.problems.is_empty());
        problem::print(&outcome, "x");
    }

    #[test]
    fn any_change_of_the_example_is_read_or_refused(at in 0..EXAMPLE.len(), length in 0..40_usize, put in "[\\[\\]{}\"=,.a-zä0-9/ \n#-]{0,12}") {
        let end = (at + length).min(EXAMPLE.len());
        prop_assume!(EXAMPLE.is_char_boundary(at) && EXAMPLE.is_char_boundary(end));
        let text = format!("{}{put}{}", &EXAMPLE[..at], &EXAMPLE[end..]);
        let outcome = read("x", &text, &environment(&[("AZURE_CLIENT_SECRET", SECRET), ("ENTRADA_SECRET", SECRET)]));
        prop_assert_eq!(outcome.config.is_none(), !outcome.problems.is_empty());
        prop_assert!(!problem::print(&outcome, "x").contains(SECRET));
    }

    #[test]
    fn any_value_of_any_key_is_read_or_refused(value in any::<String>(), which in any::<prop::sample::Index>()) {
        let keys = keys();
        let Some(variable) = keys.get(which.index(keys.len())).and_then(|it| it.variable.clone()) else { return Ok(()) };
        let mut environment = environment(&[("AZURE_CLIENT_SECRET", SECRET), ("ENTRADA_SECRET", SECRET)]);
        environment.push((variable, value));
        let outcome = read("x", EXAMPLE, &environment);
        prop_assert_eq!(outcome.config.is_none(), !outcome.problems.is_empty());
    }
}
