//! `[directory]` and the organizations in the file.

use super::*;

const COMPANY: &str = r#"
[[organization]]
code = "Contoso"
tenant = "aaaabbbb-0000-cccc-1111-dddd2222eeee"
client_id = "11112222-bbbb-3333-cccc-4444dddd5555"
client_secret = { env = "CLIENT" }
domains = ["Contoso.com"]
"#;

#[test]
fn organizations_take_what_they_do_not_say_from_the_directory() {
    let more = format!(
        "[session]\nsecrets = [{{ env = \"CLIENT\" }}]\n[directory]\ndefault_role = \"owner\"\n{COMPANY}"
    );
    let directory = meant(&format!("{SMALL}{more}"), &[("CLIENT", SECRET)]).directory.unwrap();
    assert!(
        matches!(&directory.database, directory::DatabaseConfig::Sqlite(path) if path == std::path::Path::new("entrada.db"))
    );
    let [contoso] = directory.organizations.as_slice() else { panic!("{directory:?}") };
    assert_eq!(
        (contoso.code.as_str(), contoso.name.as_str(), contoso.default_role.as_str()),
        ("contoso", "contoso", "owner")
    );
    assert_eq!(
        (contoso.domains.as_slice(), contoso.first_sign_in, contoso.guests),
        (["contoso.com".to_owned()].as_slice(), None, true)
    );
    assert!(meant(SMALL, &[("CLIENT", SECRET)]).directory.is_none());
}

#[test]
fn organizations_that_meet_and_organizations_without_a_directory_are_refused() {
    let report = report_of(&format!(
        "[session]\nsecrets = [{{ env = \"CLIENT\" }}]\n[directory]\n{COMPANY}{COMPANY}"
    ));
    assert!(
        report.contains("\"contoso\" already belongs to another organization")
            && report.contains("\"contoso.com\" already belongs to another organization"),
        "{report}"
    );
    assert!(report_of(COMPANY).contains("organization.code  needs [directory]"));
}

#[test]
fn a_password_of_the_database_belongs_elsewhere_and_is_never_shown() {
    let more = |it: &str| {
        format!("{SMALL}[session]\nsecrets = [{{ env = \"CLIENT\" }}]\n[directory]\n{it}\n")
    };
    let address = "postgres://entrada:hunter2@db.example/entrada";
    let warned = report(&more(&format!("database = \"{address}\"")), &[("CLIENT", SECRET)]);
    assert!(
        warned.contains("the file contains a password") && !warned.contains("hunter2"),
        "{warned}"
    );
    let config = meant(&more(""), &[("CLIENT", SECRET), ("ENTRADA_DIRECTORY_DATABASE", address)]);
    assert!(!format!("{config:?}").contains("hunter2"));
}
