use super::{Page, Pages, samples};
use crate::base::language::Language;
use std::fs;
use std::path::Path;

fn ours() -> Pages {
    let (pages, warnings) = Pages::new(None);
    assert_eq!(warnings, Vec::<String>::new());
    pages
}

fn with(files: &[(&str, &str)]) -> (Pages, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    Pages::new(Some(folder.path()))
}

fn sample(name: &str) -> Page {
    samples().into_iter().find(|it| it.0 == name).unwrap().1
}

fn policy(pages: &Pages, name: &str) -> String {
    pages.policy(&sample(name)).to_str().unwrap().to_owned()
}

#[test]
fn every_page_is_whole_html_for_people_and_for_screen_readers() {
    let pages = ours();
    for (name, page) in samples() {
        let html = pages.render(&page, Language::English);
        assert!(html.starts_with("<!doctype html>\n<html lang=\"en\">"), "{name}");
        for (part, times) in [
            ("<h1>", 1),
            ("<main", 1),
            ("<footer>", 1),
            ("<title>", 1),
            ("<style>", 1),
            ("name=\"viewport\"", 1),
            (" style=", 0),
        ] {
            assert_eq!(html.matches(part).count(), times, "{part} in {name}");
        }
        let has_script = matches!(&page, Page::SetUp(it) if it.is_steps())
            || matches!(&page, Page::Fragment { .. });
        assert_eq!(html.matches("<script").count(), usize::from(has_script), "{name}");
        assert!(
            !html.contains("<title></title>")
                && !html.contains("http://")
                && !html.contains("src="),
            "{name}"
        );
    }
}

#[test]
fn a_notice_says_what_happened_whose_move_it_is_what_to_do_and_gives_a_reference() {
    let html = ours().render(&sample("not-assigned"), Language::English);
    for part in [
        "<title>You are not assigned to this app</title>",
        "<h1>You are not assigned to this app</h1>",
        "<dd>Your administrator</dd>",
        "<a class=\"button\" href=\"/oauth2/start?rd=%2Freports%3Fyear%3D2026\">Try again</a>",
        "<code>4bf92f3577b34da6a3ce929d0e0e4736</code>",
        "<dt>Status</dt><dd>403</dd>",
        "<dt>Code</dt><dd>AADSTS50105</dd>",
        "<summary>Technical details: AADSTS50105</summary>",
        "<h2 id=\"remedy\">For your administrator</h2>",
    ] {
        assert!(html.replace("&#x2f;", "/").contains(part), "{part} in {html}");
    }
}

#[test]
fn no_word_becomes_markup_on_any_page() {
    let pages = ours();
    for (name, page) in samples() {
        let html = pages.render(&super::hostile::make_hostile(&page), Language::English);
        assert!(html.contains("x-entrada&gt;"), "{name} does not print its words: {html}");
        assert!(!super::hostile::contains_hostile_text(&html), "{name}");
    }
}

#[test]
fn a_place_that_is_no_link_is_not_shown_as_one() {
    let html = ours()
        .render(&Page::SignedOut { sign_in: "javascript:alert(1)".to_owned() }, Language::English);
    assert!(!html.contains("javascript") && html.contains("<h1>You are signed out</h1>"));
}

#[test]
fn the_policy_names_exactly_the_style_sheet_that_stands_in_the_page() {
    use base64::Engine as _;
    let html = ours().render(&sample("sign-in"), Language::English);
    let style = html.split_once("<style>").unwrap().1.split_once("</style>").unwrap().0;
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, style.as_bytes());
    let source = format!("'sha256-{}'", base64::engine::general_purpose::STANDARD.encode(digest));
    let expected = format!(
        "default-src 'none'; style-src {source}; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
    );
    assert_eq!(policy(&ours(), "sign-in"), expected);
}

#[test]
fn only_the_form_that_leads_on_to_entra_is_free_of_form_action() {
    for (name, page) in samples() {
        let is_form = matches!(
            &page,
            Page::ConfirmSignOut { .. } | Page::Identify(_) | Page::NativeConfirm(_)
        ) || matches!(&page, Page::SetUp(it) if it.is_steps());
        // These have no form, and lead to a sign-in.
        let allowed = match &page {
            Page::Fragment { .. } => None,
            Page::Framed { .. } => Some("form-action 'none'"),
            _ => (!is_form).then_some("form-action 'self'"),
        };
        let policy = policy(&ours(), name);
        let said = policy.split("; ").find(|it| it.starts_with("form-action"));
        assert_eq!(said, allowed, "{name}");
    }
}

#[test]
fn an_operator_replaces_one_template_and_keeps_the_others() {
    let (pages, warnings) = with(&[
        (
            "signed_out.html",
            "{% extends \"layout.html\" %}{% block content %}<h1>Bye</h1>{% include \"_logo.html\" %}{% endblock %}",
        ),
        ("_logo.html", "<img src=\"/logo.png\" alt=\"Contoso\">"),
    ]);
    assert_eq!(warnings, Vec::<String>::new());
    assert!(
        pages
            .render(&sample("signed-out"), Language::English)
            .contains("<h1>Bye</h1><img src=\"/logo.png\" alt=\"Contoso\">")
    );
    assert!(
        pages
            .render(&sample("forbidden"), Language::English)
            .contains("<h1>You do not have access to this page</h1>")
    );
    assert!(policy(&pages, "signed-out").contains("img-src 'self' data:"));
}

#[test]
fn an_operator_says_things_in_other_words_by_the_code() {
    let notice = "{% for it in details if it.name == \"Code\" and it.value == \"AADSTS50105\" %}<p>Ask the service admin, extension 1234.</p>{% else %}<h1>{{ title }}</h1>{% endfor %}";
    let (pages, warnings) = with(&[("notice.html", notice)]);
    assert_eq!(warnings, Vec::<String>::new());
    assert_eq!(
        pages.render(&sample("not-assigned"), Language::English),
        "<p>Ask the service admin, extension 1234.</p>"
    );
    assert_eq!(
        pages.render(&sample("cancelled"), Language::English),
        "<h1>You canceled the sign-in</h1>"
    );
}

#[test]
fn an_operators_style_sheet_is_in_the_page_and_in_the_policy() {
    let (pages, warnings) = with(&[("style.css", "h1{color:red}\r\n")]);
    assert_eq!(warnings, Vec::<String>::new());
    assert!(
        pages
            .render(&sample("forbidden"), Language::English)
            .contains("<style>h1{color:red}\n</style>")
    );
    let source = super::style::StyleSheet::new("h1{color:red}\n").unwrap().source().to_owned();
    assert!(policy(&pages, "forbidden").contains(&source));
}

#[test]
fn a_template_that_cannot_be_used_is_named_with_its_reason_and_ours_stands_in() {
    let cases = [
        ("notice.html", "{% if %}", "notice.html, line 1"),
        ("notice.html", "{{ titel }}", "`titel` is undefined"),
        ("notice.html", "{{ title|safe }}", "filter safe is unknown"),
        ("notice.html", "{% autoescape false %}{{ title }}{% endautoescape %}", "without escaping"),
        (
            "notice.html",
            "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}",
            "ran out of fuel",
        ),
        ("notice.html", "{% include \"../secret\" %}", "non-existing template"),
        ("layout.html", "{% block content %}", "layout.html"),
        ("style.css", "</style><b>", "</style"),
    ];
    for (name, text, why) in cases {
        let (pages, warnings) = with(&[(name, text)]);
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].contains(name) && warnings[0].contains(why), "{why}: {}", warnings[0]);
        assert_eq!(
            pages.render(&sample("forbidden"), Language::English),
            ours().render(&sample("forbidden"), Language::English)
        );
        assert_eq!(policy(&pages, "forbidden"), policy(&ours(), "forbidden"));
    }
}

#[test]
fn one_bad_template_does_not_take_a_good_one_with_it() {
    let (pages, warnings) =
        with(&[("notice.html", "{{ titel }}"), ("sign_in.html", "<h1>Welcome to {{ app }}</h1>")]);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert_eq!(
        pages.render(&sample("sign-in"), Language::English),
        "<h1>Welcome to reports.contoso.example</h1>"
    );
    assert!(
        pages
            .render(&sample("forbidden"), Language::English)
            .contains("<h1>You do not have access to this page</h1>")
    );
}

#[test]
fn a_file_that_bears_no_name_of_ours_is_pointed_out() {
    let (_, warnings) = with(&[("sign-in.html", "<h1>Welcome</h1>"), ("logo.svg", "<svg/>")]);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings[0].contains("sign-in.html is not used") && warnings[0].contains("sign_in.html")
    );
}

#[test]
fn a_folder_that_is_not_there_is_a_warning() {
    let (pages, warnings) = Pages::new(Some(Path::new("/nonexistent/templates")));
    assert!(warnings[0].contains("/nonexistent/templates cannot be read"), "{warnings:?}");
    assert_eq!(
        pages.render(&sample("sign-in"), Language::English),
        ours().render(&sample("sign-in"), Language::English)
    );
}

#[test]
fn what_an_operators_template_cannot_render_ours_does() {
    let fails_for_one_title = "{% if title == \"Round\" %}{{ titel }}{% endif %}<h1>Theirs</h1>";
    let (pages, warnings) = with(&[("notice.html", fails_for_one_title)]);
    assert_eq!(warnings, Vec::<String>::new());
    let Page::Notice(mut notice) = sample("forbidden") else { panic!("no notice") };
    assert!(
        pages.render(&Page::Notice(notice.clone()), Language::English).contains("<h1>Theirs</h1>")
    );
    notice.title = "Round".to_owned();
    let page = Page::Notice(notice);
    assert_eq!(pages.render(&page, Language::English), ours().render(&page, Language::English));
}

/// `tests/outside/pages.mjs` inspects these files too.
#[test]
fn all_pages_are_written_to_the_target_folder_to_be_looked_at() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/pages");
    fs::create_dir_all(&folder).unwrap();
    let pages = ours();
    for (name, page) in samples() {
        let html = pages.render(&page, Language::English);
        fs::write(folder.join(format!("{name}.html")), &html).unwrap();
        assert!(html.trim_end().ends_with("</html>"), "{name}");
    }
}

#[test]
fn a_page_whose_words_are_german_is_german() {
    let pages = ours();
    let html = pages.render(&sample("identify"), Language::German);
    for part in [
        "<html lang=\"de\">",
        "<label for=\"identifier\">Benutzername oder Firmencode</label>",
        ">Weiter mit contoso</a>",
    ] {
        assert!(html.contains(part), "{part} in {html}");
    }
    for (name, page) in samples() {
        let html = pages.render(&page, Language::German);
        assert!(html.contains("</main>") && !html.contains("{code}"), "{name}");
        assert!(html.contains("<html lang=\"de\">"), "{name}");
    }
}

#[test]
fn the_page_of_a_credential_says_which_kind_it_is_and_which_one_waits() {
    let pages = ours();
    for (name, says) in [
        (
            "setup-credential",
            [
                "The client secret expires on",
                "A new client secret is waiting",
                "Check that you copied the Value",
            ],
        ),
        (
            "setup-credential-certificate",
            [
                "The certificate expires on",
                "A token from the app’s owner is waiting",
                "Contact the app’s owner, who set it",
            ],
        ),
        (
            "setup-credential-unread",
            [
                "The client secret expires on",
                "A token from the app’s owner is waiting",
                "the source it is read from is missing",
            ],
        ),
        (
            "setup-credential-federated",
            [
                "you have no secret that could expire",
                "A new certificate is waiting",
                "Contact the app’s owner, who set it",
            ],
        ),
    ] {
        let html = pages.render(&sample(name), Language::English);
        assert!(says.iter().all(|it| html.contains(it)), "{name}: {html}");
    }
}

#[test]
fn the_policy_of_a_page_names_its_one_script_and_no_other_page_may_run_any() {
    let pages = ours();
    for (name, page) in samples() {
        let (html, policy) = (pages.render(&page, Language::English), policy(&pages, name));
        match html.split_once("<script>") {
            Some((_, after)) => {
                let digest = aws_lc_rs::digest::digest(
                    &aws_lc_rs::digest::SHA256,
                    after.split_once("</script>").unwrap().0.as_bytes(),
                );
                assert!(
                    policy.contains(&format!(
                        "; script-src 'sha256-{}';",
                        base64::Engine::encode(&base64::engine::general_purpose::STANDARD, digest)
                    )),
                    "{policy}"
                );
                assert!(
                    html.contains("hidden>Copy the redirect URI</button>")
                        || html.contains("<noscript><meta http-equiv=\"refresh\""),
                    "without a script there is no button, or the page goes on"
                );
            }
            None => assert!(!policy.contains("script-src"), "{name}: {policy}"),
        }
    }
}
