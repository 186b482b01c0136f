//! Domains that an operator claims and verifies for a company.

use super::super::CliFolder;
use crate::world::company::company;
use crate::world::name_server::{NameAnswer, NameServer};
use crate::world::samples::{CONTOSO, FABRIKAM};
use crate::world::{CLIENT_SECRET, SEAL, World, WorldPlan, free_port};
use entrada::directory::change::NewOrganization;

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_claims_verifies_and_removes_a_domain_for_a_company() {
    let dns = NameServer::start().await;
    let unbound = |code, tenant| NewOrganization { domains: vec![], ..company(code, tenant) };
    let plan = WorldPlan::of_directory(&dns.line())
        .with_organizations([unbound("contoso", CONTOSO), unbound("fabrikam", FABRIKAM)]);
    let world = World::with(plan).await;
    let place = CliFolder::new()
        .with("STORY_CLIENT_SECRET", CLIENT_SECRET)
        .with("STORY_SEAL", SEAL)
        .with("USER", "olga");
    place.writes("entrada.toml", &world.text_for(free_port(), free_port()));
    let told = place.does("organization domain add contoso Contoso-Mail.example");
    let record = "_entrada-challenge.contoso-mail.example  TXT  entrada-verification=";
    assert!(told.contains("contoso-mail.example is not proven yet") && told.contains(record));
    let shown = place.does("organization show contoso");
    assert!(shown.contains("domains            contoso-mail.example (pending)\n"), "{shown}");
    let verify = "organization domain verify contoso contoso-mail.example";
    assert_eq!(place.json(verify)["waits_for"], "no_record");
    let shown = place.json("organization show contoso");
    let proof = &shown["domain_proofs"][0];
    assert_eq!((&shown["domains"], &proof["by"]), (&serde_json::json!([]), &"pending".into()));
    let name = proof["record"]["name"].as_str().unwrap();
    dns.answers(name, NameAnswer::Code(2));
    assert!(place.does(verify).contains("DNS did not answer"));
    let value = proof["record"]["value"].as_str().unwrap().to_owned();
    dns.answers(name, NameAnswer::Texts(vec![value]));
    assert_eq!(place.does(verify), "contoso-mail.example is known (dns)\n");
    let shown = place.json("organization show contoso");
    assert_eq!(shown["domains"], serde_json::json!(["contoso-mail.example"]));
    let taken = "organization domain add fabrikam contoso-mail.example";
    place.refuses(taken, "error: addresses at contoso-mail.example belong to another organization");
    for (line, with) in [
        ("organization domain add fabrikam contoso.example", "Entra knows the domain in another"),
        ("organization domain add fabrikam gmail.com", "anyone can have an e-mail address"),
        ("organization domain verify fabrikam x.example", "was not claimed"),
        ("organization domain add nobody x.example", "no organization has the code nobody"),
    ] {
        place.refuses(line, with);
    }
    let history = place.does("organization history contoso");
    assert!(
        history.contains("operator olga  -       domain contoso-mail.example proven by its TXT")
    );
    let remove = "organization domain remove contoso contoso-mail.example";
    assert_eq!(place.does(remove), "removed contoso-mail.example\n");
    place.refuses(remove, "was not claimed");
    assert!(place.does("organization show contoso").contains("domains            -\n"));
}
